"""Addresses as users write them (IP literals or host names), compared without resolving anything.

Names are equal only as text, except `localhost`, which is loopback everywhere. An IPv4-mapped IPv6 address is
the IPv4 address it stands for, so that `::ffff:169.254.169.254` is no way around a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> IPAddress | None:
    """The IP address, IPv4-mapped ones unwrapped; None for a host name or anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def same(one: str, other: str) -> bool:
    """True if both are written the same, whatever the spelling of an IP or the case of a name."""
    left, right = parse_ip(one), parse_ip(other)
    if left is None and right is None:
        return one.lower() == other.lower()
    return left == right


def overlap(one: str, other: str) -> bool:
    """True if sockets bound to both would collide on a port: equal, or either is a wildcard (kuma-facts 3).

    An absent address overlaps nothing.
    """
    if not one or not other:
        return False
    return is_wildcard(one) or is_wildcard(other) or same(one, other)


def is_wildcard(text: str) -> bool:
    """`0.0.0.0`, `::` and their spellings."""
    address = parse_ip(text)
    return address is not None and address.is_unspecified


def is_loopback(text: str) -> bool:
    address = parse_ip(text)
    return address.is_loopback if address is not None else text.lower() == "localhost"


def is_link_local(text: str) -> bool:
    """169.254.0.0/16 and fe80::/10: cloud metadata services answer there (design 8)."""
    address = parse_ip(text)
    return address is not None and address.is_link_local


def within(text: str, networks: Iterable[IPNetwork]) -> bool:
    """True if it is an IP of one of the networks. A name is in none: what it resolves to may change."""
    address = parse_ip(text)
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )
