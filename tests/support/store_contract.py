"""What every Store promises, as tests. An engine's test class inherits them and gives a fixture `store`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from meshmeter.errors import MeshInUse, MeshNotFound, NotFound, VersionConflict
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Delete, Event, Put, Store
from meshmeter.store.token_records import TokenRecord
from support.resources import dataplane, mesh, metered, permission

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MESH = Key("Mesh", "", "default")
DATAPLANE = Key("Dataplane", "default", "backend-1")


def allow(name: str, *, mesh: str = "default") -> AnyResource:
    """A TrafficPermission that allows everything."""
    anyone = [{"kuma.io/service": "*"}]
    return permission(name, sources=anyone, destinations=anyone, mesh=mesh)


def labelled(resource: AnyResource, **labels: str) -> AnyResource:
    """The same resource with these labels."""
    return replace(resource, meta=replace(resource.meta, labels=labels))


async def events_after(store: Store, revision: int, count: int) -> list[Event]:
    """The next `count` events, however they are batched."""
    seen: list[Event] = []
    async with asyncio.timeout(60):
        async for batch in store.watch(revision):
            seen += batch
            if len(seen) >= count:
                break
    return seen


async def keys(store: Store) -> Sequence[str]:
    """Everything there is, by name."""
    return [str(resource.key) for resource in (await store.contents()).resources]


class StoreContract:
    """Subclasses provide `store`: a fresh, empty Store."""

    # One resource

    async def test_a_new_resource_has_version_1_and_its_times(self, store: Store) -> None:
        [stored] = await store.commit([Put(mesh())])
        assert stored is not None and stored.meta.version == 1
        assert stored.meta.creation_time == stored.meta.modification_time
        assert await store.get(MESH) == stored

    async def test_everything_of_a_resource_comes_back(self, store: Store) -> None:
        written = metered("default", path="/µ", aggregate=[{"name": "app", "port": 0, "enabled": False}])
        annotated = replace(
            labelled(written, team="a"),
            meta=replace(
                labelled(written, team="a").meta,
                annotations={"note": "line 1\nline 2 \U0001f680"},
                name_extensions={"k8s.kuma.io/namespace": "shop"},
            ),
        )
        await store.commit([Put(annotated)])
        read = await store.get(MESH)
        assert read.spec == written.spec
        assert read.meta.labels == {"team": "a"}
        assert read.meta.annotations == {"note": "line 1\nline 2 \U0001f680"}
        assert read.meta.name_extensions == {"k8s.kuma.io/namespace": "shop"}

    async def test_a_change_counts_the_version_and_keeps_the_creation_time(self, store: Store) -> None:
        [first] = await store.commit([Put(mesh())])
        [second] = await store.commit([Put(metered())])
        assert first is not None and second is not None
        assert second.meta.version == 2
        assert second.meta.creation_time == first.meta.creation_time
        assert second.meta.modification_time > first.meta.modification_time

    async def test_version_and_times_of_the_caller_do_not_matter(self, store: Store) -> None:
        written = mesh()
        [stored] = await store.commit([Put(replace(written, meta=replace(written.meta, version=41)))])
        assert stored is not None and stored.meta.version == 1

    async def test_writing_the_same_again_changes_nothing(self, store: Store) -> None:
        [first] = await store.commit([Put(labelled(metered(), team="a"))])
        before = (await store.contents()).revision
        [again] = await store.commit([Put(labelled(metered(), team="a"))])
        assert again == first
        assert (await store.contents()).revision == before

    @pytest.mark.parametrize("field", ["labels", "annotations"])
    async def test_metadata_is_content_too(self, store: Store, field: str) -> None:
        await store.commit([Put(mesh())])
        changed = replace(mesh(), meta=replace(mesh().meta, **{field: {"team": "b"}}))
        [stored] = await store.commit([Put(changed)])
        assert stored is not None and stored.meta.version == 2

    async def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound, match="Dataplane 'backend-1' not found in mesh 'default'"):
            await store.get(DATAPLANE)
        with pytest.raises(NotFound):
            await store.commit([Delete(DATAPLANE)])

    async def test_a_deleted_resource_starts_anew(self, store: Store) -> None:
        await store.commit([Put(mesh()), Put(dataplane()), Put(labelled(dataplane(), a="b"))])
        assert await store.commit([Delete(DATAPLANE)]) == [None]
        with pytest.raises(NotFound):
            await store.get(DATAPLANE)
        [stored] = await store.commit([Put(dataplane(), expected_version=0)])
        assert stored is not None and stored.meta.version == 1

    # Versions

    @pytest.mark.parametrize("expected", [0, 1, 3])
    async def test_a_stale_version_is_refused(self, store: Store, expected: int) -> None:
        await store.commit([Put(mesh()), Put(labelled(mesh(), n="2"))])
        for change in (
            Put(labelled(mesh(), n="3"), expected_version=expected),
            Delete(MESH, expected_version=expected),
        ):
            with pytest.raises(VersionConflict) as caught:
                await store.commit([change])
            assert (caught.value.expected, caught.value.current) == (expected, 2)
        assert (await store.get(MESH)).meta.labels == {"n": "2"}

    async def test_an_expected_resource_that_is_gone_is_a_conflict(self, store: Store) -> None:
        for change in (Put(mesh(), expected_version=1), Delete(MESH, expected_version=1)):
            with pytest.raises(VersionConflict) as caught:
                await store.commit([change])
            assert caught.value.current == 0

    async def test_of_two_writers_of_one_version_one_wins(self, store: Store) -> None:
        await store.commit([Put(mesh())])
        writers = [store.commit([Put(labelled(mesh(), writer=str(n)), expected_version=1)]) for n in range(8)]
        results = await asyncio.gather(*writers, return_exceptions=True)
        won = [n for n, result in enumerate(results) if not isinstance(result, BaseException)]
        lost = [result for result in results if isinstance(result, VersionConflict)]
        assert (len(won), len(lost)) == (1, 7)
        stored = await store.get(MESH)
        assert stored.meta.version == 2 and stored.meta.labels == {"writer": str(won[0])}

    async def test_increments_of_many_tasks_are_all_counted(self, store: Store) -> None:
        await store.commit([Put(labelled(mesh(), count="0"))])

        async def increment() -> None:
            while True:
                read = await store.get(MESH)
                count = str(int(read.meta.labels["count"]) + 1)
                try:
                    await store.commit([Put(labelled(read, count=count), read.meta.version)])
                    return
                except VersionConflict:
                    pass

        await asyncio.gather(*(increment() for _ in range(10)))
        assert (await store.get(MESH)).meta.labels == {"count": "10"}

    # Several changes

    async def test_a_batch_is_applied_in_order(self, store: Store) -> None:
        results = await store.commit(
            [Put(mesh()), Put(dataplane()), Delete(DATAPLANE), Put(allow("a")), Put(labelled(mesh(), n="2"))]
        )
        assert [r and r.meta.version for r in results] == [1, 1, None, 1, 2]
        assert await keys(store) == ["Mesh default", "TrafficPermission default/a"]

    @pytest.mark.parametrize(
        "bad", [Put(dataplane(mesh="none")), Put(mesh(), 7), Delete(Key("Mesh", "", "none"))]
    )
    async def test_a_batch_with_one_bad_change_leaves_nothing(self, store: Store, bad: Put | Delete) -> None:
        await store.commit([Put(mesh())])
        before = await store.contents()
        with pytest.raises((MeshNotFound, VersionConflict, NotFound)):
            await store.commit([Put(dataplane()), Delete(DATAPLANE), Put(allow("a")), bad])
        assert await store.contents() == before

    async def test_an_empty_batch_is_allowed(self, store: Store) -> None:
        assert list(await store.commit([])) == []

    async def test_a_dry_run_checks_and_writes_nothing(self, store: Store) -> None:
        await store.commit([Put(mesh())])
        before = await store.contents()
        put, gone = await store.commit([Put(dataplane()), Delete(DATAPLANE)], dry_run=True)
        assert put is not None and put.meta.version == 1 and gone is None
        with pytest.raises(MeshNotFound):
            await store.commit([Put(dataplane(mesh="none"))], dry_run=True)
        assert await store.contents() == before
        await store.commit([Put(allow("a"))])
        [event] = await events_after(store, before.revision, 1)
        assert event.key.name == "a"

    # Meshes

    async def test_a_resource_needs_its_mesh(self, store: Store) -> None:
        with pytest.raises(MeshNotFound, match="mesh of name payments is not found"):
            await store.commit([Put(dataplane(mesh="payments"))])
        await store.commit([Put(mesh("payments")), Put(dataplane(mesh="payments"))])

    async def test_a_mesh_with_dataplanes_stays(self, store: Store) -> None:
        await store.commit([Put(mesh()), Put(dataplane("a")), Put(dataplane("b")), Put(allow("all"))])
        with pytest.raises(MeshInUse) as caught:
            await store.commit([Delete(MESH)])
        assert str(caught.value) == "unable to delete mesh, there are still some dataplanes attached"
        assert caught.value.dataplanes == 2
        assert len(await keys(store)) == 4

    async def test_a_mesh_goes_together_with_its_last_dataplane(self, store: Store) -> None:
        await store.commit([Put(mesh()), Put(dataplane())])
        await store.commit([Delete(DATAPLANE), Delete(MESH)])
        assert await keys(store) == []

    async def test_a_mesh_takes_its_permissions_and_secrets_along(self, store: Store) -> None:
        await store.commit([Put(mesh("a")), Put(mesh("a.b")), Put(mesh("ab"))])
        await store.commit([Put(allow("p", mesh="a")), Put(allow("p", mesh="a.b"))])
        for name in ("a/ca.key", "A/ca.key", "a.b/ca.key", "ab/ca.key", "a"):
            await store.put_secret(name, name.encode())
        revision = (await store.contents()).revision

        await store.commit([Delete(Key("Mesh", "", "a"))])

        assert await keys(store) == ["Mesh a.b", "Mesh ab", "TrafficPermission a.b/p"]
        assert await store.get_secret("a/ca.key") is None
        for name in ("A/ca.key", "a.b/ca.key", "ab/ca.key", "a"):
            assert await store.get_secret(name) == name.encode()
        events = await events_after(store, revision, 2)
        assert [(str(e.key), e.resource) for e in events] == [
            ("TrafficPermission a/p", None),
            ("Mesh a", None),
        ]

    # Reading

    async def test_lists_are_ordered_and_can_be_of_one_mesh(self, store: Store) -> None:
        await store.commit([Put(mesh("b")), Put(mesh("a"))])
        await store.commit([Put(dataplane(n, mesh=m)) for m in ("b", "a") for n in ("y", "x")])
        everything = [(r.mesh, r.name) for r in await store.list("Dataplane")]
        assert everything == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
        assert [r.name for r in await store.list("Dataplane", "b")] == ["x", "y"]
        assert [r.name for r in await store.list("Mesh")] == ["a", "b"]
        assert list(await store.list("Dataplane", "none")) == []

    async def test_contents_come_with_the_revision_to_watch_from(self, store: Store) -> None:
        empty = await store.contents()
        assert empty.resources == ()
        await store.commit([Put(mesh()), Put(dataplane())])
        contents = await store.contents()
        assert contents.revision > empty.revision
        assert [str(r.key) for r in contents.resources] == ["Dataplane default/backend-1", "Mesh default"]

    # Watching

    async def test_a_watch_sees_every_later_change_in_order(self, store: Store) -> None:
        await store.commit([Put(mesh("before"))])
        revision = (await store.contents()).revision
        await store.commit([Put(mesh()), Put(dataplane())])
        await store.commit([Put(labelled(mesh(), n="2"))])
        await store.commit([Delete(DATAPLANE)])
        events = await events_after(store, revision, 4)
        assert [(str(e.key), e.resource and e.resource.meta.version) for e in events] == [
            ("Mesh default", 1),
            ("Dataplane default/backend-1", 1),
            ("Mesh default", 2),
            ("Dataplane default/backend-1", None),
        ]
        assert [e.revision for e in events] == sorted({e.revision for e in events})
        assert events[-1].revision == (await store.contents()).revision

    async def test_a_waiting_watch_wakes_up(self, store: Store) -> None:
        watch = store.watch((await store.contents()).revision)
        waiting = asyncio.create_task(anext(watch))
        await asyncio.sleep(0)
        assert not waiting.done()
        await store.commit([Put(mesh())])
        [event] = await asyncio.wait_for(waiting, 60)
        assert event.key == MESH and event.resource == await store.get(MESH)

    async def test_watches_do_not_take_events_from_each_other(self, store: Store) -> None:
        revision = (await store.contents()).revision
        watchers = [asyncio.create_task(events_after(store, revision, 20)) for _ in range(3)]
        for n in range(20):
            await store.commit([Put(mesh(f"m{n}"))])
        seen = await asyncio.gather(*watchers)
        assert [e.key.name for e in seen[0]] == [f"m{n}" for n in range(20)]
        assert seen[0] == seen[1] == seen[2]

    async def test_contents_and_watch_together_miss_nothing(self, store: Store) -> None:
        async def write() -> None:
            for n in range(30):
                await store.commit([Put(mesh(f"m{n:02}"))])

        writing = asyncio.create_task(write())
        seen: set[str] = set()
        while len(seen) < 30:
            contents = await store.contents()
            seen |= {r.name for r in contents.resources}
            if len(seen) < 30:
                seen |= {e.key.name for e in await events_after(store, contents.revision, 1)}
        await writing
        assert seen == {f"m{n:02}" for n in range(30)}

    # Secrets

    # Tokens

    async def test_token_records_come_back_in_the_order_of_their_issue(self, store: Store) -> None:
        assert await store.tokens() == []
        subject = {"mesh": "default", "tags": {"kuma.io/service": ["web", "wéb"]}, "meshes": ["a"]}
        second = TokenRecord("a", "k", "meshmeter/dataplane", NOON, NOON + DAY, subject)
        first = TokenRecord("b", "k", "meshmeter/admin", NOON - DAY, NOON + DAY)
        for record in (second, first):
            await store.put_token(record)
        assert await store.tokens() == [first, second]
        revoked = replace(first, revoked_at=NOON)
        await store.put_token(revoked)
        assert await store.tokens() == [revoked, second]
        assert (await store.contents()).resources == ()

    async def test_records_of_expired_tokens_are_forgotten(self, store: Store) -> None:
        for hours in (1, 2, 3):
            end = NOON.astimezone(timezone(timedelta(hours=5))) + timedelta(hours=hours)
            await store.put_token(TokenRecord(str(hours), "k", "meshmeter/admin", NOON, end))
        assert await store.forget_tokens(NOON + timedelta(hours=2)) == 1
        assert [record.id for record in await store.tokens()] == ["2", "3"]
        assert await store.forget_tokens(NOON) == 0

    # Secrets

    async def test_secrets_are_kept_as_they_are(self, store: Store) -> None:
        assert await store.get_secret("default/ca.key") is None
        await store.put_secret("default/ca.key", b"\x00\xff")
        await store.put_secret("default/ca.key", b"\x00\xfe\n")
        assert await store.get_secret("default/ca.key") == b"\x00\xfe\n"
        assert (await store.contents()).resources == ()
