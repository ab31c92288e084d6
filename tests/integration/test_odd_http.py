"""HTTP as applications speak it, from servers that send just these bytes."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from support.exposition import accepted_by_promtool
from support.sources import GOOD, LONG, Respond, agent, answer, at, serving, values

pytestmark = pytest.mark.integration

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(GOOD)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (GOOD[:5], len(GOOD) - 5, GOOD[5:])


def says(data: bytes, *, pieces: int = 1 << 20) -> Respond:
    """A server that sends just this, in pieces, and closes."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), pieces):
            writer.write(data[start : start + pieces])
            await writer.drain()
            await asyncio.sleep(0)

    return respond


READ = {
    "two equal lengths": OK + LENGTH + LENGTH + b"\r\n" + GOOD,
    "equal lengths that are written differently": OK
    + LENGTH
    + LENGTH.replace(b": ", b": 000")
    + b"\r\n"
    + GOOD,
    "more than was announced": OK + LENGTH + b"\r\n" + GOOD + b"more_total 1\n",
    "more after the last chunk": OK + CHUNKED + b"\r\n" + CHUNKS + b"more_total 1\n",
    "another answer after this one": (OK + LENGTH + b"\r\n" + GOOD) * 2,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + LENGTH + b"\r\n" + GOOD,
    "a space in the name of a field": OK + b"My Field: b\r\n c\r\n" + LENGTH + b"\r\n" + GOOD,
    "a list of equal lengths": OK + b"Content-Length: %d, %d\r\n\r\n" % (len(GOOD), len(GOOD)) + GOOD,
    "a length before chunked": OK + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "a wrong length after chunked": OK + CHUNKED + b"Content-Length: 3\r\n\r\n" + CHUNKS,
    "two lengths beside chunked": OK + b"Content-Length: 3\r\n" + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "a field of 60 000 bytes": OK + b"Policy: " + b"x" * 60_000 + b"\r\n" + LENGTH + b"\r\n" + GOOD,
    "499 cookies": OK + b"Set-Cookie: a=b\r\n" * 499 + LENGTH + b"\r\n" + GOOD,
    "100 before the answer": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + GOOD,
    "103 before the answer": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + LENGTH + b"\r\n" + GOOD,
    "no reason": b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + GOOD,
    "trailers": OK + CHUNKED + b"Trailer: A\r\n\r\n" + CHUNKS[:-2] + b"A: b\r\n\r\n",
    "chunk extensions": OK + CHUNKED + b"\r\n%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "no length": OK + b"\r\n" + GOOD,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
    "bare line feeds": b"HTTP/1.1 200 OK\n" + LENGTH.replace(b"\r", b"") + b"\n" + GOOD,
    "an empty value": OK + b"A:\r\n" + LENGTH + b"\r\n" + GOOD,
    "a folded field": OK + b"A: b\r\n c\r\n" + LENGTH + b"\r\n" + GOOD,
    "a space before the colon": OK + b"A : b\r\n" + LENGTH + b"\r\n" + GOOD,
    "latin-1 in a value": OK + b"A: \xe9\xff\r\n" + LENGTH + b"\r\n" + GOOD,
    "Content-Type twice": OK + b"Content-Type: text/plain\r\n" * 2 + LENGTH + b"\r\n" + GOOD,
    "an offer to upgrade": OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + LENGTH + b"\r\n" + GOOD,
}


@pytest.mark.parametrize("name", READ)
async def test_odd_answers_are_read(tmp_path: Path, name: str) -> None:
    async with (
        serving(says(READ[name])) as whole,
        serving(says(READ[name].replace(b"good", b"fine"), pieces=97)) as slow,
        agent(tmp_path, tmp_path / "no.sock", at(whole, "whole"), at(slow, "slow")) as scraped,
    ):
        status, body, _ = await scraped.scrape(**LONG)
    assert status == 200, body
    assert values(body, "good_total") == values(body, "fine_total") == {(): 1}
    assert b"more_total" not in body
    assert accepted_by_promtool(body) == ""


async def test_each_answer_on_a_kept_connection_has_a_head_of_its_own(tmp_path: Path) -> None:
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            writer.write(OK + CHUNKED + LENGTH + b"\r\n" + CHUNKS)
            await reader.readuntil(b"\r\n\r\n")

    async with serving(respond) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        for _ in range(3):
            _, body, _ = await scraped.scrape(**LONG)
            assert values(body, "good_total") == {(): 1}
    assert connections == 1


