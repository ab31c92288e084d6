"""Dataplanes that agents bring: stored, answered, and removed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane.admission.written_by import REGISTERED, is_away
from meshmeter.controlplane.api.batch import apply_resources, decode_documents
from meshmeter.controlplane.proxies.registration import Registrar, Surroundings, proxy_info
from meshmeter.effective.pod_annotations import MARK
from meshmeter.errors import InvalidResource, MeshNotFound, NotFound, PermissionDenied, VersionConflict
from meshmeter.resources.codec import decode, to_universal
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Delete, Put, Store
from support.control_plane_parts import Parts, running_parts
from support.resources import metered

DOCUMENT: dict[str, Any] = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "backend-1",
    "networking": {
        "address": "127.0.0.3",
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": "backend"}}],
    },
}
PROXY = {
    "instance": "i",
    "agentSocket": "/run/a.sock",
    "adminSocket": "/run/e.sock",
    "envoyVersion": "1.40.0",
}
KEY = Key("Dataplane", "default", "backend-1")


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with running_parts(tmp_path) as running:
        await running.store.commit([Put(metered())])
        yield running


async def register(parts: Parts, document: dict[str, Any] = DOCUMENT, **token: Any) -> dict[str, Any]:
    encoded = parts.token(**token)
    claims = parts.verifier.dataplane(encoded)
    return await parts.registrar.register(document, PROXY, claims, encoded, "cp.example")


async def stored(parts: Parts) -> AnyResource:
    return await parts.store.get(KEY)


async def test_the_answer_is_all_an_agent_needs(parts: Parts) -> None:
    answer = await register(parts)
    assert (answer["mesh"], answer["name"]) == ("default", "backend-1")
    assert answer["agentConfig"]["enabled"] is True
    bootstrap = answer["bootstrap"]
    assert bootstrap["node"]["id"] == "default.backend-1"
    ads = str(bootstrap["staticResources"])
    assert "cp.example" in ads and "15678" in ads
    found = await stored(parts)
    assert REGISTERED in found.meta.annotations
    assert found.spec.networking.inbound[0].tags["kuma.io/zone"] == "default"
    assert parts.cache.get("default", "backend-1") is not None


async def apply(parts: Parts, document: dict[str, Any]) -> None:
    """What `meshmeter apply` does."""
    await apply_resources(parts.store, decode_documents([document]), zone="default")


def changed(address: str = "127.0.0.3", **conf: Any) -> dict[str, Any]:
    other = deepcopy(DOCUMENT)
    other["networking"]["address"] = address
    return other | ({"metrics": {"type": "prometheus", "conf": conf}} if conf else {})


async def conf_of(parts: Parts) -> dict[str, Any]:
    return dict(to_universal(await stored(parts))["metrics"]["conf"])


LIVE: dict[str, Any] = {"port": 1234, "aggregate": [{"name": "app", "port": 9999}]}


async def test_what_an_operator_applied_holds_when_the_agent_comes_back(parts: Parts) -> None:
    await register(parts, changed(port=1111, path="/file"))
    await apply(parts, changed(**LIVE))
    assert await conf_of(parts) == {**LIVE, "path": "/file"}
    await register(parts, changed(port=1111, path="/file"))
    assert await conf_of(parts) == {**LIVE, "path": "/file"}


async def test_the_agents_next_file_fills_what_no_operator_wrote(parts: Parts) -> None:
    await register(parts, changed(port=1111, path="/file"))
    await apply(parts, changed(**LIVE))
    newer = changed(port=2222, path="/newer", aggregate=[{"name": "app", "port": 1, "path": "/app"}])
    await register(parts, newer)
    entry = {"name": "app", "port": 9999, "path": "/app"}
    assert await conf_of(parts) == {"port": 1234, "path": "/newer", "aggregate": [entry]}


async def test_it_holds_after_a_good_bye_and_nothing_is_served_meanwhile(parts: Parts) -> None:
    await register(parts)
    await apply(parts, changed(**LIVE))
    assert await parts.registrar.deregister("default", "backend-1", "i")
    assert is_away(await stored(parts))
    async with asyncio.timeout(60):
        while parts.reconciler.assignments.value.assignments:
            await parts.reconciler.assignments.next()
    assert parts.reconciler.dataplane("default", "backend-1") is None
    answer = await register(parts)
    assert await conf_of(parts) == LIVE and not is_away(await stored(parts))
    assert [source["name"] for source in answer["agentConfig"]["sources"] if source["name"] != "envoy"] == [
        "app"
    ]


async def test_what_is_applied_while_the_proxy_is_away_waits_for_it(parts: Parts) -> None:
    await register(parts)
    await apply(parts, changed(**LIVE))
    await parts.registrar.deregister("default", "backend-1", "i")
    await apply(parts, changed(port=4321))
    assert is_away(await stored(parts)) and await conf_of(parts) == {"port": 4321}
    await register(parts, **{"kuma.io/service": "backend", "name": None})
    assert await conf_of(parts) == {"port": 4321}


async def test_delete_ends_it_there_or_away(parts: Parts) -> None:
    for leave in (False, True):
        await register(parts)
        await apply(parts, changed(**LIVE))
        if leave:
            await parts.registrar.deregister("default", "backend-1", "i")
        await parts.store.commit([Delete(KEY)])
        await register(parts)
        assert (await stored(parts)).spec.metrics is None


async def test_a_row_that_an_older_version_left_keeps_the_operators_change(parts: Parts) -> None:
    await register(parts)
    before = await stored(parts)
    older = decode(changed(**LIVE))
    older = replace(older, meta=replace(older.meta, annotations=before.meta.annotations))
    await parts.store.commit([Put(older)])
    await register(parts, changed(path="/file"))
    assert await conf_of(parts) == {**LIVE, "path": "/file"}


async def test_a_row_of_an_older_version_tells_which_entries_were_removed(parts: Parts) -> None:
    mine = changed(aggregate=[{"name": "mine", "port": 1}])
    await register(parts, mine)
    older = decode(changed(**LIVE))
    marks = (await stored(parts)).meta.annotations
    await parts.store.commit([Put(replace(older, meta=replace(older.meta, annotations=marks)))])
    await register(parts, mine)
    assert await conf_of(parts) == LIVE


async def test_an_entry_that_an_operator_left_out_stays_out_and_a_new_one_comes_in(parts: Parts) -> None:
    mine, more = {"name": "mine", "port": 1}, {"name": "more", "port": 2}
    await register(parts, changed(aggregate=[mine]))
    await apply(parts, changed(**LIVE))
    assert await conf_of(parts) == LIVE
    await register(parts, changed(aggregate=[mine]))
    assert await conf_of(parts) == LIVE
    await register(parts, changed(aggregate=[mine, more]))
    assert await conf_of(parts) == {**LIVE, "aggregate": [more, *LIVE["aggregate"]]}
    await apply(parts, changed(port=1234))
    assert await conf_of(parts) == {"port": 1234, "aggregate": [mine, more]}


async def test_without_a_change_an_agents_newer_document_replaces_its_older_one(parts: Parts) -> None:
    await register(parts, changed(port=1))
    await register(parts, changed("127.0.0.9"))
    found = await stored(parts)
    assert found.spec.networking.address == "127.0.0.9" and found.spec.metrics is None


async def test_two_documents_that_do_not_fit_together_are_refused_on_either_side(parts: Parts) -> None:
    admin = {**DOCUMENT, "networking": {**DOCUMENT["networking"], "admin": {"port": 7000}}}
    await register(parts, admin)
    clash = {
        **DOCUMENT,
        "networking": {
            **DOCUMENT["networking"],
            "outbound": [{"port": 7000, "tags": {"kuma.io/service": "x"}}],
        },
    }
    with pytest.raises(InvalidResource, match=r"must differ from outbound .*together"):
        await apply(parts, clash)
    await parts.store.commit([Delete(KEY)])
    await register(parts)
    await apply(parts, clash)
    with pytest.raises(InvalidResource, match=r"must differ from outbound .*together"):
        await register(parts, admin)


# Whose it is


@pytest.mark.parametrize("token", [{"name": None}, {"name": None, "kuma.io/service": "backend"}])
async def test_a_dataplane_of_an_operator_is_taken_by_the_token_that_names_it_alone(
    parts: Parts, token: dict[str, Any]
) -> None:
    await apply(parts, DOCUMENT)
    before = await stored(parts)
    with pytest.raises(PermissionDenied, match="an operator applied Dataplane default/backend-1"):
        await register(parts, changed(port=1), **token)
    assert await stored(parts) == before and parts.cache.get("default", "backend-1") is None
    await register(parts, changed(port=1))
    assert await conf_of(parts) == {"port": 1}


async def test_a_token_has_to_allow_what_is_stored_as_well(parts: Parts) -> None:
    await register(parts)
    before = await stored(parts), parts.cache.get("default", "backend-1")
    mine = deepcopy(DOCUMENT)
    mine["networking"]["inbound"][0]["tags"]["kuma.io/service"] = "web"
    with pytest.raises(PermissionDenied, match='"backend" which is not allowed'):
        await register(parts, mine, name=None, **{"kuma.io/service": "web"})
    assert (await stored(parts), parts.cache.get("default", "backend-1")) == before


async def test_a_token_has_to_allow_what_comes_of_both_documents(parts: Parts) -> None:
    await register(parts, name=None, **{"kuma.io/service": "backend"})
    other = deepcopy(DOCUMENT)
    other["networking"]["inbound"][0]["tags"]["kuma.io/service"] = "payments"
    await apply(parts, other)
    with pytest.raises(PermissionDenied, match='"payments" which is not allowed'):
        await register(parts, name=None, **{"kuma.io/service": "backend"})


class Meddling:
    """A store in which somebody else writes just before each of the first commits."""

    def __init__(self, store: Store, *meanwhile: dict[str, Any]):
        self._store, self._meanwhile = store, list(meanwhile)

    async def get(self, key: Key) -> AnyResource:
        return await self._store.get(key)

    async def commit(self, changes: Any) -> Any:
        if self._meanwhile:
            await apply_resources(self._store, decode_documents([self._meanwhile.pop(0)]), zone="default")
        return await self._store.commit(changes)


def beside(parts: Parts, *meanwhile: dict[str, Any]) -> Registrar:
    meddled: Any = Meddling(parts.store, *meanwhile)
    return Registrar(meddled, parts.reconciler, parts.registry, Surroundings(1, "", "default", 60.0))


async def test_what_changed_meanwhile_is_judged_again(parts: Parts) -> None:
    token = parts.token(name=None, **{"kuma.io/service": "backend"})
    claims = parts.verifier.dataplane(token)
    with pytest.raises(PermissionDenied, match="an operator applied"):
        await beside(parts, DOCUMENT).register(DOCUMENT, PROXY, claims, token, "h")
    assert parts.cache.get("default", "backend-1") is None


async def test_what_changes_again_and_again_is_a_conflict(parts: Parts) -> None:
    token = parts.token()
    claims = parts.verifier.dataplane(token)
    await beside(parts, changed(port=1)).register(changed(path="/x"), PROXY, claims, token, "h")
    assert await conf_of(parts) == {"port": 1, "path": "/x"}
    with pytest.raises(VersionConflict):
        await beside(parts, changed(port=2), changed(port=3)).register(DOCUMENT, PROXY, claims, token, "h")


async def test_a_refused_proxy_leaves_nothing_behind(parts: Parts) -> None:
    token = parts.token()
    claims = parts.verifier.dataplane(token)
    with pytest.raises(InvalidResource, match="registration is not valid"):
        await parts.registrar.register(DOCUMENT, {}, claims, token, "h")
    with pytest.raises(NotFound):
        await stored(parts)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ({"mesh": "other"}, "mesh"),
        ({"name": "backend-2"}, "backend-2"),
        ({"kuma.io/service": "web"}, "kuma.io/service"),
        ({"team": "a"}, "team"),
    ],
)
async def test_a_token_that_does_not_cover_the_proxy_is_refused(
    parts: Parts, token: dict[str, str], reason: str
) -> None:
    with pytest.raises(PermissionDenied, match=reason):
        await register(parts, **token)
    with pytest.raises(NotFound):
        await stored(parts)


async def test_only_dataplanes_of_a_mesh_that_exists_can_be_registered(parts: Parts) -> None:
    with pytest.raises(InvalidResource, match="only a Dataplane"):
        await register(parts, {"type": "Mesh", "name": "backend-1"})
    with pytest.raises(MeshNotFound):
        await register(parts, {**DOCUMENT, "mesh": "nowhere"}, mesh="nowhere")


async def test_a_good_bye_removes_the_dataplane_at_once(parts: Parts) -> None:
    await register(parts)
    assert await parts.registrar.deregister("default", "backend-1", "i")
    with pytest.raises(NotFound):
        await stored(parts)
    assert not await parts.registrar.deregister("default", "backend-1", "i")


async def test_what_a_user_applied_is_never_removed(parts: Parts) -> None:
    await parts.store.commit([Put(decode(DOCUMENT))])
    assert not await parts.registrar.deregister("default", "backend-1", "i")
    await register(parts)
    assert not await parts.registrar.deregister("default", "backend-1", "i")
    assert (await stored(parts)).name == "backend-1"


async def test_a_late_good_bye_of_an_earlier_run_is_not_its_successors(parts: Parts) -> None:
    await register(parts)
    assert not await parts.registrar.deregister("default", "backend-1", "an-earlier-run")
    assert (await stored(parts)).name == "backend-1"


class Time:
    """A clock that the test moves, and the registrar's looks for proxies that have gone."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._go, self._looked = asyncio.Event(), asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self._looked.set()
        await self._go.wait()
        self._go.clear()

    async def passes(self, seconds: float) -> None:
        """So much, and then one whole look."""
        self.now += seconds
        await self._looked.wait()
        self._looked.clear()
        self._go.set()
        await self._looked.wait()


