"""The whole agent as a process of its own, with a real Envoy, against the dataplane API over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from meshmeter.agent.app import read_dataplane
from meshmeter.agent.envoy_admin import EnvoyAdmin
from meshmeter.agent.settings import Settings
from meshmeter.errors import InvalidResource, SettingsError
from support.fake_control_plane import TOKEN, FakeControlPlane
from support.processes import free_port
from support.require import envoy
from support.static_envoy import bootstrap

RUN = "import sys; from meshmeter.cli.dataplane import run; sys.exit(run(sys.argv[1:]))"


@dataclass
class Dataplane:
    """`meshmeter dataplane run` for the proxy `web` of a folder."""

    folder: Path
    server: FakeControlPlane
    process: asyncio.subprocess.Process | None = None
    output: str = ""
    options: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def work_dir(self) -> Path:
        return self.folder / "w"

    async def start(self, *options: str) -> None:
        file = self.folder / "web.yaml"
        file.write_text("type: Dataplane\nname: {{ name }}\n")
        self.output = ""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RUN,
            "run",
            f"--control-plane={self.server.url}",
            f"--ca-cert-file={self.server.ca_file}",
            f"--token-file={self.server.token_file}",
            f"--dataplane-file={file}",
            "--var=name=web",
            f"--envoy={envoy()}",
            f"--work-dir={self.work_dir}",
            "--concurrency=1",
            *options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        async for line in self.process.stderr:
            self.output += line.decode()

    async def says(self, words: str) -> str:
        """Wait until its log has the words (a pattern); the match."""
        async with asyncio.timeout(60):
            while True:
                if found := re.search(words, self.output):
                    return found[0]
                assert self.process is not None
                assert self.process.returncode is None or not self._reading.done(), self.output
                await asyncio.sleep(0.01)

    async def envoy_pid(self) -> int:
        return int((await self.says(r"Envoy runs \(process \d+")).rpartition(" ")[2])

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(60):
            code = await self.process.wait()
            await self._reading
        return code

    async def scrape(self, socket: str = "agent.sock") -> tuple[int, str]:
        """What Envoy would get from the agent, or what it tells of itself on another socket."""
        connector = aiohttp.UnixConnector(str(self.work_dir / socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://agent/metrics") as response,
        ):
            return response.status, await response.text()


@pytest.fixture
async def dataplane(tmp_path: Path) -> AsyncIterator[Dataplane]:
    def static(proxy: dict[str, Any]) -> dict[str, Any]:
        return bootstrap(Path(proxy["adminSocket"]))

    async with FakeControlPlane(tmp_path / "cp", bootstrap=static) as server:
        made = Dataplane(tmp_path, server)
        yield made
        if made.process is not None and made.process.returncode is None:
            made.process.kill()
            await made.ended()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if check():
                return
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_from_start_to_a_clean_stop(dataplane: Dataplane) -> None:
    await dataplane.start()
    envoy_pid = await dataplane.envoy_pid()
    assert set(dataplane.server.proxies) == {("default", "web")}
    proxy = dataplane.server.proxies["default", "web"]["proxy"]
    assert proxy["agentSocket"] == str(dataplane.work_dir / "agent.sock")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", proxy["envoyVersion"])

    status, body = await dataplane.scrape()
    assert status == 200
    assert re.search(r"^envoy_server_live\S* \d", body, re.MULTILINE)
    assert 'meshmeter_source_up{source="envoy"} 1' in body
    await until(lambda: bool(dataplane.server.reports))

    for path in dataplane.work_dir.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path

    dataplane.signal(signal.SIGTERM)
    assert await dataplane.ended() == 0
    assert dataplane.server.proxies == {}, "it said good-bye"
    assert not is_alive(envoy_pid)
    assert sorted(p.name for p in dataplane.work_dir.iterdir()) == [
        "agent.lock",
        "bootstrap.json",
        "state.json",
    ]
    assert TOKEN not in dataplane.output
    assert "Traceback" not in dataplane.output


async def test_ctrl_c_and_a_second_sigterm_do_not_wait_for_connections(dataplane: Dataplane) -> None:
    port = free_port()
    server = await asyncio.start_server(_silent, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[1]
    dataplane.server.bootstrap = lambda proxy: bootstrap(
        Path(proxy["adminSocket"]), port=port, upstream=upstream
    )
    async with server:
        for signals in ([signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]):
            await dataplane.start("--drain-time=1h")
            await dataplane.envoy_pid()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in signals:
                dataplane.signal(number)
                await dataplane.says("stopping")
            assert await dataplane.ended() == 0
            writer.close()
            assert dataplane.server.proxies == {}, "there is always time for a good-bye"


async def test_a_killed_agent_leaves_no_envoy_and_its_successor_starts_without_a_control_plane(
    dataplane: Dataplane,
) -> None:
    await dataplane.start()
    first = await dataplane.envoy_pid()
    dataplane.signal(signal.SIGKILL)
    await dataplane.ended()
    await until(lambda: not is_alive(first))

    await dataplane.server.__aexit__()
    await dataplane.start()
    await dataplane.says("starting with the configuration of the last run")
    await dataplane.envoy_pid()
    assert (await dataplane.scrape())[0] == 200

    dataplane.server.proxies.clear()
    await dataplane.server.__aenter__()
    await dataplane.says("registered again as web in mesh default")
    assert set(dataplane.server.proxies) == {("default", "web")}


async def test_a_changed_configuration_is_in_force_for_the_next_scrape(dataplane: Dataplane) -> None:
    await dataplane.start()
    await dataplane.envoy_pid()
    await dataplane.server.waiting.wait()
    config = replace(dataplane.server.config, version="v2", filter_regex="^server\\.live$")
    dataplane.server.publish(config)
    await dataplane.says("changed to version v2")
    _, body = await dataplane.scrape()
    assert re.findall(r"^# TYPE (envoy_\S+)", body, re.MULTILINE) == ["envoy_server_live"]


async def test_what_the_agent_tells_of_itself(dataplane: Dataplane) -> None:
    def lines(body: str, name: str) -> list[str]:
        return [line for line in body.splitlines() if line.startswith(f"meshmeter_agent_{name}")]

    await dataplane.start()
    envoy_pid = await dataplane.envoy_pid()
    await dataplane.server.waiting.wait()
    async with asyncio.timeout(60):  # the agent looks twice a second whether Envoy has what it needs
        while "connected 1.0" not in (await dataplane.scrape("self.sock"))[1]:
            await asyncio.sleep(0.02)
    await dataplane.scrape()
    status, own = await dataplane.scrape("self.sock")
    assert status == 200
    assert lines(own, "config_info") == ['meshmeter_agent_config_info{version="v1"} 1.0']
    assert lines(own, "control_plane_connected") == ["meshmeter_agent_control_plane_connected 1.0"]
    assert lines(own, "scrapes_total") == ['meshmeter_agent_scrapes_total{code="200"} 1.0']
    assert lines(own, "fetches_total") == ['meshmeter_agent_fetches_total{result="ok",source="envoy"} 1.0']
    _, body = await dataplane.scrape()
    assert not lines(body, ""), "not unless it is configured"

    os.kill(envoy_pid, signal.SIGKILL)
    await dataplane.says("starting it again in 1 s")
    dataplane.server.publish(replace(dataplane.server.config, version="v2", agent_metrics=True))
    await dataplane.says("changed to version v2")
    async with asyncio.timeout(60):
        while (answer := await dataplane.scrape())[0] != 200:
            await asyncio.sleep(0.1)
    assert lines(answer[1], "envoy_restarts_total") == ["meshmeter_agent_envoy_restarts_total 1.0"]
    assert lines(answer[1], "config_info") == ['meshmeter_agent_config_info{version="v2"} 1.0']
    assert 'meshmeter_source_up{source="agent"}' not in answer[1]


async def test_a_control_plane_that_stops_answering_does_not_hold_up_the_stop(dataplane: Dataplane) -> None:
    await dataplane.start()
    envoy_pid = await dataplane.envoy_pid()
    await dataplane.server.__aexit__()
    dataplane.signal(signal.SIGTERM)
    assert await dataplane.ended() == 0
    assert "could not be told that this proxy stops" in dataplane.output
    assert not is_alive(envoy_pid)
    await dataplane.server.__aenter__()


async def test_a_stop_while_the_control_plane_is_waited_for(dataplane: Dataplane) -> None:
    await dataplane.server.__aexit__()
    await dataplane.start()
    await dataplane.says("cannot be reached: connection refused; trying again in 1 s")
    dataplane.signal(signal.SIGTERM)
    assert await dataplane.ended() == 0
    await dataplane.server.__aenter__()


async def test_a_refused_token_is_told(dataplane: Dataplane) -> None:
    dataplane.server.tokens.clear()
    await dataplane.start()
    assert await dataplane.ended() == 3
    assert "does not accept the token: Authentication required: the token has expired" in dataplane.output
    assert TOKEN not in dataplane.output and "Traceback" not in dataplane.output


async def test_a_refused_dataplane_is_told_with_every_fault(dataplane: Dataplane) -> None:
    faults = [{"field": "networking", "reason": "must be defined"}, {"field": "name", "reason": "y"}]
    dataplane.server.refuse(400, {"title": "Could not process a resource", "invalid_parameters": faults})
    await dataplane.start()
    assert await dataplane.ended() == 1
    assert dataplane.output.splitlines()[-3:] == [
        "meshmeter dataplane run: Could not process a resource:",
        f"meshmeter dataplane run:   {dataplane.folder}/web.yaml:1: networking: must be defined",
        f"meshmeter dataplane run:   {dataplane.folder}/web.yaml:2: name: y",
    ]


async def test_a_bootstrap_that_envoy_refuses_is_told_and_the_dataplane_removed(dataplane: Dataplane) -> None:
    dataplane.server.bootstrap = lambda _: {"unknown": TOKEN}
    await dataplane.start()
    assert await dataplane.ended() == 3
    assert "Envoy ended with code 1 before it was ready" in dataplane.output
    assert "unknown" in dataplane.output
    assert TOKEN not in dataplane.output and "Traceback" not in dataplane.output
    assert dataplane.server.proxies == {}


async def test_only_one_runs_in_a_work_directory(dataplane: Dataplane) -> None:
    await dataplane.start()
    await dataplane.envoy_pid()
    second = Dataplane(dataplane.folder, dataplane.server)
    await second.start()
    assert await second.ended() == 3
    assert "another `meshmeter dataplane run`" in second.output
    assert (await dataplane.scrape())[0] == 200, "the first one is not disturbed"


async def test_admin_is_reachable_for_the_agents_user_only(dataplane: Dataplane) -> None:
    await dataplane.start()
    await dataplane.envoy_pid()
    assert await EnvoyAdmin(dataplane.work_dir / "admin.sock").answers()
    assert os.stat(dataplane.work_dir).st_mode & 0o777 == 0o700


def test_the_dataplane_file_is_read_and_completed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "f"
    settings = Settings("https://cp", tmp_path, tmp_path, file, {"name": "web", "spare": "x"})
    with pytest.raises(SettingsError, match="No such file"):
        read_dataplane(settings)
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidResource, match="is not text in UTF-8"):
        read_dataplane(settings)
    file.write_text("type: Dataplane\nname: {{ nam }}\n")
    with pytest.raises(InvalidResource, match="'nam'"):
        read_dataplane(settings)
    file.write_text("type: Dataplane\nname: {{ name }}\n")
    assert read_dataplane(settings).data == {"type": "Dataplane", "name": "web"}
    assert "does not use the variable 'spare'" in caplog.text
    file.write_text("type: Dataplane\nname: {{ name }}\nprobes: {port: 010}\n", encoding="utf-16")
    assert read_dataplane(settings).data["probes"] == {"port": 8}
    assert f"{file}:3:16: 010 has a leading zero" in caplog.text
