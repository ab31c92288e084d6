"""Authorities are ready before what needs them is compiled; one that is not holds back its own mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any

from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.preparation import Preparation
from meshmeter.effective.view import MeshView
from support.resources import metered

SLOW, QUICK = ("slow", "a"), ("quick", "a")


class Authorities:
    """That of the mesh `slow` is ready when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.prepared: list[str] = []
        self.forgotten: list[str] = []

    async def prepare(self, mesh: Any) -> None:
        if mesh.name == "slow":
            await self.go.wait()
        self.prepared.append(mesh.name)

    def forget_mesh(self, mesh: str) -> None:
        self.forgotten.append(mesh)


def view(mesh: str) -> MeshView | None:
    return MeshView(metered(mesh)) if mesh != "gone" else None


async def test_one_that_takes_long_holds_back_its_own_mesh_and_is_asked_again_where_it_changed_meanwhile() -> (
    None
):
    trust, marked = Authorities(), asyncio.Queue[tuple[set[Any], Set[str]]]()
    preparation = Preparation(trust, MtlsSwitch(), view, lambda *found: marked.put_nowait(found))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        await preparation.prepare({"slow", "quick", "gone"}, tasks, 0.01)
        assert trust.forgotten == ["gone"] and trust.prepared == ["quick"]
        assert preparation.hold({SLOW, QUICK}) == {SLOW} == preparation.held
        assert [await marked.get() for _ in range(2)] == [(set(), set())] * 2
        await preparation.prepare({"slow"}, tasks, 0.0)
        trust.go.set()
        assert await marked.get() == ({SLOW}, {"slow"})
        assert not preparation.held
        await preparation.prepare({"slow"}, tasks, 60)
        assert trust.prepared == ["quick", "slow", "slow"]
        assert preparation.hold({SLOW}) == set()


async def test_without_trust_nobody_waits() -> None:
    preparation = Preparation(None, MtlsSwitch(), view, lambda *_found: None)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        await preparation.prepare({"slow"}, tasks, 60)
        assert preparation.hold({SLOW}) == set()
