from __future__ import annotations

from typing import Any

import pytest

from support.cli import Cli


def test_flags_reach_the_demo_and_its_code_comes_back(offline: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def main(**flags: Any) -> int:
        calls.append(flags)
        return 7

    monkeypatch.setattr("meshmeter.cli.demo.main", main)
    assert offline("demo", "--once", "--duration", "5", "--no-prometheus").code == 7
    assert offline("demo", "--mtls").code == 7
    assert calls == [
        {"once": True, "duration": 5.0, "prometheus": False, "mtls": False},
        {"once": False, "duration": None, "prometheus": True, "mtls": True},
    ]
    assert offline("demo", "--duration", "-1").code == 2
