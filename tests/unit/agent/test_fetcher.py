"""Fetching (every fault is in tests/integration/test_scrape_faults.py)."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from meshmeter.agent.allowed_files import AllowedFiles
from meshmeter.agent.decoding import ACCEPT_ENCODING
from meshmeter.agent.fetcher import WORDS, Fetcher
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions
from meshmeter.scrape.plan import Request, ScrapePlan, plan
from meshmeter.scrape.results import FetchError
from support.certificates import server_certificate
from support.processes import free_port


@asynccontextmanager
async def server(
    seen: list[web.Request], socket: Path | None = None, status: int = 200, slash: bool = False
) -> AsyncIterator[int]:
    """With `slash` every path without one at its end leads to the one with it, as of frameworks."""

    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        if slash and not request.path.endswith("/"):
            return web.Response(
                status=307, headers={"Location": str(request.url.with_path(request.path + "/"))}
            )
        return web.Response(status=status, text=f"a{{q={request.query_string!r}}} 1\n")

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.UnixSite(runner, str(socket)) if socket else web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield 0 if socket else runner.addresses[0][1]
    finally:
        await runner.cleanup()


def scrape(port: int, query: str = "", accept: str = "x/secret") -> ScrapePlan:
    sources = (SourceConfig("app", "127.0.0.1", port, "/m"),)
    return plan(Request(query, accept), ScrapeConfig("1", "m", "d", True, sources, filter_regex="a"))


async def test_what_sources_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    to_envoy: list[web.Request] = []
    to_app: list[web.Request] = []
    socket = tmp_path / "admin.sock"
    async with server(to_envoy, socket), server(to_app) as port, Fetcher(socket, identity="me") as fetcher:
        envoy, app = await fetcher.fetch_all(scrape(port, "filter=b&x=1"))

    assert (envoy.name, app.name) == ("envoy", "app")
    assert [request.raw_path for request in to_envoy] == [
        "/stats/prometheus?filter=a&text_readouts=&x=1",
        "/stats/prometheus?filter=b&text_readouts=&x=1",
    ]
    assert b"filter=a" in envoy.body and b"filter=b" in (envoy.restrict_to or b"")
    assert [request.headers["Accept"] for request in to_envoy] == ["text/plain"] * 2
    (request,) = to_app
    assert request.raw_path == "/m"
    assert request.headers["Accept-Encoding"] == ACCEPT_ENCODING
    assert request.headers["X-Prometheus-Scrape-Timeout-Seconds"] == "9"
    assert "secret" not in str(request.headers)
    assert envoy.error is app.error is None and app.duration > 0


async def test_failures_are_results(tmp_path: Path) -> None:
    async with server([], status=301) as port, Fetcher(tmp_path / "no.sock") as fetcher:
        envoy, app = await fetcher.fetch_all(scrape(port))
    assert (envoy.error, app.error) == (FetchError.CONNECT, FetchError.STATUS)
    assert app.detail == "HTTP status 301, a redirect that does not say where it leads"


async def test_why_envoy_refuses_is_repeated_but_not_at_length(tmp_path: Path) -> None:
    socket, query = tmp_path / "admin.sock", "filter=" + "b" * 1000
    async with server([], socket, status=400), Fetcher(socket) as fetcher:
        (envoy,) = await fetcher.fetch_all(plan(Request(query), ScrapeConfig("1", "m", "d", True, ())))
    assert (envoy.error, envoy.status) == (FetchError.STATUS, 400)
    assert envoy.detail.startswith("HTTP status 400: a{q='filter=bbb")
    assert len(envoy.detail) == len("HTTP status 400: ") + WORDS


def with_options(port: int, **options: Any) -> ScrapePlan:
    source = SourceConfig("app", "127.0.0.1", port, "/m", SourceOptions(**options))
    return plan(Request(), ScrapeConfig("1", "m", "d", True, (source,)))


async def test_fixed_parameters_and_credentials_are_sent(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    seen: list[web.Request] = []
    files = AllowedFiles([tmp_path])
    async with server(seen) as port, Fetcher(tmp_path / "no.sock", files=files) as fetcher:
        params = (("module", "http"), ("x", "a b&c"))
        wanted = with_options(port, bearer_token_file=str(token), params=params)
        _envoy, app = await fetcher.fetch_all(wanted)
        assert app.error is None
        token.unlink()
        _envoy, app = await fetcher.fetch_all(wanted)
    assert dict(seen[0].query) == {"module": "http", "x": "a b&c"}
    assert seen[0].headers["Authorization"] == "Bearer s3cret"
    assert app.error is FetchError.CREDENTIALS and str(token) in app.detail


async def test_an_https_application_is_verified(tmp_path: Path) -> None:
    ca_file, server_file = server_certificate(tmp_path, "app.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_file)

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text="a 1\n")

    app = web.Application()
    app.router.add_get("/m", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    trusted: dict[str, Any] = {"scheme": "https", "ca_file": str(ca_file)}
    try:
        async with Fetcher(tmp_path / "no.sock", files=AllowedFiles([tmp_path])) as fetcher:

            async def fetch(**options: Any) -> FetchError | None:
                return (await fetcher.fetch_all(with_options(port, **options)))[1].error

            assert await fetch(**trusted, server_name="app.example") is None
            assert await fetch(scheme="https", insecure_skip_verify=True) is None
            assert await fetch(**trusted) is FetchError.TLS, "the certificate is for another name"
            assert await fetch(scheme="https", server_name="app.example") is FetchError.TLS
            assert await fetch(scheme="https", ca_file=str(tmp_path / "no")) is FetchError.CREDENTIALS
            assert await fetch(scheme="http") is not None
    finally:
        await runner.cleanup()


async def test_an_application_behind_a_unix_socket(tmp_path: Path) -> None:
    seen: list[web.Request] = []
    work_dir, socket = tmp_path / "work", tmp_path / "app.sock"
    work_dir.mkdir()
    files = AllowedFiles([tmp_path], own=[work_dir])
    async with (
        server(seen, socket),
        server(seen, work_dir / "admin.sock"),
        Fetcher(work_dir / "admin.sock", files=files) as fetcher,
    ):
        for _ in range(2):
            _envoy, app = await fetcher.fetch_all(with_options(0, unix_socket=str(socket)))
            assert app.error is None and seen[-1].path == "/m"
        own = with_options(0, unix_socket=str(work_dir / "admin.sock"))
        _envoy, app = await fetcher.fetch_all(own)
        assert app.error is FetchError.CREDENTIALS and "agent's own" in app.detail
        _envoy, app = await fetcher.fetch_all(with_options(0, unix_socket=str(tmp_path / "none")))
        assert app.error is FetchError.CREDENTIALS and "No such file" in app.detail


async def test_a_redirect_on_the_same_server_gets_what_the_first_request_got(tmp_path: Path) -> None:
    token, socket = tmp_path / "token", tmp_path / "app.sock"
    token.write_text("s3cret\n")
    seen: list[web.Request] = []
    files = AllowedFiles([tmp_path])
    async with (
        server(seen, slash=True) as port,
        server(seen, socket, slash=True),
        Fetcher(tmp_path / "no.sock", files=files, identity="me") as fetcher,
    ):
        for plan in (
            with_options(port, bearer_token_file=str(token), params=(("a", "b"),)),
            with_options(0, bearer_token_file=str(token), unix_socket=str(socket)),
        ):
            seen.clear()
            _envoy, app = await fetcher.fetch_all(plan)
            assert app.error is None
            assert [request.path for request in seen] == ["/m", "/m/"]
            assert seen[0].headers == seen[1].headers
            assert seen[1].headers["Authorization"] == "Bearer s3cret"
            assert seen[1].headers["Meshmeter-Scrape-Of"] == "me"


@pytest.mark.attack("B1: an entry names files, sockets or FIFOs that the agent's operator did not allow")
async def test_files_that_nobody_allowed_stay_closed(tmp_path: Path) -> None:
    seen: list[web.Request] = []
    allowed, secret, socket = tmp_path / "allowed", tmp_path / "secret", tmp_path / "app.sock"
    allowed.mkdir()
    secret.write_text("s3cret")
    (allowed / "link").symlink_to("../secret")
    os.mkfifo(allowed / "pipe")
    async with (
        server(seen) as port,
        server(seen, socket),
        Fetcher(tmp_path / "no.sock", files=AllowedFiles([allowed])) as fetcher,
    ):
        for path in (secret, allowed / "link", allowed / "pipe"):
            for option in ("bearer_token_file", "basic_auth_file", "ca_file", "unix_socket"):
                plan = with_options(
                    port, scheme="https" if option == "ca_file" else "http", **{option: str(path)}
                )
                _envoy, app = await fetcher.fetch_all(plan)
                assert app.error is FetchError.CREDENTIALS, (path, option, app)
        _envoy, app = await fetcher.fetch_all(with_options(0, unix_socket=str(socket)))
        assert app.error is FetchError.CREDENTIALS and "--allow-files" in app.detail
    assert not [request for request in seen if request.path == "/m"], "nobody was asked"


def at_address(address: str, port: int, *networks: str) -> ScrapePlan:
    source = SourceConfig("app", address, port, "/m")
    return plan(Request(), ScrapeConfig("1", "m", "d", True, (source,), allowed_networks=networks))


@pytest.mark.attack("B1: an entry writes a forbidden address in decimal, hex, octal, short or mapped form")
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "::ffff:169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "0",
    ],
)
async def test_forbidden_addresses_are_judged_as_they_are_connected_to(tmp_path: Path, address: str) -> None:
    async with Fetcher(tmp_path / "no.sock") as fetcher:
        _envoy, app = await fetcher.fetch_all(at_address(address, 80, "0.0.0.0/0", "::/0"))
    assert app.error is FetchError.ADDRESS and "never scraped" in app.detail, app


@pytest.mark.attack(
    "B1: an entry points at another host because the Dataplane says that it is its own address"
)
@pytest.mark.parametrize("address", ["192.0.2.77", "3221226061", "::ffff:192.0.2.77", "2001:db8::77"])
async def test_other_hosts_only_where_networks_allow_them(tmp_path: Path, address: str) -> None:
    async with Fetcher(tmp_path / "no.sock") as fetcher:
        _envoy, app = await fetcher.fetch_all(at_address(address, 80))
    assert app.error is FetchError.ADDRESS and "--allowed-networks" in app.detail, app


@pytest.mark.attack(
    "B1: an entry leads to the metrics endpoint of its own proxy by a name or an odd notation"
)
@pytest.mark.parametrize("listens_on", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("address", ["localhost", "127.1", "0x7f000001", "::ffff:127.0.0.1"])
async def test_its_own_endpoint_is_no_source(tmp_path: Path, address: str, listens_on: str) -> None:
    seen: list[web.Request] = []
    async with server(seen) as port, Fetcher(tmp_path / "no.sock") as fetcher:
        source = SourceConfig("app", address, port, "/m")
        config = ScrapeConfig("1", "m", "d", True, (source,), metrics_address=listens_on, metrics_port=port)
        _envoy, app = await fetcher.fetch_all(plan(Request(), config))
    assert app.error is FetchError.ADDRESS and "metrics endpoint of the proxy itself" in app.detail, app
    assert not seen


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "::ffff:127.0.0.1", "localhost"]
)
async def test_loopback_in_any_notation(tmp_path: Path, address: str) -> None:
    async with server([]) as port, Fetcher(tmp_path / "no.sock") as fetcher:
        _envoy, app = await fetcher.fetch_all(at_address(address, port))
    assert app.error is None, app


async def test_an_entry_waits_no_longer_than_it_says(tmp_path: Path) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client goes away
        writer.close()

    async with (
        await asyncio.start_server(hang, "127.0.0.1", 0) as hung,
        Fetcher(tmp_path / "no.sock") as fetcher,
    ):
        port = hung.sockets[0].getsockname()[1]
        _envoy, app = await fetcher.fetch_all(with_options(port, timeout=0.05))
    assert app.error is FetchError.TIMEOUT and "0.05 s" in app.detail


async def test_an_entry_may_allow_less_than_the_default(tmp_path: Path) -> None:
    async with server([]) as port, Fetcher(tmp_path / "no.sock") as fetcher:
        _envoy, app = await fetcher.fetch_all(with_options(port, body_bytes=3))
    assert app.error is FetchError.TOO_LARGE


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmine\r\n", b"mine\r\n\r\n"]
)
async def test_an_error_tells_neither_parameters_nor_what_was_sent(tmp_path: Path, reply: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(say, "127.0.0.1", 0) as odd,
        Fetcher(tmp_path / "no.sock") as fetcher,
    ):
        port = odd.sockets[0].getsockname()[1]
        _envoy, app = await fetcher.fetch_all(with_options(port, params=(("key", "hidden"),)))
    assert app.error is FetchError.PROTOCOL and app.detail
    assert "mine" not in app.detail and "hidden" not in app.detail


async def test_a_port_where_nobody_listens_is_told_without_numbers_and_in_the_words_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, *more: Any, **options: Any) -> list[Any]:
        infos = ((socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port)))
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in infos]

    port = free_port()
    async with Fetcher(tmp_path / "no.sock") as fetcher:
        envoy, app = await fetcher.fetch_all(scrape(port))
        assert (envoy.error, envoy.detail) == (FetchError.CONNECT, "no such file or directory")
        assert (app.error, app.detail) == (FetchError.CONNECT, "connection refused")
        monkeypatch.setattr(socket, "getaddrinfo", both)
        named = (SourceConfig("app", "an.example", port, "/m"),)
        _, app = await fetcher.fetch_all(plan(Request(), ScrapeConfig("1", "m", "d", True, named)))
        assert app.error is FetchError.CONNECT and app.detail.startswith("connection refused"), app.detail
        assert "Errno" not in app.detail and "call failed" not in app.detail