async def test_a_proxy_that_stays_away_is_removed(tmp_path: Path) -> None:
    time = Time()
    async with running_parts(tmp_path, 10.0, clock=lambda: time.now, sleep=time.sleep) as parts:
        await parts.store.commit([Put(metered()), Put(decode({**DOCUMENT, "name": "by-hand"}))])
        with parts.registry.poll("default", "backend-1"):
            await register(parts)
            await time.passes(1000.0)
            assert (await stored(parts)).name == "backend-1", "it is there, in its poll"
        await time.passes(9.9)
        assert (await stored(parts)).name == "backend-1", "it may come back yet"
        await time.passes(0.2)
        assert [r.name for r in await parts.store.list("Dataplane")] == ["by-hand"]


async def test_what_an_operator_applied_holds_over_an_absence_of_its_proxy(tmp_path: Path) -> None:
    time = Time()
    async with running_parts(tmp_path, 10.0, clock=lambda: time.now, sleep=time.sleep) as parts:
        await parts.store.commit([Put(metered())])
        await register(parts)
        await apply(parts, changed(**LIVE))
        await time.passes(11.0)
        assert is_away(await stored(parts))
        # However long: it is looked for no more.
        before = await stored(parts)
        await time.passes(1_000_000.0)
        assert await stored(parts) == before
        await register(parts)
        assert await conf_of(parts) == LIVE and not is_away(await stored(parts))


