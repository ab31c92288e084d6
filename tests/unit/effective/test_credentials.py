"""What is at hand to protect a proxy, and that its key is not shown."""

from __future__ import annotations

from datetime import UTC, datetime

from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials, Identity


def test_the_key_is_in_no_text() -> None:
    identity = Identity("shop", "cert", "SECRET", "bundle", datetime(2030, 1, 1, tzinfo=UTC), "1")
    assert "SECRET" not in repr(Credentials(identity=identity)) + str(identity)


def test_without_credentials_there_is_no_identity() -> None:
    assert NO_CREDENTIALS.identity is None and NO_CREDENTIALS.provided is None
