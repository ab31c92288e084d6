from __future__ import annotations

import io

import pytest

from meshmeter.cli.colours import RED, paint


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("no", RED, Terminal()) == "\x1b[31mno\x1b[0m"
    assert paint("", RED, Terminal()) == ""
    assert paint("no", RED, io.StringIO()) == "no"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    assert paint("no", RED, Terminal()) == "no"
