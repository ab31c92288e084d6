"""A real Prometheus scrapes a mesh with mTLS: through a sidecar, and with a certificate of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from support.mesh_tls import Authority, Client, certificate_of, scrape
from support.processes import MESHMETER, ControlPlane, document, eventually, free_port
from support.prometheus import Prometheus, start_prometheus
from support.proxies import Proxy, application, dataplane_document, start_proxy
from support.proxying import through

SCRAPER, BACKEND, ELSEWHERE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
SERVICE = "kuma.io/service"


def mesh(name: str = "default") -> str:
    authority = {"name": "ca", "type": "builtin"}
    return document(
        type="Mesh",
        name=name,
        mtls={"enabledBackend": "ca", "backends": [authority]},
        metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
    )


def permit(control_plane: ControlPlane, name: str = "default") -> None:
    made = document(
        type="TrafficPermission",
        mesh=name,
        name="metrics",
        sources=[{"match": {SERVICE: "prometheus-server"}}],
        destinations=[{"match": {SERVICE: "dataplane-metrics"}}],
    )
    control_plane.ok("apply", "-f", "-", stdin=made)


def secure(control_plane: ControlPlane) -> None:
    """mTLS on, and only Prometheus may scrape."""
    control_plane.ok("apply", "-f", "-", stdin=mesh())
    control_plane.ok("delete", "traffic-permission", "allow-all-default", "--mesh", "default")
    permit(control_plane)


def proxy(control_plane: ControlPlane, name: str, address: str, **more: Any) -> Proxy:
    service_port = application(control_plane, name)
    made = dataplane_document(name, address, service_port=service_port, mesh=more.pop("mesh", "default"))
    made["networking"] |= more
    return start_proxy(control_plane, made)


def follows_the_permission(prometheus: Prometheus, control_plane: ControlPlane, targets: set[str]) -> None:
    """Every target is up; without the permission none; and again with it."""

    def all_are(value: float) -> bool:
        found = prometheus.query("up")
        assert found == dict.fromkeys(targets, value), (found, prometheus.errors())
        return True

    eventually(lambda: all_are(1), "every target to be up")
    envoys = prometheus.query("envoy_server_live")
    assert envoys == dict.fromkeys(targets, 1), envoys
    assert set(prometheus.query('meshmeter_source_up{source="app"} == 1')) == targets
    control_plane.ok("delete", "traffic-permission", "metrics", "--mesh", "default")
    eventually(lambda: all_are(0), "every target to be down without the permission")
    permit(control_plane)
    eventually(lambda: all_are(1), "every target to be up again")


def test_through_the_metrics_proxy_of_its_sidecar(control_plane: ControlPlane, tmp_path: Path) -> None:
    secure(control_plane)
    port = free_port()
    backend = proxy(control_plane, "backend", BACKEND)
    own = proxy(control_plane, "prometheus-server", SCRAPER, metricsProxy={"port": port})
    config = control_plane.ok(
        *("prometheus", "config", "--mode", "sidecar", "--mesh", "default", "--interval", "1s"),
        *("--proxy-url", f"http://127.0.0.1:{port}"),
    )
    assert "tls_config" not in config
    prometheus = start_prometheus(control_plane.processes, tmp_path / "prometheus", config)
    follows_the_permission(prometheus, control_plane, {"backend", "prometheus-server"})
    for each in (backend, own):
        assert each.process.popen.poll() is None
        status, body = through(port, each.metrics_url)
        assert status == 200 and "envoy_server_live" in body


def test_the_metrics_proxy_reaches_only_metrics_of_its_mesh(control_plane: ControlPlane) -> None:
    """Its identity is worth something here, so it must not be lent to anybody for anything else."""
    secure(control_plane)
    port = free_port()
    backend = proxy(control_plane, "backend", BACKEND)
    proxy(control_plane, "prometheus-server", SCRAPER, metricsProxy={"port": port})
    control_plane.ok("apply", "-f", "-", stdin=mesh("other"))
    permit(control_plane, "other")
    foreign = proxy(control_plane, "foreign", ELSEWHERE, mesh="other")
    eventually(lambda: through(port, backend.metrics_url)[0] == 200, "the metrics proxy to answer")
    eventually(
        lambda: "online" in control_plane.ok("get", "dataplanes", "--mesh", "other"), "the other mesh's proxy"
    )
    host = f"{BACKEND}:{backend.metrics_port}"
    for url, expected in (
        (foreign.metrics_url, 403),
        (backend.url, 403),
        (f"http://{BACKEND}:{backend.port}/metrics", 403),
        (f"http://127.0.0.1:{control_plane.ports['diagnostics']}/metrics", 403),
        ("http://169.254.169.254/latest/meta-data", 403),
        (f"http://{host}/", 404),
        (f"http://{host}/metrics/../stats", 404),
    ):
        assert through(port, url)[0] == expected, url
    assert through(port, backend.metrics_url, method="POST")[0] == 405
    # A permission for somebody else does not do for this Dataplane's service.
    made = document(
        type="TrafficPermission",
        mesh="default",
        name="metrics",
        sources=[{"match": {SERVICE: "grafana"}}],
        destinations=[{"match": {SERVICE: "dataplane-metrics"}}],
    )
    control_plane.ok("apply", "-f", "-", stdin=made)
    eventually(lambda: through(port, backend.metrics_url)[0] == 503, "the proxy to be refused")


def test_with_an_identity_of_its_own(control_plane: ControlPlane, tmp_path: Path) -> None:
    secure(control_plane)
    proxy(control_plane, "backend", BACKEND)
    proxy(control_plane, "frontend", SCRAPER)
    identity = start_identity(control_plane, tmp_path)
    config = control_plane.ok(
        *("prometheus", "config", "--mode", "direct", "--mesh", "default", "--interval", "1s"),
        *("--identity-dir", str(identity)),
    )
    (job, _provided) = yaml.safe_load(config)["scrape_configs"]
    assert set(job["tls_config"]) == {"cert_file", "key_file", "ca_file"}  # the server is verified in full
    prometheus = start_prometheus(control_plane.processes, tmp_path / "prometheus", config)
    follows_the_permission(prometheus, control_plane, {"backend", "frontend"})


def start_identity(control_plane: ControlPlane, folder: Path) -> Path:
    """`meshmeter identity run` with a token that is good for nothing else; the folder with the files."""
    token, out = folder / "identity.token", folder / "identity"
    asked = ("--mesh", "default", "--service", "prometheus-server")
    token.touch(0o600)
    token.write_text(control_plane.ok("token", "identity", *asked))
    control_plane.processes.start(
        "identity",
        *MESHMETER,
        *("identity", "run", *asked, "--out", str(out)),
        *("--api-address", control_plane.url("api"), "--token-file", str(token)),
    )
    eventually(lambda: (out / "ca.crt").exists(), "the files of the identity")
    return out


def test_short_lived_certificates_and_another_authority_cost_no_scrape(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Certificates of proxies and of Prometheus are renewed several times, and the authority changes once."""

    def backed_by(authority: Authority) -> str:
        backend = authority.backend(dpCert={"rotation": {"expiration": "12s"}})
        return document(**json.loads(mesh()) | {"mtls": {"enabledBackend": "ca-1", "backends": [backend]}})

    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    control_plane.ok("apply", "-f", "-", stdin=backed_by(old))
    backend = proxy(control_plane, "backend", BACKEND)
    identity = start_identity(control_plane, tmp_path)
    client = Client(identity / "tls.crt", identity / "tls.key", identity / "ca.crt")
    url = backend.metrics_url.replace("http:", "https:")
    eventually(lambda: scrape(url, client)[0] == 200, "a scrape with the issued files")
    config = control_plane.ok(
        *("prometheus", "config", "--mode", "direct", "--mesh", "default", "--interval", "1s"),
        *("--identity-dir", str(identity)),
    )
    prometheus = start_prometheus(control_plane.processes, tmp_path / "prometheus", config)
    eventually(lambda: prometheus.query("up") == {"backend": 1}, "the target to be up")
    control_plane.ok("apply", "-f", "-", stdin=backed_by(new))

    def only_the_new_one() -> bool:
        certificate = certificate_of(url)
        return certificate.issuer == new.made.certificate.subject and signed_by(certificate, new)

    eventually(only_the_new_one, "certificates of the new authority", 60.0)
    eventually(lambda: len(bundle(identity / "ca.crt")) == 1, "the old authority to be dropped", 60.0)
    assert bundle(identity / "ca.crt") == [new.made.certificate]
    eventually(lambda: scrape(url, client)[0] == 200, "a scrape with what is trusted now")
    assert prometheus.query("count_over_time(up[2m])")["backend"] >= 25
    assert prometheus.query("min_over_time(up[2m])") == {"backend": 1}, prometheus.errors()


def signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.made.certificate)
    except InvalidSignature:
        return False
    return True


def bundle(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())
