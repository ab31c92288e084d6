"""Metrics behind the mesh's mTLS: who may scrape, who may not, and what they are told. Real Envoys, real TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from support.mesh_tls import Authority, Client, certificate_of, scrape
from support.processes import ControlPlane, document, eventually, free_port, get, samples
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND, FRONTEND = "127.0.0.3", "127.0.0.2"
SERVICE = "kuma.io/service"
METRICS = "dataplane-metrics"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def mesh(authority: Authority, **mtls: Any) -> str:
    return document(
        type="Mesh",
        name="default",
        mtls={"enabledBackend": "ca-1", "backends": [authority.backend()], **mtls},
        metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
    )


def permission(name: str, source: dict[str, str], destination: str = METRICS) -> str:
    return document(
        type="TrafficPermission",
        mesh="default",
        name=name,
        sources=[{"match": source}],
        destinations=[{"match": {SERVICE: destination}}],
    )


@pytest.fixture
def secured(control_plane: ControlPlane, authority: Authority) -> Proxy:
    """A mesh with mTLS in which only Prometheus may scrape, with one proxy."""
    control_plane.ok("apply", "-f", "-", stdin=mesh(authority))
    control_plane.ok("delete", "traffic-permission", "allow-all-default", "--mesh", "default")
    control_plane.ok("apply", "-f", "-", stdin=permission("metrics", {SERVICE: "prometheus-server"}))
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    proxy = start_proxy(control_plane, made)
    prometheus = authority.client("prometheus-server")
    eventually(lambda: scrape(https(proxy), prometheus)[0] == 200, "a scrape over mTLS")
    return proxy


def https(proxy: Proxy) -> str:
    return proxy.metrics_url.replace("http:", "https:")


def refused(proxy: Proxy, client: Client | None, trusts: Path) -> None:
    """Nothing is answered, on any of several connections."""
    for _ in range(2):
        with pytest.raises(OSError):
            print(scrape(https(proxy), client, trusts=trusts))


def denied(proxy: Proxy, by: Client) -> float:
    body = scrape(https(proxy), by)[1]
    return sum(samples(body, "envoy_rbac_denied", listener="kuma_metrics_prometheus").values())


def test_only_a_permitted_service_of_this_mesh_reads_metrics(
    secured: Proxy, authority: Authority, tmp_path: Path
) -> None:
    prometheus, trusts = authority.client("prometheus-server"), authority.bundle
    status, body = scrape(https(secured), prometheus)
    assert status == 200 and samples(body, "meshmeter_source_up") == {
        'meshmeter_source_up{source="envoy"}': 1,
        'meshmeter_source_up{source="app"}': 1,
    }
    before = denied(secured, prometheus)
    stranger = Authority(tmp_path / "stranger")
    refused(secured, None, trusts)
    refused(secured, stranger.client("prometheus-server", trusts=trusts), trusts)
    refused(secured, authority.client("prometheus-server", expired=True), trusts)
    refused(secured, authority.client("prometheus-server", mesh="other"), trusts)
    refused(secured, authority.client("prometheus-server", mesh="default-2"), trusts)
    assert denied(secured, prometheus) == before  # so far none of them came through TLS
    refused(secured, authority.client("frontend"), trusts)
    refused(secured, authority.client("prometheus-server-2"), trusts)
    assert denied(secured, prometheus) >= before + 4
    with pytest.raises(OSError):
        get(secured.metrics_url)  # plain HTTP, from the proxy's own host


def test_the_server_proves_its_address_and_its_service(secured: Proxy, authority: Authority) -> None:
    assert scrape(https(secured), authority.client("prometheus-server"))[0] == 200  # verified by address
    names = (
        certificate_of(https(secured)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://default/backend",
        "kuma://kuma.io/protocol/http",
        "kuma://kuma.io/service/backend",
        "kuma://kuma.io/zone/default",
    ]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == [BACKEND]


def test_permissions_change_who_may_scrape_at_once(
    secured: Proxy, control_plane: ControlPlane, authority: Authority
) -> None:
    prometheus, other = (
        authority.client("prometheus-server"),
        authority.client("other", tags={"team": ["sre"]}),
    )

    def answers(client: Client) -> bool:
        try:
            return scrape(https(secured), client)[0] == 200
        except OSError:
            return False

    control_plane.ok("delete", "traffic-permission", "metrics", "--mesh", "default")
    eventually(lambda: not answers(prometheus), "the scrape to be refused")
    told = json.loads(control_plane.ok("explain", "dataplane", "backend", "--mesh", "default", "-o", "json"))
    assert "no-permission" in str(told) or "no permission" in str(told).lower()
    control_plane.ok("apply", "-f", "-", stdin=permission("metrics", {SERVICE: "*", "team": "sre"}))
    eventually(lambda: answers(other), "the other client to be let in")
    assert not answers(prometheus)
    control_plane.ok("apply", "-f", "-", stdin=permission("metrics", {SERVICE: "prometheus-server"}))
    eventually(lambda: answers(prometheus), "Prometheus to be let in again")
    assert not answers(other)


def test_the_tags_of_the_endpoint_choose_the_permission(
    secured: Proxy, control_plane: ControlPlane, authority: Authority
) -> None:
    changed = json.loads(json.dumps(secured.document))
    changed["metrics"]["conf"]["tags"] = {SERVICE: "secret-metrics"}
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))
    prometheus = authority.client("prometheus-server")

    def is_closed() -> bool:
        try:
            return scrape(https(secured), prometheus)[0] != 200
        except OSError:
            return True

    eventually(is_closed, "the permission for dataplane-metrics to be of no use")
    control_plane.ok(
        "apply", "-f", "-", stdin=permission("secret", {SERVICE: "prometheus-server"}, "secret-metrics")
    )
    eventually(lambda: not is_closed(), "the permission for secret-metrics to let it in")


def test_services_call_each_other_by_mtls_with_permission(
    secured: Proxy, control_plane: ControlPlane, authority: Authority
) -> None:
    outbound = free_port()
    service_port = application(control_plane, "frontend", f"http://127.0.0.1:{outbound}/")
    made = dataplane_document("frontend", FRONTEND, service_port=service_port, outbound={"backend": outbound})
    frontend = start_proxy(control_plane, made)
    prometheus = authority.client("prometheus-server")
    eventually(lambda: scrape(https(frontend), prometheus)[0] == 200, "the frontend's metrics")

    def calls_backend() -> int:
        return get(f"http://127.0.0.1:{outbound}/")[0]

    assert eventually(calls_backend, "Envoy to answer") >= 500
    control_plane.ok("apply", "-f", "-", stdin=permission("traffic", {SERVICE: "frontend"}, "backend"))
    eventually(lambda: calls_backend() == 200, "the permission to let the call through")
    body = scrape(https(frontend), prometheus)[1]
    assert sum(samples(body, "envoy_cluster_ssl_handshake", envoy_cluster_name="backend").values()) >= 1
    served = scrape(https(secured), prometheus)[1]
    inbound = f"inbound_{BACKEND}_{secured.port}".replace(".", "_")
    assert sum(samples(served, "envoy_rbac_allowed", listener=inbound).values()) >= 1
    assert sum(samples(served, "envoy_rbac_denied", listener=inbound).values()) >= 1
    with pytest.raises(OSError):
        get(secured.url)  # plain traffic has no way in


def test_permissive_mode_lets_plain_traffic_in_but_never_plain_scrapes(
    secured: Proxy, control_plane: ControlPlane, authority: Authority
) -> None:
    backend = authority.backend(mode="PERMISSIVE")
    control_plane.ok("apply", "-f", "-", stdin=mesh(authority, backends=[backend]))
    eventually(lambda: get(secured.url)[0] == 200, "plain traffic to the service")
    with pytest.raises(OSError):
        get(secured.metrics_url)
    assert scrape(https(secured), authority.client("prometheus-server"))[0] == 200


def test_mtls_goes_off_and_on_again_with_another_authority(
    secured: Proxy, control_plane: ControlPlane, authority: Authority, tmp_path: Path
) -> None:
    plain = json.loads(mesh(authority))
    del plain["mtls"]["enabledBackend"]
    control_plane.ok("apply", "-f", "-", stdin=json.dumps(plain))
    eventually(lambda: get(secured.metrics_url)[0] == 200, "plain metrics")
    second = Authority(tmp_path / "second")
    mtls = {"enabledBackend": "ca-2", "backends": [second.backend("ca-2")]}
    control_plane.ok("apply", "-f", "-", stdin=mesh(authority, **mtls))
    prometheus = second.client("prometheus-server")
    eventually(
        lambda: scrape(https(secured), prometheus)[0] == 200, "metrics over mTLS of the second authority", 60
    )
    with pytest.raises(OSError):
        get(secured.metrics_url)


def test_a_killed_control_plane_costs_no_scrape_and_keeps_its_authority(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    builtin = {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}
    with_builtin = json.loads(mesh(Authority(tmp_path / "unused")))
    with_builtin["mtls"] = builtin
    control_plane.ok("apply", "-f", "-", stdin=json.dumps(with_builtin))
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    proxy = start_proxy(control_plane, made)
    out = tmp_path / "prometheus"
    control_plane.ok(
        "identity", "issue", "--mesh", "default", "--service", "prometheus-server", "--out", str(out)
    )
    client = Client(out / "tls.crt", out / "tls.key", out / "ca.crt")
    eventually(lambda: scrape(https(proxy), client)[0] == 200, "a scrape with an issued identity")
    os.kill(control_plane.process.popen.pid, signal.SIGKILL)
    control_plane.process.popen.wait()
    assert scrape(https(proxy), client)[0] == 200
    control_plane.restart()
    for _ in range(20):
        assert scrape(https(proxy), client)[0] == 200


def test_a_mesh_whose_authority_cannot_be_used_keeps_everything_closed_and_says_why(
    control_plane: ControlPlane, authority: Authority, tmp_path: Path
) -> None:
    missing = tmp_path / "no-such.key"
    conf = {"cert": {"inlineString": authority.made.bundle_pem}, "key": {"file": str(missing)}}
    broken = {"name": "ca-1", "type": "provided", "conf": conf}
    written = json.loads(mesh(authority, backends=[broken]))
    missing.write_text(authority.key_pem)
    control_plane.ok("apply", "-f", "-", stdin=json.dumps(written))
    missing.unlink()
    control_plane.process.kill()
    control_plane.restart()
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    proxy = start_proxy(control_plane, made)

    def told() -> str:
        done = control_plane.run("explain", "dataplane", "backend", "--mesh", "default")
        return done.stdout + done.stderr

    eventually(lambda: str(missing) in told(), "explain to name the file")
    for port in (proxy.port, proxy.metrics_port):
        with pytest.raises(OSError), socket.create_connection((BACKEND, port), timeout=2):
            pass
    missing.write_text(authority.key_pem)
    prometheus = authority.client("prometheus-server")
    eventually(lambda: scrape(https(proxy), prometheus)[0] == 200, "the endpoint to open by itself", 30)


@pytest.mark.attack("B8: a kept-alive connection is used on after its client certificate expired")
def test_a_kept_alive_connection_does_not_outlive_the_certificate_that_opened_it(
    control_plane: ControlPlane, authority: Authority
) -> None:
    short = authority.backend(dpCert={"rotation": {"expiration": "4s"}})
    control_plane.ok("apply", "-f", "-", stdin=mesh(authority, backends=[short]))
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    (inbound,) = made["networking"]["inbound"]
    raw = free_port(BACKEND)
    made["networking"]["inbound"].append({**inbound, "port": raw, "tags": {SERVICE: "raw"}})
    proxy = start_proxy(control_plane, made)
    client = authority.client("prometheus-server", valid_for=timedelta(minutes=5))
    eventually(lambda: scrape(https(proxy), client)[0] == 200, "a scrape over mTLS")
    context = ssl.create_default_context(cafile=authority.bundle)
    context.load_cert_chain(client.certificate, client.key)

    connection = http.client.HTTPSConnection(BACKEND, proxy.metrics_port, timeout=60, context=context)
    with contextlib.closing(connection):
        for _ in range(600):
            connection.request("GET", "/metrics?filter=^server.live")
            response = connection.getresponse()
            response.read()
            if response.will_close:
                break
            time.sleep(0.05)
        assert response.will_close, "HTTP is told to close after two seconds"

    def is_strict() -> bool:
        try:
            with socket.create_connection((BACKEND, raw), timeout=5) as plain:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return not plain.recv(1)
        except OSError:
            return True

    eventually(is_strict, "listeners that stay as they are")
    with (
        socket.create_connection((BACKEND, raw), timeout=60) as tcp,
        context.wrap_socket(tcp, server_hostname=BACKEND) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: backend\r\n\r\n")
        assert secure.recv(12) == b"HTTP/1.1 200"
        with contextlib.suppress(ConnectionError):
            while secure.recv(4096):  # times out, if the connection is not cut after two seconds
                pass


@pytest.mark.attack("B8: a permission on a tag that only the bearer of a token for one service claims")
def test_a_tag_that_nobody_vouches_for_lets_nobody_in(
    secured: Proxy, control_plane: ControlPlane, authority: Authority
) -> None:
    """The certificate that a proxy shows is also the one by which it calls others."""
    control_plane.ok("apply", "-f", "-", stdin=permission("metrics", {"env": "prod"}))

    def certified(name: str, address: str, *listed: str) -> set[str]:
        made = dataplane_document(name, address, service_port=application(control_plane, name))
        made["networking"]["inbound"][0]["tags"]["env"] = "prod"
        tags = [argument for tag in (f"{SERVICE}={name}", *listed) for argument in ("--tag", tag)]
        token = control_plane.ok("token", "dataplane", "--mesh", "default", *tags).strip()
        proxy = start_proxy(control_plane, made, token=token)
        shown = eventually(lambda: certificate_of(https(proxy)), "its certificate")
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(names.get_values_for_type(x509.UniformResourceIdentifier))

    assert "kuma://env/prod" in certified("honest", FRONTEND, "env=prod")
    evil = certified("evil", "127.0.0.4")
    assert "spiffe://default/evil" in evil and "kuma://env/prod" not in evil
    told = json.loads(control_plane.ok("explain", "dataplane", "evil", "-o", "json"))
    assert "tag-not-certified" in [found["code"] for found in told["findings"]]
    with pytest.raises(OSError):
        scrape(https(secured), authority.client("evil"))


@pytest.mark.attack("B8: a source {env: '*'} and a certificate without that tag")
def test_any_value_demands_the_tag(secured: Proxy, control_plane: ControlPlane, authority: Authority) -> None:
    control_plane.ok("apply", "-f", "-", stdin=permission("metrics", {"env": "*"}))
    tagged = authority.client("x", tags={"env": ["test"]})
    eventually(lambda: scrape(https(secured), tagged)[0] == 200, "a scrape with the tag")
    for without in (authority.client("prometheus-server"), authority.client("x", tags={"env/y": ["test"]})):
        with pytest.raises(OSError):
            scrape(https(secured), without)
