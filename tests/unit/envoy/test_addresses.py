"""Socket addresses in Envoy's form."""

from __future__ import annotations

import pytest

from meshmeter.envoy.addresses import ip_literal, load_assignment, pipe, socket_address


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("FD00:0::1", "fd00::1"),
        ("example.com", None),
        ("localhost", None),
        ("fe80::1%eth0", None),
        ("300.1.1.1", None),
        ("", None),
        (None, None),
    ],
)
def test_only_ip_addresses_will_do(text: str | None, ip: str | None) -> None:
    assert ip_literal(text) == ip


def test_an_assignment_without_addresses_is_empty() -> None:
    assert load_assignment("a", []) == {"clusterName": "a"}


def test_an_assignment_has_one_locality() -> None:
    assigned = load_assignment("a", [socket_address("::1", 80), pipe("/x.sock")])
    (locality,) = assigned["endpoints"]
    assert [e["endpoint"]["address"] for e in locality["lbEndpoints"]] == [
        {"socketAddress": {"address": "::1", "portValue": 80}},
        {"pipe": {"path": "/x.sock"}},
    ]
