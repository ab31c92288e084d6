"""What takes long leaves the event loop."""

from __future__ import annotations

import threading

import pytest

from meshmeter.controlplane.reconcile.compile_work import LARGE, LONG, CompileWork, size
from meshmeter.resources import codec
from meshmeter.resources.dataplane import DataplaneSpec

KEY = ("default", "backend-1")
HERE = threading.current_thread().name


def spec(inbounds: int = 1, entries: int = 0) -> DataplaneSpec:
    inbound = [{"port": 1000 + n, "tags": {"kuma.io/service": "s"}} for n in range(inbounds)]
    aggregate = [{"name": f"a{n}", "port": 1000 + n} for n in range(entries)]
    found = codec.decode(
        {
            "type": "Dataplane",
            "mesh": "default",
            "name": "backend-1",
            "networking": {"address": "127.0.0.1", "inbound": inbound},
            "metrics": {"type": "prometheus", "conf": {"aggregate": aggregate}},
        }
    ).spec
    assert isinstance(found, DataplaneSpec)
    return found


def where() -> str:
    return threading.current_thread().name


def test_the_size_is_all_that_has_to_be_compiled() -> None:
    assert size(spec(3, 4)) == 7
    assert size(DataplaneSpec()) == 0


@pytest.mark.attack("B4: a Dataplane with very many inbounds or entries holds up nobody while it is compiled")
@pytest.mark.parametrize(("inbounds", "entries"), [(LARGE + 1, 0), (1, LARGE)])
async def test_a_large_dataplane_is_compiled_beside_the_event_loop(inbounds: int, entries: int) -> None:
    work = CompileWork()
    assert await work.run(KEY, spec(), where) == HERE
    assert await work.run(KEY, spec(inbounds, entries), where) != HERE


async def test_what_took_long_is_computed_beside_the_event_loop_the_next_time() -> None:
    now = 0.0

    def takes(seconds: float) -> str:
        nonlocal now
        now += seconds
        return where()

    work, small = CompileWork(lambda: now), spec()
    assert await work.run(KEY, small, lambda: takes(LONG)) == HERE
    assert await work.run(("default", "other"), small, lambda: takes(0)) == HERE
    assert await work.run(KEY, small, lambda: takes(LONG)) != HERE
    assert await work.run(KEY, small, lambda: takes(0)) != HERE
    assert await work.run(KEY, small, lambda: takes(LONG)) == HERE
    work.forget(KEY)
    assert await work.run(KEY, small, lambda: takes(0)) == HERE


async def test_a_fault_is_the_callers() -> None:
    for subject in (spec(), spec(LARGE + 1)):
        with pytest.raises(ZeroDivisionError):
            await CompileWork().run(KEY, subject, lambda: 1 // 0)
