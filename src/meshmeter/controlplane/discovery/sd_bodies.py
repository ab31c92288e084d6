"""Bodies of the discovery API: made once per content, shared by every client that gets the same answer."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from meshmeter.mads.assignments import AssignmentSnapshot, Selection, select
from meshmeter.mads.messages import response_body
from meshmeter.mads.target_groups import target_groups

V = TypeVar("V")

REMEMBERED = 32
"""Different selections whose answers are kept; more are made anew for each request."""

LARGE = 500
"""Targets of an answer that is made beside the event loop: 20 microseconds each."""

FAST = 1
"""Level of gzip: five times smaller for a tenth of the time of the default."""


class Body:
    """One answer in both encodings, made when it is first asked for and kept."""

    def __init__(self, make: Callable[[], bytes], *, large: bool = False):
        """`make` runs in a thread if the answer is `large`."""
        self._make = make
        self._large = large
        self._making = asyncio.Lock()
        self._plain: bytes | None = None
        self._gzipped: bytes | None = None

    async def plain(self) -> bytes:
        async with self._making:
            if self._plain is None:
                self._plain = await self._run(self._make)
            return self._plain

    async def gzipped(self) -> bytes:
        plain = await self.plain()
        async with self._making:
            if self._gzipped is None:
                self._gzipped = await self._run(lambda: gzip.compress(plain, FAST, mtime=0))
            return self._gzipped

    async def _run(self, work: Callable[[], bytes]) -> bytes:
        return await asyncio.to_thread(work) if self._large else work()


class BodyCache:
    """Selections and bodies of the latest snapshot."""

    def __init__(self) -> None:
        self._version = ""
        self._selected: _Recent[AssignmentSnapshot] = _Recent()
        self._bodies: _Recent[Body] = _Recent()

    def select(self, snapshot: AssignmentSnapshot, selection: Selection) -> AssignmentSnapshot:
        """The part that a client gets. A new `snapshot` forgets everything of the one before."""
        if snapshot.version != self._version:
            self._version = snapshot.version
            self._selected.clear()
            self._bodies.clear()
        return self._selected.get(selection, lambda: select(snapshot, selection))

    def discovery(self, selected: AssignmentSnapshot, *, direct: bool = False) -> Body:
        """The DiscoveryResponse; `direct` for a client that speaks the mesh's TLS itself."""
        # The version is a hash of the content, so it names the body whichever selection led to it.
        key = ("discovery", selected.version, direct)
        return self._bodies.get(
            key, lambda: Body(lambda: response_body(selected, direct=direct), large=_is_large(selected))
        )

    def targets(self, selected: AssignmentSnapshot, *, direct: bool = False) -> Body:
        """The list of target groups; `direct` for a client that speaks the mesh's TLS itself."""

        def make() -> bytes:
            return json.dumps(target_groups(selected, direct=direct), separators=(",", ":")).encode()

        key = ("targets", selected.version, direct)
        return self._bodies.get(key, lambda: Body(make, large=_is_large(selected)))


def _is_large(selected: AssignmentSnapshot) -> bool:
    return len(selected.assignments) > LARGE


class _Recent(Generic[V]):
    """The values used last."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > REMEMBERED:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self) -> None:
        self._values.clear()
