"""Running the command line in the test's own process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from meshmeter.cli.main import run


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Cli:
    """`meshmeter` against one control plane; call it with arguments."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        code = run(arguments)
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Done(code, captured.out, captured.err)

    def ok(self, *arguments: str) -> str:
        """The output of a command that has to succeed."""
        done = self(*arguments)
        assert done.code == 0, done
        return done.out
