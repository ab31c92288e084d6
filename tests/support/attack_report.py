"""A pytest plugin for `scripts/attack`: one line of PASS or FAIL for each attack, in the words of its marker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

VERDICTS = {"passed": "PASS", "failed": "FAIL", "skipped": "SKIP"}


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """The dots and percentages give way to the lines."""
    return (report.outcome, "", "") if report.when == "call" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    marker = item.get_closest_marker("attack")
    if marker is not None and (report.when == "call" or report.outcome != "passed"):
        print(f"{VERDICTS[report.outcome]}  {marker.args[0]}  [{item.nodeid}]", flush=True)
    return report
