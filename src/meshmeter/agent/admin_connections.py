"""Admin connections: long answers of Envoy's admin interface, read with as few copies and steps as can be.

An answer may have megabytes, and Envoy and the agent take turns at a socket that holds a few hundred kilobytes: what a
turn costs here is waited for in every scrape. So connections are kept, pieces are small enough to stay in the
processor's cache and in memory that is used again, and who takes them does so before the next one is read. llhttp
(httptools) says what of them is the body.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import httptools

from meshmeter.agent.decoding import TooLarge
from meshmeter.agent.http_client import USER_AGENT

PIECE = 64 << 10
"""Bytes that are read at a time, and no piece has more."""

TURN = 512 << 10
"""Bytes after which other tasks get their turn, however fast more arrives."""

KEPT = 2
"""Connections that stay open where nothing is asked."""

OnHead = Callable[[int, str | None], None]
"""Takes the status and the Content-Type, before the first piece."""

OnPiece = Callable[[bytes], Awaitable[None]]
"""Takes some of the body. Nothing more is read before it is done with it."""


class NotConnected(Exception):
    """Nobody listens on the socket."""

    def __init__(self, error: OSError):
        self.error = error
        super().__init__(str(error))


class BrokenAnswer(Exception):
    """What came is no HTTP, or not all of an answer."""


class AdminConnections:
    """Connections to one admin socket, one for each answer that is under way."""

    def __init__(self, path: Path):
        self._path = path
        self._buffer = memoryview(bytearray(PIECE))  # for all: what is read into it is used up at once
        self._kept: list[socket.socket] = []

    async def get(
        self, target: str, fields: Mapping[str, str], limit: int, on_head: OnHead, on_piece: OnPiece
    ) -> None:
        """Ask for a target (path and query), and hand over the answer as it arrives: nothing of it is kept.

        Raises NotConnected, BrokenAnswer, and TooLarge for a body of more than `limit` bytes.
        """
        head = {"Host": "envoy", "User-Agent": USER_AGENT, **fields}
        lines = (f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", "")
        request = "\r\n".join(lines).encode()
        is_answered = False
        while not is_answered:
            is_new = not self._kept
            connection = await self._connect() if is_new else self._kept.pop()
            try:
                is_answered = await self._ask(connection, request, _Answer(limit, on_head, on_piece))
            except BaseException:
                connection.close()
                raise
            if is_new and not is_answered:
                raise BrokenAnswer("the connection ended before the answer")

    def close(self) -> None:
        """End those that are kept."""
        for connection in self._kept:
            connection.close()
        self._kept.clear()

    async def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(self._path))
        except OSError as exc:
            connection.close()
            raise NotConnected(exc) from exc
        except BaseException:
            connection.close()
            raise
        return connection

    async def _ask(self, connection: socket.socket, request: bytes, answer: _Answer) -> bool:
        """False if the connection ended before the answer began, as one may that was kept."""
        loop, turn = asyncio.get_running_loop(), 0
        try:
            await loop.sock_sendall(connection, request)
            while not answer.is_whole:
                # Comes back at once, without a turn of the loop, while there is something.
                size = await loop.sock_recv_into(connection, self._buffer)
                if not size:
                    break
                await answer.feed(self._buffer[:size])
                turn += size
                if turn > TURN:
                    turn = 0
                    await asyncio.sleep(0)
        except OSError as exc:
            if answer.has_begun:
                raise BrokenAnswer(f"the connection ended within the answer: {exc.strerror}") from exc
        if answer.has_begun and not answer.is_whole:
            raise BrokenAnswer("the connection ended within the answer")
        if answer.may_follow and len(self._kept) < KEPT:
            self._kept.append(connection)
        else:
            connection.close()
        return answer.has_begun


class _Answer:
    """Takes the bytes of one answer, and hands its parts over."""

    def __init__(self, limit: int, on_head: OnHead, on_piece: OnPiece):
        self._on_head, self._on_piece = on_head, on_piece
        self._limit, self._size = limit, 0
        self._parts = _Parts()
        self._parser = httptools.HttpResponseParser(self._parts)
        self._is_head_over = False
        self.has_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether all of it has arrived."""
        return self._parts.is_whole

    @property
    def may_follow(self) -> bool:
        """Whether the connection may be used again."""
        return self._parts.is_whole and not self._parts.is_last

    async def feed(self, data: memoryview) -> None:
        """What has arrived. Raises BrokenAnswer and TooLarge."""
        self.has_begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            raise BrokenAnswer(f"the answer is no HTTP: {exc}") from exc
        if self._parts.is_head_over and not self._is_head_over:
            self._is_head_over = True
            self._on_head(self._parser.get_status_code(), self._parts.content_type)
        pieces, self._parts.body = self._parts.body, []
        for piece in pieces:
            self._size += len(piece)
            if self._size > self._limit:
                raise TooLarge(f"the body is longer than {self._limit} bytes")
            await self._on_piece(piece)


class _Parts:
    """What the parser has found. It knows nothing of the parser, so that both are gone as soon as the answer is."""

    def __init__(self) -> None:
        self.content_type: str | None = None
        self.is_head_over = False
        self.body: list[bytes] = []
        self.is_whole = False
        self.is_last = False
        """Of its connection."""

    def on_header(self, name: bytes, value: bytes) -> None:
        field = name.lower()
        if field == b"content-type":
            self.content_type = value.decode("latin-1")
        elif field == b"connection" and b"close" in value.lower():
            self.is_last = True

    def on_headers_complete(self) -> None:
        self.is_head_over = True

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.is_whole = True
