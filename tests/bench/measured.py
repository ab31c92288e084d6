"""A process that is measured from outside: its memory and its CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Measured:
    """A program of this folder, given its settings in a file. It says a line when it is ready, and ends with its
    input."""

    def __init__(self, program: str, folder: Path, settings: dict[str, Any]):
        file = folder / f"{program}.json"
        file.write_text(json.dumps(settings))
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name(f"{program}.py"), file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self.said = self.read()
        """Its first line."""

    def read(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        assert line, "the measured process has ended"
        return line

    def tell(self, line: str) -> str:
        """Its answer to a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return self.read()

    def memory(self) -> tuple[float, float]:
        """Resident now and at its peak, in MB."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        )
        return int(status["VmRSS"].split()[0]) / 1024, int(status["VmHWM"].split()[0]) / 1024

    def cpu(self) -> float:
        """Seconds of CPU that its threads used, to the nanosecond (a thread that has ended counts no more)."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def stop(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
