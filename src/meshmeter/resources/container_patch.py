"""ContainerPatch: changes to the containers that the injector adds to Pods (kuma-facts 1.7).

It is an object of Kubernetes, in the namespace of the control plane, and has no Universal form.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from meshmeter.resources.base import Lines, Model, Spec

KIND = "ContainerPatch"

LONGEST_VALUE = 64 << 10
"""Characters of the `value` of an operation."""


class Op(StrEnum):
    """What an operation does, as in RFC 6902."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"
    MOVE = "move"
    COPY = "copy"


class PatchOperation(Model):
    """One operation of a JSON Patch (RFC 6902) whose `value` is text that holds JSON."""

    op: Op | None = None
    """`add`, `remove`, `replace`, `move` or `copy`."""
    path: str | None = None
    """JSON Pointer of the place in the container: `/env/-` is after the last variable."""
    value: Annotated[str, Lines(LONGEST_VALUE)] | None = None
    """For `add` and `replace`: text that holds JSON, so `"false"` is a boolean and `"\\"no\\""` a string."""
    from_: str | None = Field(default=None, alias="from")
    """For `move` and `copy`: JSON Pointer of the place to take from."""


class ContainerPatchSpec(Spec):
    """Spec of a ContainerPatch."""

    sidecar_patch: tuple[PatchOperation, ...] | None = None
    """Operations on the sidecar's container, in their order."""
    init_patch: tuple[PatchOperation, ...] | None = None
    """Operations on the init container, in their order."""
