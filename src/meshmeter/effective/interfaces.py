"""The interfaces of a Dataplane: addresses and ports in use beside its metrics endpoint (kuma-facts 1.5,
3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from meshmeter.addresses import overlap
from meshmeter.resources.dataplane import DataplaneSpec, Networking

DEFAULT_OUTBOUND_ADDRESS = "127.0.0.1"


class Use(StrEnum):
    """What an interface is for."""

    INBOUND = "inbound"
    """Envoy receives traffic for the application."""
    APPLICATION = "application"
    """The application itself listens."""
    OUTBOUND = "outbound"
    """Envoy receives traffic of the application for another service."""
    METRICS_PROXY = "metrics proxy"
    """Envoy receives scrapes of a Prometheus beside it for other proxies."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One address and port in use on the proxy's host."""

    address: str
    port: int
    use: Use
    field: str
    """Field path of the port in the Dataplane."""


def interfaces(spec: DataplaneSpec) -> Iterator[Interface]:
    """All interfaces, in declared order. An entry without port or address has none."""
    networking = spec.networking or Networking()
    own = networking.address or ""
    for index, inbound in enumerate(networking.inbound or ()):
        if not inbound.port:
            continue
        path = f"networking.inbound[{index}]"
        address = inbound.address or own
        if address:
            yield Interface(address, inbound.port, Use.INBOUND, f"{path}.port")
        if application := inbound.service_address or address:
            field = f"{path}.servicePort" if inbound.service_port else f"{path}.port"
            yield Interface(application, inbound.service_port or inbound.port, Use.APPLICATION, field)
    for index, outbound in enumerate(networking.outbound or ()):
        if outbound.port:
            yield Interface(
                outbound.address or DEFAULT_OUTBOUND_ADDRESS,
                outbound.port,
                Use.OUTBOUND,
                f"networking.outbound[{index}].port",
            )
    proxy = networking.metrics_proxy
    if proxy is not None and proxy.port:
        address = proxy.address or DEFAULT_OUTBOUND_ADDRESS
        yield Interface(address, proxy.port, Use.METRICS_PROXY, "networking.metricsProxy.port")


def taken_by(spec: DataplaneSpec, address: str, port: int) -> Interface | None:
    """The first interface that a listener on `address`:`port` would collide with, or None."""
    return next((i for i in interfaces(spec) if i.port == port and overlap(i.address, address)), None)


def listen_address(spec: DataplaneSpec) -> str:
    """Where Envoy binds the metrics listener: `networking.address`; empty if there is none."""
    return (spec.networking and spec.networking.address) or ""


def reachable_address(spec: DataplaneSpec) -> str:
    """What peers and Prometheus use: `networking.advertisedAddress`, else `networking.address`, else
    empty."""
    return (spec.networking and spec.networking.advertised_address) or listen_address(spec)


def own_addresses(spec: DataplaneSpec) -> tuple[str, ...]:
    """Every address that the Dataplane says is its own or its application's, without repetition."""
    networking = spec.networking or Networking()
    found = [networking.address, networking.advertised_address]
    for inbound in networking.inbound or ():
        found += [inbound.address, inbound.service_address]
    return tuple(dict.fromkeys(address for address in found if address))
