"""The circuit breaker: how long a source that keeps running into its deadline is waited for.

Every scrape asks every source, so the first good answer counts at once; an open circuit cuts the time and not the
source. An application that gave no complete answer within its deadline `TIMEOUTS_TO_OPEN` times in a row would make
each scrape last as long as the scraper allows. From then on its circuit is open: it has only `OPEN_DEADLINE` seconds,
and its whole deadline again in every `PROBE_EVERY`th scrape. Its first success closes the circuit.

How much time was not enough matters: a scraper with a timeout of a second says nothing about what another with a
minute may expect. Time is cut only for deadlines that are no longer than `TIMEOUTS_TO_OPEN` that were not
enough.

Where the time was over before an answer could be merged, only a source that took `LONG` of it to answer was waited for:
the others are down because of somebody else, and would not be merged sooner with less time to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshmeter.exposition.lines import Fault
from meshmeter.scrape.plan import Application, ScrapePlan
from meshmeter.scrape.report import SourceReport
from meshmeter.scrape.results import FetchError

TIMEOUTS_TO_OPEN = 3
OPEN_DEADLINE = 1.0
"""Seconds."""
PROBE_EVERY = 5
LONG = 0.5
"""Part of its deadline after which an answer that could not be merged in time came late."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit of one source: what it has done since it was last read. The initial value: nothing is known of it."""

    failures: int = 0
    """Scrapes in a row that it was down in."""
    since: float | None = None
    """When the first of them ended; seconds since 1970, like all times here."""
    last_success: float | None = None
    not_enough: tuple[float, ...] = ()
    """The longest deadlines, in seconds and at most `TIMEOUTS_TO_OPEN`, that it ran into since; longest first."""
    cut: int = 0
    """Scrapes with cut time since the last one with the whole deadline."""

    def budget(self, deadline: float) -> float:
        """Seconds that the next scrape gives it, where `deadline` is what it would have."""
        if deadline <= OPEN_DEADLINE or self.cut >= PROBE_EVERY - 1:
            return deadline
        is_closed = len(self.not_enough) < TIMEOUTS_TO_OPEN or deadline > self.not_enough[-1]
        return deadline if is_closed else OPEN_DEADLINE

    def after(self, given: float, deadline: float, at: float, *, up: bool, kept_waiting: bool) -> Circuit:
        """What is known once a scrape is over that gave it `given` of the `deadline` seconds it would have had.
        `kept_waiting`: it is down because these were not enough."""
        if up:
            return Circuit(last_success=at)
        cut = given < deadline
        not_enough = self.not_enough
        if kept_waiting:
            if not cut:
                not_enough = tuple(sorted((*not_enough, deadline), reverse=True)[:TIMEOUTS_TO_OPEN])
        else:
            not_enough = ()  # it fails without making anybody wait
        return Circuit(
            self.failures + 1,
            at if self.since is None else self.since,
            self.last_success,
            not_enough,
            self.cut + 1 if cut and not_enough else 0,
        )

    def to_json(self) -> dict[str, Any]:
        """For a report. `wholeDeadlineIn` counts scrapes, 1 being the next one; None while no time is cut."""
        is_open = len(self.not_enough) == TIMEOUTS_TO_OPEN and self.not_enough[-1] > OPEN_DEADLINE
        return {
            "failures": self.failures,
            "since": self.since,
            "lastSuccess": self.last_success,
            "cutTo": OPEN_DEADLINE if is_open else None,
            "wholeDeadlineIn": PROBE_EVERY - self.cut if is_open else None,
        }


class CircuitBreaker:
    """The circuit of each application, by all that says where and how it is reached: with another address or other
    credentials it is another one. Not for several threads."""

    def __init__(self) -> None:
        self._known: dict[Application, Circuit] = {}

    def apply(self, plan: ScrapePlan) -> ScrapePlan:
        """The plan with less time for those that are not waited for. Envoy always has its whole deadline."""
        applications = []
        for application in plan.applications:
            deadline = _deadline(application, plan)
            given = self._known.get(application, _UNKNOWN).budget(deadline)
            if given < deadline:
                application = replace(application, options=replace(application.options, timeout=given))
            applications.append(application)
        return replace(plan, applications=tuple(applications))

    def learn(
        self, plan: ScrapePlan, given: ScrapePlan, reports: Sequence[SourceReport], at: float
    ) -> tuple[SourceReport, ...]:
        """The reports of a scrape by `given`, which `apply` made of `plan`, with what is now known of sources that are
        down."""
        by_name = {report.name: report for report in reports}
        for application, cut in zip(plan.applications, given.applications, strict=True):
            report = by_name.get(application.name)
            if report is None:
                continue
            budget = _deadline(cut, given)
            circuit = self._known.get(application, _UNKNOWN).after(
                budget,
                _deadline(application, plan),
                at,
                up=report.up,
                kept_waiting=_kept_waiting(report, budget),
            )
            self._known[application] = circuit
            if circuit.failures:
                by_name[application.name] = replace(report, trouble=circuit.to_json())
        return tuple(by_name.values())

    def keep(self, applications: Iterable[Application]) -> None:
        """Forget all others: the configuration changed."""
        kept = set(applications)
        self._known = {
            application: circuit for application, circuit in self._known.items() if application in kept
        }


_UNKNOWN = Circuit()


def _kept_waiting(report: SourceReport, budget: float) -> bool:
    """Whether a source is down because `budget` seconds were not enough for it to answer."""
    if report.error != FetchError.TIMEOUT:
        return False
    return Fault.DEADLINE not in report.dropped or report.duration >= LONG * budget


def _deadline(application: Application, plan: ScrapePlan) -> float:
    timeout = application.options.timeout
    return min(plan.deadline, timeout) if timeout else plan.deadline
