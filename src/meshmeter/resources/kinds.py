"""The kinds of resources: their names on the wire, in paths and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from meshmeter.resources import container_patch, dataplane, mesh, traffic_permission
from meshmeter.resources.base import Spec


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource."""

    name: str
    """As written in `type` and `kind`: `TrafficPermission`."""
    singular: str
    """For the command line: `traffic-permission`."""
    plural: str
    """In paths of the resource API: `traffic-permissions`."""
    aliases: tuple[str, ...]
    """Shorter names for the command line."""
    mesh_scoped: bool
    """False for the Mesh itself."""
    namespaced: bool
    """True if the Kubernetes object lives in a namespace (kuma-facts 1.2)."""
    spec: type[Spec]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(mesh.KIND, "mesh", "meshes", (), False, False, mesh.MeshSpec),
            Kind(
                dataplane.KIND, "dataplane", "dataplanes", ("dp", "dps"), True, True, dataplane.DataplaneSpec
            ),
            Kind(
                traffic_permission.KIND,
                "traffic-permission",
                "traffic-permissions",
                ("tp", "tps"),
                True,
                False,
                traffic_permission.TrafficPermissionSpec,
            ),
        )
    }
)
"""By name, in the order in which resources have to be created."""

KUBERNETES_ONLY: Mapping[str, Kind] = MappingProxyType(
    {
        container_patch.KIND: Kind(
            container_patch.KIND,
            "container-patch",
            "container-patches",
            (),
            False,
            True,
            container_patch.ContainerPatchSpec,
        )
    }
)
"""By name: kinds without a Universal form. No store has them, nor the resource API and the command line."""


def kind_of(name: str) -> Kind:
    """The kind of a resource, by the name that it carries."""
    return KINDS[name] if name in KINDS else KUBERNETES_ONLY[name]


def find_kind(word: str, kinds: Mapping[str, Kind] = KINDS) -> Kind | None:
    """The kind of this name, singular, plural or alias, in any case of letters; None if there is none."""
    wanted = word.lower()
    for kind in kinds.values():
        if wanted in (kind.name.lower(), kind.singular, kind.plural, *kind.aliases):
            return kind
    return None
