"""ContainerPatches applied to the containers that are added to a Pod (kuma-facts 1.7, 4.2).

Which ones: those of the control plane's configuration, then those that the Pod's annotation names. Their operations
are one JSON Patch (RFC 6902), except that `add` makes the places that lead to its own. All of it holds, or the Pod is
refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from jsonpatch import JsonPatchException, JsonPatchPathNotFound, apply_patch
from jsonpointer import JsonPointer, JsonPointerException

from meshmeter.documents.json_text import read_json
from meshmeter.errors import InjectionRefused, InvalidResource
from meshmeter.quoting import quoted
from meshmeter.resources.codec import decode_container_patch
from meshmeter.resources.container_patch import ContainerPatchSpec, Op, PatchOperation

ANNOTATION = "kuma.io/container-patches"
"""Of a Pod: names of ContainerPatches, with commas between them."""

MOST_PATCHES = 64
"""Of one Pod: whoever may make Pods must not be able to make the injector busy for long."""
MOST_OPERATIONS = 512
"""On one container, of all its patches: a Pod can name one of them again and again."""
LARGEST_CONTAINER = 256 << 10
"""Characters of a container as JSON; `copy` can double it with every operation."""
DEEPEST_CONTAINER = 64
"""Levels of nesting."""

_INDEX = re.compile(r"0|[1-9][0-9]*")


class _Misfit(Exception):
    """An operation cannot be applied, or not to this container."""


@dataclass(frozen=True, slots=True)
class ContainerPatches:
    """What is to be changed in the containers that one Pod is given."""

    patches: tuple[tuple[str, ContainerPatchSpec], ...] = ()
    """Names and contents, in the order in which they are applied."""

    @classmethod
    def chosen(
        cls,
        annotations: Mapping[str, str],
        configured: Sequence[str],
        stored: Mapping[str, Mapping[str, Any]],
        *,
        system_namespace: str,
    ) -> ContainerPatches:
        """Those of the control plane's configuration, then those that a Pod's annotations name.

        `stored` has the objects of the system namespace by their names. Only the named ones are read, since one that is
        broken should cost nobody else. Raises InjectionRefused.
        """
        names = [*configured, *_names(annotations.get(ANNOTATION, ""))]
        if len(names) > MOST_PATCHES:
            raise InjectionRefused(
                f"{len(names)} container patches are to be applied, and there may be at most {MOST_PATCHES}: "
                f"name fewer in the annotation {ANNOTATION}"
            )
        missing = dict.fromkeys(name for name in names if name not in stored)
        if missing:
            raise InjectionRefused(
                f"it appears some expected container patches are missing: {_list(missing)}"
            )
        read: dict[str, ContainerPatchSpec] = {}
        for name in dict.fromkeys(names):
            try:
                read[name] = decode_container_patch(stored[name], system_namespace=system_namespace).spec
            except InvalidResource as exc:
                faults = "; ".join(map(str, exc.violations))
                raise InjectionRefused(
                    f"could not apply patches {_list(names)}: {_show(name)}: {faults}"
                ) from exc
        return cls(tuple((name, read[name]) for name in names))

    def to_sidecar(self, container: Mapping[str, Any]) -> dict[str, Any]:
        """The sidecar's container, otherwise complete, with `sidecarPatch` of all patches. Raises InjectionRefused."""
        return self._applied(container, "sidecarPatch")

    def to_init(self, container: Mapping[str, Any]) -> dict[str, Any]:
        """The init container, otherwise complete, with `initPatch` of all patches. Raises InjectionRefused."""
        return self._applied(container, "initPatch")

    def _applied(self, container: Mapping[str, Any], field: str) -> dict[str, Any]:
        patched = copy.deepcopy(dict(container))
        names = _list(name for name, _ in self.patches)
        done = 0
        for name, spec in self.patches:
            operations = spec.sidecar_patch if field == "sidecarPatch" else spec.init_patch
            for index, operation in enumerate(operations or ()):
                if done == MOST_OPERATIONS:
                    raise InjectionRefused(
                        f"could not apply patches {names}: {field} has more than {MOST_OPERATIONS} operations in all: "
                        "name fewer patches"
                    )
                done += 1
                try:
                    _apply(patched, operation)
                except _Misfit as exc:
                    raise InjectionRefused(
                        f"could not apply patches {names}: {_show(name)}: {field}[{index}]: "
                        f"{operation.op} {quoted(operation.path or '')}: {exc}"
                    ) from exc
        return patched


def _names(annotation: str) -> Iterator[str]:
    return (name for part in annotation.split(",") if (name := part.strip()))


def _show(name: str) -> str:
    return f'"{quoted(name)}"'


def _list(names: Iterable[str]) -> str:
    return f"[{' '.join(_show(name) for name in names)}]"


def _apply(container: dict[str, Any], operation: PatchOperation) -> None:
    """Change the container. Raises _Misfit; what the container then is, is not to be used."""
    wanted: dict[str, Any] = {"op": str(operation.op), "path": operation.path}
    if operation.op in (Op.MOVE, Op.COPY):
        wanted["from"] = operation.from_
    if operation.op is Op.ADD:
        wanted["path"] = _with_parents(container, JsonPointer(operation.path or "").parts)
    if operation.op in (Op.ADD, Op.REPLACE):
        wanted["value"] = read_json(operation.value or "", deepest=DEEPEST_CONTAINER)
    try:
        apply_patch(container, [wanted], in_place=True)
    except (JsonPointerException, JsonPatchPathNotFound) as exc:
        # Their own words may have the whole container in them.
        place = f", or none called {quoted(wanted['from'])}" if "from" in wanted else ""
        raise _Misfit(f"the container has no such place{place}") from exc
    except JsonPatchException as exc:
        raise _Misfit(quoted(str(exc))) from exc
    _check_size(container)


def _with_parents(container: dict[str, Any], parts: Sequence[str]) -> str:
    """Make what is missing on the way to a place, and give the place's path, in which no part but the last is `-`.

    What is made is a list if the next part is an index or `-`, else an object.
    """
    at: Any = container
    path: list[str] = []
    for part, following in pairwise(parts):
        made: Any = [] if following == "-" or _INDEX.fullmatch(following) else {}
        if isinstance(at, dict):
            if at.get(part) is None:
                at[part] = made
            at = at[part]
        elif isinstance(at, list):
            if part in ("-", str(len(at))):
                part = str(len(at))
                at.append(made)
            if not _INDEX.fullmatch(part) or int(part) >= len(at):
                raise _Misfit(f'"{quoted(part)}" is no place in a list of {len(at)}')
            at = at[int(part)]
        else:
            raise _Misfit(f'"{quoted(path[-1])}" is a single value, and nothing can be below it')
        path.append(part)
    return str(JsonPointer.from_parts([*path, *parts[-1:]]))


def _check_size(container: dict[str, Any]) -> None:
    layer: list[Any] = [container]
    for _ in range(DEEPEST_CONTAINER + 1):
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            break
    else:
        raise _Misfit(f"the container would be nested more than {DEEPEST_CONTAINER} levels deep")
    if (size := len(json.dumps(container))) > LARGEST_CONTAINER:
        raise _Misfit(f"the container would have {size} characters, more than {LARGEST_CONTAINER}")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
