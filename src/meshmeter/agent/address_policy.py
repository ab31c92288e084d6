"""Which addresses the agent connects to, judged when it connects (design 8, deviations D26).

Loopback, addresses that this host really has, and networks that the configuration allows. What a Dataplane says of
itself widens nothing. Link-local addresses and those of cloud metadata services are never used, whatever is allowed.

The policy is asked with the socket address, as it is about to be connected to: whatever was written, a host name or an
address in any notation, has become one by then.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from meshmeter.addresses import METADATA, TRANSLATED, IPAddress
from meshmeter.host_addresses import host_addresses


class AddressRefused(OSError):
    """The address may not be connected to. An OSError, since resolvers and connectors report with one."""


def literal(host: str) -> str | None:
    """The usual notation of an IP address, however it is written: IPv4 also in one number, in fewer than four, in hex
    or octal (inet_aton(3)), mapped IPv4 as IPv4. None for a host name."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        return None
    return str(_unmapped(ip_address(found[0][4][0])))


class AddressPolicy:
    """Of the addresses that one configuration allows."""

    def __init__(
        self,
        networks: Sequence[str] = (),
        own: Callable[[], frozenset[IPAddress]] = host_addresses,
        *,
        endpoint: tuple[str, int] = ("", 0),
    ):
        """`networks` in CIDR form. `endpoint` is where the proxy's metrics endpoint listens. `own` gives the
        addresses of this host, or raises OSError."""
        self._networks = tuple(map(ip_network, networks))
        self._own = own
        address, self._metrics_port = endpoint
        self._metrics_address = literal(address)

    def check(self, text: str, port: int = 0) -> None:
        """Raises AddressRefused if this address, or this port of it, may not be connected to."""
        try:
            written = ip_address(text)
        except ValueError:
            raise AddressRefused(f"{text} is no IP address") from None
        for candidate in _meant(written):
            if reason := _never(candidate):
                raise AddressRefused(f"{text} is {reason}, which is never scraped")
        address = _unmapped(written)
        if port and port == self._metrics_port and self._metrics_address in (str(address), "0.0.0.0", "::"):
            raise AddressRefused(f"{text} port {port} is the metrics endpoint of the proxy itself")
        if address.is_loopback or any(
            address.version == network.version and address in network for network in self._networks
        ):
            return
        try:
            is_ours = address in self._own()
        except OSError as exc:
            raise AddressRefused(
                f"{text} is not loopback, and it cannot be seen whether this host has it: {exc.strerror or exc} "
                "(is AF_NETLINK forbidden?)"
            ) from exc
        if not is_ours:
            raise AddressRefused(
                f"{text} is neither loopback nor an address of the agent's host nor in a network that the control "
                "plane allows (--allowed-networks)"
            )

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `socket.getaddrinfo`. Raises AddressRefused if it may not be connected to."""
        family, type_, protocol, _, address = info
        self.check(address[0], address[1])
        return socket.socket(family, type_, protocol)


class CheckedResolver(AbstractResolver):
    """Resolves names, and leaves out every address that may not be connected to, so that one of a name's addresses
    does not hide the others."""

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver | None = None):
        self._policy = policy
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused if the name leads only where it may not, OSError if it does not resolve."""
        usable, refused = [], None
        for result in await self._resolver.resolve(host, port, family):
            try:
                self._policy.check(result["host"], port)
                usable.append(result)
            except AddressRefused as exc:
                refused = refused or exc
        if refused is not None and not usable:
            raise AddressRefused(f"{host} leads to an address that is refused: {refused}")
        return usable

    async def close(self) -> None:
        await self._resolver.close()


def _unmapped(address: IPAddress) -> IPAddress:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _meant(address: IPAddress) -> list[IPAddress]:
    """The address, and the IPv4 one that a translator on the way would make of it."""
    if isinstance(address, IPv4Address):
        return [address]
    embedded = IPv4Address(int(address) & 0xFFFFFFFF)
    is_translated = int(address) > 1 and any(address in network for network in TRANSLATED)
    return [
        address,
        *([embedded] if is_translated else []),
        *(found for found in (address.ipv4_mapped, address.sixtofour) if found is not None),
        *(address.teredo or ()),
    ]


def _never(address: IPAddress) -> str | None:
    if address.is_link_local:
        return "a link-local address"
    if address in METADATA:
        return "the address of a cloud metadata service"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or (address.version == 4 and int(address) >> 24 == 0):
        return "no address of a host"
    if address == IPv4Address("255.255.255.255"):
        return "the broadcast address"
    return None
