"""Addresses as users write them, IP literals or host names: what they really are, compared without resolving
anything.

Resolvers take more for an IPv4 address than the usual four numbers: `2852039166`, `0xa9fea9fe` and `0251.0376.43518`
are all 169.254.169.254, and several IPv6 addresses carry an IPv4 address that they lead to. A rule that looks at the
spelling alone is no rule. Names are equal only as text, except `localhost`, which is loopback everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

METADATA = frozenset(
    map(
        ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle Cloud
            "fd00:c1::a9fe:a9fe",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
"""Where clouds answer with credentials of the host, beside the link-local 169.254.169.254 of nearly all of them."""

METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
"""Names that lead there inside of a cloud."""

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Prefixes whose last 32 bits are the IPv4 address that is reached."""


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> IPAddress | None:
    """The IP address that a resolver makes of it, an IPv4 address within an IPv6 one unwrapped; None for a host name
    or anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return _numbers(text.removesuffix("."))
    return _unwrapped(address) if isinstance(address, IPv6Address) else address


def _numbers(text: str) -> IPv4Address | None:
    """One to four numbers, decimal, octal or hexadecimal, the last of which fills what is left (inet_aton(3))."""
    parts = text.split(".")
    if len(text) > 64 or len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *head, last = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(number > 255 for number in head) or last >= 256 ** (4 - len(head)):
        return None
    value = last
    for position, number in enumerate(head):
        value += number << (24 - 8 * position)
    return IPv4Address(value)


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:], 16)
    return int(part, 8) if part.startswith("0") else int(part)


def _unwrapped(address: IPv6Address) -> IPAddress:
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and int(address) > 1 and any(address in network for network in TRANSLATED):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def is_metadata(text: str) -> bool:
    """True for a metadata service of a cloud, link-local or not."""
    address = parse_ip(text)
    if address is None:
        return text.lower().removesuffix(".") in METADATA_NAMES
    return address.is_link_local or address in METADATA


def is_odd_literal(text: str) -> bool:
    """True for an IPv4 address that is not written as four decimal numbers, and so looks like a name."""
    try:
        ip_address(text)
    except ValueError:
        return parse_ip(text) is not None
    return False


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
    address = _as_bound(text)
    return address is not None and address.is_unspecified


def is_loopback(text: str) -> bool:
    """True for what leads to this very host."""
    address = _as_bound(text)
    return address.is_loopback if address is not None else text.lower() == "localhost"


def _as_bound(text: str) -> IPAddress | None:
    """What the kernel of this host takes it for. An IPv6 address that only a translator on the way would make an IPv4
    one (`64:ff9b::127.0.0.1`, `::127.0.0.1`) stays one: whoever comes from there is not let in as local."""
    try:
        address = ip_address(text)
    except ValueError:
        return parse_ip(text)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def in_url(host: str) -> str:
    """A host as it stands in a URL and before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def host_port(host: str, port: int) -> str:
    """`host:port`, as it is written in URLs, targets and gRPC's addresses."""
    return f"{in_url(host)}:{port}"


def within(text: str, networks: Iterable[IPNetwork]) -> bool:
    """True if it is an IP of one of the networks. A name is in none: what it resolves to may change."""
    address = parse_ip(text)
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )
