"""Heads: the head of an application's answer, bounded, and with the lengths it gives settled.

aiohttp's parser (llhttp) refuses answers that other scrapers read. RFC 9112 says what they mean, so before the parser
sees a head it is made to say it in one way: chunked wins over Content-Length (6.3), equal lengths are one (RFC 9110,
8.6), white space before the colon of a field goes (5.1), and a later HTTP/1.x is the last one that is known (RFC 9110,
2.5). What has a space in the middle of its name is no field, and goes: Prometheus reads such answers. Everything else
stays byte for byte. The head is held meanwhile, which also bounds it.

What follows the end of an answer is no part of it, and costs only the connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage

MOST_BYTES = 64 << 10
"""Of a head, interim ones before it included."""

MOST_FIELDS = 500

_END = re.compile(rb"\n\r?\n")
_LENGTH = b"content-length"
_CODING = b"transfer-encoding"
_SPACED = re.compile(rb"^([^\s:]+)[ \t]+:", re.MULTILINE)
_CHUNKED = re.compile(rb"[:,\s]chunked\s*\Z", re.IGNORECASE)
"""At the end of a Transfer-Encoding; a word that only ends in it is another one."""
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d\b")
_LATER = re.compile(rb"(\r?\n)*HTTP/1\.[2-9] ")
_NAME_WITH_SPACE = re.compile(rb"\n[^\s:]+[ \t]+[^\s:][^:\r\n]*:")


class HeadRefused(ValueError):
    """A head that is too long, or says two things."""


class Head:
    """Takes the bytes of an answer, and gives them back once they may be parsed."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._gone = 0
        """Bytes of interim heads, which are part of the limit."""
        self.is_over = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What may be parsed now: of heads, and of what comes after them. Raises HeadRefused."""
        if self.is_over:
            return b"", data
        done = b""
        at = max(0, len(self._held) - 2)
        self._held += data
        start = bytes(self._held[:16]).lstrip(b"\r\n")[:5]
        if not b"HTTP/".startswith(start):
            return self._end(done)  # what is no HTTP has no end of its head to wait for
        while end := _END.search(self._held, at):
            head, at = bytes(self._held[: end.end()]), 0
            self._check(len(head), head)
            self._gone += len(head)
            del self._held[: end.end()]
            done += settled(head)
            if not _INTERIM.match(head):
                return self._end(done)
        self._check(len(self._held), self._held)
        return done, b""

    def _end(self, done: bytes) -> tuple[bytes, bytes]:
        self.is_over = True
        rest, self._held = bytes(self._held), bytearray()
        return done, rest

    def _check(self, size: int, lines: bytes | bytearray) -> None:
        if self._gone + size > MOST_BYTES:
            raise HeadRefused(f"the head of the answer has more than {MOST_BYTES >> 10} KiB")
        if lines.count(b"\n") > MOST_FIELDS + 2:  # the status line, and the empty one
            raise HeadRefused(f"the head of the answer has more than {MOST_FIELDS} fields")


def settled(head: bytes) -> bytes:
    """The head with at most one Content-Length, and none beside chunked, of a version and with names that the parser
    knows. Raises HeadRefused if lengths differ."""
    if later := _LATER.match(head):
        head = head[: later.end() - 2] + b"1" + head[later.end() - 1 :]
    if _SPACED.search(head):
        head = _SPACED.sub(rb"\1:", head)
    if _NAME_WITH_SPACE.search(head):
        head = b"".join(
            line for name, line in _fields(head) if not _NAME_WITH_SPACE.match(b"\n" + line) or not name
        )
    if _LENGTH not in head.lower():
        return head
    fields = _fields(head)
    codings = [value for name, value in fields if name == _CODING]
    lengths = {
        _decimal(each.strip())
        for name, value in fields
        if name == _LENGTH
        for each in value.split(b":", 1)[1].split(b",")
    }
    is_chunked = bool(codings) and _CHUNKED.search(codings[-1]) is not None
    if len(lengths) > 1 and not is_chunked:
        raise HeadRefused("the head of the answer has two Content-Lengths that differ")
    kept, is_told = [], False
    for name, line in fields:
        if name == _LENGTH:
            if is_chunked or is_told:
                continue
            is_told = True
            line = b"Content-Length: %b\r\n" % next(iter(lengths))
        kept.append(line)
    return b"".join(kept)


def _decimal(length: bytes) -> bytes:
    """As everybody writes it; what is no number stays."""
    return length.lstrip(b"0") or b"0" if length.isdigit() else length


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """The lines of a head with the lower-case names of their fields; a folded line belongs to the one before."""
    found: list[tuple[bytes, bytes]] = []
    for line in head.splitlines(keepends=True):
        if line[:1] in b" \t" and found:
            found[-1] = found[-1][0], found[-1][1] + line
        else:
            found.append((line.partition(b":")[0].lower() if found else b"", line))
    return found


class Handler(ResponseHandler):
    """A connection to an application, whose answers' heads go through `Head`."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        super().__init__(loop=loop)
        self._head = Head()

    def set_response_params(self, **params: Any) -> None:
        """Called by aiohttp before each request."""
        self._head = Head()
        super().set_response_params(**params)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Called by aiohttp, which tells whoever waits for a head, and not whoever reads a body that goes wrong."""
        if self._payload is not None:
            # aiohttp shows pieces of the body between its words.
            words = " ".join(str(getattr(exc, "message", exc)).split("\n\n")[0].split()).rstrip(": ")
            # Once a reader that is about to run waits again: it does not look for an exception before it does.
            self._loop.call_soon(_broken, self._payload, aiohttp.ClientPayloadError(words))
        super().set_exception(exc, *cause)

    def data_received(self, data: bytes) -> None:
        # Without a parser nothing was asked, and aiohttp keeps it; without data it goes on with what it has.
        if data and self._parser is not None and not self._head.is_over:
            try:
                head, data = self._head.feed(data)
            except HeadRefused as exc:
                if self.transport is not None:
                    self.transport.close()
                self.set_exception(BadHttpMessage(str(exc)))
                return
            if head:
                # By itself: an error after the end of the answer must not cost the answer.
                super().data_received(head)
            if not data or self.exception() is not None:
                return
        super().data_received(data)


def _broken(body: aiohttp.StreamReader, why: aiohttp.ClientPayloadError) -> None:
    if not body.is_eof() and body.exception() is None:
        body.set_exception(why)


def with_heads(connector: aiohttp.BaseConnector) -> aiohttp.BaseConnector:
    """The connector, its connections being Handlers. aiohttp has no public way to say that: if `_factory` goes, the
    tests with real answers fail."""
    make: Callable[..., ResponseHandler] = Handler
    connector._factory = partial(make, loop=connector._loop)
    return connector
