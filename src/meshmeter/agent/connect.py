"""Which addresses the agent connects to, checked when it connects (design 8).

The control plane checks what is configured. A host name can lead somewhere else tomorrow, so what it resolves to is
checked again for every connection: this host, or a network that the configuration allows. Link-local addresses, where
cloud metadata services answer, are never used.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class AddressRefused(OSError):
    """The address may not be connected to. An OSError, since resolvers report with one."""


def check_literal(host: str) -> None:
    """Raises AddressRefused if `host` is an IP address that is never used. The control plane has checked whether the
    configuration allows it; names are checked as they are resolved."""
    try:
        address = ip_address(host)
    except ValueError:
        return
    if reason := _never(address):
        raise AddressRefused(f"{host} is {reason}")


def allowed(text: str, networks: Iterable[str]) -> bool:
    """True if a host name may lead to this address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if _never(address):
        return False
    if address.is_loopback or _is_local(address):
        return True
    return any(
        address.version == network.version and address in network for network in map(ip_network, networks)
    )


def _never(address: IPv4Address | IPv6Address) -> str | None:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    for candidate in (address, mapped):
        if candidate is None:
            continue
        if candidate.is_link_local:
            return "a link-local address"
        if candidate.is_multicast:
            return "a multicast address"
        if candidate.is_unspecified:
            return "no address of a host"
    return None


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    """True if an interface of this host has the address: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


class CheckedResolver(AbstractResolver):
    """Resolves names, and leaves out every address that they may not lead to."""

    def __init__(self, networks: tuple[str, ...], resolver: AbstractResolver | None = None):
        self._networks = networks
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused if the name leads only where it may not, OSError if it does not resolve."""
        found = await self._resolver.resolve(host, port, family)
        usable = [result for result in found if allowed(result["host"], self._networks)]
        if found and not usable:
            raise AddressRefused(f"{host} leads to {found[0]['host']}, which is not allowed")
        return usable

    async def close(self) -> None:
        await self._resolver.close()
