"""Logging: one line per event on standard error, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from aiohttp.http_exceptions import HttpProcessingError


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (RFC 3339, UTC), level, logger, message, and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`time level logger: message`.

    Control characters are escaped and the lines of an exception indented, so that nobody can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().translate(_ESCAPES)
        lines = [f"{_time(record)} {record.levelname:<7} {record.name}: {message}"]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"    {line.translate(_ESCAPES)}" for line in trace.splitlines()]
        return "\n".join(lines)


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}


def _time(record: logging.LogRecord) -> str:
    stamp = datetime.fromtimestamp(record.created, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _WithoutForeignBytes(logging.Filter):
    """Drops the traceback of a request that is not HTTP: it repeats what was sent, a token perhaps."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = None
            record.msg = f"{record.msg}: it is not HTTP"
        return True


_FILTER = _WithoutForeignBytes()


def configure(format: Literal["console", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send everything at or above `level` to `stream` (standard error), replacing earlier handlers."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_FILTER)  # once: the same object is added only once
