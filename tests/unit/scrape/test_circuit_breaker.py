"""A source that keeps running into its deadline is waited for less, and never given up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.scrape.circuit_breaker import (
    OPEN_DEADLINE,
    PROBE_EVERY,
    TIMEOUTS_TO_OPEN,
    Circuit,
    CircuitBreaker,
)
from meshmeter.scrape.config import SourceOptions
from meshmeter.scrape.plan import Application, ScrapePlan
from meshmeter.scrape.report import SourceReport
from meshmeter.scrape.results import FetchError

SLOW = Application("slow", "127.0.0.1", 8080, "/metrics")
FINE = Application("fine", "127.0.0.1", 8081, "/metrics")


def plan(deadline: float = 9.0, *applications: Application) -> ScrapePlan:
    return ScrapePlan(("/stats",), applications or (SLOW, FINE), deadline, deadline, None, "*/*")


def down(name: str, error: FetchError = FetchError.TIMEOUT) -> SourceReport:
    return SourceReport(name, False, 1.0, error=error.value)


def up(name: str) -> SourceReport:
    return SourceReport(name, True, 0.1, samples=1)


class Scrapes:
    """One scrape after another, a minute apart."""

    def __init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.at = 0.0
        self.reports: dict[str, SourceReport] = {}

    def scrape(self, slow: SourceReport, wanted: ScrapePlan | None = None) -> float | None:
        """The time that `slow` was given; None: that of the plan."""
        wanted = wanted or plan()
        self.at += 60
        applied = self.breaker.apply(wanted)
        reports = self.breaker.learn(wanted, applied, (up("envoy"), slow, up("fine")), self.at)
        assert [report.name for report in reports] == ["envoy", "slow", "fine"]
        self.reports = {report.name: report for report in reports}
        others = [application for application in applied.applications if application.name != "slow"]
        assert others == [application for application in wanted.applications if application.name != "slow"]
        return next(a.options.timeout for a in applied.applications if a.name == "slow")

    def failures(self, name: str) -> int:
        """As the last scrape told."""
        trouble = self.reports[name].trouble
        return trouble["failures"] if trouble else 0


def test_time_is_cut_after_three_timeouts_and_given_whole_again_in_every_fifth_scrape() -> None:
    scrapes = Scrapes()
    times = [scrapes.scrape(down("slow")) for _ in range(TIMEOUTS_TO_OPEN + 2 * PROBE_EVERY)]
    assert times == [None] * TIMEOUTS_TO_OPEN + [OPEN_DEADLINE] * (PROBE_EVERY - 1) + [None] + [
        OPEN_DEADLINE
    ] * (PROBE_EVERY - 1) + [None]


def test_the_first_success_ends_it() -> None:
    scrapes = Scrapes()
    for _ in range(TIMEOUTS_TO_OPEN + 2):
        scrapes.scrape(down("slow"))
    assert scrapes.scrape(up("slow")) == OPEN_DEADLINE
    assert scrapes.reports["slow"].trouble is None
    assert [scrapes.scrape(down("slow")) for _ in range(TIMEOUTS_TO_OPEN + 1)] == [
        None
    ] * TIMEOUTS_TO_OPEN + [OPEN_DEADLINE]


@pytest.mark.parametrize("error", sorted(set(FetchError) - {FetchError.TIMEOUT}))
def test_failing_quickly_costs_no_time(error: FetchError) -> None:
    scrapes = Scrapes()
    assert [scrapes.scrape(down("slow", error)) for _ in range(10)] == [None] * 10
    trouble = scrapes.reports["slow"].trouble
    assert trouble is not None
    assert (trouble["failures"], trouble["cutTo"]) == (10, None)


def late(seconds: float) -> SourceReport:
    """Read after so many seconds, and no time was left to merge any of it."""
    return SourceReport("slow", False, seconds, body_bytes=9, error="timeout", dropped={"deadline": 1})


def test_who_answered_quickly_is_not_blamed_for_merging_that_came_too_late() -> None:
    scrapes = Scrapes()
    assert [scrapes.scrape(late(4.4)) for _ in range(10)] == [None] * 10
    trouble = scrapes.reports["slow"].trouble
    assert trouble is not None
    assert (trouble["failures"], trouble["cutTo"]) == (10, None)


def test_who_left_no_time_to_merge_its_answer_is_waited_for_less() -> None:
    scrapes = Scrapes()
    assert [scrapes.scrape(late(4.5)) for _ in range(TIMEOUTS_TO_OPEN + 1)] == [None] * TIMEOUTS_TO_OPEN + [
        OPEN_DEADLINE
    ]
    assert scrapes.scrape(late(0.4)) == OPEN_DEADLINE
    assert scrapes.scrape(late(0.4)) is None, "it answers quickly now"


def test_failing_quickly_in_between_gives_its_time_back() -> None:
    scrapes = Scrapes()
    for _ in range(TIMEOUTS_TO_OPEN):
        scrapes.scrape(down("slow"))
    assert scrapes.scrape(down("slow", FetchError.CONNECT)) == OPEN_DEADLINE
    assert scrapes.scrape(down("slow")) is None


def test_a_hasty_scraper_takes_nothing_from_a_patient_one() -> None:
    scrapes = Scrapes()
    hasty, patient = plan(2.0), plan(54.0)
    for _ in range(TIMEOUTS_TO_OPEN):
        scrapes.scrape(down("slow"), hasty)
    assert scrapes.scrape(down("slow"), hasty) == OPEN_DEADLINE
    assert [scrapes.scrape(down("slow"), patient) for _ in range(TIMEOUTS_TO_OPEN)] == [
        None
    ] * TIMEOUTS_TO_OPEN
    assert scrapes.scrape(down("slow"), patient) == OPEN_DEADLINE
    assert scrapes.scrape(down("slow"), hasty) == OPEN_DEADLINE


def test_the_timeout_of_an_entry_is_its_deadline() -> None:
    def with_timeout(seconds: float) -> ScrapePlan:
        return plan(9.0, replace(SLOW, options=SourceOptions(timeout=seconds)), FINE)

    scrapes = Scrapes()
    assert [scrapes.scrape(down("slow"), with_timeout(2.0)) for _ in range(TIMEOUTS_TO_OPEN + 1)] == [
        2.0
    ] * 3 + [OPEN_DEADLINE]
    shorter = [scrapes.scrape(down("slow"), with_timeout(0.5)) for _ in range(TIMEOUTS_TO_OPEN + 1)]
    assert shorter == [0.5] * (TIMEOUTS_TO_OPEN + 1)


def test_a_second_is_never_cut() -> None:
    scrapes = Scrapes()
    assert [scrapes.scrape(down("slow"), plan(0.5)) for _ in range(10)] == [None] * 10
    trouble = scrapes.reports["slow"].trouble
    assert trouble is not None
    assert (trouble["cutTo"], trouble["wholeDeadlineIn"]) == (None, None)


def test_what_is_told() -> None:
    scrapes = Scrapes()
    scrapes.scrape(up("slow"))
    for _ in range(TIMEOUTS_TO_OPEN + 1):
        scrapes.scrape(down("slow"))
    assert scrapes.reports["slow"].to_json()["trouble"] == {
        "failures": TIMEOUTS_TO_OPEN + 1,
        "since": 120.0,
        "lastSuccess": 60.0,
        "cutTo": OPEN_DEADLINE,
        "wholeDeadlineIn": PROBE_EVERY - 1,
    }
    assert scrapes.reports["fine"].to_json()["trouble"] is None
    assert {name for name, report in scrapes.reports.items() if report.trouble} == {"slow"}


def test_at_another_address_it_is_another_source() -> None:
    scrapes = Scrapes()
    for _ in range(TIMEOUTS_TO_OPEN):
        scrapes.scrape(down("slow"))
    moved = plan(9.0, replace(SLOW, port=9090), FINE)
    assert scrapes.scrape(down("slow"), moved) is None
    assert scrapes.failures("slow") == 1
    scrapes.breaker.keep(moved.applications)
    scrapes.scrape(down("slow"), moved)
    assert scrapes.failures("slow") == 2
    scrapes.breaker.keep(())
    scrapes.scrape(down("slow"), moved)
    assert scrapes.failures("slow") == 1


@given(st.lists(st.tuples(st.sampled_from([None, *FetchError]), st.sampled_from([0.5, 2.0, 9.0, 54.0]))))
def test_whatever_happens(outcomes: list[tuple[FetchError | None, float]]) -> None:
    """No source is ever without time, and none waits longer than `PROBE_EVERY` scrapes for its whole deadline."""
    circuit, cuts = Circuit(), 0
    for at, (error, deadline) in enumerate(outcomes):
        budget = circuit.budget(deadline)
        assert budget == deadline or (budget == OPEN_DEADLINE < deadline)
        cuts = cuts + 1 if budget < deadline else 0
        assert cuts < PROBE_EVERY
        up, kept = error is None, error is FetchError.TIMEOUT
        circuit = circuit.after(budget, deadline, float(at), up=up, kept_waiting=kept)
        assert (circuit.failures == 0) == (error is None) == (circuit.since is None)
        assert len(circuit.not_enough) <= TIMEOUTS_TO_OPEN
