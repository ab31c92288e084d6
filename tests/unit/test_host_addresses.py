"""The addresses that this host has."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from meshmeter.host_addresses import host_addresses


def test_loopback_is_among_them() -> None:
    assert ip_address("127.0.0.1") in host_addresses()


def test_those_of_another_are_not() -> None:
    assert not {ip_address("192.0.2.77"), ip_address("2001:db8::77")} & host_addresses()


def test_all_ipv6_addresses_of_the_kernels_list_are_among_them() -> None:
    listed = Path("/proc/net/if_inet6")
    if not listed.exists():
        pytest.skip("this kernel has no IPv6")
    lines = listed.read_text().split("\n")
    expected = {ip_address(bytes.fromhex(line.split()[0])) for line in lines if line}
    assert expected <= host_addresses()


def test_the_address_that_leads_to_others_is_among_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.77", 9))  # nothing is sent
        except OSError:
            pytest.skip("this host has no route to others")
        assert ip_address(probe.getsockname()[0]) in host_addresses()


def test_all_that_a_socket_can_be_bound_to_and_loopback_is_among_them() -> None:
    found = host_addresses()
    assert ip_address("127.0.0.1") in found
    for address in found:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        if not address.is_link_local:  # needs the name of its interface
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((str(address), 0))
