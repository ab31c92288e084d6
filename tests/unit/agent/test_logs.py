from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from meshmeter.agent.logs import configure


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_has_one_object_per_line() -> None:
    stream = io.StringIO()
    configure("json", "info", stream)
    logging.getLogger("some.where").info("to %s\nand on", "you")
    logging.getLogger("some.where").debug("not shown")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "info", "logger": "some.where", "message": "to you\nand on"}


def test_an_exception_is_part_of_its_line() -> None:
    stream = io.StringIO()
    configure("json", "info", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: broken" in json.loads(stream.getvalue())["exception"]


def test_console_lines_cannot_be_forged() -> None:
    stream = io.StringIO()
    configure("console", "warning", stream)
    logging.getLogger("x").warning("first\n2026-01-01 ERROR y: second\x1b[31m")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("WARNING x: first")
    assert second == "    2026-01-01 ERROR y: second\\x1b[31m"
