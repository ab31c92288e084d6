"""One answer from sources that come in pieces, break off, or speak other formats; all over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from threading import get_ident

import pytest
from aiohttp import web

from meshmeter.agent.coalescing import Answer
from meshmeter.agent.fetcher import Fetcher
from meshmeter.agent.scraping import Scraping
from meshmeter.exposition.kernel import PYTHON, choose
from meshmeter.exposition.merge import DEFAULT_LIMITS, Limits, MergeResult, Options, Source
from meshmeter.scrape.config import ScrapeConfig, SourceConfig
from meshmeter.scrape.plan import Request, plan
from meshmeter.scrape.report import SourceReport
from support import exposition
from support.processes import samples

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BIG = b"".join(
    b"# TYPE envoy_f%d counter\n" % f + b"".join(b'envoy_f%d{n="%d"} 1\n' % (f, n) for n in range(2000))
    for f in range(40)
)
"""More than one segment of it can leave before the end."""


@dataclass
class World:
    """Envoy's admin interface and one application, both under control of the test."""

    fetcher: Fetcher
    scraping: Scraping
    ports: list[int] = field(default_factory=list)
    envoy: list[bytes] = field(default_factory=lambda: [b"# TYPE envoy_up gauge\nenvoy_up 1\n"])
    envoy_status: int = 200
    breaks_off: bool = False
    application: bytes = b"# TYPE app_up gauge\napp_up 1\n"
    application_type: str = "text/plain; version=0.0.4"
    asked: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """The application answers when it is set."""

    async def admin(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        response = web.StreamResponse(status=self.envoy_status, headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for piece in self.envoy:
            await response.write(piece)
        if self.breaks_off:
            assert request.transport is not None
            request.transport.abort()
        await response.write_eof()
        return response

    async def metrics(self, _request: web.Request) -> web.Response:
        await self.go.wait()
        return web.Response(body=self.application, headers={"Content-Type": self.application_type})

    def start(
        self, accept: str | None = None, *, timeout: str = "5", applications: int = 1
    ) -> tuple[Answer, asyncio.Task[tuple[int, tuple[SourceReport, ...]]]]:
        """A scrape that is under way."""
        sources = tuple(
            SourceConfig(f"app-{n}", "127.0.0.1", self.ports[0], "/metrics") for n in range(applications)
        )
        config = ScrapeConfig("1", "default", "web", True, sources)
        answer = Answer()

        async def run() -> tuple[int, tuple[SourceReport, ...]]:
            done = await self.scraping.scrape(plan(Request("", accept, timeout), config), answer)
            answer.end()
            return done

        return answer, asyncio.create_task(run())

    async def scrape(
        self, accept: str | None = None, *, timeout: str = "5"
    ) -> tuple[str, dict[str, SourceReport]]:
        """A whole one: the body and the reports by name."""
        answer, task = self.start(accept, timeout=timeout)
        _, reports = await task
        body = await answer.body()
        if answer.status == 200:
            # Whatever became of the sources, the body is a valid one.
            exposition.types(body.decode(), openmetrics=body.endswith(b"# EOF\n"))
        return body.decode(), {report.name: report for report in reports}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        fetcher = await stack.enter_async_context(Fetcher(tmp_path / "admin.sock"))
        made = World(fetcher, Scraping(fetcher, PYTHON))
        made.go.set()
        for handler, path, site in (
            (made.admin, "/stats/prometheus", lambda r: web.UnixSite(r, str(tmp_path / "admin.sock"))),
            (made.metrics, "/metrics", lambda r: web.TCPSite(r, "127.0.0.1", 0)),
        ):
            await serve(stack, made, path, handler, site)
        stack.callback(lambda: made.scraping.close())
        yield made


async def serve(
    stack: AsyncExitStack,
    world: World,
    path: str,
    handler: object,
    site: Callable[[web.AppRunner], web.BaseSite],
) -> None:
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await site(runner).start()
    if path == "/metrics":
        world.ports.append(runner.addresses[0][1])


async def test_envoys_families_leave_before_the_application_has_answered(world: World) -> None:
    world.envoy = [BIG[:300_000], BIG[300_000:]]
    world.go.clear()
    answer, task = world.start()
    pieces = answer.pieces()
    await answer.head()
    first = await anext(pieces)
    assert answer.status == 200 and first.startswith(b"# TYPE envoy_f0 counter\n")
    assert not task.done()
    world.go.set()
    whole = (first + b"".join([piece async for piece in pieces])).decode()
    _, reports = await task
    assert whole.count("# TYPE envoy_f") == 40 and "app_up 1" in whole
    assert list(samples(whole, "meshmeter_source_samples").values()) == [80_000, 1]
    assert [report.up for report in reports] == [True, True]
    assert [report.body_bytes for report in reports] == [len(BIG), len(world.application)]


async def test_an_answer_that_breaks_off_ends_with_whole_families_and_says_so(world: World) -> None:
    world.envoy, world.breaks_off = [BIG[:1_000_001]], True
    body, reports = await world.scrape()
    assert samples(body, "meshmeter_source_up", source="envoy") == {'meshmeter_source_up{source="envoy"}': 0}
    assert 'meshmeter_source_error{source="envoy",reason="protocol"} 1' in body
    assert "app_up 1" in body
    families = body.count("# TYPE envoy_f")
    assert 0 < families < 40
    assert reports["envoy"].samples == families * 2000 == len(samples_of(body))


def samples_of(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.startswith("envoy_")]


async def test_without_envoy_and_applications_there_is_nothing_to_answer(world: World) -> None:
    world.envoy_status = 503
    answer, task = world.start(applications=0)
    status, _ = await task
    assert status == answer.status == 503 and b"envoy: status" in await answer.body()


async def test_without_envoy_the_applications_are_answered(world: World) -> None:
    world.envoy_status = 500
    body, reports = await world.scrape()
    assert "app_up 1" in body and not reports["envoy"].up and reports["envoy"].error == "status"


async def test_openmetrics_is_known_from_the_second_scrape_on(world: World) -> None:
    world.application, world.application_type = b"# TYPE app_up gauge\napp_up 1\n# EOF\n", OPENMETRICS
    world.envoy = [b"# TYPE envoy_rq_total counter\nenvoy_rq_total 1\n# TYPE envoy_rq gauge\nenvoy_rq 2\n"]
    first, _ = await world.scrape(OPENMETRICS)
    second, _ = await world.scrape(OPENMETRICS)
    third, _ = await world.scrape(OPENMETRICS)
    assert first.endswith("# EOF\n") and second.endswith("# EOF\n")
    assert (
        "# TYPE envoy_rq counter" in first and "envoy_rq 2" not in first
    )  # the first one to take a name has it
    assert 'dropped_samples{source="envoy",reason="type_conflict"} 1' in third
    assert lines_without_numbers(first) == lines_without_numbers(second) == lines_without_numbers(third)


def lines_without_numbers(body: str) -> list[str]:
    return [line if line.startswith("#") else line.rpartition(" ")[0] for line in body.splitlines()]


async def test_openmetrics_envoys_histograms_keep_their_type_in_every_scrape(world: World) -> None:
    world.application, world.application_type = b"# TYPE app_up gauge\napp_up 1\n# EOF\n", OPENMETRICS
    world.envoy = [
        b'# TYPE envoy_ms histogram\nenvoy_ms_bucket{le="+Inf"} 1\nenvoy_ms_sum 2\nenvoy_ms_count 1\n'
    ]
    for _ in range(3):
        body, _ = await world.scrape(OPENMETRICS)
        assert "# TYPE envoy_ms histogram\n" in body


async def test_an_application_that_changes_its_format_is_converted(world: World) -> None:
    world.application, world.application_type = b"# TYPE app_up gauge\napp_up 1\n# EOF\n", OPENMETRICS
    await world.scrape(OPENMETRICS)
    world.application, world.application_type = b"app_up 2 1700000000000\n", "text/plain"
    body, _ = await world.scrape(OPENMETRICS)
    assert body.endswith("# EOF\n") and "app_up 2 1700000000" in body
    body, _ = await world.scrape(OPENMETRICS)
    assert "# EOF" not in body and "app_up 2 1700000000000" in body


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
@pytest.mark.parametrize("dear", [True, False])
@pytest.mark.attack("B2: an application of 100 KiB holds the agent's loop for half a second")
async def test_what_may_be_dear_is_merged_beside_the_loop(
    world: World, accept: str | None, dear: bool
) -> None:
    threads: list[int] = []

    class Watched:
        """A merging of the Python kernel that tells where it is finished."""

        def __init__(self, options: Options, limits: Limits = DEFAULT_LIMITS):
            self._merging = PYTHON.begin(options, limits)
            self.feed = self._merging.feed

        def finish(self, sources: Sequence[Source], *, whole: bool = True) -> MergeResult:
            threads.append(get_ident())
            return self._merging.finish(sources, whole=whole)

    with closing(world.scraping):
        world.scraping = Scraping(world.fetcher, replace(PYTHON, begin=Watched))
    world.application = b"".join(b"f%d 1\n" % n for n in range(2000 if dear else 12))
    for _ in range(2):  # the second one is streamed
        body, _ = await world.scrape(accept)
        assert "f11 1" in body
    assert {thread == get_ident() for thread in threads} == {not dear}


async def test_two_filters_are_answered_at_once(world: World) -> None:
    scraping = world.scraping
    sources = (SourceConfig("app", "127.0.0.1", world.ports[0], "/metrics"),)
    config = ScrapeConfig("1", "default", "web", True, sources, filter_regex="up")
    answer = Answer()
    status, _ = await scraping.scrape(plan(Request("filter=envoy", None, "5"), config), answer)
    answer.end()
    assert status == 200 and world.asked == 2 and b"envoy_up 1" in await answer.body()


async def test_what_cannot_be_merged_in_time_is_told(world: World) -> None:
    late = Scraping(world.fetcher, choose(), clock=chain((0.0,), repeat(60.0)).__next__)
    with closing(world.scraping):
        world.scraping = late
    body, reports = await world.scrape()  # streamed: the format is known
    assert "envoy_up" not in body and "app_up" not in body
    for name in ("envoy", "app-0"):
        assert f'meshmeter_source_error{{source="{name}",reason="timeout"}} 1' in body
        assert f'meshmeter_source_dropped_samples{{source="{name}",reason="deadline"}} 1' in body
    assert reports["app-0"].detail == "its answer was read, but no time was left to merge any of it"


async def test_a_deadline_in_the_middle_of_the_answer(world: World) -> None:
    world.go.clear()
    body, reports = await world.scrape(timeout="1")
    assert "envoy_up 1" in body and reports["app-0"].error == "timeout"
