"""prometheus-kuma-sd: a reader that passes these vectors reads the same from both ways of discovery."""

from __future__ import annotations

import json
import re

import pytest

from contract.conformance import Case, vectors
from contract.deviations import out_of_scope
from contract.test_mads_assignments import snapshot
from meshmeter.controlplane.discovery.sd_api import DISCOVERY_PATH
from meshmeter.mads.messages import response_body
from meshmeter.mads.target_groups import target_groups
from support import kuma_sd


def refused(case: Case) -> bool:
    return bool(case.data.get("error") or case.data.get("errorContains"))


def words(case: Case) -> str | None:
    """A pattern for what the refusal has to say; `error` without words asks for none."""
    told = case.data.get("errorContains") or case.data["error"]
    return re.escape(told) if isinstance(told, str) else None


@vectors("prometheus-kuma-sd", "parse")
def test_the_reader_reads_as_prometheus_does(case: Case) -> None:
    resources, type_url = case.data["resources"], case.data["typeUrl"]
    if refused(case):
        with pytest.raises(ValueError, match=words(case)):
            kuma_sd.label_sets(resources, type_url)
    else:
        assert kuma_sd.label_sets(resources, type_url) == case.data["expected"]


@vectors("prometheus-kuma-sd", "endpoint-url")
def test_endpoint_url(case: Case) -> None:
    server, resource_type = case.data["server"], case.data["resourceType"]
    if refused(case):
        with pytest.raises(ValueError, match=words(case)):
            kuma_sd.endpoint_url(server, resource_type)
    else:
        assert kuma_sd.endpoint_url(server, resource_type) == case.data["expected"]


def test_requests_go_where_we_listen() -> None:
    assert (
        kuma_sd.endpoint_url("http://cp:5676", "monitoringassignments") == f"http://cp:5676{DISCOVERY_PATH}"
    )


@vectors("mads-assignments", "assignments", "snapshot", unless=out_of_scope)
def test_both_ways_of_discovery_give_the_same_labels(case: Case) -> None:
    answered = snapshot(case.data)
    answer = json.loads(response_body(answered))
    by_kuma_sd = kuma_sd.label_sets(answer.get("resources", []), answer["type_url"])
    by_http_sd = [
        {"__address__": address} | group["labels"]
        for group in target_groups(answered)
        for address in group["targets"]
    ]
    assert by_kuma_sd == by_http_sd
