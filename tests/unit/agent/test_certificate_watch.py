"""How files of the user become what Envoy reads, through good times and bad."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.agent.certificate_watch import GRACE_SECONDS, REPEAT, CertificateWatch
from meshmeter.agent.provided_certificate import EXPIRED, MISMATCHED, MISSING, USABLE
from meshmeter.certs.authority import KeyPair, issue_server, make_authority
from meshmeter.errors import ApiError

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def pair(valid_for: timedelta = DAY) -> KeyPair:
    authority = make_authority("a", new_key(), serial=1, now=NOW, valid_for=9 * DAY)
    return issue_server(authority, ("127.0.0.1",), new_key(), serial=2, now=NOW, valid_for=valid_for)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Stage:
    """A watch, its files, and a clock that the test moves: each sleep takes one second of it."""

    def __init__(self, folder: Path):
        self.certificate, self.key = folder / "cert", folder / "key"
        self.sds = folder / "work" / "sds.json"
        self.time, self.now = 100.0, NOW
        self.told: list[dict[str, Any]] = []
        self.away = False
        self.watch = CertificateWatch(
            self.certificate,
            self.key,
            self.sds,
            now=lambda: self.now,
            clock=lambda: self.time,
            sleep=self.sleep,
        )
        self._steps = 0
        self._paused = asyncio.Event()
        self._go = asyncio.Event()

    def write(self, made: KeyPair) -> KeyPair:
        self.certificate.write_bytes(made.certificate_pem)
        self.key.write_bytes(made.key_pem)
        return made

    async def sleep(self, seconds: float) -> None:
        self._paused.set()
        await self._go.wait()
        self._go.clear()
        self.time += seconds

    async def look(self, times: int = 1) -> None:
        """Let the task go through its loop so many times."""
        for _ in range(times):
            await self._paused.wait()
            self._paused.clear()
            self._go.set()
        await self._paused.wait()

    async def tell(self, state: dict[str, Any]) -> None:
        if self.away:
            raise ApiError(0, "the control plane cannot be reached", "")
        self.told.append(state)

    def envoy_has(self) -> str | None:
        """The certificate that Envoy would read."""
        resources = json.loads(self.sds.read_text())["resources"]
        return resources[0]["tls_certificate"]["certificate_chain"]["inline_string"] if resources else None

    @property
    def states(self) -> list[str]:
        return [told["state"] for told in self.told]


@pytest.fixture
async def stage(tmp_path: Path) -> Any:
    made = Stage(tmp_path)
    yield made
    made.watch.close()
    assert not made.sds.exists()


async def running(stage: Stage) -> asyncio.Task[None]:
    stage.watch.start()
    task = asyncio.create_task(stage.watch.run(stage.tell))
    await stage._paused.wait()
    return task


async def test_good_files_are_there_before_envoy_starts(stage: Stage) -> None:
    made = stage.write(pair())
    stage.watch.start()
    assert stage.watch.finding.state == USABLE
    assert stage.envoy_has() == made.certificate_pem.decode()
    assert stat.S_IMODE(stage.sds.stat().st_mode) == 0o600
    assert stat.S_IMODE(stage.sds.parent.stat().st_mode) == 0o700


async def test_without_files_envoy_has_a_file_without_a_certificate(stage: Stage) -> None:
    stage.watch.start()
    assert stage.watch.finding.state == MISSING and stage.envoy_has() is None


async def test_the_control_plane_hears_of_every_change_and_now_and_then_of_none(stage: Stage) -> None:
    task = await running(stage)
    stage.write(pair())
    await stage.look()
    assert stage.states == [MISSING, USABLE]
    await stage.look(int(REPEAT))
    assert stage.states == [MISSING, USABLE, USABLE]
    task.cancel()


async def test_a_control_plane_that_is_away_hears_of_it_when_it_is_back(stage: Stage) -> None:
    stage.away = True
    task = await running(stage)
    stage.write(pair())
    await stage.look(2)
    stage.away = False
    await stage.look()
    assert stage.states == [USABLE]
    task.cancel()


async def test_new_files_are_handed_over_when_both_have_come(stage: Stage) -> None:
    old, new = stage.write(pair()), pair()
    task = await running(stage)
    stage.certificate.write_bytes(new.certificate_pem)
    await stage.look()
    assert stage.envoy_has() == old.certificate_pem.decode() and stage.states == [USABLE]
    stage.key.write_bytes(new.key_pem)
    await stage.look()
    assert stage.envoy_has() == new.certificate_pem.decode() and set(stage.states) == {USABLE}
    task.cancel()


async def test_half_a_replacement_is_a_fault_after_a_while(stage: Stage) -> None:
    stage.write(pair())
    task = await running(stage)
    stage.certificate.write_bytes(pair().certificate_pem)
    await stage.look(int(GRACE_SECONDS) + 1)
    assert stage.envoy_has() is None and stage.states == [USABLE, MISMATCHED]
    task.cancel()


async def test_time_alone_ends_a_certificate(stage: Stage) -> None:
    stage.write(pair(valid_for=timedelta(minutes=5)))
    task = await running(stage)
    stage.now += timedelta(minutes=6)
    await stage.look()
    assert stage.envoy_has() is None and stage.states == [USABLE, EXPIRED]
    task.cancel()
