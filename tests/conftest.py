"""What a run says at its end of the parts that it left out."""

from __future__ import annotations

from collections import Counter

import pytest

from contract.conformance import TREE, is_there, manifest
from contract.unread import UNREAD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not is_there():
        terminalreporter.write_line(
            f"contract tests: not collected, no conformance tree at {TREE}; MESHMETER_CONFORMANCE=PATH names one"
        )
        return
    unread = Counter(entry["area"] for entry in manifest() if (entry["area"], entry["kind"]) in UNREAD)
    if unread:
        listed = ", ".join(f"{area} ({number})" for area, number in sorted(unread.items()))
        terminalreporter.write_line(
            f"contract tests: cases that no test reads yet, see contract/unread.py: {listed}"
        )
