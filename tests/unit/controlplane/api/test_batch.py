from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane.api.batch import (
    MOST_VIOLATIONS,
    Batch,
    Outcome,
    Result,
    apply_resources,
    decode_documents,
)
from meshmeter.errors import InvalidResource, NotFound, VersionConflict
from meshmeter.resources import codec
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Change
from meshmeter.store.sqlite import SqliteStore
from support.resources import dataplane, metered

MESH = {"type": "Mesh", "name": "shop"}
DATAPLANE = {"type": "Dataplane", "mesh": "shop", "name": "web", "networking": {"address": "10.0.0.1"}}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "test.db")
    yield opened
    await opened.close()


async def apply(store: SqliteStore, *documents: object, dry_run: bool = False) -> Batch:
    return await apply_resources(store, decode_documents(documents), zone="default", dry_run=dry_run)


def outcomes(batch: Batch) -> list[str]:
    return [str(result.outcome) for result in batch.results]


async def refused(store: SqliteStore, *documents: object) -> dict[str, str]:
    with pytest.raises(InvalidResource) as caught:
        await apply(store, *documents)
    return {v.field: v.reason for v in caught.value.violations}


async def test_documents_of_one_batch_may_need_each_other(store: SqliteStore) -> None:
    assert outcomes(await apply(store, DATAPLANE, MESH)) == ["Created", "Created"]
    assert outcomes(await apply(store, DATAPLANE, MESH)) == ["Unchanged", "Unchanged"]
    changed = {**DATAPLANE, "labels": {"a": "b"}}
    assert outcomes(await apply(store, changed)) == ["Updated"]


@pytest.mark.attack("B4: a batch, or a Mesh of thousands of proxies, holds up nobody while it is compared")
async def test_what_changes_is_worked_out_beside_the_event_loop(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(store, MESH, DATAPLANE)
    contents = await store.contents()
    threads: list[threading.Thread] = []

    class Watched(tuple[AnyResource, ...]):
        def __iter__(self) -> Iterator[AnyResource]:
            threads.append(threading.current_thread())
            return super().__iter__()

    async def watched() -> object:
        return replace(contents, resources=Watched(contents.resources))

    monkeypatch.setattr(store, "contents", watched)
    batch = await apply(store, codec.to_universal(metered("shop")))
    assert batch.affected.proxies == 1
    assert len(threads) >= 2 and threading.current_thread() not in threads


async def test_a_dry_run_writes_nothing(store: SqliteStore) -> None:
    assert outcomes(await apply(store, MESH, DATAPLANE, dry_run=True)) == ["Created", "Created"]
    with pytest.raises(NotFound):
        await store.get(Key("Mesh", "", "shop"))


async def test_faults_of_form_and_of_the_stored_state_come_together(store: SqliteStore) -> None:
    found = await refused(
        store,
        {"type": "Mesh", "name": "bad", "metrcs": 1},
        {**DATAPLANE, "mesh": "bad"},
        {**DATAPLANE, "mesh": "nowhere"},
        7,
    )
    assert set(found) == {"documents[0].metrcs", "documents[2].mesh", "documents[3]"}


async def test_a_dataplane_is_not_blamed_for_a_faulty_mesh_in_either_form(store: SqliteStore) -> None:
    mesh = {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "bad"}, "spec": {"x": 1}}
    assert set(await refused(store, mesh, {**DATAPLANE, "mesh": "bad"})) == {"documents[0].spec.x"}


async def test_one_key_twice_is_a_fault_that_names_both(store: SqliteStore) -> None:
    assert await refused(store, MESH, DATAPLANE, MESH) == {
        "documents[2].name": "Mesh shop is also in documents[0]: keep one"
    }


async def test_the_number_of_faults_in_an_answer_is_bounded(store: SqliteStore) -> None:
    documents = [{**DATAPLANE, "name": f"d{n}", "nope": 1} for n in range(MOST_VIOLATIONS + 5)]
    with pytest.raises(InvalidResource) as caught:
        await apply(store, *documents)
    assert len(caught.value.violations) == MOST_VIOLATIONS + 1
    assert caught.value.violations[-1].reason == "and 5 more faults"


class Meddled(SqliteStore):
    """Somebody else writes between reading and writing, some times."""

    times = 0

    async def commit(
        self, changes: Sequence[Change], *, dry_run: bool = False
    ) -> Sequence[AnyResource | None]:
        if self.times > 0:
            self.times -= 1
            raise VersionConflict("Mesh", "", "shop", 0, 1)
        return await super().commit(changes, dry_run=dry_run)


async def test_a_change_in_between_is_looked_at_again(tmp_path: Path) -> None:
    store = await Meddled.open(tmp_path / "test.db")
    try:
        assert isinstance(store, Meddled)
        store.times = 2
        assert outcomes(await apply(store, MESH)) == ["Created"]
        store.times = 99
        with pytest.raises(VersionConflict):
            await apply(store, {**MESH, "labels": {"a": "b"}})
    finally:
        await store.close()


async def test_affected_counts_proxies_of_the_meshes_that_change(store: SqliteStore) -> None:
    def mesh(name: str, **conf: Any) -> dict[str, Any]:
        backends = [{"name": "p", "type": "prometheus", "conf": conf}]
        return {"type": "Mesh", "name": name, "metrics": {"enabledBackend": "p", "backends": backends}}

    await apply(store, mesh("a"), mesh("b"), *({**DATAPLANE, "mesh": "a", "name": n} for n in "xy"))
    affected = (await apply(store, mesh("a", path="/m"), mesh("b"), dry_run=True)).affected.to_json()
    assert (affected["proxies"], affected["path"], affected["port"]) == (2, 2, 0)


def test_a_result_knows_its_outcome_and_difference() -> None:
    old, new = metered(port=1), metered(port=2)
    assert Result(new, None).outcome is Outcome.CREATED
    assert Result(new, new).outcome is Outcome.UNCHANGED and Result(new, new).diff() == ""
    changed = Result(new, old)
    assert changed.outcome is Outcome.UPDATED
    assert changed.diff().splitlines()[:2] == ["--- Mesh default, stored", "+++ Mesh default, new"]
    assert "-      port: 1" in changed.diff() and "+      port: 2" in changed.diff()
    assert Result(dataplane(), None).diff().startswith("--- /dev/null")
