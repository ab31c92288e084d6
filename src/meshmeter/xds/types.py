"""The resource types of the discovery protocol and how they depend on each other.

Resources are sent in the order clusters, endpoints, listeners, routes, secrets, so that nothing refers to
what Envoy does not have yet. They are taken away only once nothing that Envoy has can refer to them any more.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

ORDER = (CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET)
"""The order in which resources are sent."""

WILDCARD = frozenset({CLUSTER, LISTENER})
"""Types of which a proxy gets all there are; of the others it asks for names."""

REFERRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {LISTENER: (CLUSTER,), ROUTES: (CLUSTER,)},
)
"""A type, and the types whose outstanding additions have to be sent before it."""

NEEDED: Mapping[str, str] = MappingProxyType({CLUSTER: ENDPOINTS})
"""A type, and the type of which every resource of the same name is sent again after it. Secrets and routes are not
here: Envoy asks for them again, or goes on with those that it has."""

REFERRERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CLUSTER: (LISTENER, ROUTES),
        ENDPOINTS: (CLUSTER,),
        LISTENER: (),
        ROUTES: (LISTENER,),
        SECRET: (LISTENER, CLUSTER),
    }
)
"""A type, and the types that have to be settled before any of its resources is taken away.

A listener goes together with its replacements in one response, because Envoy frees the ports of removed
listeners before it binds those of new ones.
"""

LINGERING = frozenset({CLUSTER, ENDPOINTS, ROUTES, SECRET})
"""Types that listeners make use of, also those that are being drained."""

NAME_FIELD: Mapping[str, str] = MappingProxyType({ENDPOINTS: "clusterName"})
"""The field that names a resource, where it is not `name`."""
