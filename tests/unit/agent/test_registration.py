from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshmeter import __version__
from meshmeter.agent.backoff import Backoff
from meshmeter.agent.control_plane import ControlPlane, Registration
from meshmeter.agent.registration import ProxyFacts, RegistrationClient, register_at_start
from meshmeter.errors import InvalidResource, StartupError
from meshmeter.scrape.config import ScrapeConfig
from support.fake_control_plane import FakeControlPlane, authority
from support.processes import free_port

WEB = {"type": "Dataplane", "mesh": "shop", "name": "web"}
FACTS = ProxyFacts("i", Path("/w/agent.sock"), Path("/w/admin.sock"), "1.40.0", Path("/c"), Path("/k"))
SAVED = Registration("shop", "web", {"node": "saved"}, ScrapeConfig("v0", "shop", "web", True))


class Start:
    """One start of an agent, on a clock of its own."""

    def __init__(self, client: ControlPlane):
        self.registration_client = RegistrationClient(client, WEB, FACTS)
        self.pauses: list[float] = []
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def __call__(
        self, saved: Registration | None = None, connect_timeout: float = 0.0
    ) -> tuple[Registration, bool]:
        return await register_at_start(
            self.registration_client,
            saved,
            connect_timeout=connect_timeout,
            backoff=Backoff(),
            sleep=self.sleep,
            clock=lambda: self.now,
        )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeControlPlane]:
    async with FakeControlPlane(tmp_path / "cp") as running:
        yield running


@pytest.fixture
async def start(server: FakeControlPlane) -> AsyncIterator[Start]:
    async with ControlPlane(server.url, server.ca_file, server.token_file) as client:
        yield Start(client)


@pytest.fixture
async def lonely_start(server: FakeControlPlane) -> AsyncIterator[Start]:
    """There is no control plane."""
    url = f"https://127.0.0.1:{free_port()}"
    async with ControlPlane(url, server.ca_file, server.token_file) as client:
        yield Start(client)


async def test_the_control_plane_learns_everything_it_needs(server: FakeControlPlane, start: Start) -> None:
    registration, registered = await start()
    assert registered and registration.name == "web"
    assert server.proxies["shop", "web"]["proxy"] == {
        "instance": "i",
        "agentSocket": "/w/agent.sock",
        "adminSocket": "/w/admin.sock",
        "metricsCertPath": "/c",
        "metricsKeyPath": "/k",
        "metricsSdsPath": None,
        "certificate": None,
        "agentVersion": __version__,
        "envoyVersion": "1.40.0",
    }


async def test_a_busy_control_plane_is_asked_again_later_and_later(
    server: FakeControlPlane, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    for status in (503, 429, 500, 502, 503, 503, 503):
        server.refuse(status, {"title": "Service unavailable", "detail": "the store is away"})
    _, registered = await start()
    assert registered
    assert start.pauses == [1, 2, 4, 8, 16, 30, 30]
    assert "Service unavailable: the store is away; trying again in 1 s" in caplog.text


async def test_a_control_plane_that_is_away_is_waited_for_as_long_as_allowed(lonely_start: Start) -> None:
    with pytest.raises(
        StartupError, match=r"cannot be reached: .*; gave up after 10 s \(--connect-timeout\)"
    ):
        await lonely_start(connect_timeout=10.0)
    assert lonely_start.pauses == [1, 2, 4]


async def test_while_the_control_plane_is_away_the_saved_registration_is_used(
    lonely_start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    assert await lonely_start(SAVED) == (SAVED, False)
    assert "starting with the configuration of the last run" in caplog.text


async def test_a_refused_token_ends_the_start_also_with_a_saved_registration(
    server: FakeControlPlane, start: Start
) -> None:
    server.tokens.clear()
    with pytest.raises(
        StartupError, match=r"the token has expired.*meshmeter token dataplane --mesh shop --name web"
    ):
        await start(SAVED)
    server.refuse(403, {"title": "Access denied", "detail": "the token is for proxy other, not web"})
    with pytest.raises(StartupError, match="for proxy other, not web"):
        await start(SAVED)
    assert start.pauses == []


async def test_a_refused_dataplane_has_all_its_faults(server: FakeControlPlane, start: Start) -> None:
    faults = [{"field": "networking.address", "reason": "cannot be empty"}, {"field": "x", "reason": "y"}]
    server.refuse(400, {"title": "Could not process a resource", "invalid_parameters": faults})
    with pytest.raises(InvalidResource) as caught:
        await start(SAVED)
    assert [str(v) for v in caught.value.violations] == ["networking.address: cannot be empty", "x: y"]


async def test_other_refusals_end_the_start(server: FakeControlPlane, start: Start) -> None:
    server.refuse(413, {"title": "Too large"})
    with pytest.raises(StartupError, match=r"refused the registration \(HTTP 413\): Too large"):
        await start()
    server.refuse(200, "this is another server")
    with pytest.raises(StartupError, match="answered 200"):
        await start()


async def test_a_wrong_authority_ends_the_start_unless_there_is_a_saved_registration(
    server: FakeControlPlane, tmp_path: Path
) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(authority("another authority").certificate_pem)
    async with ControlPlane(server.url, other, server.token_file) as client:
        start = Start(client)
        with pytest.raises(StartupError, match=r"is not trusted.*as --ca-cert-file"):
            await start()
        assert await start(SAVED) == (SAVED, False)


async def test_a_renewed_token_is_noticed(server: FakeControlPlane, start: Start) -> None:
    assert start.registration_client.token_changed(), "nothing was registered yet"
    await start()
    assert not start.registration_client.token_changed()
    server.token_file.write_text("eyJ.renewed.sig")
    assert start.registration_client.token_changed()
    server.token_file.unlink()
    assert not start.registration_client.token_changed(), "a file that is being replaced is no new token"
