"""The zone tag: every tag set of a stored Dataplane says in which zone the proxy runs (kuma-facts 1.5)."""

from __future__ import annotations

from dataclasses import replace

from meshmeter.resources.dataplane import ZONE_TAG, DataplaneSpec
from meshmeter.resources.resource import AnyResource


def with_zone(resource: AnyResource, zone: str) -> AnyResource:
    """The Dataplane with `kuma.io/zone` in the tags of each inbound and of the gateway; others unchanged.

    A zone that is written stays. An inbound without tags stays without: it belongs to no service, and a tag alone
    would make it invalid.
    """
    spec = resource.spec
    if not isinstance(spec, DataplaneSpec) or spec.networking is None:
        return resource
    networking = spec.networking
    changes: dict[str, object] = {}
    if networking.inbound is not None:
        changes["inbound"] = tuple(
            inbound.model_copy(update={"tags": {ZONE_TAG: zone, **inbound.tags}}) if inbound.tags else inbound
            for inbound in networking.inbound
        )
    if networking.gateway is not None and networking.gateway.tags:
        tags = {ZONE_TAG: zone, **networking.gateway.tags}
        changes["gateway"] = networking.gateway.model_copy(update={"tags": tags})
    if all(getattr(networking, name) == value for name, value in changes.items()):
        return resource
    tagged = spec.model_copy(update={"networking": networking.model_copy(update=changes)})
    return replace(resource, spec=tagged)
