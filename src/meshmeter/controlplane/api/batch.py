"""Apply: several documents written together, or none of them.

Documents may depend on each other: a Mesh and its Dataplanes can come in one batch, in any order. The answer tells
for each what happened to it, and for all together how many proxies come out differently.
"""

from __future__ import annotations

import asyncio
import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml
from pydantic import NonNegativeInt

from meshmeter.addresses import IPNetwork
from meshmeter.controlplane.admission.documents import change_violations, completed, same_content
from meshmeter.controlplane.api.bodies import AnswerBody
from meshmeter.controlplane.api.hidden_keys import hide
from meshmeter.controlplane.reconcile.resource_index import ResourceIndex
from meshmeter.documents.forms import is_kubernetes
from meshmeter.effective.impact import Impact, impact
from meshmeter.errors import InvalidResource, MeshNotFound, VersionConflict, Violation
from meshmeter.resources import codec, mesh
from meshmeter.resources.kinds import KINDS
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, check_sizes
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.resources.validation.rules import warnings
from meshmeter.store.base import Put, Store

MOST_DOCUMENTS = 10_000

MOST_VIOLATIONS = 1000
"""Of one answer; a document may have 200, and ten thousand of those would help nobody."""

ATTEMPTS = 3
"""How often a batch is prepared anew because something it changes was changed meanwhile."""


class Outcome(StrEnum):
    """What became of one document."""

    CREATED = "Created"
    UPDATED = "Updated"
    UNCHANGED = "Unchanged"


class AppliedDocument(AnswerBody):
    """One document, and what became of it."""

    kind: str
    mesh: str
    name: str
    result: Outcome
    diff: str
    """Unified diff, with dry-run."""
    warnings: list[str]


class Affected(AnswerBody):
    """Numbers of proxies that come out differently: in any aspect, and in each."""

    proxies: NonNegativeInt
    endpoint: NonNegativeInt
    port: NonNegativeInt
    path: NonNegativeInt
    tls: NonNegativeInt
    access: NonNegativeInt
    sources: NonNegativeInt
    filter: NonNegativeInt


class Applied(AnswerBody):
    """What became of each document, and what they come to."""

    results: list[AppliedDocument]
    affected: Affected


