"""Dataplanes that agents bring: stored, answered, and removed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshmeter.controlplane import registration
from meshmeter.controlplane.registration import REGISTERED, proxy_info
from meshmeter.errors import InvalidResource, MeshNotFound, NotFound, PermissionDenied
from meshmeter.resources.codec import decode, to_universal
from meshmeter.resources.resource import AnyResource, Key
from meshmeter.store.base import Put
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


async def test_an_agent_that_comes_back_does_not_undo_a_users_change(parts: Parts) -> None:
    await register(parts)
    changed = to_universal(await stored(parts)) | {"metrics": {"type": "prometheus", "conf": {"port": 1234}}}
    ours = decode(changed)
    marks = {REGISTERED: (await stored(parts)).meta.annotations[REGISTERED]}
    await parts.store.commit([Put(replace(ours, meta=replace(ours.meta, annotations=marks)))])
    answer = await register(parts)
    assert answer["name"] == "backend-1"
    assert (await stored(parts)).spec.metrics.conf.port == 1234


async def test_an_agent_with_another_document_replaces_what_is_there(parts: Parts) -> None:
    await register(parts)
    other = deepcopy(DOCUMENT)
    other["networking"]["address"] = "127.0.0.9"
    await register(parts, other)
    assert (await stored(parts)).spec.networking.address == "127.0.0.9"


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


async def test_a_proxy_that_stays_away_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "SWEEP", 0.01)
    async with running_parts(tmp_path, deregistration_delay=0.2) as parts, asyncio.timeout(10):
        await parts.store.commit([Put(metered()), Put(decode({**DOCUMENT, "name": "by-hand"}))])
        with parts.registry.poll("default", "backend-1"):
            await register(parts)
            await asyncio.sleep(0.5)
            assert (await stored(parts)).name == "backend-1", "it is there, in its poll"
        while [r.name for r in await parts.store.list("Dataplane")] != ["by-hand"]:
            await asyncio.sleep(0.01)


def test_what_the_agent_says_of_itself_is_checked() -> None:
    with pytest.raises(InvalidResource) as refused:
        proxy_info(decode(DOCUMENT), {"agentSocket": "", "adminSocket": 5})
    assert [v.field for v in refused.value.violations] == ["proxy.agentSocket", "proxy.adminSocket"]
