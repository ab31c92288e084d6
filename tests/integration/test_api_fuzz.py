"""The resource API, fuzzed by `api_fuzz.py` in a process of its own.

Schemathesis makes its cases while tests are collected, which takes seconds, and every worker of a parallel run collects
every test.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).with_name("api_fuzz.py")


def test_every_answer_is_described() -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "--tb=short", "-p", "no:cacheprovider", str(FUZZ)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=FUZZ.parents[2]
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert re.search(r"^\d\d+ passed", done.stdout, re.MULTILINE), done.stdout[-2000:]