@dataclass(frozen=True, slots=True)
class Result:
    """One document, decoded, and what became of it."""

    resource: AnyResource
    stored: AnyResource | None
    """What was there before."""
    warnings: tuple[Violation, ...] = ()

    @property
    def outcome(self) -> Outcome:
        if self.stored is None:
            return Outcome.CREATED
        return Outcome.UNCHANGED if same_content(self.stored, self.resource) else Outcome.UPDATED

    def diff(self) -> str:
        """Unified diff of the stored against the new resource, in YAML; empty if nothing changes."""
        before = _lines(self.stored) if self.stored else []
        after = _lines(self.resource)
        old = f"{self.resource.key}, stored" if self.stored else "/dev/null"
        return "\n".join(difflib.unified_diff(before, after, old, f"{self.resource.key}, new", lineterm=""))

    def applied(self, *, with_diff: bool) -> AppliedDocument:
        """As it is answered."""
        key = self.resource.key
        return AppliedDocument(
            kind=key.kind,
            mesh=key.mesh,
            name=key.name,
            result=self.outcome,
            diff=self.diff() if with_diff else "",
            warnings=[str(warning) for warning in self.warnings],
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The results in the order of the documents, and what they come to."""

    results: tuple[Result, ...]
    affected: Impact

    def applied(self, *, with_diff: bool) -> Applied:
        """As it is answered."""
        return Applied(
            results=[result.applied(with_diff=with_diff) for result in self.results],
            affected=Affected(**self.affected.to_json()),
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """The documents of a batch, read one by one."""

    resources: tuple[tuple[int, AnyResource, bool], ...]
    """Index of the document, the valid resource, and whether it came in the Kubernetes form."""
    faults: tuple[Violation, ...]
    """Of all the others, fields prefixed `documents[i].`."""
    meshes: frozenset[str]
    """Names of the Meshes in the batch, faulty ones included."""


def decode_documents(documents: Sequence[object], limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Read every document; a key that occurs twice is a fault that names both places."""
    faults: list[Violation] = []
    resources: list[tuple[int, AnyResource, bool]] = []
    meshes: set[str] = set()
    first: dict[Key, int] = {}
    for index, document in enumerate(documents):
        place = f"documents[{index}]"
        if not isinstance(document, Mapping):
            faults.append(Violation(place, "must be an object: a resource with type, name and so on"))
            continue
        kubernetes = is_kubernetes(document)
        try:
            check_sizes(document, limits, where=f"{place}.")
            resource = codec.decode(document, where=f"{place}.")
        except InvalidResource as exc:
            faults += exc.violations
            meshes |= _name_of_mesh(document, kubernetes=kubernetes)
            continue
        if resource.kind == mesh.KIND:
            meshes.add(resource.name)
        other = first.setdefault(resource.key, index)
        if other != index:
            faults.append(
                Violation(f"{place}.name", f"{resource.key} is also in documents[{other}]: keep one")
            )
        resources.append((index, resource, kubernetes))
    return Decoded(tuple(resources), tuple(faults), frozenset(meshes))


def _name_of_mesh(document: Mapping[str, Any], *, kubernetes: bool) -> set[str]:
    """The name of a faulty Mesh, so that its Dataplanes are not reported for its faults."""
    if document.get("kind" if kubernetes else "type") != mesh.KIND:
        return set()
    holder = document.get("metadata") if kubernetes else document
    name = holder.get("name") if isinstance(holder, Mapping) else None
    return {name} if isinstance(name, str) else set()


async def apply_resources(
    store: Store,
    decoded: Decoded,
    *,
    zone: str,
    allowed_networks: Sequence[IPNetwork] = (),
    dry_run: bool = False,
) -> Batch:
    """Write all resources in one transaction, or with `dry_run` only tell what would happen.

    Raises InvalidResource with every fault of every document, VersionConflict if something keeps changing
    underneath, StoreUnavailable.
    """
    for attempt in range(ATTEMPTS):
        contents = (await store.contents()).resources
        # In threads: ten thousand documents, or a Mesh of thousands of proxies, take seconds.
        results = await asyncio.to_thread(_results, decoded, contents, zone)
        changed = [result for result in results if result.outcome is not Outcome.UNCHANGED]
        changed.sort(key=lambda result: _ORDER[result.resource.kind])
        puts = [Put(r.resource, r.stored.meta.version if r.stored else 0) for r in changed]
        try:
            await store.commit(puts, dry_run=dry_run)
        except (VersionConflict, MeshNotFound):
            # Somebody wrote between our reading and our writing; what they wrote may change the answer.
            if attempt == ATTEMPTS - 1:
                raise
            continue
        affected = await asyncio.to_thread(_affected, contents, changed, allowed_networks)
        return Batch(tuple(results), affected)
    raise AssertionError("unreachable")


_ORDER = {kind: position for position, kind in enumerate(KINDS)}


def _results(decoded: Decoded, contents: Sequence[AnyResource], zone: str) -> list[Result]:
    stored = {resource.key: resource for resource in contents}
    meshes = {key.name for key in stored if key.kind == mesh.KIND} | decoded.meshes
    faults = list(decoded.faults)
    results = []
    for index, resource, kubernetes in decoded.resources:
        before = stored.get(resource.key)
        found = change_violations(resource, before)
        if KINDS[resource.kind].mesh_scoped and resource.mesh not in meshes:
            found = [Violation("mesh", str(MeshNotFound(resource.mesh)))]
        faults += (Violation(f"documents[{index}].{v.field}", v.reason) for v in found)
        new = completed(resource, before, kubernetes=kubernetes, zone=zone)
        # Warnings are about what the user wrote, not about what the defaults add.
        results.append(Result(new, before, tuple(warnings(resource))))
    _refuse(faults)
    return results


def _refuse(faults: Sequence[Violation]) -> None:
    if len(faults) > MOST_VIOLATIONS:
        more = Violation("documents", f"and {len(faults) - MOST_VIOLATIONS} more faults")
        faults = [*faults[:MOST_VIOLATIONS], more]
    if faults:
        raise InvalidResource(faults)


def _affected(
    contents: Sequence[AnyResource], changed: Sequence[Result], allowed_networks: Sequence[IPNetwork]
) -> Impact:
    """The impact on the meshes that are touched; only their proxies are computed."""
    by_mesh: defaultdict[str, list[AnyResource]] = defaultdict(list)
    for result in changed:
        by_mesh[_mesh_of(result.resource)].append(result.resource)
    touched = ResourceIndex(r for r in contents if _mesh_of(r) in by_mesh)
    before = {name: touched.view(name) for name in by_mesh}
    for result in changed:
        touched.apply(result.resource.key, result.resource)
    total = Impact()
    for name in by_mesh:
        total += impact(before[name], touched.view(name), allowed_networks=allowed_networks)
    return total


def _mesh_of(resource: AnyResource) -> str:
    return resource.name if resource.kind == mesh.KIND else resource.mesh


def _lines(resource: AnyResource) -> list[str]:
    document = hide(codec.to_universal(resource))
    for written_by_us in ("creationTime", "modificationTime"):
        document.pop(written_by_us, None)
    # Sorted: the order of keys means nothing, so a document that only orders them otherwise shows no difference.
    return yaml.safe_dump(document, sort_keys=True, allow_unicode=True, width=1000).splitlines()
