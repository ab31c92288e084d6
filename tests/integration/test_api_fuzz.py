"""The resource API, fuzzed by `api_fuzz.py` in a process of its own.

Schemathesis makes its cases while tests are collected, which takes seconds, and every worker of a parallel run collects
every test. With `-rP` pytest shows how often each operation succeeded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshmeter.controlplane.api.openapi import description

FUZZ = Path(__file__).with_name("api_fuzz.py")
METHODS = ("put", "post", "get delete")


def operations(methods: str) -> set[str]:
    """Their ids."""
    return {
        operation["operationId"]
        for path in description()["paths"].values()
        for method, operation in path.items()
        if method in methods.split()
    }


@pytest.mark.parametrize("methods", METHODS)
def test_every_answer_is_described_and_every_operation_succeeds_at_times(
    methods: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "--tb=short", "-p", "no:cacheprovider", str(FUZZ)]
    answers = tmp_path / "answers.json"
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=FUZZ.parents[2],
        env=os.environ | {"FUZZED_METHODS": methods.upper(), "FUZZED_ANSWERS": str(answers)},
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"{len(operations(methods))} passed" in done.stdout
    given: dict[str, dict[str, int]] = json.loads(answers.read_text())
    succeeded = {name: sum(n for status, n in of.items() if status[0] == "2") for name, of in given.items()}
    for name, of in given.items():
        print(
            f"{name:26} {succeeded[name]:5} of {sum(of.values()):5} = {succeeded[name] / sum(of.values()):4.0%}"
        )
    print(f"{sum(succeeded.values())} of {sum(sum(of.values()) for of in given.values())} requests succeeded")
    assert {name for name, count in succeeded.items() if count} == operations(methods)


def test_no_operation_is_forgotten() -> None:
    every = [operation for path in description()["paths"].values() for operation in path.values()]
    assert sum(len(operations(methods)) for methods in METHODS) == len(every)
