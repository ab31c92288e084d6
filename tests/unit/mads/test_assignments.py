"""One assignment per Dataplane, and snapshots whose version is their content."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import (
    EVERYTHING,
    TYPE_URL,
    MonitoringAssignment,
    Selection,
    build_assignment,
    build_snapshot,
    select,
)
from support.resources import dataplane, mesh, metered


def assignment(
    name: str = "backend-1", *, of: str = "default", conf: dict[str, Any] | None = None, **networking: Any
) -> MonitoringAssignment:
    subject = dataplane(name, mesh=of, conf=conf, **networking)
    built = build_assignment(subject, effective_metrics(metered(of), subject))
    assert built is not None
    return built


def test_the_json_of_the_wire() -> None:
    assert json.loads(assignment().encoded) == {
        "@type": TYPE_URL,
        "mesh": "default",
        "service": "backend",
        "targets": [
            {
                "name": "backend-1",
                "scheme": "http",
                "address": "192.168.0.1:5670",
                "metrics_path": "/metrics",
                "labels": {"kuma_io_service": "backend", "kuma_io_services": ",backend,"},
            }
        ],
    }
    assert assignment().name == "/meshes/default/dataplanes/backend-1"


def test_empty_fields_are_left_out() -> None:
    assert "labels" not in assignment(inbound=[]).to_json()["targets"][0]


def test_metrics_off_is_no_assignment() -> None:
    subject = dataplane()
    assert build_assignment(subject, effective_metrics(mesh("default"), subject)) is None


@pytest.mark.parametrize(
    ("networking", "address"),
    [
        ({"address": "10.0.0.1", "advertisedAddress": "203.0.113.7"}, "203.0.113.7:5670"),
        ({"address": "fd00::1"}, "[fd00::1]:5670"),
        ({"address": "web.example"}, "web.example:5670"),
    ],
)
def test_address(networking: dict[str, Any], address: str) -> None:
    assert assignment(**networking).target.address == address


def test_a_dataplane_without_address_keeps_its_port() -> None:
    subject = dataplane(inbound=[])
    bare = subject.spec.model_copy(update={"networking": None})
    built = build_assignment(
        type(subject)("Dataplane", subject.meta, bare), effective_metrics(metered(), subject)
    )
    assert built is not None
    assert built.target.address == ":5670"


def test_provided_tls_is_https_even_while_its_listener_is_closed() -> None:
    assert assignment(conf={"tls": {"mode": "providedTLS"}}).target.scheme == "https"
    assert assignment(conf={"tls": {"mode": "disabled"}}).target.scheme == "http"


def test_a_refused_listener_stays_a_target() -> None:
    assert assignment(conf={"port": 8080}).target.address == "192.168.0.1:8080"


def test_the_version_is_the_content_in_any_order() -> None:
    one, two = assignment("a"), assignment("b")
    assert build_snapshot([one, two]) == build_snapshot(iter([two, one]))
    assert build_snapshot([one]).version != build_snapshot([one, two]).version
    assert build_snapshot([one]).version != build_snapshot([assignment("a", address="10.0.0.9")]).version
    assert build_snapshot([]).version == build_snapshot([]).version != ""


def test_a_selection_has_a_version_of_its_own() -> None:
    shop, bank = assignment("web", of="shop"), assignment("web", of="bank")
    wanted = Selection(meshes=frozenset({"shop"}))
    before = select(build_snapshot([shop, bank]), wanted)
    after = select(build_snapshot([shop, bank, assignment("db", of="bank")]), wanted)
    assert before == after == build_snapshot([shop])


def test_select_by_any_service_and_by_name() -> None:
    both = assignment(
        "both",
        inbound=[
            {"port": 1, "tags": {"kuma.io/service": "a"}},
            {"port": 2, "tags": {"kuma.io/service": "b"}},
        ],
    )
    snapshot = build_snapshot([both, assignment("other")])
    assert select(snapshot, Selection(service="b")).assignments == (both,)
    assert select(snapshot, Selection(names=frozenset({both.name}))).assignments == (both,)
    assert select(snapshot, Selection(meshes=frozenset())).assignments == ()
    assert select(snapshot, EVERYTHING) is snapshot


# Who scrapes with a certificate of the mesh


def direct(mtls: bool, mode: str | None = None, **networking: Any) -> MonitoringAssignment:
    made = dataplane(conf={"tls": {"mode": mode}} if mode else None, **networking)
    built = build_assignment(made, effective_metrics(metered(mtls=mtls), made))
    assert built is not None
    return built


def schemes(built: MonitoringAssignment) -> tuple[str, str]:
    """What is said to others, and to clients with a certificate of the mesh."""
    found = [json.loads(body)["targets"][0]["scheme"] for body in (built.encoded, built.encoded_direct)]
    assert found == [built.target.scheme, built.target.direct_scheme]
    return found[0], found[1]


def test_a_target_behind_mtls_says_so_to_direct_clients_only() -> None:
    assert schemes(direct(True)) == ("http", "https")
    assert schemes(direct(False)) == ("http", "http")
    assert schemes(direct(True, "disabled")) == ("http", "http")
    assert schemes(direct(True, "providedTLS")) == schemes(direct(False, "providedTLS")) == ("https", "https")


def test_mtls_adds_no_label_that_labelmap_would_put_on_series() -> None:
    assert direct(True).target.labels == direct(False).target.labels
    assert build_snapshot([direct(True)]).version != build_snapshot([direct(False)]).version


def test_those_with_a_certificate_of_their_own_can_be_left_out() -> None:
    provided, of_the_mesh = direct(True, "providedTLS"), direct(True)
    snapshot = build_snapshot([provided])
    assert select(snapshot, Selection(provided_tls=False)).assignments == ()
    assert select(build_snapshot([of_the_mesh]), Selection(provided_tls=False)).assignments == (of_the_mesh,)
