"""The addresses of this host, as the kernel lists them."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from pathlib import Path

_IPV4 = Path("/proc/net/fib_trie")
_IPV6 = Path("/proc/net/if_inet6")


def host_addresses() -> frozenset[str]:
    """Every address of every interface; empty where the kernel does not tell."""
    return frozenset({*_ipv4(_read(_IPV4)), *_ipv6(_read(_IPV6))})


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _ipv4(text: str) -> list[str]:
    """In the local table each own address is a leaf, followed by `/32 host LOCAL`."""
    return re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", text)


def _ipv6(text: str) -> list[str]:
    """Each line begins with an address in 32 hexadecimal digits."""
    found = (line.split(" ", 1)[0] for line in text.splitlines())
    return [str(IPv6Address(int(digits, 16))) for digits in found if len(digits) == 32]
