"""Precedence: built-in default < Mesh < Dataplane < annotation, field by field (design 4, deviations D2).

Values of annotations are in the Dataplane too, where they stand in place of its own; what they are is told by its mark.

What counts is whether a field was written, not what it says: `false`, an empty string or a value equal to the
default overrides just as any other value does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from meshmeter.effective.origin import Layer, Origin, Sourced
from meshmeter.effective.pod_annotations import PodAnnotations, marked
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.envelope import NAMESPACE, OBJECT_NAME
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import PROMETHEUS, PrometheusConf
from meshmeter.resources.resource import Resource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConfLayer:
    """One resource's `conf` and where it is written."""

    layer: Layer
    resource: str
    path: str
    """Field path of the `conf`, e.g. `metrics.backends[0].conf`."""
    conf: PrometheusConf
    annotated: Mapping[str, Origin] = field(default_factory=dict)
    """Where the fields come from that annotations set, by path in `conf`."""

    def at(self, field: str, value: T | None) -> Sourced[T] | None:
        """The value with its place, or None if the field was not written."""
        return None if value is None else Sourced(value, self.origin(field))

    def origin(self, field: str) -> Origin:
        return self.annotated.get(field) or Origin(self.layer, self.resource, f"{self.path}.{field}")


@dataclass(frozen=True, slots=True)
class ConfLayers:
    """What Mesh and Dataplane say about the enabled backend, lowest layer first."""

    backend: str
    layers: tuple[ConfLayer, ...]
    pod: PodAnnotations
    """What the annotations of the Pod said from which the Dataplane was made."""


def conf_layers(mesh: Resource[MeshSpec], dataplane: Resource[DataplaneSpec]) -> ConfLayers | None:
    """The layers for one Dataplane, or None when metrics are off: the Dataplane is of another mesh, no
    backend is enabled, or the enabled one is not a prometheus backend. A Dataplane alone turns nothing on
    (kuma-facts 3)."""
    metrics = mesh.spec.metrics
    if dataplane.mesh != mesh.name or metrics is None or not metrics.enabled_backend:
        return None
    named = ((i, b) for i, b in enumerate(metrics.backends or ()) if b.name == metrics.enabled_backend)
    index, backend = next(named, (0, None))
    if backend is None or backend.type != PROMETHEUS:
        return None
    layers = [
        ConfLayer(
            Layer.MESH,
            f"Mesh {mesh.name}",
            f"metrics.backends[{index}].conf",
            backend.conf or PrometheusConf(),
        )
    ]
    own = dataplane.spec.metrics
    pod = marked(dataplane.meta.annotations)
    if own is not None and own.type == PROMETHEUS and own.conf is not None:
        layers.append(
            ConfLayer(
                Layer.DATAPLANE,
                f"Dataplane {dataplane.mesh}/{dataplane.name}",
                "metrics.conf",
                own.conf,
                pod.origins(own.conf, _pod_name(dataplane)),
            )
        )
    return ConfLayers(metrics.enabled_backend, tuple(layers), pod)


def _pod_name(dataplane: Resource[DataplaneSpec]) -> str:
    """Namespace and name of the Pod that a Dataplane was made from: they have the same."""
    extensions = dataplane.meta.name_extensions
    name = extensions.get(OBJECT_NAME, dataplane.name)
    return f"{extensions[NAMESPACE]}/{name}" if NAMESPACE in extensions else name


def builtin(value: T) -> Sourced[T]:
    """A default that is written nowhere."""
    return Sourced(value, Origin(Layer.DEFAULT))


def resolve(default: Sourced[T], written: Iterable[Sourced[T] | None]) -> Sourced[T]:
    """The highest of the layers that say something, `written` being lowest first."""
    *below, top = [default, *(value for value in written if value is not None)]
    return Sourced(top.value, top.origin, tuple(reversed(below))) if below else top


def unite(default: Sourced[Mapping[str, str]], layers: Iterable[ConfLayer]) -> Sourced[Mapping[str, str]]:
    """The tags: a Mesh's replace the default, those above are added and win over equal keys (kuma-facts 3).

    An empty map says nothing. Origin and `overrode` are those of whole maps.
    """
    tags = default
    for layer in layers:
        if not layer.conf.tags:
            continue
        kept = {} if layer.layer is Layer.MESH else tags.value
        below = (replace(tags, overrode=()), *tags.overrode)
        tags = Sourced({**kept, **layer.conf.tags}, layer.origin("tags"), below)
    return tags
