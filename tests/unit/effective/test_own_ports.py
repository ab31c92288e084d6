"""The control plane's ports are recognised at every address that leads there."""

from __future__ import annotations

import pytest

from meshmeter.effective.own_ports import NO_PORTS, OwnPorts

LOCAL = OwnPorts((("127.0.0.1", 5681, "the resource API"),), frozenset({"192.168.0.1"}))
OPEN = OwnPorts((("0.0.0.0", 5678, "ADS"),), frozenset({"192.168.0.1", "fd00::1"}))


@pytest.mark.parametrize(
    ("ports", "address", "port", "found"),
    [
        (LOCAL, "127.0.0.1", 5681, "the resource API"),
        (LOCAL, "0x7f000001", 5681, "the resource API"),
        (LOCAL, "::ffff:127.0.0.1", 5681, "the resource API"),
        (LOCAL, "127.0.0.1", 5670, None),
        (LOCAL, "192.168.0.1", 5681, None),
        (OPEN, "192.168.0.1", 5678, "ADS"),
        (OPEN, "127.0.0.9", 5678, "ADS"),
        (OPEN, "FD00:0::1", 5678, "ADS"),
        (OPEN, "192.168.0.2", 5678, None),
        (NO_PORTS, "127.0.0.1", 5678, None),
    ],
)
def test_at(ports: OwnPorts, address: str, port: int, found: str | None) -> None:
    assert ports.at(address, port) == found


def test_the_loopback_of_another_host_is_not_ours() -> None:
    assert LOCAL.beside("127.0.0.1", 5681, "192.168.0.1") == "the resource API"
    assert LOCAL.beside("127.0.0.1", 5681, "127.0.0.3") == "the resource API"
    assert LOCAL.beside("127.0.0.1", 5681, "192.168.0.2") is None
    assert OPEN.beside("192.168.0.1", 5678, "192.168.0.2") == "ADS"
