"""The names of a real application: behind the proxy as without it, whatever the scraper asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import start_wsgi_server

from support.many_clusters import running_envoy
from support.sources import LONG, agent, at

pytestmark = pytest.mark.integration

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping={0};q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping={0};q=0.5,"
    "text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
SCHEMES = ("allow-utf-8", "underscores", "dots", "values")


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with running_envoy(tmp_path_factory.mktemp("envoy"), 2) as admin_socket:
        yield admin_socket


@pytest.fixture(scope="module")
def application() -> Iterator[int]:
    """The port of a program that uses the client library for Python."""
    registry = CollectorRegistry()
    Counter("http.server.requests", "Requests.", ["http.route", "status_code"], registry=registry).labels(
        "/a", "200"
    ).inc()
    Histogram("http.server.duration", "Seconds.", ["zürich"], registry=registry).labels("x").observe(0.3)
    Gauge("plain_gauge", "A gauge.", registry=registry).set(3)
    server, thread = start_wsgi_server(0, "127.0.0.1", registry)
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def rows(body: bytes) -> set[frozenset[bytes]]:
    """Names and labels as they are written, without the families of others and the dates."""
    lines = [line.rpartition(b" ")[0] for line in body.splitlines() if not line.startswith(b"#")]
    own = [
        line for line in lines if not line.startswith((b"envoy_", b"meshmeter_")) and b"_created" not in line
    ]
    return {frozenset(line.replace(b"{", b",").rstrip(b"}").split(b",")) for line in own}


@pytest.mark.parametrize(
    "accept",
    [
        None,
        PROMETHEUS_2,
        *(PROMETHEUS_3.format(scheme) for scheme in SCHEMES),
        *(f"text/plain;version=1.0.0;escaping={scheme}" for scheme in SCHEMES),
    ],
)
async def test_names_are_those_of_a_direct_scrape(
    tmp_path: Path, envoy: Path, application: int, accept: str | None
) -> None:
    headers = {"Accept": accept} if accept else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{application}/metrics", headers=headers) as answer,
    ):
        direct, content_type = await answer.read(), answer.headers["Content-Type"]
    async with agent(tmp_path, envoy, at(application)) as scraped:
        status, body, got = await scraped.scrape(**LONG, **headers)

    assert status == 200
    assert len(rows(direct)) > 15
    assert rows(body) == rows(direct)
    assert got["Content-Type"] == (
        content_type
        if accept and "escaping" in accept
        else content_type.removesuffix("; escaping=underscores")
    )
