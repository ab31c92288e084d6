"""Patience: how long a source that keeps running into its deadline is waited for.

Every scrape asks every source, so the first good answer counts at once. But an application that gave no complete answer
within its deadline `STRIKES` times in a row would make each scrape last as long as the scraper allows. From then on it
has only `SHORT` seconds, and its whole deadline again in every `EVERY`th scrape; with its first success everything is
as before.

How much time was not enough matters: a scraper with a timeout of a second says nothing about what another with a
minute may expect. Time is cut only for deadlines that are no longer than `STRIKES` that were not enough.

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

STRIKES = 3
SHORT = 1.0
"""Seconds."""
EVERY = 5
LONG = 0.5
"""Part of its deadline after which an answer that could not be merged in time came late."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a source has done since it was last read. The initial value: nothing is known of it."""

    failures: int = 0
    """Scrapes in a row that it was down in."""
    since: float | None = None
    """When the first of them ended; seconds since 1970, like all times here."""
    last_success: float | None = None
    not_enough: tuple[float, ...] = ()
    """The longest deadlines, in seconds and at most `STRIKES`, that it ran into since; longest first."""
    cut: int = 0
    """Scrapes with cut time since the last one with the whole deadline."""

    def budget(self, deadline: float) -> float:
        """Seconds that the next scrape gives it, where `deadline` is what it would have."""
        if deadline <= SHORT or self.cut >= EVERY - 1:
            return deadline
        patient = len(self.not_enough) < STRIKES or deadline > self.not_enough[-1]
        return deadline if patient else SHORT

    def after(self, given: float, deadline: float, at: float, *, up: bool, kept_waiting: bool) -> Trouble:
        """What is known once a scrape is over that gave it `given` of the `deadline` seconds it would have had.
        `kept_waiting`: it is down because these were not enough."""
        if up:
            return Trouble(last_success=at)
        cut = given < deadline
        not_enough = self.not_enough
        if kept_waiting:
            if not cut:
                not_enough = tuple(sorted((*not_enough, deadline), reverse=True)[:STRIKES])
        else:
            not_enough = ()  # it fails without making anybody wait
        return Trouble(
            self.failures + 1,
            at if self.since is None else self.since,
            self.last_success,
            not_enough,
            self.cut + 1 if cut and not_enough else 0,
        )

    def to_json(self) -> dict[str, Any]:
        """For a report. `wholeDeadlineIn` counts scrapes, 1 being the next one; None while no time is cut."""
        impatient = len(self.not_enough) == STRIKES and self.not_enough[-1] > SHORT
        return {
            "failures": self.failures,
            "since": self.since,
            "lastSuccess": self.last_success,
            "cutTo": SHORT if impatient else None,
            "wholeDeadlineIn": EVERY - self.cut if impatient else None,
        }


class Patience:
    """What is known of each application, by all that says where and how it is reached: with another address or other
    credentials it is another one. Not for several threads."""

    def __init__(self) -> None:
        self._known: dict[Application, Trouble] = {}

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
            trouble = self._known.get(application, _UNKNOWN).after(
                budget,
                _deadline(application, plan),
                at,
                up=report.up,
                kept_waiting=_kept_waiting(report, budget),
            )
            self._known[application] = trouble
            if trouble.failures:
                by_name[application.name] = replace(report, trouble=trouble.to_json())
        return tuple(by_name.values())

    def keep(self, applications: Iterable[Application]) -> None:
        """Forget all others: the configuration changed."""
        kept = set(applications)
        self._known = {
            application: trouble for application, trouble in self._known.items() if application in kept
        }


_UNKNOWN = Trouble()


def _kept_waiting(report: SourceReport, budget: float) -> bool:
    """Whether a source is down because `budget` seconds were not enough for it to answer."""
    if report.error != FetchError.TIMEOUT:
        return False
    return Fault.DEADLINE not in report.dropped or report.duration >= LONG * budget


def _deadline(application: Application, plan: ScrapePlan) -> float:
    timeout = application.options.timeout
    return min(plan.deadline, timeout) if timeout else plan.deadline
