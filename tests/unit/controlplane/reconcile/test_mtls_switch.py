"""When a mesh goes from one stage of mTLS to the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from meshmeter.controlplane.reconcile.mtls_switch import HOLD, LONGEST, MtlsSwitch
from meshmeter.effective.tls_stage import TlsStage
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from support.resources import mesh

OFF = mesh("default", mtls=None)


def with_mtls(mode: str) -> Resource[MeshSpec]:
    backends = [{"name": "ca", "type": "builtin", "mode": mode}]
    return mesh("default", mtls={"enabledBackend": "ca", "backends": backends})


@dataclass
class Stage:
    """A switch whose clock and proxies the test moves."""

    now: float = 0.0
    in_step: bool = True
    switch: MtlsSwitch = field(init=False)

    def __post_init__(self) -> None:
        self.switch = MtlsSwitch(clock=lambda: self.now)

    def passes(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.switch.advance(lambda name: self.in_step and name == "default")

    def way(self, wanted: Resource[MeshSpec]) -> list[TlsStage]:
        """All stages until the mesh rests, with proxies that follow at once."""
        stages = [self.switch.stage(wanted)]
        self.passes(0)
        while self.passes(HOLD):
            stages.append(self.switch.stage(wanted))
            self.passes(0)
        return stages


def test_a_mesh_that_is_new_is_where_it_is_to_be() -> None:
    for wanted, expected in ((OFF, TlsStage.OFF), (with_mtls("STRICT"), TlsStage.STRICT)):
        stage = Stage()
        assert stage.switch.stage(wanted) is expected
        assert stage.passes(LONGEST) == []


def test_it_goes_up_and_down_rung_by_rung() -> None:
    stage = Stage()
    stage.switch.stage(OFF)
    assert stage.way(with_mtls("PERMISSIVE")) == [TlsStage.ACCEPTING, TlsStage.CALLING]
    assert stage.way(with_mtls("STRICT")) == [TlsStage.STRICT]
    assert stage.way(with_mtls("PERMISSIVE")) == [TlsStage.CALLING]
    assert stage.way(OFF) == [TlsStage.ACCEPTING, TlsStage.OFF]
    assert stage.way(with_mtls("STRICT")) == [TlsStage.ACCEPTING, TlsStage.CALLING, TlsStage.STRICT]


def test_without_proxies_it_is_where_it_is_to_be_at_once() -> None:
    stage, strict = Stage(), with_mtls("STRICT")
    stage.switch.stage(OFF)
    assert stage.switch.stage(strict, has_proxies=False) is TlsStage.STRICT
    assert stage.switch.stage(strict) is TlsStage.STRICT, "whoever joins finds it there"
    assert stage.passes(LONGEST) == []
    assert stage.switch.stage(OFF) is TlsStage.CALLING
    assert stage.switch.stage(OFF, has_proxies=False) is TlsStage.OFF, "all have left meanwhile"
    assert stage.switch.signing(OFF) is OFF
    assert stage.passes(LONGEST) == []


def test_it_waits_for_proxies_that_are_in_step_for_a_moment() -> None:
    stage = Stage()
    stage.switch.stage(OFF)
    stage.switch.stage(with_mtls("PERMISSIVE"))
    stage.in_step = False
    assert stage.passes(HOLD * 2) == []
    stage.in_step = True
    assert stage.passes(HOLD) == []
    stage.in_step = False
    assert stage.passes(HOLD / 2) == []
    stage.in_step = True
    assert stage.passes(HOLD) == [], "the moment begins anew"
    assert stage.passes(HOLD) == ["default"]


def test_a_proxy_that_is_stuck_holds_nobody_up_for_long() -> None:
    stage = Stage(in_step=False)
    stage.switch.stage(OFF)
    stage.switch.stage(with_mtls("PERMISSIVE"))
    assert stage.passes(LONGEST / 2) == []
    assert stage.passes(LONGEST / 2) == ["default"]
    assert stage.switch.stage(with_mtls("PERMISSIVE")) is TlsStage.CALLING


def test_a_change_of_mind_turns_round_where_the_mesh_is() -> None:
    stage = Stage()
    stage.switch.stage(OFF)
    assert stage.switch.stage(with_mtls("STRICT")) is TlsStage.ACCEPTING
    assert stage.switch.stage(OFF) is TlsStage.ACCEPTING
    stage.passes(0)
    assert stage.passes(HOLD) == ["default"]
    assert stage.switch.stage(OFF) is TlsStage.OFF


def test_identities_last_until_nobody_needs_them() -> None:
    stage = Stage()
    strict = with_mtls("STRICT")
    assert stage.switch.signing(OFF) is OFF
    stage.switch.stage(strict)
    assert stage.switch.signing(strict) is strict
    stage.switch.stage(OFF)
    assert stage.switch.signing(OFF).spec.mtls == strict.spec.mtls
    stage.way(OFF)
    assert stage.switch.signing(OFF) is OFF


def test_a_mesh_that_is_gone_is_forgotten() -> None:
    stage = Stage()
    stage.switch.stage(OFF)
    stage.switch.forget("default")
    stage.switch.forget("default")
    assert stage.switch.stage(with_mtls("STRICT")) is TlsStage.STRICT


async def test_it_looks_by_itself() -> None:
    now, moved = 0.0, asyncio.Queue[str]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    switch = MtlsSwitch(clock=lambda: now, sleep=sleep)
    switch.stage(OFF)
    switch.stage(with_mtls("PERMISSIVE"))
    looking = asyncio.get_running_loop().create_task(switch.run(lambda _mesh: True, moved.put_nowait))
    try:
        async with asyncio.timeout(60):
            assert await moved.get() == "default"
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
