"""Envoy's log becomes ours: each of its lines is logged with its own level by the logger `envoy`."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable

FORMAT = "[%l][%n] %v"
"""For Envoy's `--log-format`: level, component, message. The time is that of our own line."""

MAX_LINE = 8192
"""Characters kept of one line."""

_LINE = re.compile(r"\[(\w+)\]\[([\w.:-]+)\] (.*)", re.DOTALL)
_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?(?P<end>-----END [A-Z ]*PRIVATE KEY-----)|.*)", re.DOTALL
)
_KEY_END = re.compile(r".*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

log = logging.getLogger("envoy")


class EnvoyLog:
    """The log of one run of Envoy.

    `redact` takes secrets out of every line, because Envoy quotes its configuration in errors. Private keys, which it
    quotes when it is asked for debug messages, are always taken out.
    """

    def __init__(self, redact: Callable[[str], str] = str):
        self._redact = redact
        self._level = logging.INFO
        self._in_key = False
        """A key goes on in the next line."""
        self._errors: deque[str] = deque(maxlen=20)
        self._last: deque[str] = deque(maxlen=5)

    def line(self, text: str) -> None:
        """Log one line. What has no level of its own continues the line before."""
        text = self._without_keys(self._redact(text.rstrip()))[:MAX_LINE]
        if not text:
            return
        match = _LINE.fullmatch(text)
        if match is not None:
            self._level = _LEVELS.get(match[1], logging.INFO)
            text = f"{match[2]}: {match[3]}"
        if self._level >= logging.ERROR:
            self._errors.append(text)
        self._last.append(text)
        log.log(self._level, "%s", text)

    def _without_keys(self, text: str) -> str:
        if self._in_key and _LINE.fullmatch(text) is None:  # another message ends a key that has no end
            if _KEY_END.match(text) is None:
                return ""
            text = _KEY_END.sub("", text, count=1)
        keys = list(_KEY.finditer(text))
        self._in_key = bool(keys) and keys[-1]["end"] is None
        return _KEY.sub("<private key>", text)

    def last_words(self) -> str:
        """Why it ended, as far as it said: its errors, else its last lines."""
        return "\n".join(self._errors or self._last) or "it said nothing"

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Log every line of `stream` until it ends."""
        async for text in _lines(stream):
            self.line(text)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length; of one that is too long only the beginning, so that memory stays bounded."""
    rest = b""
    while chunk := await stream.read(1 << 16):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        rest = rest[: MAX_LINE * 4]
    if rest:
        yield rest.decode(errors="replace")
