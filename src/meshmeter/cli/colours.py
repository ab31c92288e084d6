"""Colours, on a terminal only, and not where NO_COLOR is set (no-color.org) or TERM is `dumb`."""

from __future__ import annotations

import os
from typing import TextIO

BOLD = "1"
RED = "31"
GREEN = "32"
YELLOW = "33"
CYAN = "36"


def paint(text: str, colour: str, stream: TextIO) -> str:
    """The text as it is to be written to `stream`."""
    if not text or not colour or not wanted(stream):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def wanted(stream: TextIO) -> bool:
    """Whether what is written to `stream` may have colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
