"""EnvoyProcess with a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from meshmeter.agent.backoff import Backoff
from meshmeter.agent.envoy_process import EnvoyOptions, EnvoyProcess
from meshmeter.agent.work_dir import WorkDir, locked
from meshmeter.errors import StartupError
from support.processes import free_port
from support.require import envoy
from support.static_envoy import bootstrap


@pytest.fixture
def work_dir(tmp_path: Path) -> WorkDir:
    with locked(tmp_path / "w") as made:
        return made


def a_process(work_dir: WorkDir, drain_time: float = 5.0, **options: object) -> EnvoyProcess:
    return EnvoyProcess(
        EnvoyOptions(envoy(), drain_time=drain_time, concurrency=1),
        work_dir,
        backoff=Backoff(0.01),
        **options,  # type: ignore[arg-type]  # keyword arguments of the class
    )


@contextlib.asynccontextmanager
async def running(process: EnvoyProcess) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(process.run())
    try:
        async with asyncio.timeout(60):
            await asyncio.wait(
                {task, starting := asyncio.create_task(process.started.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            )
        starting.cancel()
        if task.done():
            task.result()
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StartupError):
            await task


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if check():
                return
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_runs_until_cancelled_and_leaves_nothing(work_dir: WorkDir) -> None:
    process = a_process(work_dir)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    async with running(process):
        assert work_dir.bootstrap.stat().st_mode & 0o777 == 0o600
        pid = process.pid
        assert pid is not None and is_alive(pid)
        assert os.readlink(f"/proc/{pid}/exe").endswith("/envoy"), "the helper became Envoy"
        assert await process.admin.answers()
    assert not is_alive(pid)
    assert not work_dir.admin_socket.exists()


async def test_a_dead_envoy_is_started_again(work_dir: WorkDir, caplog: pytest.LogCaptureFixture) -> None:
    process = a_process(work_dir)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    async with running(process):
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.pid not in (None, first))
        assert process.restarts == 1
        for _ in range(200):
            if await process.admin.answers():
                break
            await asyncio.sleep(0.02)
        assert await process.admin.answers()
    assert "Envoy was ended by SIGKILL, starting it again" in caplog.text


async def test_a_refused_bootstrap_is_told_in_envoys_words_without_secrets(work_dir: WorkDir) -> None:
    process = a_process(work_dir, redact=lambda text: text.replace("s3cret", "<token>"))
    process.set_bootstrap({"no_such_field": "s3cret"})
    with pytest.raises(StartupError, match="before it was ready") as caught:
        async with running(process):
            pytest.fail("it must not start")
    assert "no_such_field" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_restart_that_fails_is_tried_again(work_dir: WorkDir, tmp_path: Path) -> None:
    process = a_process(work_dir)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    async with running(process):
        first = process.pid
        assert first is not None
        work_dir.path.rename(tmp_path / "away")
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.restarts > 2)
        (tmp_path / "away").rename(work_dir.path)
        await until(lambda: process.pid not in (None, first))


async def test_a_first_start_that_fails_is_told(work_dir: WorkDir) -> None:
    process = a_process(work_dir)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    shutil.rmtree(work_dir.path)
    with pytest.raises(StartupError, match=r"Envoy cannot be started \(.*: no such file or directory\)"):
        async with running(process):
            pytest.fail("it must not start")


async def test_a_program_that_is_no_envoy_is_told(work_dir: WorkDir) -> None:
    process = EnvoyProcess(EnvoyOptions(Path("/bin/false")), work_dir)
    process.set_bootstrap({})
    with pytest.raises(StartupError, match="ended with code 1 before it was ready:\nit said nothing"):
        async with running(process):
            pytest.fail("it must not start")


async def test_drain_lets_an_open_connection_end(work_dir: WorkDir) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = free_port()
    process = a_process(work_dir, drain_time=600.0)
    upstream = server.sockets[0].getsockname()[1]
    process.set_bootstrap(bootstrap(work_dir.admin_socket, port=port, upstream=upstream))
    async with server, running(process):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        assert await reader.read(100) == b"before"
        draining = asyncio.create_task(process.drain())
        writer.write(b"during")
        assert await reader.read(100) == b"during", "the connection lives on during the drain"
        assert not draining.done()
        writer.close()
        await asyncio.wait_for(draining, 60)  # ends as soon as nobody is connected, not after ten minutes


async def test_an_envoy_that_ends_while_draining_stays_gone(work_dir: WorkDir) -> None:
    process = a_process(work_dir, drain_time=5.0)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    async with running(process):
        await process.drain()
        process.kill()
        await until(lambda: process.pid is None)
        await asyncio.sleep(0.1)
        assert process.pid is None and process.restarts == 0


async def test_renew_replaces_an_envoy_that_runs_on_an_old_bootstrap(work_dir: WorkDir) -> None:
    process = a_process(work_dir, drain_time=1.0)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    async with running(process):
        first = process.pid
        one, other = (
            bootstrap(work_dir.admin_socket),
            {**bootstrap(work_dir.admin_socket), "node": {"id": "b", "cluster": "c"}},
        )
        process.set_bootstrap(other)
        assert process.bootstraps == (one, other)
        await process.renew()
        await until(lambda: process.pid not in (None, first))
        assert process.bootstraps == (other, other)
        assert process.restarts == 0, "that was no failure"


async def test_envoys_warnings_are_logged_with_their_level(
    work_dir: WorkDir, caplog: pytest.LogCaptureFixture
) -> None:
    process = EnvoyProcess(EnvoyOptions(envoy(), concurrency=1, log_level="info"), work_dir)
    process.set_bootstrap(bootstrap(work_dir.admin_socket))
    with caplog.at_level(logging.INFO):
        async with running(process):
            await until(lambda: any("starting main dispatch loop" in m for m in caplog.messages))
    levels = {record.levelno for record in caplog.records if record.name == "envoy"}
    assert logging.INFO in levels


async def test_envoy_dies_with_an_agent_that_was_killed(work_dir: WorkDir, tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, json
            from pathlib import Path
            from meshmeter.agent.envoy_process import EnvoyOptions, EnvoyProcess
            from meshmeter.agent.work_dir import WorkDir

            async def main():
                work_dir = WorkDir(Path({str(work_dir.path)!r}))
                process = EnvoyProcess(EnvoyOptions(Path({str(envoy())!r}), concurrency=1), work_dir)
                process.set_bootstrap({bootstrap(work_dir.admin_socket)!r})
                running = asyncio.create_task(process.run())
                await process.started.wait()
                print(process.pid, flush=True)
                await running

            asyncio.run(main())
            """
        )
    )
    agent = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    try:
        assert agent.stdout is not None
        async with asyncio.timeout(60):
            pid = int(await agent.stdout.readline())
        assert is_alive(pid)
    finally:
        agent.kill()
        await agent.wait()
    await until(lambda: not is_alive(pid))
