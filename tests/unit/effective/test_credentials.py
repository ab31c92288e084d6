"""What is at hand to protect a proxy, and that its key is not shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.effective.credentials import (
    NO_CREDENTIALS,
    CertificateState,
    Credentials,
    Identity,
    ProvidedCertificate,
)


def test_the_key_is_in_no_text() -> None:
    identity = Identity("shop", "cert", "SECRET", "bundle", datetime(2030, 1, 1, tzinfo=UTC), "1")
    assert "SECRET" not in repr(Credentials(identity=identity)) + str(identity)


def test_without_credentials_there_is_no_identity() -> None:
    assert NO_CREDENTIALS.identity is None and NO_CREDENTIALS.provided is None


@pytest.mark.parametrize(
    ("names", "host", "is_for"),
    [
        (("10.0.0.7",), "10.0.0.7", True),
        (("10.0.0.7",), "::ffff:10.0.0.7", True),
        (("2001:db8::7",), "2001:DB8:0::7", True),
        (("*.0.0.7",), "10.0.0.7", False),
        (("App.example",), "app.EXAMPLE.", True),
        (("*.example",), "app.example", True),
        (("*.example",), "a.app.example", False),
        (("*.example",), "example", False),
        (("*",), "app", False),
        ((), "app", False),
    ],
)
def test_the_name_that_a_client_looks_for(names: tuple[str, ...], host: str, is_for: bool) -> None:
    assert ProvidedCertificate(CertificateState.USABLE, names=names).is_for(host) is is_for
