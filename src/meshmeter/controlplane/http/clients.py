"""Whom a connection is counted for."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

IPV6_PREFIX = 64
"""Bits: one host may use every address of such a network."""


def client_of(host: str) -> str:
    """The client behind an address: the address itself, of IPv6 its network. Raises ValueError if it is no address."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
