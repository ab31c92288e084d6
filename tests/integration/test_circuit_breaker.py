"""A source that never answers is waited for less and less often, and is back with its first answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.many_clusters import running_envoy
from support.sources import GOOD, LONG, agent, answer, at, serving, silence, values

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with running_envoy(tmp_path_factory.mktemp("envoy"), 2) as admin_socket:
        yield admin_socket


async def test_a_source_that_never_answers_until_it_does(tmp_path: Path, envoy: Path) -> None:
    deadlines: list[str] = []
    well = asyncio.Event()

    async def sick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (answer(GOOD) if well.is_set() else silence)(reader, writer)

    def seen(head: bytes) -> None:
        deadlines.extend(
            line.partition(":")[2].strip()
            for line in head.decode().splitlines()
            if line.lower().startswith("x-prometheus-scrape-timeout-seconds")
        )

    async with (
        serving(sick, seen=seen) as bad,
        serving(answer(GOOD.replace(b"good", b"fine"))) as good,
        agent(tmp_path, envoy, at(bad, "bad", timeout=1.5), at(good, "good")) as scraped,
    ):
        for _ in range(4):
            status, body, _ = await scraped.scrape(**LONG)
            assert status == 200
            assert values(body, "fine_total") == {(): 1}
            assert not values(body, "good_total")
        assert deadlines == ["1.5", "1.5", "1.5", "1"]
        trouble = scraped.source("bad")["trouble"]
        assert (trouble["failures"], trouble["cutTo"], trouble["wholeDeadlineIn"]) == (4, 1.0, 4)
        assert trouble["lastSuccess"] is None
        assert scraped.source("good")["trouble"] is None

        well.set()
        _, body, _ = await scraped.scrape(**LONG)
        assert values(body, "good_total") == {(): 1}
        assert scraped.source("bad")["trouble"] is None
        await scraped.scrape(**LONG)
        assert deadlines[4:] == ["1", "1.5"]
