"""What an address literal really is, however it is written.

Resolvers take more for an IPv4 address than the usual four numbers: `2852039166`, `0xa9fea9fe` and `0251.0376.43518`
are all 169.254.169.254, and several IPv6 addresses carry an IPv4 address that they lead to. A rule that looks at the
spelling alone is no rule.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

METADATA = frozenset(
    map(
        ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)
"""Where clouds answer with credentials of the host, beside the link-local 169.254.169.254 of nearly all of them."""

METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
"""Names that lead there inside of a cloud."""

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
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
    if inner is None and int(address) > 1 and any(address in network for network in _TRANSLATED):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def is_link_local(text: str) -> bool:
    """169.254.0.0/16 and fe80::/10: cloud metadata services answer there (design 8)."""
    address = parse_ip(text)
    return address is not None and address.is_link_local


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
