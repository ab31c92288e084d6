"""EnvoyProcess: keeps one Envoy running, restarts it when it dies, and ends it with the agent."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshmeter.agent import parent_death_signal
from meshmeter.agent.backoff import Backoff
from meshmeter.agent.envoy_admin import EnvoyAdmin
from meshmeter.agent.envoy_log import FORMAT, EnvoyLog
from meshmeter.agent.work_dir import WorkDir, write_private
from meshmeter.errors import StartupError

log = logging.getLogger(__name__)

STABLE_SECONDS = 60.0
"""An Envoy that ran this long was fine: the next restart comes without much waiting again."""

TERMINATE_SECONDS = 3.0
"""How long Envoy may take to end after SIGTERM before it is killed."""

LOOK_SECONDS = 0.05
"""Between two looks whether Envoy answers, or has no connections any more."""


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """What Envoy is started with."""

    program: Path
    drain_time: float = 5.0
    """Seconds; also how long Envoy keeps listeners that the control plane removed or replaced."""
    concurrency: int | None = None
    log_level: str = "warning"


class EnvoyProcess:
    """One Envoy at a time, on the bootstrap that was set last.

    Lifecycle: `set_bootstrap`, then `run` as a task; `drain` and cancelling that task end it.
    """

    def __init__(
        self,
        options: EnvoyOptions,
        work_dir: WorkDir,
        *,
        redact: Callable[[str], str] = str,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._options = options
        self._work_dir = work_dir
        self._redact = redact
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._draining = False
        self._renewing = False
        self._bootstrap: Mapping[str, Any] | None = None
        self._running_on: Mapping[str, Any] | None = None
        self.admin = EnvoyAdmin(work_dir.admin_socket)
        self.started = asyncio.Event()
        """Set once an Envoy has taken its bootstrap and answers on its admin socket."""
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Of the Envoy that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def bootstraps(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
        """The one that the last Envoy was started with, None before the first, and the one that was set last."""
        assert self._bootstrap is not None, "set_bootstrap comes first"
        return self._running_on, self._bootstrap

    def set_bootstrap(self, bootstrap: Mapping[str, Any]) -> None:
        """The bootstrap of the next start."""
        self._bootstrap = bootstrap

    async def run(self) -> None:
        """Keep Envoy running until cancelled, then end it.

        Raises StartupError, in Envoy's own words, if the very first one ends before it answers: it refuses
        its bootstrap, and will refuse it again.
        """
        while True:
            began = self._clock()
            envoy_log = EnvoyLog(self._redact)
            try:
                ended = _ended(await self._run_once(envoy_log))
            except OSError as exc:
                what = f"{exc.filename}: " if exc.filename else ""
                ended = f"cannot be started ({what}{(exc.strerror or type(exc).__name__).lower()})"
            if self._draining:
                await _until_cancelled()
            if self._renewing:
                self._renewing = False
                continue
            if not self.started.is_set():
                raise StartupError(f"Envoy {ended} before it was ready:\n{envoy_log.last_words()}")
            if self._clock() - began >= STABLE_SECONDS:
                self._backoff.reset()
            pause = self._backoff.next()
            self.restarts += 1
            log.error("Envoy %s, starting it again in %.0f s: %s", ended, pause, envoy_log.last_words())
            await asyncio.sleep(pause)

    async def drain(self) -> None:
        """Let connections end, within the drain time; from now on Envoy is not started again."""
        self._draining = True
        if self.pid is None or self._options.drain_time <= 0:
            return
        if await self.admin.drain():
            await self._drained(self._options.drain_time)
        else:
            log.warning("Envoy cannot be drained, its connections are cut")

    async def _drained(self, seconds: float) -> None:
        """Until there are no connections any more, or the time is over."""
        deadline = self._clock() + seconds
        while self.pid is not None and self._clock() < deadline:
            if await self.admin.open_connections() == 0:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def renew(self) -> None:
        """Replace the running Envoy, after a drain, by one with the bootstrap set last; `run` does it."""
        process = self._process
        if process is None or self.pid is None or self._draining:
            return
        if await self.admin.drain():
            await self._drained(self._options.drain_time)
        if self._process is process and self.pid is not None:
            self._renewing = True
            process.terminate()

    def kill(self) -> None:
        """End Envoy at once."""
        self._draining = True
        if self._process is not None and self.pid is not None:
            self._process.kill()

    async def _run_once(self, envoy_log: EnvoyLog) -> int:
        """Start Envoy and wait for its end; its exit code. Raises OSError if it cannot be started."""
        self._work_dir.admin_socket.unlink(missing_ok=True)
        assert self._bootstrap is not None, "set_bootstrap comes first"
        write_private(self._work_dir.bootstrap, self._bootstrap)
        self._running_on = self._bootstrap
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._work_dir.path,
            process_group=0,  # Ctrl-C in a terminal is for the agent, which then ends Envoy in order
        )
        self._process = process
        assert process.stdout is not None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(envoy_log.follow(process.stdout), name="envoy: log")
            answering = tasks.create_task(self._tell_when_it_answers(), name="envoy: wait until it answers")
            try:
                return await process.wait()
            finally:
                answering.cancel()
                await self._end(process)
                self._work_dir.admin_socket.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        options = self._options
        command = [
            str(options.program),
            "--config-path",
            str(self._work_dir.bootstrap),
            "--disable-hot-restart",
            "--drain-time-s",
            str(max(1, round(options.drain_time))),
            "--drain-strategy",
            "immediate",
            "--log-level",
            options.log_level,
            "--log-format",
            FORMAT,
        ]
        if options.concurrency is not None:
            command += ["--concurrency", str(options.concurrency)]
        return [sys.executable, "-I", "-S", parent_death_signal.__file__, str(os.getpid()), *command]

    async def _tell_when_it_answers(self) -> None:
        while True:
            if await self.admin.answers():
                break
            await asyncio.sleep(LOOK_SECONDS)
        if not self.started.is_set():
            log.info("Envoy runs (process %s)", self.pid)
        self.started.set()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(TERMINATE_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("Envoy did not end within %.0f s and is killed", TERMINATE_SECONDS)
            process.kill()
            await process.wait()


async def _until_cancelled() -> None:
    await asyncio.get_running_loop().create_future()


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
