from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meshmeter.controlplane.api.explain import Explainer, time_text
from meshmeter.controlplane.proxies.status import Nack, ProxyStatus
from meshmeter.effective.view import MeshView
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from support.resources import dataplane, mesh, metered, permission

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class Known:
    """One mesh and the states of its proxies."""

    def __init__(self, view: MeshView, **statuses: ProxyStatus):
        self._view = view
        self._statuses = statuses

    def view(self, mesh: str) -> MeshView | None:
        return self._view if mesh == self._view.mesh.name else None

    def status(self, mesh: str, name: str) -> ProxyStatus:
        return self._statuses.get(name, ProxyStatus())


def explainer(known: Known) -> Explainer:
    return Explainer(known, known, now=lambda: NOW)


def explain(
    the_mesh: Any, subject: Resource[DataplaneSpec], *permissions: Any, status: ProxyStatus | None = None
) -> dict[str, Any]:
    view = MeshView(the_mesh, {subject.name: subject}, permissions)
    answer = explainer(Known(view, **{subject.name: status or ProxyStatus()})).dataplane(
        "default", subject.name
    )
    assert answer is not None
    json.dumps(answer)  # all of it is plain JSON
    return answer


def test_each_value_comes_with_its_origin_and_what_it_overrode() -> None:
    answer = explain(metered(port=1000), dataplane(conf={"port": 2000}))
    assert answer["settings"]["port"] == {
        "value": 2000,
        "origin": {
            "layer": "Dataplane",
            "resource": "Dataplane default/backend-1",
            "field": "metrics.conf.port",
            "writtenBy": "operator",
        },
        "overrode": [
            {
                "value": 1000,
                "origin": {
                    "layer": "Mesh",
                    "resource": "Mesh default",
                    "field": "metrics.backends[0].conf.port",
                },
            },
            {"value": 5670, "origin": {"layer": "default", "resource": "", "field": ""}},
        ],
    }
    assert answer["urls"] == ["http://192.168.0.1:2000/metrics"]


def test_the_applications_and_their_states() -> None:
    aggregate = [
        {"name": "app", "port": 80, "address": "::1"},
        {"name": "off", "port": 81, "enabled": False},
        {"name": "nowhere"},
    ]
    entries = explain(metered(aggregate=aggregate), dataplane())["aggregate"]
    assert [(e["name"], e["state"], e["url"]) for e in entries] == [
        ("app", "scraped", "http://[::1]:80/metrics"),
        ("off", "disabled", "http://192.168.0.1:81/metrics"),
        ("nowhere", "refused", None),
    ]
    assert entries[2]["finding"]["code"] == "aggregate-port-missing"


def test_tls_says_what_is_in_force_and_why() -> None:
    plain = explain(metered(), dataplane())["tls"]
    assert (plain["mode"], plain["transport"]) == ("activeMTLSBackend", "plain")
    assert "the Mesh has no mTLS" in plain["reason"]
    of_the_mesh = explain(metered(mtls=True), dataplane())
    assert of_the_mesh["tls"]["transport"] == "mtls"
    assert "HTTPS with the proxy's certificate of the mesh" in of_the_mesh["tls"]["reason"]
    assert of_the_mesh["urls"] == ["https://192.168.0.1:5670/metrics"]
    provided = explain(metered(tls={"mode": "providedTLS"}), dataplane())
    assert provided["tls"]["transport"] == "provided-tls"
    assert provided["urls"][0].startswith("https://")
    assert "disabled" in explain(metered(tls={"mode": "disabled"}), dataplane())["tls"]["reason"]


def test_access_names_the_permission_and_its_sources() -> None:
    prometheus = {"kuma.io/service": "prometheus"}
    allowed = permission("p", sources=[prometheus], destinations=[{"kuma.io/service": "dataplane-metrics"}])
    open_to_all = explain(metered(), dataplane(), allowed)["access"]
    assert open_to_all["restricted"] is False and "needs the mesh's mTLS" in open_to_all["reason"]
    for mode in ("providedTLS", "disabled"):
        reason = explain(metered(mtls=True, tls={"mode": mode}), dataplane(), allowed)["access"]["reason"]
        assert mode in reason and "no effect" in reason and "mTLS" not in reason
    access = explain(metered(mtls=True), dataplane(), allowed)["access"]
    assert (access["restricted"], access["permission"], access["sources"]) == (True, "p", [prometheus])
    refused = explain(metered(mtls=True), dataplane())
    assert refused["access"]["permission"] is None
    assert "nobody may scrape" in refused["access"]["reason"]
    assert "metrics-no-permission" in [found["code"] for found in refused["findings"]]


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


