"""Logging: one line per event on standard error, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from meshmeter.secrecy import redact
from meshmeter.times import rfc3339

FORMATS = ("console", "json")
LEVELS = ("debug", "info", "warning", "error")


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (RFC 3339, UTC), level, logger, message, and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`time level logger: message`.

    Control characters are escaped and the lines of an exception indented, so that nobody can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = _message(record).translate(_ESCAPES)
        lines = [f"{_time(record)} {record.levelname:<7} {record.name}: {message}"]
        if record.exc_info:
            trace = redact(self.formatException(record.exc_info))
            lines += [f"    {line.translate(_ESCAPES)}" for line in trace.splitlines()]
        return "\n".join(lines)


class Seldom:
    """Of something that may happen thousands of times a second, only some is told: `at_once` times, then once every
    `seconds`."""

    def __init__(self, seconds: float, *, at_once: int = 1, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._at_once = self._left = float(at_once)
        self._clock = clock
        self._counted = clock()
        self._held_back = 0

    def due(self) -> int | None:
        """It happened: None if nothing is to be said, else how many times it happened unsaid since the last time."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._counted) / self._seconds)
        self._counted = now
        if self._left < 1:
            self._held_back += 1
            return None
        self._left -= 1
        held_back, self._held_back = self._held_back, 0
        return held_back


LONGEST_MESSAGE = 16 << 10
"""Characters of one message: the last defence where what others sent was not cut before."""


def _message(record: logging.LogRecord) -> str:
    message = redact(record.getMessage())  # whole: half a key would not be known for one
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:LONGEST_MESSAGE]}… ({len(message)} characters)"


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}


def _time(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC), "milliseconds")


class _WithoutForeignBytes(logging.Filter):
    """Drops the traceback of a request that is not HTTP: it repeats what was sent, a token perhaps."""

    def filter(self, record: logging.LogRecord) -> bool:
        from aiohttp.http_exceptions import HttpProcessingError  # heavy for those who only want LEVELS

        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = None
            record.msg = f"{record.msg}: it is not HTTP"
        return True


_FILTER = _WithoutForeignBytes()


def configure(format: str, level: str, stream: TextIO | None = None) -> None:
    """Send everything at or above `level` to `stream` (standard error), replacing earlier handlers. `format` and
    `level` are of those listed above."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_FILTER)  # once: the same object is added only once
