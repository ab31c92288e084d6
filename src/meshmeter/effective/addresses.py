"""Addresses as users write them (IP literals or host names), compared without resolving anything.

Names are equal only as text, except `localhost`, which is loopback everywhere. An address is what it stands for,
however it is written (`resources.addresses`), so that `::ffff:169.254.169.254` or `2852039166` is no way around a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from meshmeter.resources.addresses import parse_ip

IPNetwork = IPv4Network | IPv6Network


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


def within(text: str, networks: Iterable[IPNetwork]) -> bool:
    """True if it is an IP of one of the networks. A name is in none: what it resolves to may change."""
    address = parse_ip(text)
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )
