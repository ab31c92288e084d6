from __future__ import annotations

from dataclasses import replace

import pytest

from meshmeter.controlplane.proxies.status import Nack, ProxyStatus
from meshmeter.effective.view import MeshView
from meshmeter.xds.snapshot import build as make_snapshot
from support.explained import LISTENER, NOW, Known, explain, explainer
from support.resources import dataplane, mesh, metered


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


def test_what_envoy_could_not_be_given_is_a_finding() -> None:
    view = MeshView(metered(), {"backend-1": dataplane()})
    known = Known(view)
    snapshot = make_snapshot((), problems=("port 81 is used twice",))
    known.results["backend-1"] = replace(known.results["backend-1"], snapshot=snapshot)
    answer = explainer(known).dataplane("default", "backend-1")
    assert answer is not None
    found = {finding["code"]: finding["message"] for finding in answer["findings"]}
    assert found["proxy-config-incomplete"] == "port 81 is used twice"


def test_what_is_explained_is_what_was_compiled() -> None:
    """The Mesh as it is now is in force once the proxy has been compiled by it."""
    before, now = metered(port=1000), metered(port=2000, mtls=True)
    known = Known(MeshView(now, {"backend-1": dataplane()}))
    known.results["backend-1"] = Known(MeshView(before, {"backend-1": dataplane()})).results["backend-1"]
    answer = explainer(known).dataplane("default", "backend-1")
    assert answer is not None
    assert answer["settings"]["port"]["value"] == 1000
    assert answer["urls"] == ["http://192.168.0.1:1000/metrics"]
    assert "the Mesh has no mTLS" in answer["tls"]["reason"]
    assert answer["access"]["restricted"] is False


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