def test_metrics_that_are_off_are_explained_too() -> None:
    answer = explain(mesh(), dataplane())
    assert answer["metrics"] == "off"
    assert [found["code"] for found in answer["findings"]] == ["metrics-off", "proxy-not-connected"]
    assert "settings" not in answer


def test_what_is_not_there_is_none() -> None:
    asked = explainer(Known(MeshView(metered(), {})))
    assert asked.dataplane("default", "x") is None
    assert asked.dataplane("other", "x") is None
    assert asked.mesh("other") is None


def test_a_mesh_is_summed_up() -> None:
    taken = {name: dataplane(name, conf={"port": 8080}) for name in "abcdefg"}
    fine = {"z": dataplane("z")}
    online = ProxyStatus(connected_since=NOW)
    answer = explainer(Known(MeshView(metered(), taken | fine), z=online)).mesh("default")
    assert answer is not None
    assert answer["proxies"] == {
        "total": 8,
        "serving": 1,
        "refused": 7,
        "off": 0,
        "offline": 0,
        "rejected": 0,
        "warned": 7,
    }
    assert answer["connections"] == {"online": 1, "offline": 7, "rejected": 0}
    conflict = next(found for found in answer["findings"] if found["code"] == "metrics-port-conflict")
    assert (conflict["proxies"], conflict["examples"]) == (7, list("abcde"))
    assert conflict["remedy"]


def test_overviews_are_short_and_know_proxies_of_meshes_that_have_gone() -> None:
    asked = explainer(Known(MeshView(metered(), {}), a=ProxyStatus(connected_since=NOW)))
    a, orphan = dataplane("a"), dataplane("b", mesh="gone")
    overviews = list(asked.overviews([a, orphan]))
    assert [(o["status"], o["metrics"]) for o in overviews] == [("online", "serving"), ("offline", "off")]


def test_times_are_in_utc() -> None:
    assert time_text(None) is None
    assert time_text(NOW) == "2026-01-01T12:00:00.000Z"


def test_what_envoy_could_not_be_given_is_a_finding() -> None:
    view = MeshView(metered(), {"backend-1": dataplane()})
    known = Known(view)
    explainer = Explainer(
        known, known, problems=lambda _mesh, _name: ["port 81 is used twice"], now=lambda: NOW
    )
    answer = explainer.dataplane("default", "backend-1")
    assert answer is not None
    found = {finding["code"]: finding["message"] for finding in answer["findings"]}
    assert found["proxy-config-incomplete"] == "port 81 is used twice"


@pytest.mark.parametrize(
    ("status", "word", "closing"),
    [
        (ProxyStatus(connected_since=NOW), "serving", None),
        (ProxyStatus(), "offline", None),
        (ProxyStatus(connected_since=NOW, nack=Nack(LISTENER, "no", NOW)), "rejected", "listener-rejected"),
    ],
)
def test_only_of_a_proxy_that_took_everything_is_said_that_it_serves(
    status: ProxyStatus, word: str, closing: str | None
) -> None:
    assert explain(metered(), dataplane(), status=status)["metrics"] == word
    a = dataplane("a")
    asked = explainer(Known(MeshView(metered(), {"a": a}), a=status))
    (overview,) = asked.overviews([a])
    assert (overview["metrics"], overview["finding"]) == (word, closing)
    summary = asked.mesh("default")
    assert summary is not None and summary["proxies"][word] == 1


def test_an_overview_names_the_finding_that_closes_the_endpoint() -> None:
    taken = dataplane("a", conf={"port": 8080})
    asked = explainer(Known(MeshView(metered(), {"a": taken})))
    (overview,) = asked.overviews([taken])
    assert (overview["metrics"], overview["finding"]) == ("refused", "metrics-port-conflict")
