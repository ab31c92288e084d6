"""What goes wrong with sources in life, over real sockets and with a real Envoy: each costs only itself."""

from __future__ import annotations

import asyncio
import gzip
import socket
import stat
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support import require
from support.exposition import accepted_by_promtool, samples
from support.many_clusters import running_envoy
from support.sources import (
    BLEMISHES,
    FAULTS,
    GOOD,
    LONG,
    Respond,
    agent,
    answer,
    at,
    drip,
    patience,
    reset,
    serving,
    silence,
    values,
    with_timeout,
    within_a_deadline,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The admin socket of an Envoy with eight clusters of two services."""
    with running_envoy(tmp_path_factory.mktemp("envoy"), 8) as admin_socket:
        yield admin_socket


@pytest.mark.parametrize(("respond", "reason"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_costs_only_its_source(
    tmp_path: Path, envoy: Path, respond: Respond, reason: str
) -> None:
    async with (
        serving(respond) as bad,
        serving(answer(GOOD)) as good,
        agent(tmp_path, envoy, at(bad, "bad", timeout=patience(reason)), at(good, "good")) as scraped,
    ):
        status, body, _ = await scraped.scrape(**LONG)

    assert status == 200
    assert accepted_by_promtool(body) == ""
    assert values(body, "good_total") == {(): 1}
    assert values(body, "envoy_server_live") == {(): 1}
    assert values(body, "meshmeter_source_up") == {
        (("source", "envoy"),): 1,
        (("source", "bad"),): 0,
        (("source", "good"),): 1,
    }
    assert values(body, "meshmeter_source_error") == {(("reason", reason), ("source", "bad")): 1}
    assert b"secret" not in body and "secret" not in str(scraped.reports)


async def check_all_faults(tmp_path: Path, envoy: Path, *, timeout: int, own: bool, slow: float) -> None:
    """All at once, with a source that answers after `slow` seconds. With `own` those that go on for ever have a timeout
    of their own; without it nothing but the scraper's ends them."""

    async def hesitate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(slow)
        await answer(GOOD.replace(b"good", b"slow"))(reader, writer)

    reasons = {name: reason for name, (_, reason) in FAULTS.items()}
    async with AsyncExitStack() as stack:
        sources = [
            at(
                await stack.enter_async_context(serving(respond)),
                name,
                timeout=patience(reason) if own else None,
            )
            for name, (respond, reason) in FAULTS.items()
        ]
        good = await stack.enter_async_context(serving(answer(GOOD)))
        late = await stack.enter_async_context(serving(hesitate))
        scraped = await stack.enter_async_context(
            agent(tmp_path, envoy, *sources, at(late, "slow"), at(good, "good"))
        )
        status, body, _ = await scraped.scrape(**with_timeout(timeout))
    assert status == 200
    assert accepted_by_promtool(body) == ""
    assert values(body, "good_total") == values(body, "envoy_server_live") == {(): 1}
    assert values(body, "slow_total") == ({(): 1} if slow < timeout else {})
    if slow > timeout:
        reasons["slow"] = "timeout"
    errors = values(body, "meshmeter_source_error")
    assert {dict(labels)["source"]: dict(labels)["reason"] for labels in errors} == reasons
    up = {dict(labels)["source"]: value for labels, value in values(body, "meshmeter_source_up").items()}
    assert {name for name, value in up.items() if not value} == set(reasons)


async def test_all_faults_at_once_are_cut_by_the_scrapers_timeout(tmp_path: Path, envoy: Path) -> None:
    await within_a_deadline(
        lambda seconds: check_all_faults(tmp_path, envoy, timeout=seconds, own=False, slow=seconds + 0.5)
    )


async def test_all_faults_at_once_are_cut_by_timeouts_of_their_own(tmp_path: Path, envoy: Path) -> None:
    """And a slow one, which has none, has all the time it needs."""
    await check_all_faults(tmp_path, envoy, timeout=60, own=True, slow=1.5)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
@pytest.mark.parametrize(("respond", "reason"), BLEMISHES.values(), ids=BLEMISHES)
async def test_a_blemish_costs_only_itself(
    tmp_path: Path, envoy: Path, respond: Respond, reason: str, accept: str
) -> None:
    openmetrics = answer(
        b"# TYPE fine counter\nfine_total 1\n# EOF\n",
        "Content-Type: application/openmetrics-text; version=1.0.0",
    )
    async with (
        serving(respond) as odd,
        serving(openmetrics) as fine,
        agent(tmp_path, envoy, at(odd, "odd"), at(fine, "fine")) as scraped,
    ):
        status, body, _ = await scraped.scrape(Accept=accept)
    assert status == 200
    found = samples(body.decode(), openmetrics="openmetrics" in accept)
    assert {("good_total", (), 1.0), ("fine_total", (), 1.0), ("envoy_server_live", (), 1.0)} <= set(found)
    assert ("meshmeter_source_up", (("source", "odd"),), 1.0) in found
    ((_, labels, number),) = [row for row in found if row[0] == "meshmeter_source_dropped_samples"]
    assert labels == (("reason", reason), ("source", "odd"))
    assert number >= 1
    if "openmetrics" not in accept:
        assert accepted_by_promtool(body) == ""


async def test_a_name_that_leads_elsewhere_later(
    tmp_path: Path, envoy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was allowed when it was applied; now it leads to where a cloud's metadata are."""
    addresses = ["127.0.0.1"]
    resolve = socket.getaddrinfo

    def rebound(host: Any, *args: Any, **more: Any) -> Any:
        return resolve(addresses[0] if host == "app.example" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    async with (
        serving(answer(GOOD)) as port,
        serving(answer(GOOD.replace(b"good", b"fine"))) as other,
        agent(tmp_path, envoy, at(port, "app", "app.example"), at(other, "other")) as scraped,
    ):
        _, body, _ = await scraped.scrape()
        assert values(body, "good_total") == {(): 1}
        for address in ("169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "224.0.0.1", "192.0.2.1"):
            addresses[0] = address
            status, body, _ = await scraped.scrape()
            assert status == 200
            assert not values(body, "good_total")
            assert values(body, "fine_total") == {(): 1}
            assert values(body, "meshmeter_source_error") == {(("reason", "address"), ("source", "app")): 1}
        addresses[0] = "127.0.0.1"
        _, body, _ = await scraped.scrape()
        assert values(body, "good_total") == {(): 1}


GZIPPED, ZLIB = gzip.compress(GOOD), zlib.compress(GOOD)
RAW = zlib.compressobj(wbits=-15)
FORMS = {
    "gzip": answer(GZIPPED, "Content-Encoding: gzip"),
    "gzip in two members": answer(
        gzip.compress(GOOD[:10]) + gzip.compress(GOOD[10:]), "Content-Encoding: gzip"
    ),
    "deflate": answer(ZLIB, "Content-Encoding: deflate"),
    "bare deflate": answer(RAW.compress(GOOD) + RAW.flush(), "Content-Encoding: deflate"),
    "deflate, then gzip": answer(gzip.compress(ZLIB), "Content-Encoding: deflate, gzip"),
    "deflate, then gzip, in two fields": answer(
        gzip.compress(ZLIB), "Content-Encoding: deflate", "Content-Encoding: gzip"
    ),
    "a media type for an encoding": answer(GOOD, "Content-Encoding: text/plain; charset=utf-8"),
    "no encoding by name": answer(GOOD, "Content-Encoding: none"),
    "a charset for an encoding": answer(GOOD, "Content-Encoding: UTF-8"),
    "latin-1": answer(GOOD, "Content-Type: text/plain; charset=latin-1"),
    "windows-1252": answer(GOOD, "Content-Type: text/plain; charset=windows-1252"),
    "utf-16": answer(GOOD.decode().encode("utf-16"), "Content-Type: text/plain; charset=utf-16"),
    "no type": answer(GOOD),
    "odd type": answer(GOOD, "Content-Type: application/octet-stream"),
}


@pytest.mark.parametrize("respond", FORMS.values(), ids=FORMS)
async def test_forms_of_a_body(tmp_path: Path, envoy: Path, respond: Respond) -> None:
    async with serving(respond) as port, agent(tmp_path, envoy, at(port)) as scraped:
        _, body, _ = await scraped.scrape()
    assert values(body, "good_total") == {(): 1}


@pytest.mark.parametrize("name", ["brotli", "zstd"])
async def test_compressions_of_the_extra(tmp_path: Path, envoy: Path, name: str) -> None:
    body = require.compression(name).compress(GOOD)
    word = name.replace("brotli", "br")
    heads: list[bytes] = []
    async with (
        serving(answer(body, f"Content-Encoding: {word}"), seen=heads.append) as port,
        agent(tmp_path, envoy, at(port)) as scraped,
    ):
        _, body, _ = await scraped.scrape()
    assert values(body, "good_total") == {(): 1}
    (accepted,) = [line for line in heads[0].split(b"\r\n") if line.startswith(b"Accept-Encoding:")]
    assert accepted.startswith(b"Accept-Encoding: gzip, deflate") and word.encode() in accepted


async def test_ipv6_and_host_names(tmp_path: Path, envoy: Path) -> None:
    async with (
        serving(answer(GOOD), "::1") as six,
        serving(answer(GOOD.replace(b"good", b"also")), "127.0.0.1") as four,
        agent(tmp_path, envoy, at(six, "six", "::1"), at(four, "named", "localhost")) as scraped,
    ):
        _, body, _ = await scraped.scrape()
    assert values(body, "good_total") == values(body, "also_total") == {(): 1}


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1"]
)
async def test_addresses_that_are_never_used(tmp_path: Path, envoy: Path, address: str) -> None:
    async with agent(tmp_path, envoy, at(80, address=address)) as scraped:
        await scraped.scrape()
        assert scraped.source("app")["error"] == "address"


async def test_nobody_listens_anywhere(tmp_path: Path) -> None:
    async with agent(tmp_path, tmp_path / "no.sock", at(1)) as scraped:
        status, body, _ = await scraped.scrape()
    assert status == 503
    assert b"envoy: connect" in body and b"app: connect" in body


async def test_envoy_down_costs_only_envoy(tmp_path: Path) -> None:
    async with serving(answer(GOOD)) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        status, body, _ = await scraped.scrape()
    assert status == 200
    assert values(body, "good_total") == {(): 1}


ENVOY_FAULTS = {
    "never answers": (silence, "timeout"),
    "one byte a second": (drip(1.0), "timeout"),
    "reset in the body": (reset, "protocol"),
    "error": (answer(b"", status="503 Not Now"), "status"),
    "garbage": (answer(bytes(range(256))), "format"),
}


@pytest.mark.parametrize(("respond", "reason"), ENVOY_FAULTS.values(), ids=ENVOY_FAULTS)
async def test_an_envoy_that_does_not_answer_well_costs_only_itself(
    tmp_path: Path, respond: Respond, reason: str
) -> None:
    async def check(seconds: int) -> None:
        for _ in range(4):
            status, body, _ = await scraped.scrape(**with_timeout(seconds))
            assert status == 200
            assert accepted_by_promtool(body) == ""
            assert values(body, "good_total") == {(): 1}
            assert values(body, "meshmeter_source_error") == {(("reason", reason), ("source", "envoy")): 1}

    async with (
        serving(respond, tmp_path / "admin.sock"),
        serving(answer(GOOD)) as port,
        agent(tmp_path, tmp_path / "admin.sock", at(port)) as scraped,
    ):
        if reason == "timeout":
            await within_a_deadline(check)
        else:
            await check(60)


async def test_filters_of_both_sides_hold(tmp_path: Path, envoy: Path) -> None:
    async with agent(tmp_path, envoy, filter_regex=r"membership_(total|healthy)") as scraped:
        _, both, _ = await scraped.scrape("?filter=backend-1_.*healthy")
        _, one, _ = await scraped.scrape()
    clusters = {
        dict(labels)["envoy_cluster_name"] for labels in values(one, "envoy_cluster_membership_total")
    }
    assert clusters == {
        "backend-0_demo_svc_8080",
        "backend-1_demo_svc_8080",
        "ads_cluster",
        "kuma_envoy_admin",
    }
    (labels,) = values(both, "envoy_cluster_membership_healthy")
    assert dict(labels)["envoy_cluster_name"] == "backend-1_demo_svc_8080"
    assert not values(both, "envoy_cluster_membership_total")


async def test_used_only_and_a_bad_filter(tmp_path: Path, envoy: Path) -> None:
    async with agent(tmp_path, envoy) as scraped:
        _, everything, _ = await scraped.scrape()
        _, used, _ = await scraped.scrape("?usedonly")
        _, unused, _ = await scraped.scrape("?usedonly=false")
        scrapes = len(scraped.reports)
        for query in ("?filter=[", "?filter=[&usedonly", "?histogram_buckets=x"):
            status, told, headers = await scraped.scrape(query)
            assert status == 400 and headers["Content-Type"].startswith("text/plain"), query
            words = b"histogram" if "buckets" in query else b"Invalid re2 regex: missing ]: [\n"
            assert told.startswith(b"Envoy refuses the query: ") and words in told
        assert len(scraped.reports) == scrapes, "a scraper's mistake says nothing of the proxy"
    async with agent(tmp_path, envoy, filter_regex="[") as scraped:
        status, told, _ = await scraped.scrape()
        assert status == 503 and b"envoy: status: HTTP status 400: Invalid re2 regex: missing ]: [" in told
    assert (
        0 < len(samples(used.decode())) < len(samples(everything.decode())) == len(samples(unused.decode()))
    )


async def test_openmetrics_if_an_application_speaks_it(tmp_path: Path, envoy: Path) -> None:
    speaks = answer(
        b'# TYPE good counter\ngood_total 1 # {id="x"} 1\n# EOF\n',
        "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8",
    )
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    async with serving(speaks) as port, agent(tmp_path, envoy, at(port)) as scraped:
        _, openmetrics, headers = await scraped.scrape(Accept=accept)
        _, text, _ = await scraped.scrape(Accept="text/plain")
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert b'good_total 1 # {id="x"} 1\n' in openmetrics
    assert samples(openmetrics.decode(), openmetrics=True).keys() >= {("good_total", (), 1.0)}
    assert accepted_by_promtool(text) == ""


async def test_scrapers_at_the_same_time_share_one_fetch(tmp_path: Path, envoy: Path) -> None:
    asked, release = [], asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await release.wait()
        await answer(GOOD)(reader, writer)

    async with serving(slow) as port, agent(tmp_path, envoy, at(port)) as scraped:
        async with asyncio.TaskGroup() as group:
            scrapes = [group.create_task(scraped.scrape()) for _ in range(5)]
            other = group.create_task(scraped.scrape("?filter=membership"))
            while len(asked) < 2:
                await asyncio.sleep(0.01)
            release.set()
        assert len(asked) == 2
        assert len({scrape.result()[1] for scrape in scrapes}) == 1
        assert other.result()[1] not in {scrape.result()[1] for scrape in scrapes}
        assert len(scraped.reports) == 2


async def test_a_scraper_that_leaves_stops_its_fetches(tmp_path: Path, envoy: Path) -> None:
    left, asked = asyncio.Event(), asyncio.Event()

    async def watching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        left.set()

    async with serving(watching) as port, agent(tmp_path, envoy, at(port)) as scraped:
        scrape = asyncio.get_running_loop().create_task(scraped.scrape())
        await asked.wait()
        scrape.cancel()
        async with asyncio.timeout(60):
            await left.wait()


async def test_an_entry_that_leads_back_to_the_agent(tmp_path: Path, envoy: Path) -> None:
    """Through a forwarder, as Envoy's metrics listener is one."""
    socket = tmp_path / "agent.sock"

    relays: list[asyncio.Task[None]] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(socket))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        relays.append(asyncio.get_running_loop().create_task(pump(reader, inner_writer)))
        await pump(inner_reader, writer)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server, agent(tmp_path, envoy, at(server.sockets[0].getsockname()[1])) as scraped:
        status, _, _ = await scraped.scrape(**LONG)
        assert status == 200
        assert scraped.source("app")["detail"].startswith("HTTP status 508: it leads back")
    for task in relays:
        task.cancel()


async def test_the_socket_is_for_our_user_only(tmp_path: Path, envoy: Path) -> None:
    async with agent(tmp_path, envoy):
        assert stat.S_IMODE((tmp_path / "agent.sock").stat().st_mode) == 0o600
    assert not (tmp_path / "agent.sock").exists()
