from __future__ import annotations

from datetime import timedelta

from meshmeter.controlplane.api.explained_state import time_text
from meshmeter.controlplane.proxies.status import Nack, ProxyStatus
from support.explained import LISTENER, NOW, explain
from support.resources import dataplane, metered


def test_times_are_in_utc() -> None:
    assert time_text(None) is None
    assert time_text(NOW) == "2026-01-01T12:00:00.000Z"


def test_the_proxy_its_refusal_and_its_last_scrape() -> None:
    status = ProxyStatus(
        connected_since=NOW - timedelta(hours=1),
        agent_version="1.0",
        envoy_version="1.36.0",
        acknowledged={LISTENER: "v1"},
        nack=Nack(LISTENER, "Address already in use", NOW),
        last_report={"status": 200, "sources": [], "received_at": NOW.isoformat()},
    )
    answer = explain(metered(), dataplane(), status=status)
    assert answer["proxy"]["status"] == "rejected"
    assert answer["proxy"]["connectedSince"] == "2026-01-01T11:00:00.000Z"
    assert answer["proxy"]["acknowledged"] == {LISTENER: "v1"}
    assert answer["proxy"]["nack"]["message"] == "Address already in use"
    assert answer["lastScrape"]["status"] == 200
    assert [found["code"] for found in answer["findings"]] == ["listener-rejected"]
