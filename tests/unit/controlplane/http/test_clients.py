from __future__ import annotations

import pytest

from meshmeter.controlplane.http.clients import client_of


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_client_behind_an_address(host: str, client: str) -> None:
    assert client_of(host) == client


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="unix"):
        client_of("unix")
