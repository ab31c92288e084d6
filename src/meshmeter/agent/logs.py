"""Logging of the agent's process: one line per event on standard error, as JSON or for people."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from meshmeter.secrecy import redact

FORMATS = ("console", "json")
LEVELS = ("debug", "info", "warning", "error")

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) not in "\t\n"}


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `time` (RFC 3339, UTC), `level`, `logger`, `message`, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`time LEVEL logger: message`.

    Further lines of a message are indented and other control characters escaped, so that nobody can forge a
    line.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = redact(record.getMessage()).translate(_ESCAPES)
        text = f"{_time(record)} {record.levelname:<7} {record.name}: {message}"
        if record.exc_info:
            text = f"{text}\n{redact(self.formatException(record.exc_info))}"
        return text.replace("\n", "\n    ")


def configure(format: str, level: str, stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (standard error). `format` and `level` as listed above."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    stamp = datetime.fromtimestamp(record.created, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
