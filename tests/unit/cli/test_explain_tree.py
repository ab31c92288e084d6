"""The trees are made from what the Explainer answers, so these tests make them from real answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from meshmeter.cli.explain_tree import dataplane_tree, mesh_tree
from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.proxies.status import Nack, ProxyStatus
from meshmeter.effective.credentials import (
    NO_CREDENTIALS,
    CertificateState,
    Credentials,
    ProvidedCertificate,
)
from meshmeter.effective.pod_annotations import PREFIX
from meshmeter.effective.view import MeshView
from meshmeter.injector.annotations import pod_metrics
from meshmeter.resources.envelope import NAMESPACE, OBJECT_NAME
from support.compiled import CompiledMesh
from support.resources import dataplane, mesh, metered, permission

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class Known(CompiledMesh):
    def __init__(self, view: MeshView, status: ProxyStatus, credentials: Credentials):
        super().__init__(view, credentials)
        self._status = status

    def status(self, mesh: str, name: str) -> ProxyStatus:
        return self._status


def explainer(
    view: MeshView, status: ProxyStatus | None = None, credentials: Credentials = NO_CREDENTIALS
) -> Explainer:
    known = Known(view, status or ProxyStatus(), credentials)
    return Explainer(known, known, now=lambda: NOW)


def tree(the_mesh: Any, subject: Any, *permissions: Any, status: ProxyStatus | None = None) -> str:
    answer = explainer(MeshView(the_mesh, {subject.name: subject}, permissions), status).dataplane(
        "default", subject.name
    )
    assert answer is not None
    return dataplane_tree(answer)


def provided(state: CertificateState, detail: str = "") -> str:
    certificate = ProvidedCertificate(state, detail, NOW)
    made, of = dataplane(), metered(tls={"mode": "providedTLS"})
    view = MeshView(of, {made.name: made})
    answer = explainer(view, credentials=Credentials(provided=certificate)).dataplane("default", made.name)
    assert answer is not None
    return dataplane_tree(answer)


def test_a_provided_certificate_and_its_end() -> None:
    good = provided(CertificateState.USABLE)
    assert (
        "not connected" in good
        and "serves metrics\n" not in good
        and "certificate usable, valid until 2026-01-01T12:00:00" in good
    )
    bad = provided(CertificateState.EXPIRED, "/tls/cert expired")
    assert "REFUSED" in bad and "certificate expired, valid until" in bad and ": /tls/cert expired" in bad
    assert "provided-tls-expired" in bad


def test_a_proxy_that_serves() -> None:
    aggregate = [{"name": "app", "port": 80, "path": "/m"}, {"name": "odd"}]
    shown = tree(
        metered(port=1000, aggregate=aggregate),
        dataplane(conf={"port": 2000, "envoy": {"usedOnly": True}}),
        status=ProxyStatus(
            connected_since=NOW - timedelta(minutes=5),
            agent_version="1.0",
            envoy_version="1.36",
            acknowledged={LISTENER: "abc"},
            last_report={
                "status": 200,
                "received_at": NOW.isoformat(),
                "sources": [
                    {
                        "name": "envoy",
                        "up": True,
                        "samples": 5,
                        "bytes": 70,
                        "dropped": {"syntax": 1},
                        "lost": {"timestamp": 2},
                        "problems": [
                            {"reason": "syntax", "line": 7, "text": r'a{x="\x1b[2J"} 1e'},
                            {"reason": "timestamp", "line": 0, "text": "a\nb\u202e \ud800"},
                            {"reason": "deadline", "line": 0, "text": ""},
                            "line 3: of an earlier version",
                        ],
                    },
                    {
                        "name": "app",
                        "up": False,
                        "error": "timeout",
                        "detail": "after 9 s",
                        "trouble": {
                            "failures": 4,
                            "since": 1700000000.5,
                            "lastSuccess": None,
                            "cutTo": 1.0,
                            "wholeDeadlineIn": 4,
                        },
                    },
                    {
                        "name": "old",
                        "up": False,
                        "error": "connect",
                        "trouble": {"since": 1e99, "lastSuccess": 0},
                    },
                    "odd",
                ],
            },
        ),
    )
    assert shown.startswith("Dataplane backend-1 in mesh default: serves metrics\n")
    for text in (
        "scraped at http://192.168.0.1:2000/metrics",
        "Dataplane default/backend-1 metrics.conf.port",
        "1000 (Mesh default metrics.backends[0].conf.port); 5670 (default)",
        "envoy.usedOnly      true",
        "app: scraped, http://192.168.0.1:80/m",
        "port 80 from Mesh default metrics.backends[0].conf.aggregate[0].port",
        "odd: refused, no port",
        "aggregate-port-missing",
        "agent 1.0, Envoy 1.36",
        "acknowledged Listener abc",
        "envoy: 5 samples, 70 bytes, dropped syntax=1, lost timestamp=2\n",
        'syntax (1), first line 7: a{x="\\x1b[2J"} 1e\n',
        "timestamp (2), first a\\nb\\u202e \\ud800\n",
        "deadline (0)\n",
        "app: DOWN: timeout: after 9 s",
        "down for 4 scrapes in a row, since 2023-11-14T22:13:20Z; never read; waited for 1.0 s only, "
        "its whole deadline again in 4 scrapes",
        "since an unknown time; last read 1970-01-01T00:00:00Z",
    ):
        assert text in shown, text


def test_an_annotation_is_named_as_the_origin_and_where_it_is_wrong() -> None:
    said = {
        PREFIX + "port": "2000",
        PREFIX + "aggregate-app-port": "80a",
        PREFIX + "aggregate-web-path": "/w",
    }
    found, made = pod_metrics(said), dataplane(name_extensions={NAMESPACE: "shop", OBJECT_NAME: "web-1"})
    subject = replace(
        made,
        meta=replace(made.meta, annotations=found.annotations),
        spec=made.spec.model_copy(update={"metrics": found.metrics}),
    )
    shown = " ".join(tree(metered(port=1000), subject).split())
    for text in (
        f"2000 Pod shop/web-1 metadata.annotations[{PREFIX}port]",
        f'failed to parse annotation "{PREFIX}aggregate-app-port"',
        "Write a port between 1 and 65535 into the annotation",
        "aggregate entry 'web' has no port: port needs to be specified for metrics scraping "
        f"at metadata.annotations[{PREFIX}aggregate-web-port] "
        f"remedy: Set the port by the annotation {PREFIX}aggregate-web-port,",
    ):
        assert text in shown, shown


def test_a_refused_configuration_is_shown_in_full() -> None:
    message = "cannot bind '10.0.0.1:5670': Address already in use " + "x" * 300
    nack = Nack(LISTENER, message, NOW)
    shown = tree(metered(), dataplane(), status=ProxyStatus(connected_since=NOW, nack=nack))
    assert message in shown and "listener-rejected" in shown
    assert "Envoy REFUSED its configuration; what it served before stays" in shown


def test_who_may_scrape() -> None:
    allowed = permission(
        "p",
        sources=[{"kuma.io/service": "prometheus"}],
        destinations=[{"kuma.io/service": "dataplane-metrics"}],
    )
    shown = tree(metered(mtls=True), dataplane(), allowed)
    assert "source kuma.io/service=prometheus" in shown
    assert "scraped at https://192.168.0.1:5670/metrics with a certificate of the mesh" in shown


def test_metrics_that_are_off() -> None:
    shown = tree(mesh(), dataplane())
    assert "metrics are off" in shown and "metrics-off" in shown and "none was reported" in shown
    assert "settings" not in shown


def test_a_mesh_in_numbers() -> None:
    proxies = {name: dataplane(name, conf={"port": 8080}) for name in "abcdefg"}
    answer = explainer(MeshView(metered(), proxies)).mesh("default")
    assert answer is not None
    shown = mesh_tree(answer)
    assert shown.startswith("Mesh default: 7 proxies\n")
    assert "0 serve, 7 refuse, 0 are off, 0 unknown (rejected or offline); 7 with warnings" in shown
    assert "metrics-port-conflict (refused): 7 of 7 proxies: a, b, c, d, e, …" in shown
    one = explainer(MeshView(metered(), {"a": dataplane("a")})).mesh("default")
    assert one is not None and mesh_tree(one).startswith("Mesh default: 1 proxy\n")
