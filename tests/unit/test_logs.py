from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from meshmeter import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """`configure` replaces the handlers of the whole process."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    before = root.handlers[:], root.level, access.level
    yield
    for added in logging.getLogger("aiohttp.server").filters[:]:
        logging.getLogger("aiohttp.server").removeFilter(added)
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    access.setLevel(before[2])


def written(format: Literal["console", "json"], level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(format, level, stream)
    return stream


def fail() -> None:
    try:
        raise ValueError("first\n2026-01-01 INFO forged: line\x1b[31m")
    except ValueError:
        logging.getLogger("meshmeter.test").exception("it failed")


def test_json_is_one_object_per_line() -> None:
    stream = written("json")
    logging.getLogger("meshmeter.test").warning("two\nlines of %s", "ünicode")
    fail()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["time"].endswith("Z") and "T" in first["time"]
    assert (first["level"], first["logger"]) == ("warning", "meshmeter.test")
    assert first["message"] == "two\nlines of ünicode"
    assert second["level"] == "error" and "ValueError: first\n" in second["exception"]


def test_console_lines_cannot_be_forged() -> None:
    stream = written("console")
    logging.getLogger("meshmeter.test").warning("a\r\nb\x1b[31m\x9b\x7f\tend")
    fail()
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("WARNING meshmeter.test: a\\x0d\\x0ab\\x1b[31m\\x9b\\x7f\tend")
    assert lines[1].endswith("ERROR   meshmeter.test: it failed")
    assert all(line.startswith("    ") for line in lines[2:])
    assert lines[-1].endswith("line\\x1b[31m")


def test_the_level_holds_and_handlers_do_not_pile_up() -> None:
    written("console")
    stream = written("console", "error")
    logging.getLogger("meshmeter.test").warning("quiet")
    logging.getLogger("meshmeter.test").error("loud")
    assert stream.getvalue().count("\n") == 1 and "loud" in stream.getvalue()


def test_single_requests_are_not_logged() -> None:
    stream = written("console", "debug")
    logging.getLogger("aiohttp.access").info("GET / with whatever the query held")
    assert stream.getvalue() == ""


async def test_a_request_that_is_not_http_does_not_reach_the_log() -> None:
    stream = written("console")
    written_again = written("console")
    server = TestServer(web.Application())
    async with TestClient(server):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hush\x00\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    [line] = written_again.getvalue().splitlines()
    assert line.endswith("ERROR   aiohttp.server: Error handling request from 127.0.0.1: it is not HTTP")
    assert stream.getvalue() == ""


def test_what_happens_often_is_told_seldom_with_a_count() -> None:
    now = 100.0
    seldom = logs.Seldom(60.0, at_once=2, clock=lambda: now)
    assert [seldom.due() for _ in range(5)] == [0, 0, None, None, None]
    now += 59
    assert seldom.due() is None
    now += 1
    assert seldom.due() == 4
    now += 3600
    assert [seldom.due() for _ in range(3)] == [0, 0, None]


@pytest.mark.parametrize("format", ["console", "json"])
def test_no_message_is_endless(format: Literal["console", "json"]) -> None:
    stream = written(format)
    logging.getLogger("meshmeter.test").warning("it said %s", "x" * 3_000_000)
    assert "xxx… (3000008 characters)" in stream.getvalue()
    assert len(stream.getvalue()) < 20_000


@pytest.mark.attack("B7: who reads the log finds keys and credentials that somebody sent")
@pytest.mark.parametrize("format", ["console", "json"])
def test_keys_and_credentials_are_not_logged(format: Literal["console", "json"]) -> None:
    stream = io.StringIO()
    logs.configure(format, "info", stream)
    key = "-----BEGIN PRIVATE KEY-----\nNEEDLE\n-----END PRIVATE KEY-----\n"
    try:
        raise ValueError("http://me:NEEDLE@host/?api_key=NEEDLE")
    except ValueError:
        logging.getLogger("x").exception("odd: %s", key)
    shown = stream.getvalue()
    assert "NEEDLE" not in shown and "odd: (hidden)" in shown and "://(hidden)@host" in shown
