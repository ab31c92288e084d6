"""The services by which targets are selected (kuma-facts 7.3)."""

from __future__ import annotations

from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec, tag_values
from meshmeter.resources.resource import Resource

UNKNOWN_SERVICE = "unknown"


def services(dataplane: Resource[DataplaneSpec]) -> tuple[str, ...]:
    """The services that the Dataplane provides, sorted; `unknown` alone if it names none."""
    return tuple(sorted(tag_values(dataplane.spec).get(SERVICE_TAG, ()))) or (UNKNOWN_SERVICE,)
