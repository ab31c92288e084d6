"""Long answers from a unix socket: kept connections, broken ones, and others that want their turn."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from meshmeter.agent.admin_connections import KEPT, PIECE, AdminConnections, BrokenAnswer, NotConnected
from meshmeter.agent.decoding import TooLarge

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWER = CHUNKED + b"3\r\na 1\r\n1\r\n\n\r\n0\r\n\r\n"


class Admin:
    """Answers each request on a connection with the next of its answers, and ends it after the last."""

    def __init__(self, *answers: bytes):
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            for answer in self.answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def admin(tmp_path: Path, *answers: bytes) -> AsyncIterator[tuple[Admin, AdminConnections]]:
    serving = Admin(*answers)
    path = tmp_path / "admin.sock"
    async with await asyncio.start_unix_server(serving.serve, path):
        connections = AdminConnections(path)
        try:
            yield serving, connections
        finally:
            connections.close()
            await until(lambda: serving.open == 0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.001)


async def body(connections: AdminConnections, limit: int = 1 << 30) -> tuple[int, str | None, bytes]:
    """Status, Content-Type and body of an answer."""
    head: list[tuple[int, str | None]] = []
    pieces: list[bytes] = []

    async def keep(piece: bytes) -> None:
        pieces.append(piece)

    await connections.get("/stats?x=1", {"Accept": "text/plain"}, limit, lambda *h: head.append(h), keep)
    ((status, content_type),) = head
    return status, content_type, b"".join(pieces)


async def test_a_connection_is_used_again(tmp_path: Path) -> None:
    async with admin(tmp_path, *[ANSWER] * 3) as (serving, connections):
        for _ in range(3):
            assert await body(connections) == (200, "text/plain", b"a 1\n")
        assert serving.connections == 1
    assert serving.requests[0].startswith(b"GET /stats?x=1 HTTP/1.1\r\nHost: envoy\r\nUser-Agent: meshmeter/")
    assert b"\r\nAccept: text/plain\r\n" in serving.requests[0]


async def test_one_that_was_ended_meanwhile_costs_no_answer(tmp_path: Path) -> None:
    async with admin(tmp_path, ANSWER) as (serving, connections):
        for _ in range(3):
            assert (await body(connections))[2] == b"a 1\n"
            await until(lambda: serving.open == 0)
        assert serving.connections == 3


async def test_one_that_is_to_be_ended_is_not_kept(tmp_path: Path) -> None:
    last = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    async with admin(tmp_path, last, ANSWER) as (serving, connections):
        for _ in range(2):
            assert (await body(connections))[2] == b"a 1\n"
        assert serving.connections == 2


async def test_answers_at_the_same_time_have_connections_of_their_own(tmp_path: Path) -> None:
    async with admin(tmp_path, *[ANSWER] * 9) as (serving, connections):
        await asyncio.gather(*(body(connections) for _ in range(5)))
        assert serving.connections == 5
        await until(lambda: serving.open == KEPT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "ended before the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "ended within the answer"),
        (CHUNKED + b"5\r\na 1", "ended within the answer"),
        (CHUNKED + b"five\r\n", "no HTTP"),
        (b"mine\r\n\r\n", "no HTTP"),
    ],
)
async def test_what_is_no_answer_or_breaks_off(tmp_path: Path, answer: bytes, words: str) -> None:
    async with admin(tmp_path, answer) as (_, connections):
        with pytest.raises(BrokenAnswer, match=words):
            await body(connections)


async def test_the_status_is_told_whatever_it_is(tmp_path: Path) -> None:
    refused = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n"
    async with admin(tmp_path, refused) as (_, connections):
        assert await body(connections) == (400, None, b"no\n")


async def test_a_body_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async with admin(tmp_path, ANSWER, ANSWER) as (serving, connections):
        with pytest.raises(TooLarge, match="longer than 3 bytes"):
            await body(connections, 3)
        await until(lambda: serving.open == 0)
        assert (await body(connections, 4))[2] == b"a 1\n"


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NotConnected) as refused:
        await body(AdminConnections(tmp_path / "none.sock"))
    assert isinstance(refused.value.error, FileNotFoundError)


async def test_who_stops_waiting_leaves_no_connection(tmp_path: Path) -> None:
    async with admin(tmp_path, CHUNKED, ANSWER) as (serving, connections):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await body(connections)
        await until(lambda: serving.open == 0)


@contextmanager
def endless(path: Path) -> Iterator[None]:
    """An answer that always has more, from a thread that is as fast as it can be."""
    chunk = b"%x\r\n%b\r\n" % (PIECE, b"#" * (PIECE - 1) + b"\n")

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.sendall(CHUNKED)
            try:
                while True:
                    connection.sendall(chunk)
            except ConnectionError:
                pass

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
    assert not thread.is_alive()


async def test_others_get_their_turn_while_more_and_more_arrives(tmp_path: Path) -> None:
    sizes: list[int] = []

    async def measure(piece: bytes) -> None:
        sizes.append(len(piece))

    with endless(tmp_path / "admin.sock"), pytest.raises(TimeoutError):
        connections = AdminConnections(tmp_path / "admin.sock")
        async with asyncio.timeout(0.05):
            await connections.get("/", {}, 1 << 60, lambda *_: None, measure)
    assert sizes and max(sizes) <= PIECE
