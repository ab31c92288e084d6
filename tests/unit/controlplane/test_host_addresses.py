"""The addresses of this host."""

from __future__ import annotations

import socket

from meshmeter.controlplane.host_addresses import host_addresses


def test_all_that_a_socket_can_be_bound_to_and_loopback_is_among_them() -> None:
    found = host_addresses()
    assert "127.0.0.1" in found
    for address in found:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if not address.startswith("fe80"):  # needs the name of its interface
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((address, 0))
