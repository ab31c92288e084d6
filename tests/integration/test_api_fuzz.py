"""The resource API, fuzzed by `api_fuzz.py` in a process of its own.

Schemathesis makes its cases while tests are collected, which takes seconds, and every worker of a parallel run collects
every test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshmeter.controlplane.api.openapi import description

FUZZ = Path(__file__).with_name("api_fuzz.py")
METHODS = ("put", "post", "get delete")


def operations(methods: str) -> int:
    return sum(method in methods.split() for path in description()["paths"].values() for method in path)


@pytest.mark.parametrize("methods", METHODS)
def test_every_answer_is_described(methods: str) -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "--tb=short", "-p", "no:cacheprovider", str(FUZZ)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=FUZZ.parents[2],
        env=os.environ | {"FUZZED_METHODS": methods.upper()},
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"{operations(methods)} passed" in done.stdout


def test_no_operation_is_forgotten() -> None:
    paths = description()["paths"].values()
    assert sum(map(operations, METHODS)) == sum(key != "parameters" for path in paths for key in path)
