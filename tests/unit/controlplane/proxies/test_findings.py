from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meshmeter.controlplane.proxies.findings import SILENCE, runtime_findings
from meshmeter.controlplane.proxies.status import Nack, ProxyStatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def codes(status: ProxyStatus, *, has_endpoint: bool = True) -> list[str]:
    return [found.code for found in runtime_findings(status, NOW, has_endpoint=has_endpoint)]


def report(*sources: Any, ago: timedelta = timedelta()) -> dict[str, Any]:
    return {"status": 200, "sources": list(sources), "received_at": (NOW - ago).isoformat()}


def connected(**fields: Any) -> ProxyStatus:
    return ProxyStatus(connected_since=NOW - timedelta(hours=1), **fields)


def test_a_proxy_that_is_away_has_one_finding() -> None:
    assert codes(ProxyStatus(last_report=report({"name": "app", "up": False}))) == ["proxy-not-connected"]


def test_a_proxy_whose_scrapes_are_fine_has_none() -> None:
    assert codes(connected(last_report=report({"name": "envoy", "up": True}))) == []


def test_a_refused_configuration_is_told_in_envoys_words() -> None:
    status = connected(nack=Nack(LISTENER, "cannot bind: Address already in use", NOW), last_report=report())
    (found,) = runtime_findings(status, NOW, has_endpoint=True)
    assert found.code == "listener-rejected"
    assert "Listener" in found.message and "Address already in use" in found.message


def test_an_address_that_the_host_does_not_have_is_the_dataplanes_to_mend() -> None:
    nack = Nack(LISTENER, "cannot bind '192.0.2.7:5670': Cannot assign requested address", NOW)
    (found,) = runtime_findings(connected(nack=nack, last_report=report()), NOW, has_endpoint=True)
    assert "networking.address" in found.remedy and "free the port" not in found.remedy


def test_silence_is_a_finding_after_a_while() -> None:
    assert codes(connected()) == ["agent-not-reporting"]
    assert codes(ProxyStatus(connected_since=NOW - SILENCE)) == []
    assert codes(connected(last_report=report(ago=SILENCE))) == []
    assert codes(connected(last_report=report(ago=SILENCE * 2))) == ["agent-not-reporting"]
    assert codes(connected(), has_endpoint=False) == []


def test_a_dead_source_is_named_with_its_error() -> None:
    down = {"name": "app", "up": False, "error": "refused", "detail": "127.0.0.1:80"}
    (found,) = runtime_findings(connected(last_report=report(down)), NOW, has_endpoint=True)
    assert found.code == "source-down"
    assert "'app'" in found.message and found.message.endswith(": refused: 127.0.0.1:80")


@pytest.mark.parametrize(
    "odd",
    [
        {"sources": "x"},
        {"sources": [1, None, {}]},
        {"sources": None},
        {"sources": [{"up": False, "name": 7, "error": "x" * 9999}]},
    ],
)
def test_a_report_that_is_odd_is_survived(odd: dict[str, Any]) -> None:
    for received in (NOW.isoformat(), "yesterday", 7, NOW.replace(tzinfo=None).isoformat()):
        for found in runtime_findings(
            connected(last_report={**odd, "received_at": received}), NOW, has_endpoint=True
        ):
            assert len(found.message) < 1000


@pytest.mark.parametrize(
    ("error", "option"),
    [
        ("connect", "`address`"),
        ("address", "--allowed-networks"),
        ("credentials", "--allow-files"),
        ("too_large", "`limits.bodyBytes`"),
        ("timeout", "`timeout`"),
        ("tls", "`tls.caFile`"),
        ("status", "`path`"),
        ("new in a later version", "`port`"),
        (["odd"], "`port`"),
    ],
)
def test_a_remedy_names_the_option_to_use(error: Any, option: str) -> None:
    down = {"name": "app", "up": False, "error": error}
    (found,) = runtime_findings(connected(last_report=report(down)), NOW, has_endpoint=True)
    assert option in found.remedy


def test_a_redirect_elsewhere_is_shown_with_what_to_set() -> None:
    detail = "HTTP status 307, a redirect to http://app:81/m/?…: only the entry's own server is followed"
    down = {"name": "app", "up": False, "error": "status", "detail": detail}
    (found,) = runtime_findings(connected(last_report=report(down)), NOW, has_endpoint=True)
    assert detail in found.message
    assert all(f"`{option}`" in found.remedy for option in ("path", "scheme", "address", "port"))


def test_a_source_of_which_nothing_is_left_is_a_finding_that_names_the_label() -> None:
    gone = {"name": "app", "up": True, "samples": 0, "dropped": {"duplicate_series": 7}}
    fine = {"name": "b", "up": True, "samples": 1, "dropped": {"duplicate_series": 7}}
    empty = {"name": "c", "up": True, "samples": 0, "dropped": {}}
    odd = {"name": "d", "up": True, "samples": 0, "dropped": {"duplicate_series": "x"}}
    (found,) = runtime_findings(connected(last_report=report(gone, fine, empty, odd)), NOW, has_endpoint=True)
    assert found.code == "source-all-duplicates"
    assert "'app'" in found.message and "`applicationLabel`" in found.remedy


def test_too_many_samples() -> None:
    cut = {"name": "app", "up": True, "samples": 5, "dropped": {"sample_limit": 7}}
    odd = {"name": "d", "up": True, "samples": 0, "dropped": {"sample_limit": "x"}}
    (found,) = runtime_findings(connected(last_report=report(cut, odd)), NOW, has_endpoint=True)
    assert found.code == "source-sample-limit"
    assert "'app'" in found.message and "7" in found.message and "`limits.samples`" in found.remedy
