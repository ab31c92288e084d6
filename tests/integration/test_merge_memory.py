"""Memory: what merging takes beyond the bodies themselves, measured in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import require

BENCH = Path(__file__).parents[1] / "bench" / "bench_hostile.py"
MOST = {"native": 4.0, "python": 8.0}
"""Times the body's size."""


@pytest.mark.parametrize("kernel", MOST)
@pytest.mark.parametrize("shape", ["full", "full_odd_line", "full_pairs", "full_metrics", "label_pairs"])
@pytest.mark.attack("B2: a body just inside of all limits takes many times its size in memory")
def test_the_peak_is_a_small_multiple_of_the_body(kernel: str, shape: str) -> None:
    if kernel == "native":
        require.native_kernel()
    command = [sys.executable, BENCH, "--one", "--kernel", kernel, "--mib", "4", shape]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout)
    assert found["peak"] <= MOST[kernel]
