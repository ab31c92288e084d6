"""How long certificates live, and what they let in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meshmeter.effective.certificate_lifetime import (
    DEFAULT_LIFETIME,
    certificate_lifetime,
    http_connection,
    tcp_connection,
)
from meshmeter.resources.mesh import Mtls

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [(None, DEFAULT_LIFETIME), ("5s", 5 * SECOND), ("1s", 4 * SECOND), ("30d", timedelta(days=30))],
)
def test_how_long_certificates_live(written: str | None, expected: timedelta) -> None:
    backend: dict[str, Any] = {"name": "ca", "type": "builtin"}
    if written:
        backend["dpCert"] = {"rotation": {"expiration": written}}
    made = Mtls.model_validate({"enabledBackend": "ca", "backends": [backend]})
    assert certificate_lifetime(made) == expected


def test_no_connection_outlives_a_certificate_that_is_renewed_at_half_of_its_life() -> None:
    assert tcp_connection(timedelta(hours=24)) == timedelta(hours=12)
    assert http_connection(timedelta(hours=24)) == timedelta(hours=1)
    assert http_connection(6 * SECOND) == tcp_connection(6 * SECOND) == 3 * SECOND
