"""The benchmarks of the control plane run, in a mesh of three; what they measure is not judged here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.mark.parametrize(("subject", "how"), [("mads", (2, 3)), ("ads", (2, 1, 0.1)), ("api", (2,))])
def test_each_figure_is_a_ratio(monkeypatch: pytest.MonkeyPatch, subject: str, how: tuple[Any, ...]) -> None:
    monkeypatch.syspath_prepend(BENCH)
    curve = importlib.import_module(f"bench_{subject}").curve
    figures: Iterator[Any] = curve((3,), *how)
    found = {figure.figure: figure for figure in figures}
    assert len(found) >= 3
    for figure in found.values():
        assert figure.value > 0 and figure.ratio > 0 and figure.baseline, figure
