"""`gather`: the answer to one scrape, from what the sources gave (design 6, deviations D19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshmeter.exposition.formats import Format
from meshmeter.exposition.merge import MergeOptions, MergeResult, SourceBody, merge
from meshmeter.scrape.plan import ENVOY, ScrapePlan
from meshmeter.scrape.result import FetchResult


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source contributed."""

    name: str
    up: bool
    seconds: float
    samples: int
    size: int
    dropped: Mapping[str, int]
    error: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ScrapeResponse:
    """What the scraper gets, and what is told about it."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    sources: tuple[SourceReport, ...]

    def report(self) -> dict[str, Any]:
        """For the control plane: bounded, whatever the sources did."""
        return {
            "status": self.status,
            "sources": [
                {
                    "name": source.name[:256],
                    "up": source.up,
                    "error": source.error,
                    "detail": source.detail[:256],
                    "durationSeconds": round(source.seconds, 4),
                    "samples": source.samples,
                    "bodyBytes": source.size,
                    "dropped": dict(source.dropped),
                }
                for source in self.sources[:64]
            ],
        }

    def states(self) -> dict[str, bool]:
        """Which source was up."""
        return {source.name: source.up for source in self.sources}


def gather(plan: ScrapePlan, results: Sequence[FetchResult]) -> ScrapeResponse:
    """One valid body of everything that came, with an account of each source; 503 only if nothing came."""
    merged = merge(
        [
            SourceBody(
                result.source,
                intersect(result.bodies),
                result.format,
                is_envoy=result.source == ENVOY,
            )
            for result in results
            if result.error is None
        ],
        MergeOptions(application_label=plan.application_label),
    )
    reports = tuple(_report(result, merged) for result in results)
    if not any(report.up for report in reports):
        lines = [f"{r.name}: {r.error}: {r.detail}" for r in reports]
        text = "\n".join(["every source of this scrape failed", *lines, ""])
        return ScrapeResponse(503, "text/plain; charset=utf-8", text.encode(), reports)
    return ScrapeResponse(200, Format.TEXT.value, merged.body + self_description(reports), reports)


def intersect(bodies: Sequence[bytes]) -> bytes:
    """The lines of the first body whose series every other body has too; comments stay."""
    first, *others = bodies
    for other in others:
        series = {line.rpartition(b" ")[0] for line in other.split(b"\n") if not line.startswith(b"#")}
        first = b"\n".join(
            line for line in first.split(b"\n") if line.startswith(b"#") or line.rpartition(b" ")[0] in series
        )
    return first


def _report(result: FetchResult, merged: MergeResult) -> SourceReport:
    return SourceReport(
        name=result.source,
        up=result.error is None,
        seconds=result.seconds,
        samples=merged.samples.get(result.source, 0),
        size=result.size,
        dropped=dict(sorted(merged.dropped.get(result.source, Counter()).items())),
        error=result.error.value if result.error else None,
        detail=result.detail,
    )


def self_description(reports: Sequence[SourceReport]) -> bytes:
    """The `meshmeter_source_…` families: they say what is in the body and what is not."""
    lines: list[str] = []

    def family(name: str, help_: str, samples: list[tuple[str, str]]) -> None:
        if samples:
            lines.extend((f"# HELP {name} {help_}", f"# TYPE {name} gauge"))
            lines.extend(f"{name}{{{labels}}} {value}" for labels, value in samples)

    def label(report: SourceReport) -> str:
        return f'source="{_escape(report.name)}"'

    family(
        "meshmeter_source_up",
        "Whether the source answered and its metrics are in this body.",
        [(label(r), "1" if r.up else "0") for r in reports],
    )
    family(
        "meshmeter_source_scrape_duration_seconds",
        "Time until the source had answered or was given up.",
        [(label(r), f"{r.seconds:.6f}") for r in reports],
    )
    family(
        "meshmeter_source_samples",
        "Samples of the source in this body.",
        [(label(r), str(r.samples)) for r in reports],
    )
    family(
        "meshmeter_source_body_bytes",
        "Bytes that the source sent, after decompression.",
        [(label(r), str(r.size)) for r in reports],
    )
    family(
        "meshmeter_source_dropped_samples",
        "Samples or lines of the source that are not in this body, by reason.",
        [(f'{label(r)},reason="{reason}"', str(n)) for r in reports for reason, n in r.dropped.items()],
    )
    family(
        "meshmeter_source_error",
        "Why a source that is down is down.",
        [(f'{label(r)},reason="{r.error}"', "1") for r in reports if r.error],
    )
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
