"""Judging exposition bodies by parsers that are not ours.

Two are in this process, those of prometheus_client. The third, tests/judge, is a program around the parsers of a
current Prometheus, which says too what would have been stored; `scripts/judge` builds it where Go is.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from meshmeter.exposition.formats import Format

_BEYOND_FLOATS = re.compile("[0-9]{16}")
_RESERVED_LABEL = re.compile('^Invalid labels: (.*,)?"?__')
_FOLDER = Path(__file__).parents[1] / "judge"

Stored = tuple[str, str, int | None]
"""A sample as Prometheus stores it: labels, the bits of its value, its time in milliseconds."""


@dataclass(frozen=True)
class Verdict:
    """What Prometheus makes of a body."""

    error: str
    """Empty where it takes the body."""
    samples: Counter[Stored]
    types: Mapping[str, str]
    native: int
    """Histograms that it makes native ones of where it is told to."""


class Judge:
    """The running program. One at a time asks it."""

    def __init__(self, binary: Path):
        self._process = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()
        atexit.register(self._end)

    def verdict(
        self, body: bytes, content_type: str, *, samples: bool = False, lenient: bool = False
    ) -> Verdict:
        """`lenient` leaves out what Prometheus itself does not ask for: one TYPE line a family, no series twice."""
        asked = {"type": content_type, "length": len(body), "samples": samples, "lenient": lenient}
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n" + body)
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, f"the judge ended with {self._process.wait(10)}"
        said = json.loads(answer)
        return Verdict(
            said["error"],
            Counter((labels, value, at) for labels, value, at, _ in said.get("samples", ())),
            said.get("types", {}),
            said["native"],
        )

    def _end(self) -> None:
        self._process.communicate()


@cache
def judge() -> Judge | None:
    """The judge, where it is built."""
    sources = b"".join((_FOLDER / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    binary = _FOLDER / "build" / f"judge-{hashlib.sha256(sources).hexdigest()[:16]}"
    return Judge(binary) if binary.exists() else None


def objections(body: bytes, format: Format) -> str:
    """Empty if every parser that is at hand takes this answer as a whole, else what the first other one says."""
    try:
        text = body.decode()
        if format.openmetrics:
            list(openmetrics_parser.text_string_to_metric_families(text))
        else:
            list(text_string_to_metric_families(text))
    except ValueError as exc:
        # It makes an empty name of `_total` in text, tells numbers apart that are one as floats, which they are, and
        # refuses names of labels that Prometheus only keeps for itself, which Prometheus stores.
        if not (
            _RESERVED_LABEL.search(str(exc))
            or (not format.openmetrics and "metric name cannot be empty" in str(exc))
            or ("Count does not match +Inf value" in str(exc) and _BEYOND_FLOATS.search(text))
        ):
            return f"prometheus_client: {exc!r}"
    except (KeyError, IndexError) as exc:  # what these parsers raise
        return f"prometheus_client: {exc!r}"
    prometheus = judge()
    return prometheus.verdict(body, format.value).error if prometheus else ""


def judged(pieces: Sequence[bytes], format: Format) -> None:
    """Fail unless every parser takes the answer."""
    body = b"".join(pieces)
    said = objections(body, format)
    assert not said, f"{said}\n{body[:4000].decode(errors='replace')}"
