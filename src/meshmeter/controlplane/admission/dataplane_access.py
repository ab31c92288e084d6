"""Which Dataplane a dataplane token is good for, judged by what is stored and not by what its bearer says of it."""

from __future__ import annotations

from meshmeter.certs.tokens import Claims, check_dataplane
from meshmeter.controlplane.admission.written_by import is_brought
from meshmeter.errors import PermissionDenied
from meshmeter.resources.dataplane import DataplaneSpec, tag_values
from meshmeter.resources.resource import Resource


def check_document(claims: Claims, dataplane: Resource[DataplaneSpec]) -> None:
    """Raise PermissionDenied unless the token may say this of a Dataplane."""
    check_dataplane(claims, dataplane.mesh, dataplane.name, tag_values(dataplane.spec))


def check_stored(claims: Claims, stored: Resource[DataplaneSpec]) -> None:
    """Raise PermissionDenied unless the token may speak for a Dataplane that is there.

    One that an operator applied, without an agent that brought it, belongs to the token that names it: tags alone, or
    a mesh, say which proxies may come, not which of the operator's they are.
    """
    check_document(claims, stored)
    if not is_brought(stored) and claims.name != stored.name:
        raise PermissionDenied(
            f"an operator applied {stored.key}, and only a token that names it may speak for it: make one with "
            f"`meshmeter token dataplane --mesh {stored.mesh} --name {stored.name}`, or delete the Dataplane first"
        )
