"""Who may have a stream, and that nothing is kept of those who wait in vain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshmeter.controlplane.admission.written_by import AGENT, BROUGHT, REGISTERED, marked
from meshmeter.controlplane.ads.hooks import AdsHooks
from meshmeter.controlplane.self_metrics import SelfMetrics
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied, Unauthenticated
from meshmeter.resources import codec
from meshmeter.resources.defaults import default_mesh, with_defaults
from meshmeter.store.base import Put
from support.control_plane_parts import Parts, running_parts
from support.envoy_process import until

SERVICE = "kuma.io/service"
DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "backend-1",
    "networking": {"address": "127.0.0.1", "inbound": [{"port": 8080, "tags": {SERVICE: "backend"}}]},
}


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with running_parts(tmp_path) as running:
        await running.store.commit([Put(with_defaults(default_mesh()))])
        yield running


@pytest.fixture
def hooks(parts: Parts) -> AdsHooks:
    return AdsHooks(parts.verifier, parts.registry, parts.reconciler, SelfMetrics())


async def add_dataplane(parts: Parts) -> None:
    """One that an agent brought."""
    brought = marked(codec.decode(DATAPLANE), {REGISTERED: "h", BROUGHT: AGENT})
    await parts.store.commit([Put(brought)])
    await until(lambda: parts.reconciler.compiled("default", "backend-1"), "the Dataplane to be compiled")


async def test_what_is_no_token_is_refused_before_it_is_asked_for_whom(hooks: AdsHooks) -> None:
    with pytest.raises(Unauthenticated):
        hooks.authenticate("")


async def test_a_token_lets_in_the_proxy_it_covers(parts: Parts, hooks: AdsHooks) -> None:
    admit = hooks.authenticate(parts.token(name="backend-1"))
    admit("default", "backend-1")()
    with pytest.raises(PermissionDenied, match="proxy name"):
        admit("default", "another")
    with pytest.raises(PermissionDenied, match="mesh"):
        admit("shop", "backend-1")


async def test_tags_are_those_of_the_dataplane(parts: Parts, hooks: AdsHooks) -> None:
    admit = hooks.authenticate(parts.token(name=None, **{SERVICE: "backend"}))
    with pytest.raises(PermissionDenied, match="not registered"):
        admit("default", "backend-1")
    await add_dataplane(parts)
    admit("default", "backend-1")
    with pytest.raises(PermissionDenied, match="payments"):
        hooks.authenticate(parts.token(name=None, **{SERVICE: "payments"}))("default", "backend-1")


async def test_what_an_operator_applied_is_for_the_token_that_names_it(parts: Parts, hooks: AdsHooks) -> None:
    of_the_mesh = hooks.authenticate(parts.token(name=None))
    good_so_far = of_the_mesh("default", "backend-1")
    await parts.store.commit([Put(codec.decode(DATAPLANE))])
    await until(lambda: parts.reconciler.compiled("default", "backend-1"), "the Dataplane to be compiled")
    for again in (good_so_far, lambda: of_the_mesh("default", "backend-1")):
        with pytest.raises(PermissionDenied, match="operator applied"):
            again()
    hooks.authenticate(parts.token())("default", "backend-1")


@pytest.mark.attack("B4: nothing is kept of ADS calls for names that do not exist")
async def test_nothing_is_kept_of_a_proxy_without_a_dataplane(parts: Parts, hooks: AdsHooks) -> None:
    hooks.on_connected(ProxyInfo("default", "backend-1", "/a", "/b", agent_version="1.2.3"))
    assert parts.registry.status("default", "backend-1").agent_version == "1.2.3"
    hooks.on_disconnected("default", "backend-1")
    assert parts.registry.status("default", "backend-1").agent_version == ""
    await add_dataplane(parts)
    compiled = parts.reconciler.compiled("default", "backend-1")
    assert compiled is not None and compiled.snapshot is None, "its sockets were remembered"


async def test_a_proxy_that_waited_for_its_dataplane_gets_its_configuration(
    parts: Parts, hooks: AdsHooks
) -> None:
    hooks.on_connected(ProxyInfo("default", "backend-1", "/a", "/b"))
    await add_dataplane(parts)
    await until(lambda: parts.cache.get("default", "backend-1"), "its snapshot")
    hooks.on_disconnected("default", "backend-1")
    compiled = parts.reconciler.compiled("default", "backend-1")
    assert compiled is not None and compiled.snapshot is not None