async def test_what_follows_an_answer_is_never_taken_for_the_next_one(tmp_path: Path) -> None:
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        good = OK + LENGTH + b"\r\n" + GOOD
        writer.write(good + good.replace(b"good", b"evil"))
        await reader.read()

    async with serving(respond) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        for _ in range(3):
            _, body, _ = await scraped.scrape(**LONG)
            assert values(body, "good_total") == {(): 1} and b"evil_total" not in body
    assert connections == 3


REFUSED = {
    "two lengths": (OK + LENGTH + b"Content-Length: 3\r\n\r\n" + GOOD, "Content-Lengths that differ"),
    "a head of 65 KiB": (OK + b"A: " + b"x" * (65 << 10) + b"\r\n" + LENGTH + b"\r\n" + GOOD, "64 KiB"),
    "501 fields": (OK + b"Set-Cookie: a=b\r\n" * 501 + LENGTH + b"\r\n" + GOOD, "more than 500 fields"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    sent, told = REFUSED[name]
    async with serving(says(sent)) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        await scraped.scrape(**LONG)
        source = scraped.source("app")
    assert source["error"] == "protocol" and told in source["detail"]


@pytest.mark.attack("B1: a chunked body that goes wrong in the middle, on a connection that stays open")
@pytest.mark.parametrize("pieces", [1, 97, 1 << 20])
async def test_a_body_that_goes_wrong_is_told_at_once(tmp_path: Path, pieces: int) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wrong = OK + CHUNKED + b"\r\n" + CHUNKS.replace(b"0\r\n\r\n", b"secret\r\n")
        await says(wrong, pieces=pieces)(reader, writer)
        await reader.read()

    async with serving(respond) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        await scraped.scrape(**LONG)
        source = scraped.source("app")
    assert source["error"] == "protocol" and "hunk" in source["detail"], source["detail"]
    assert "secret" not in source["detail"]


@pytest.mark.attack("B1: an answer whose head never ends is held no further than 64 KiB")
@pytest.mark.parametrize(
    "filler", [b"A: bcdefghijklmnopqrstuvwxyz\r\n", b"x", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
async def test_a_head_without_an_end(tmp_path: Path, filler: bytes) -> None:
    sent = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"" if filler.startswith(b"HTTP") else OK)
        while True:
            writer.write(filler * 1000)
            await writer.drain()
            sent += 1000 * len(filler)

    async with serving(respond) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        await scraped.scrape(**LONG)
        source = scraped.source("app")
    assert source["error"] == "protocol" and "the head of the answer has more than" in source["detail"]
    assert sent < 64 << 20


@pytest.mark.attack("B1: an answer whose trailers never end is broken off")
async def test_trailers_without_an_end(tmp_path: Path) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + CHUNKED + b"\r\n" + CHUNKS[:-2])
        while True:
            writer.write(b"A: bcdefghijklmnopqrstuvwxyz\r\n" * 1000)
            await writer.drain()

    async with serving(respond) as port, agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped:
        await scraped.scrape(**LONG)
        assert scraped.source("app")["error"] == "protocol"


class Redirecting:
    """A server that answers `/metrics/` well, and everything else with a redirect."""

    def __init__(self, location: str, status: str = "307 Temporary Redirect"):
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self._location = location
        self._status = status

    def seen(self, head: bytes) -> None:
        self.heads.append(head)
        self.asked.append(head.split()[1].decode())

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.asked[-1].partition("?")[0] == "/metrics/":
            return await answer(GOOD)(reader, writer)
        location = self._location.replace("PORT", str(writer.get_extra_info("sockname")[1]))
        await answer(b"no", f"Location: {location}", status=self._status)(reader, writer)


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
async def test_a_redirect_to_a_slash_is_followed(tmp_path: Path, status: str) -> None:
    app = Redirecting("/metrics/", status)
    async with (
        serving(app.respond, seen=app.seen) as port,
        agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped,
    ):
        _, body, _ = await scraped.scrape(**LONG)
    assert values(body, "good_total") == {(): 1}
    assert app.asked == ["/metrics", "/metrics/"]
    marks = [[line for line in head.split(b"\r\n") if line.startswith(b"Meshmeter")] for head in app.heads]
    assert marks[0] == marks[1] != []


@pytest.mark.parametrize(
    "location",
    ["metrics/?a=1", "http://127.0.0.1:PORT/metrics/", "//127.0.0.1:PORT/metrics/#x", "/up/../metrics/"],
)
async def test_locations_of_all_kinds_are_followed(tmp_path: Path, location: str) -> None:
    app = Redirecting(location)
    async with (
        serving(app.respond, seen=app.seen) as port,
        agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped,
    ):
        _, body, _ = await scraped.scrape(**LONG)
    assert values(body, "good_total") == {(): 1}
    assert app.asked == ["/metrics", "/metrics/?a=1" if "?" in location else "/metrics/"]


@pytest.mark.attack("B1: an application that redirects to another server, or in circles, is not followed")
@pytest.mark.parametrize(
    ("location", "told"),
    [
        (
            "http://127.0.0.1:OTHER/metrics/?token=secret",
            "a redirect to http://127.0.0.1:OTHER/metrics/?…: only",
        ),
        ("http://localhost:PORT/metrics/", "a redirect to http://localhost:PORT/metrics/: only"),
        ("https://127.0.0.1:PORT/metrics/", "a redirect to https://127.0.0.1:PORT/metrics/: only"),
        ("http://169.254.169.254/latest/", "a redirect to http://169.254.169.254/latest/: only"),
        (
            "http://u:secret@127.0.0.1:PORT/metrics/",
            "a redirect to http://127.0.0.1:PORT/metrics/, which names",
        ),
        ("/metrics", "a redirect in a circle, at http://127.0.0.1:PORT/metrics"),
        ("/metrics?", "a redirect in a circle, at http://127.0.0.1:PORT/metrics"),
        ("x", "a redirect in a circle, at http://127.0.0.1:PORT/x"),
        ("x/y", "more than 5 redirects, the last to http://127.0.0.1:PORT/x/x/x/x/x/x/y"),
        ("file:///etc/secret/../passwd", "a redirect to file:///etc/"),
        ("", "a redirect that does not say where it leads"),
    ],
)
async def test_a_redirect_elsewhere_is_told(tmp_path: Path, location: str, told: str) -> None:
    other = Redirecting("/")
    async with serving(other.respond, seen=other.seen) as port_of_other:
        app = Redirecting(location.replace("OTHER", str(port_of_other)))
        async with (
            serving(app.respond, seen=app.seen) as port,
            agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped,
        ):
            await scraped.scrape(**LONG)
            source = scraped.source("app")
    expected = told.replace("PORT", str(port)).replace("OTHER", str(port_of_other))
    assert source["error"] == "status" and expected in source["detail"]
    assert not other.asked and len(app.asked) <= 6
    assert "token" not in source["detail"] and "u:" not in source["detail"]


async def test_a_redirect_that_leads_to_nothing_names_the_path(tmp_path: Path) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = answer(b"secret", status="404 No")
        moved = answer(b"", "Location: /login?back=/metrics", status="302 Found")
        await (lost if asked[-1] == "/login" else moved)(reader, writer)

    asked: list[str] = []
    async with (
        serving(respond, seen=lambda head: asked.append(head.split()[1].decode().partition("?")[0])) as port,
        agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped,
    ):
        await scraped.scrape(**LONG)
        source = scraped.source("app")
    assert source["detail"] == f"HTTP status 404 at http://127.0.0.1:{port}/login?…, where a redirect leads"


@pytest.mark.attack("B1: megabytes in a charset that takes quadratic time are not decoded")
@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "zlib"])
async def test_charsets_that_nobody_needs(tmp_path: Path, charset: str) -> None:
    body = b"a-" + b"b" * (8 << 20)
    async with (
        serving(answer(body, f"Content-Type: text/plain; charset={charset}")) as port,
        agent(tmp_path, tmp_path / "no.sock", at(port)) as scraped,
    ):
        await scraped.scrape(**LONG)
        source = scraped.source("app")
    assert source["error"] == "decode" and "only UTF-8, US-ASCII, ISO-8859-1" in source["detail"]


@pytest.mark.attack("B1: half a million empty gzip members in a few kilobytes do not hold the agent up")
async def test_compressed_parts_without_an_end(tmp_path: Path) -> None:
    body = gzip.compress(gzip.compress(b"") * 500_000)
    async with (
        serving(answer(body, "Content-Encoding: gzip, gzip")) as port,
        serving(answer(GOOD)) as other,
        agent(tmp_path, tmp_path / "no.sock", at(port), at(other, "good")) as scraped,
    ):
        await scraped.scrape(**LONG)
        source = scraped.source("app")
        assert scraped.source("good")["up"]
    assert (source["error"], source["detail"]) == ("decode", "the body has more than 10000 compressed parts")
