"""Rules for a ContainerPatch (kuma-facts 1.7): whatever can be said of it without the container."""

from __future__ import annotations

from collections.abc import Iterator

from jsonpointer import JsonPointer, JsonPointerException

from meshmeter.documents.json_text import DuplicateKey, read_json
from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.container_patch import ContainerPatchSpec, Op, PatchOperation
from meshmeter.resources.envelope import NAMESPACE
from meshmeter.resources.resource import Resource

MOST_OPERATIONS = 256
"""Of one list."""
DEEPEST = 32
"""Levels of a path, and of a value: no container has as many."""

_OUTSIDE = "ContainerPatch can only be placed in {} namespace. It can be however referenced by pods in all namespaces"


def placement_violations(
    resource: Resource[ContainerPatchSpec], system_namespace: str
) -> Iterator[Violation]:
    """A fault if the object is in another namespace than the control plane, where nobody looks for it."""
    if resource.meta.name_extensions.get(NAMESPACE) != system_namespace:
        yield Violation("metadata.namespace", _OUTSIDE.format(system_namespace))


def container_patch_violations(spec: ContainerPatchSpec) -> Iterator[Violation]:
    """Faults of `sidecarPatch`, then of `initPatch`."""
    for path, operations in (("sidecarPatch", spec.sidecar_patch), ("initPatch", spec.init_patch)):
        if operations and len(operations) > MOST_OPERATIONS:
            yield Violation(path, f"has {len(operations)} operations, must have at most {MOST_OPERATIONS}")
            continue
        for index, operation in enumerate(operations or ()):
            yield from _operation(operation, paths.item(path, index))


def _operation(operation: PatchOperation, path: str) -> Iterator[Violation]:
    if operation.op is None:
        known = ", ".join(f'"{op}"' for op in Op)
        yield Violation(f"{path}.op", f"{syntax.CANNOT_BE_EMPTY}, must be one of {known}")
    if reason := _pointer_fault(operation.path):
        yield Violation(f"{path}.path", reason)
    if operation.op in (Op.MOVE, Op.COPY) and (reason := _pointer_fault(operation.from_)):
        yield Violation(f"{path}.from", reason)
    if operation.op in (Op.ADD, Op.REPLACE) and (reason := _value_fault(operation.value)):
        yield Violation(f"{path}.value", reason)


def _pointer_fault(pointer: str | None) -> str | None:
    if not pointer:
        return f'{syntax.CANNOT_BE_EMPTY}: name a place in the container, such as "/env/-"'
    try:
        parts = JsonPointer(pointer).parts
    except JsonPointerException:
        return 'must be a JSON Pointer: "/" before each part, and in a part "~1" for "/" and "~0" for "~"'
    return f"must not have more than {DEEPEST} parts" if len(parts) > DEEPEST else None


def _value_fault(value: str | None) -> str | None:
    if value is None:
        return f"{syntax.CANNOT_BE_EMPTY}: write the value as a string that holds JSON"
    try:
        read_json(value, deepest=DEEPEST)
    except DuplicateKey as exc:
        return f'must be a string that holds JSON, and this has the key "{str(exc)[:64]}" twice'
    except ValueError as exc:
        hint = "a JSON string has quotes of its own: '\"text\"'"
        return f"must be a string that holds JSON ({hint}): {str(exc)[:200]}"
    return None
