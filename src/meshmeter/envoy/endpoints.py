"""Endpoints: which inbounds of the mesh serve what an outbound asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.addresses import is_metadata
from meshmeter.effective.access import matches
from meshmeter.effective.view import MeshView
from meshmeter.envoy.addresses import ip_literal, load_assignment, socket_address
from meshmeter.envoy.protocols import Protocol, protocol_of
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, Inbound, Networking
from meshmeter.xds import types


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One inbound of some proxy, as its peers reach it."""

    address: str
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """What serves a set of tags."""

    endpoints: tuple[Endpoint, ...]
    """Ordered and without repetition."""
    problems: tuple[str, ...] = ()

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        return tuple(endpoint.protocol for endpoint in self.endpoints)


def find_endpoints(view: MeshView, tags: Mapping[str, str]) -> Found:
    """The inbounds whose tags include all of `tags`, which have the service, and which are ready."""
    endpoints: set[Endpoint] = set()
    problems = []
    for dataplane in view.providers.get(tags[SERVICE_TAG], ()):
        for written, inbound in _serving(dataplane.spec, tags):
            address = ip_literal(written)
            if address is None:
                problems.append(
                    f"{dataplane.name} cannot be called for {tags[SERVICE_TAG]}: {written or 'no address'} "
                    "is no IP address; set networking.advertisedAddress or networking.address to one"
                )
            elif is_metadata(address):
                problems.append(
                    f"{dataplane.name} cannot be called for {tags[SERVICE_TAG]}: {address} is no address of a proxy, "
                    "cloud metadata services answer there; set networking.address to that of its host"
                )
            elif inbound.port:
                endpoints.add(Endpoint(address, inbound.port, protocol_of(inbound)))
    return Found(tuple(sorted(endpoints)), tuple(problems))


def _serving(spec: DataplaneSpec, tags: Mapping[str, str]) -> Iterator[tuple[str, Inbound]]:
    networking = spec.networking or Networking()
    for inbound in networking.inbound or ():
        if is_ready(inbound) and matches(tags, inbound.tags or {}):
            yield networking.advertised_address or inbound.address or networking.address or "", inbound


def is_ready(inbound: Inbound) -> bool:
    """Whether peers may send traffic: neither NotReady nor Ignored, nor unhealthy in the older spelling."""
    if inbound.state is not None:
        return inbound.state == "Ready"
    return inbound.health is None or inbound.health.ready is not False


def assignment(cluster: str, found: Found) -> dict[str, Any]:
    """The ClusterLoadAssignment; without endpoints it is empty, and calls fail at once instead of waiting."""
    addresses = [socket_address(endpoint.address, endpoint.port) for endpoint in found.endpoints]
    return {"@type": types.ENDPOINTS} | load_assignment(cluster, addresses)
