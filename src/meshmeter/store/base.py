"""The Store protocol: versioned resources with atomic writes and a watch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.token_records import TokenRecord


@dataclass(frozen=True, slots=True)
class Put:
    """Write `resource`. `expected_version`: None = whatever is there, 0 = must not exist, n = must be n now."""

    resource: AnyResource
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    key: Key
    expected_version: int | None = None


Change = Put | Delete


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change. `resource` is None for a deletion."""

    revision: int
    key: Key
    resource: AnyResource | None


@dataclass(frozen=True, slots=True)
class Contents:
    """All resources at one revision."""

    revision: int
    resources: tuple[AnyResource, ...]
    unreadable: Mapping[Key, str] = field(default_factory=dict)
    """What is kept and cannot be read, damaged or of another version of the program, each with the reason."""


class Store(Protocol):
    """Durable, versioned resources.

    `revision` is one counter for the whole store and grows with every committed change. A write of a mesh-scoped
    resource whose Mesh does not exist raises MeshNotFound; deleting a Mesh with Dataplanes raises MeshInUse (its
    other resources go with it). Any method may raise StoreUnavailable.

    One resource that cannot be read is not a reason to serve none: `list` and `contents` go around it, `get` and a Put
    of it raise ResourceUnreadable, and it stays as it is until it is deleted.
    """

    async def get(self, key: Key) -> AnyResource:
        """The resource. Raises NotFound, ResourceUnreadable."""
        ...

    async def list(self, kind: str, mesh: str | None = None) -> Sequence[AnyResource]:
        """All of a kind, of one mesh or of all, ordered by mesh and name."""
        ...

    async def contents(self) -> Contents:
        """Everything, consistently, with the revision to start a watch from."""
        ...

    async def commit(
        self, changes: Sequence[Change], *, dry_run: bool = False
    ) -> Sequence[AnyResource | None]:
        """Apply all changes, in order, in one transaction, or none. The stored resources (None for deletions).

        A Put of what is there already changes nothing: no new version, no event. With `dry_run` everything is checked
        and nothing written. Raises VersionConflict, NotFound (for a Delete), MeshNotFound,
        MeshInUse, ResourceUnreadable (for a Put).
        """
        ...

    def watch(self, after: int) -> AsyncIterator[tuple[Event, ...]]:
        """Batches of events with a revision above `after`, in order, for as long as it is iterated.

        The iterator raises WatchExpired if some of them are no longer kept: read `contents` and watch from there.
        """
        ...

    async def get_secret(self, name: str) -> bytes | None:
        """The secret as it was put, or None if there is none of that name."""
        ...

    async def put_secret(self, name: str, value: bytes) -> None:
        """Write a secret. One named `MESH/…` belongs to that Mesh and is deleted with it."""
        ...

    async def delete_secret(self, name: str) -> bool:
        """Remove a secret; False if there was none of that name."""
        ...

    async def secret_names(self, prefix: str = "") -> Sequence[str]:
        """The names that begin so, in order."""
        ...

    async def tokens(self) -> Sequence[TokenRecord]:
        """The records of all tokens, oldest first."""
        ...

    async def put_token(self, record: TokenRecord) -> None:
        """Write a record, in place of an earlier one of the same id."""
        ...

    async def forget_tokens(self, expired_before: datetime) -> int:
        """Remove the records of tokens that expired before then; how many there were."""
        ...

    async def close(self) -> None: ...
