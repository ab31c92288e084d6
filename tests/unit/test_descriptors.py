"""The limit of open files, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from meshmeter.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
print(raise_limit(), raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_becomes_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "128 128 (128, 128)\n"
