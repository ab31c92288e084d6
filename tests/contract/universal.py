"""Resources of vectors, taken as they stand: not validated, not defaulted, as most are only fragments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract.deviations import d6_known_fields
from meshmeter.resources.base import Spec
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import AnyResource, Meta, Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

SPECS: Mapping[str, type[Spec]] = {
    "Mesh": MeshSpec,
    "Dataplane": DataplaneSpec,
    "TrafficPermission": TrafficPermissionSpec,
}


def resource(document: Mapping[str, Any]) -> AnyResource:
    """The resource of one Universal document; `nameExtensions` are the parts of a Kubernetes name."""
    kind = document["type"]
    meta = Meta(
        name=document.get("name", ""),
        mesh=document.get("mesh", ""),
        name_extensions=document.get("nameExtensions", {}),
    )
    model = SPECS[kind]
    return Resource(kind, meta, model.model_validate(d6_known_fields(model, document)))


def dataplane_spec(fields: Mapping[str, Any] | None) -> DataplaneSpec:
    """The spec of a Dataplane that is given without its envelope; one that is not there says nothing."""
    return DataplaneSpec.model_validate(d6_known_fields(DataplaneSpec, fields or {}))