def test_what_the_agent_says_of_itself_is_checked() -> None:
    with pytest.raises(InvalidResource) as refused:
        proxy_info(decode(DOCUMENT), {"agentSocket": "", "adminSocket": 5})
    assert [v.field for v in refused.value.violations] == ["proxy.agentSocket", "proxy.adminSocket"]


@pytest.mark.attack("B4: one token registers Dataplanes without end")
async def test_one_token_registers_so_many_dataplanes(tmp_path: Path) -> None:
    time = Time()
    async with running_parts(tmp_path, dataplanes_per_token=2, sleep=time.sleep) as parts:
        await parts.store.commit([Put(metered())])
        for name in ("one", "two", "one"):
            await register(parts, DOCUMENT | {"name": name}, name=None)
        with pytest.raises(PermissionDenied, match=r"registered 2 Dataplanes.*--dataplanes-per-token"):
            await register(parts, DOCUMENT | {"name": "three"}, name=None)
        assert [each.name for each in await parts.store.list("Dataplane")] == ["one", "two"]
        assert await parts.registrar.deregister("default", "one", "i")
        async with asyncio.timeout(60):
            while parts.reconciler.dataplane("default", "one") is not None:
                await asyncio.sleep(0)
        await time.passes(1.0)  # a look at what is there
        await register(parts, DOCUMENT | {"name": "three"}, name=None)


@pytest.mark.attack("B1: a registration claims marks that only the control plane writes")
async def test_marks_are_never_taken_from_an_agent(parts: Parts) -> None:
    claimed = {MARK: '{"port":"no","prot":"1"}', "meshmeter.io/other": "x", "shop.io/kept": "y"}
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Dataplane",
        "mesh": "default",
        "metadata": {"name": "backend-1", "annotations": claimed},
        "spec": {"networking": DOCUMENT["networking"]},
    }
    await register(parts, document)
    annotations = (await stored(parts)).meta.annotations
    assert not annotations.keys() & {MARK, "meshmeter.io/other"}
    assert annotations["shop.io/kept"] == "y"
