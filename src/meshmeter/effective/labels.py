"""The labels of a target: a Dataplane's tags and, on Kubernetes, its name's parts (kuma-facts 7.3, deviations D28).

Whoever registers a Dataplane chooses its tags, and `labelmap`, which everybody uses, turns each into a label of the
target. So a tag never gets a label by which Prometheus is steered (`__address__`, `__param_x`), nor one that discovery
or Prometheus sets itself, nor one that belongs to another tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from meshmeter.effective.findings import Finding, finding
from meshmeter.resources.dataplane import BUILTIN_GATEWAY, SERVICE_TAG, DataplaneSpec, tag_values
from meshmeter.resources.resource import Resource

GATEWAY_LABEL = "kuma_io_mesh_gateway"

RESERVED = frozenset(
    {
        "job",
        "instance",  # Prometheus, for each target
        "mesh",
        "dataplane",
        "service",
        "pod",
        "namespace",  # Kuma's scrape jobs, by release, from what discovery says
        "le",
        "quantile",  # of histograms and summaries: as a label of the target it would push theirs aside
        GATEWAY_LABEL,
        "k8s_kuma_io_name",
        "k8s_kuma_io_namespace",  # discovery, from what it knows of the Dataplane
    }
)
"""Labels that have another origin than a tag, beside all that begin with `__`."""

OWN_TAGS = ("kuma.io/", "k8s.kuma.io/")
"""Beginnings of tags with a meaning of their own, whose labels no other tag takes."""

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


def sanitize(name: str) -> str:
    """A tag name as a label name."""
    return _UNSAFE.sub("_", name)


def is_reserved(label: str) -> bool:
    """Whether no tag may become this label."""
    return label.startswith("__") or label in RESERVED


@dataclass(frozen=True, slots=True)
class Conflict:
    """A tag without the label that it would have, since another tag has it."""

    tag: str
    label: str
    owner: str


@dataclass(frozen=True, slots=True)
class TargetLabels:
    """What Prometheus is told, and which tags it is not told of."""

    labels: Mapping[str, str]
    reserved: tuple[str, ...] = ()
    """Tags that are no labels since theirs would have another meaning."""
    conflicts: tuple[Conflict, ...] = ()


@dataclass(slots=True)
class _Claims:
    """Labels that are given away; who comes first has it."""

    labels: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)

    def take(self, tag: str, name: str, value: str) -> bool:
        """Whether the tag has the label that this name comes to."""
        label = sanitize(name)
        owner = self.owners.setdefault(label, tag)
        if owner == tag:
            self.labels[label] = value
        else:
            self.conflicts.append(Conflict(tag, label, owner))
        return owner == tag


def target_labels(dataplane: Resource[DataplaneSpec]) -> TargetLabels:
    """Per tag one label with its first value and a plural one with all, `,a,b,`; then what discovery knows itself.

    Of two tags with the same label the one of Kuma's own has it, the service first of all, then the one that sorts
    first; a tag of the user's own goes before the plural of another (`versions` before that of `version`).
    """
    tags = tag_values(dataplane.spec)
    known = dict(_known(dataplane))
    reserved = tuple(
        name
        for name in sorted(tags)
        if is_reserved(sanitize(name)) and tags[name] != {known.get(sanitize(name))}
    )
    usable = sorted(name for name in tags if not is_reserved(sanitize(name)))
    claims = _Claims()
    for name in sorted((n for n in usable if n.startswith(OWN_TAGS)), key=lambda n: (n != SERVICE_TAG, n)):
        if claims.take(name, name, min(tags[name])):
            claims.take(name, name + "s", _all(tags[name]))
    others = [name for name in usable if not name.startswith(OWN_TAGS)]
    for name in [name for name in others if claims.take(name, name, min(tags[name]))]:
        if not is_reserved(sanitize(name + "s")):
            claims.take(name, name + "s", _all(tags[name]))
    return TargetLabels(claims.labels | known, reserved, tuple(claims.conflicts))


def label_findings(dataplane: Resource[DataplaneSpec]) -> Iterator[Finding]:
    """The tags that Prometheus is not told of, and why."""
    found = target_labels(dataplane)
    for tag in found.reserved:
        yield finding(
            "tag-not-a-label",
            f"the tag {tag!r} is no label of the target: {sanitize(tag)!r} has another meaning there",
            field="networking",
        )
    for conflict in found.conflicts:
        yield finding(
            "tag-label-conflict",
            f"the label {conflict.label!r} is that of the tag {conflict.owner!r}: {conflict.tag!r} is left out",
            field="networking",
        )


def reserved_tags(spec: DataplaneSpec) -> tuple[str, ...]:
    """The tags whose labels have another origin, sorted."""
    return tuple(name for name in sorted(tag_values(spec)) if is_reserved(sanitize(name)))


def _all(values: set[str]) -> str:
    return f",{','.join(sorted(values))},"


def _known(dataplane: Resource[DataplaneSpec]) -> Iterator[tuple[str, str]]:
    """The labels that no tag is needed for."""
    for name, value in sorted(dataplane.meta.name_extensions.items()):
        yield sanitize(name), value
    networking = dataplane.spec.networking
    if networking and networking.gateway and networking.gateway.type == BUILTIN_GATEWAY:
        # There is no kind MeshGateway here whose name could be the value.
        yield GATEWAY_LABEL, ""
