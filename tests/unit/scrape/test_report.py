"""Reports stay small."""

from __future__ import annotations

import json

from meshmeter.agent.control_plane import MAX_REPORT_BYTES
from meshmeter.exposition.excerpt import excerpt
from meshmeter.exposition.merge import Problem
from meshmeter.scrape.report import ScrapeReport, SourceReport


def test_to_json() -> None:
    up = SourceReport(
        "envoy",
        True,
        0.25,
        10,
        1000,
        dropped={"malformed_line": 1},
        lost={"timestamp": 2},
        problems=(Problem("malformed_line", 3, "", "x y"),),
    )
    down = SourceReport("app", False, 1.0, error="timeout", detail="late")
    report = ScrapeReport(5.0, 200, "v1", (up, down))
    data = json.loads(json.dumps(report.to_json()))
    assert (data["at"], data["status"], data["configVersion"]) == (5.0, 200, "v1")
    assert data["sources"][0]["dropped"] == {"malformed_line": 1}
    assert data["sources"][0]["lost"] == {"timestamp": 2}
    assert data["sources"][0]["problems"] == [{"reason": "malformed_line", "line": 3, "text": "x y"}]
    assert data["sources"][1]["error"] == "timeout"
    assert report.states() == {"envoy": True, "app": False}


def test_it_is_bounded() -> None:
    problems = tuple(Problem(f"reason{n}", 7, "f" * 999, excerpt(b"\x00" * 999)) for n in range(12))
    many = tuple(
        SourceReport(f"s{n}", n != 999, 1.0, error="x", detail="d" * 9999, problems=problems)
        for n in range(1000)
    )
    data = ScrapeReport(5.0, 200, "v1", many).to_json()
    assert len(data["sources"]) == 64
    assert data["omittedSources"] == 936
    assert data["sources"][-1]["name"] == "s999"
    assert len(data["sources"][0]["problems"]) == 12
    assert len(json.dumps(data)) < MAX_REPORT_BYTES


def test_trouble() -> None:
    told = SourceReport("app", False, 1.0, error="timeout", trouble={"failures": 2}).to_json()
    assert told["trouble"] == {"failures": 2}
    assert SourceReport("app", True, 1.0).to_json()["trouble"] is None
