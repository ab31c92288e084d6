"""Snapshot: all xDS resources of one proxy at one moment, immutable.

A resource's version is a hash of its content, so equal content is never sent twice and two control planes agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from meshmeter.xds.protos import TYPE_PREFIX

CLUSTER = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
LISTENER = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTES = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"

TYPES = (CLUSTER, ENDPOINTS, SECRET, LISTENER, ROUTES)
"""In the order in which they have to reach Envoy: what is referred to comes first."""


@dataclass(frozen=True, slots=True)
class XdsResource:
    """One resource, ready to be sent."""

    name: str
    version: str
    body: bytes = field(repr=False)
    """A serialized google.protobuf.Any."""
    needs: frozenset[tuple[str, str]] = frozenset()
    """Type URL and name of every resource that this one refers to."""

    @classmethod
    def of(cls, name: str, body: bytes, needs: Iterable[tuple[str, str]] = ()) -> XdsResource:
        return cls(name, hashlib.sha256(body).hexdigest()[:16], body, frozenset(needs))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Resources by type URL and name."""

    resources: Mapping[str, Mapping[str, XdsResource]]

    @classmethod
    def of(cls, by_type: Mapping[str, Iterable[XdsResource]]) -> Snapshot:
        """Raises ValueError if two resources of a type share a name."""
        resources: dict[str, Mapping[str, XdsResource]] = {}
        for type_url, items in by_type.items():
            named: dict[str, XdsResource] = {}
            for item in items:
                if item.name in named:
                    raise ValueError(f"two resources of {type_url} are named {item.name!r}")
                named[item.name] = item
            resources[type_url] = MappingProxyType(named)
        return cls(MappingProxyType(resources))

    def of_type(self, type_url: str) -> Mapping[str, XdsResource]:
        """The resources of one type by name; empty if there are none."""
        return self.resources.get(type_url, _EMPTY)

    def version(self, type_url: str) -> str:
        """Hash over names and versions of one type."""
        lines = (f"{r.name}={r.version}" for r in sorted(self.of_type(type_url).values(), key=lambda r: r.name))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def faults(self) -> list[str]:
        """References that lead nowhere; a snapshot with faults must not be sent."""
        return [
            f"{type_url.rpartition('.')[2]} {item.name!r} needs {kind.rpartition('.')[2]} {name!r}, which is missing"
            for type_url, items in self.resources.items()
            for item in items.values()
            for kind, name in sorted(item.needs)
            if name not in self.of_type(kind)
        ]


_EMPTY: Mapping[str, XdsResource] = MappingProxyType({})
EMPTY = Snapshot(MappingProxyType({}))
