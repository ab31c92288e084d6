from __future__ import annotations

import io
import sys
from datetime import UTC, datetime

import pytest
import yaml

from meshmeter.cli import output
from meshmeter.documents.reader import read_documents
from meshmeter.errors import Violation

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "since, shown",
    [
        ("2026-01-10T12:00:00Z", "0s"),
        ("2026-01-10T11:59:18.5Z", "41s"),
        ("2026-01-10T11:54:50Z", "5m10s"),
        ("2026-01-10T11:00:00+00:00", "1h"),
        ("2026-01-07T08:00:01Z", "3d3h"),
        ("2026-01-10T13:00:00Z", "0s"),
        ("0001-01-01T00:00:00Z", "-"),
        ("yesterday", "-"),
        ("2026-01-10T12:00:00", "-"),
        (None, "-"),
    ],
)
def test_age(since: str | None, shown: str) -> None:
    assert output.age(since, NOW) == shown


def test_a_table_has_columns_as_wide_as_their_widest_cell() -> None:
    shown = output.table(("A", "LONG"), [("wide cell", "x"), ("y", "two\nlines")])
    assert shown.splitlines() == ["A           LONG", "wide cell   x", "y           two lines"]
    assert output.table(("A", "B"), []) == "A   B"


def test_nothing_that_is_printed_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.out("a\x1b[31mb\tc\nd")
    output.warn("x\x07")
    output.fail("y\x9b", "z")
    output.faults([Violation("f", "r\r"), Violation("", "whole")])
    captured = capsys.readouterr()
    assert captured.out == "a\\x1b[31mb\tc\nd\n"
    assert captured.err.splitlines() == [
        "Warning: x\\x07",
        "Error: y\\x9b",
        "Error: z",
        "f: r\\x0d",
        "whole",
    ]


def test_yaml_is_one_document_per_value() -> None:
    values = [{"b": 1, "a": "é"}, {"c": None}]
    text = output.as_yaml(values)
    assert list(yaml.safe_load_all(text)) == values
    assert text.startswith("b: 1\na: é\n")


def test_yaml_that_is_printed_is_read_without_a_warning() -> None:
    value = {
        "a": "08",
        "b": "07",
        "c": "1:30",
        "d": "1e3",
        "e": "yes",
        "f": "2026-01-01",
        "g": "0",
        "h": "=",
        "i": "~",
    }
    parsed = read_documents(output.as_yaml([value]), origin="f")
    assert parsed.documents[0].data == value
    assert not parsed.warnings and not parsed.faults


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_are_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    output.rows("A   B\n1   2")
    output.difference("@@ 1 @@\n-a\n+b\n c")
    output.fail("no")
    output.warn("hm")
    output.faults([Violation("f", "r")])
    output.tree("a\nx (refused): y\nx (warning): y")
    assert screen.getvalue().splitlines() == [
        "\x1b[1mA   B\x1b[0m",
        "1   2",
        "\x1b[36m@@ 1 @@\x1b[0m",
        "\x1b[31m-a\x1b[0m",
        "\x1b[32m+b\x1b[0m",
        " c",
        "\x1b[31mError:\x1b[0m no",
        "\x1b[33mWarning:\x1b[0m hm",
        "\x1b[31mf\x1b[0m: r",
        "a",
        "\x1b[31mx (refused): y\x1b[0m",
        "\x1b[33mx (warning): y\x1b[0m",
    ]
