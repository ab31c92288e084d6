"""A pytest plugin for `scripts/attack`: one line of PASS or FAIL for each try, and a closing summary by topic.

The lines are in the words of the tests' markers. They come from the reports, so they are the same with and without
pytest-xdist's workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

TOPICS = tuple(f"B{number}" for number in range(1, 9))
"""What has to be attacked; a run of everything that leaves one out fails."""

_SENTENCE = "attack"


class AttackReport:
    def __init__(self, config: pytest.Config):
        self._config = config
        self._held: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Nothing of the workers' state either (pytest-xdist)."""
        progress = self._config.pluginmanager.getplugin("terminaldistreporter")
        if progress is not None:
            self._config.pluginmanager.unregister(progress)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """The dots give way to the lines."""
        return (report.outcome, "", "") if report.when == "call" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        sentence = dict(report.user_properties).get(_SENTENCE)
        if sentence is None or (report.when != "call" and report.outcome == "passed"):
            return
        passed = report.outcome == "passed"
        topic = str(sentence).partition(":")[0]
        (self._held if passed else self._broken)[topic] += 1
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        terminal.ensure_newline()
        terminal.write(
            "PASS" if passed else "SKIP" if report.outcome == "skipped" else "FAIL",
            green=passed,
            red=not passed,
        )
        terminal.write_line(f"  {sentence}{_case(report.nodeid)}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and not self._is_a_part() and self._untried():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        by_topic = ", ".join(f"{topic} {n}" for topic, n in sorted((self._held + self._broken).items()))
        terminalreporter.write_line(
            f"attacks: {self._held.total()} held off, {self._broken.total()} not ({by_topic})"
        )
        if not self._is_a_part() and (untried := self._untried()):
            terminalreporter.write_line(f"FAIL  nothing attacks {', '.join(untried)}")

    def _is_a_part(self) -> bool:
        everything = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS
        return not everything or bool(self._config.option.keyword or self._config.option.maxfail)

    def _untried(self) -> list[str]:
        return [topic for topic in TOPICS if not self._held[topic] + self._broken[topic]]


def _case(nodeid: str) -> str:
    """What tells one try from another with the same sentence: the parameters of the test."""
    _, bracket, parameters = nodeid.partition("[")
    return f"  [{parameters}" if bracket else ""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(AttackReport(config), "attack-report")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The sentence travels with the report, from a worker as well."""
    report = yield
    marker = item.get_closest_marker("attack")
    if marker is not None:
        report.user_properties.append((_SENTENCE, marker.args[0]))
    return report
