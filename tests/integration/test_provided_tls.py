"""tls.mode providedTLS: the user's own certificate, in every state that its files can be in. Real Envoy, real TLS."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import KeyPair, issue_server, make_authority
from support.mesh_tls import certificate_of, scrape
from support.processes import ControlPlane, Processes, eventually, get, samples
from support.prometheus import start_prometheus
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND = "127.0.0.3"
DAY = timedelta(days=1)


class Files:
    """Certificate and key as a user keeps them, and the authority behind."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.serial = folder, 10
        self.certificate, self.key, self.ca = folder / "tls.crt", folder / "tls.key", folder / "ca.crt"
        now = datetime.now(UTC)
        self.authority = make_authority(
            "provided", new_key(), serial=1, now=now - 9 * DAY, valid_for=30 * DAY
        )
        self.ca.write_bytes(self.authority.certificate_pem)

    def issue(
        self, start: timedelta = timedelta(0), valid_for: timedelta = DAY, name: str = BACKEND
    ) -> KeyPair:
        self.serial += 1
        now = datetime.now(UTC) + start
        return issue_server(
            self.authority, (name,), new_key(), serial=self.serial, now=now, valid_for=valid_for
        )

    def write(self, pair: KeyPair) -> KeyPair:
        """In place, one after the other."""
        self.certificate.write_bytes(pair.certificate_pem)
        self.key.write_bytes(pair.key_pem)
        return pair


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


def start(control_plane: ControlPlane, files: Files, *, options: tuple[str, ...] | None = None) -> Proxy:
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    made["metrics"]["conf"]["tls"] = {"mode": "providedTLS"}
    given = (f"--metrics-cert-path={files.certificate}", f"--metrics-key-path={files.key}")
    return start_proxy(control_plane, made, options=given if options is None else options)


def https(proxy: Proxy) -> str:
    return proxy.metrics_url.replace("http:", "https:")


def opens(proxy: Proxy, files: Files, what: str = "the endpoint to open") -> str:
    eventually(lambda: scrape(https(proxy), trusts=files.ca)[0] == 200, what)
    return scrape(https(proxy), trusts=files.ca)[1]


def is_closed(proxy: Proxy) -> bool:
    """Neither TLS nor plain HTTP answers anything."""
    for ask in (lambda: certificate_of(https(proxy)), lambda: get(proxy.metrics_url, timeout=3)):
        try:
            ask()
        except OSError:
            continue
        return False
    return True


def explained(control_plane: ControlPlane) -> dict[str, Any]:
    text = control_plane.ok("explain", "dataplane", "backend", "--mesh", "default", "-o", "json")
    return json.loads(text)  # type: ignore[no-any-return]


def findings(control_plane: ControlPlane) -> set[str]:
    return {finding["code"] for finding in explained(control_plane)["findings"]}


def test_the_endpoint_is_https_with_the_users_certificate(control_plane: ControlPlane, files: Files) -> None:
    pair = files.write(files.issue())
    proxy = start(control_plane, files)
    body = opens(proxy, files)
    assert samples(body, "envoy_server_live") and samples(body, "meshmeter_source_up", source="app")
    assert certificate_of(https(proxy)).serial_number == pair.certificate.serial_number
    with pytest.raises(OSError):
        get(proxy.metrics_url)
    told = explained(control_plane)["tls"]
    assert told["transport"] == "provided-tls" and told["certificate"]["state"] == "usable"
    expiry = pair.certificate.not_valid_after_utc
    assert datetime.fromisoformat(told["certificate"]["notAfter"]) == expiry
    own = get(control_plane.url("diagnostics") + "/metrics")[1]
    name = "meshmeter_control_plane_provided_certificate_expiry_timestamp_seconds"
    assert list(samples(own, name, dataplane="backend").values()) == [expiry.timestamp()]
    targets = json.loads(get(control_plane.url("discovery") + "/v1/targets")[1])
    assert targets[0]["labels"]["__scheme__"] == "https"


def test_a_certificate_for_another_address_serves_and_is_a_warning(
    control_plane: ControlPlane, files: Files
) -> None:
    files.write(files.issue(name="other.example"))
    start(control_plane, files)
    eventually(lambda: "provided-tls-not-for-address" in findings(control_plane), "the finding")
    files.write(files.issue())
    eventually(lambda: "provided-tls-not-for-address" not in findings(control_plane), "the finding to go")


def renamed(files: Files, pair: KeyPair) -> None:
    for path, content in ((files.certificate, pair.certificate_pem), (files.key, pair.key_pem)):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.rename(path)


def overwritten(files: Files, pair: KeyPair) -> None:
    files.write(pair)


def swapped(files: Files, pair: KeyPair) -> None:
    """As Kubernetes updates a mounted secret: `..data` points to another directory from one moment to the next."""
    version = files.folder / f"..version-{files.serial}"
    version.mkdir()
    (version / "tls.crt").write_bytes(pair.certificate_pem)
    (version / "tls.key").write_bytes(pair.key_pem)
    link = files.folder / "..data_tmp"
    link.symlink_to(version.name)
    link.rename(files.folder / "..data")
    for path in (files.certificate, files.key):
        if not path.is_symlink():
            path.unlink()
            path.symlink_to(f"..data/{path.name}")


@pytest.mark.parametrize("replace", [renamed, overwritten, swapped], ids=lambda f: f.__name__)
def test_replaced_files_are_in_use_within_seconds_and_without_a_failed_scrape(
    control_plane: ControlPlane, files: Files, replace: Callable[[Files, KeyPair], None]
) -> None:
    files.write(files.issue())
    if replace is swapped:
        swapped(files, files.issue())
    proxy = start(control_plane, files)
    opens(proxy, files)
    for _ in range(2):
        pair = files.issue()
        replace(files, pair)

        def is_new(serial: int = pair.certificate.serial_number) -> bool:
            assert scrape(https(proxy), trusts=files.ca)[0] == 200
            return certificate_of(https(proxy)).serial_number == serial

        eventually(is_new, "the new certificate")
    assert findings(control_plane) == set()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda f: f.key.unlink(missing_ok=True), "provided-tls-missing"),
        (lambda f: f.certificate.write_text("garbage"), "provided-tls-invalid"),
        (lambda f: f.key.write_bytes(f.issue().key_pem), "provided-tls-mismatched"),
        (lambda f: f.write(f.issue(-2 * DAY)), "provided-tls-expired"),
        (lambda f: f.write(f.issue(2 * DAY)), "provided-tls-not-yet-valid"),
    ],
    ids=["missing", "garbage", "mismatched", "expired", "not yet valid"],
)
def test_unusable_files_close_the_endpoint_until_they_are_good(
    control_plane: ControlPlane, files: Files, spoil: Callable[[Files], object], code: str
) -> None:
    files.write(files.issue())
    spoil(files)
    proxy = start(control_plane, files)
    eventually(lambda: findings(control_plane) == {code}, f"the finding {code}")
    assert is_closed(proxy)
    targets = json.loads(get(control_plane.url("discovery") + "/v1/targets")[1])
    assert [t["labels"]["__scheme__"] for t in targets] == ["https"]  # listed, so that `up` is 0
    files.write(files.issue())
    opens(proxy, files, "the endpoint to open by itself")
    spoil(files)
    eventually(lambda: is_closed(proxy), "the endpoint to close again")
    assert findings(control_plane) == {code}
    assert str(files.folder) in json.dumps(explained(control_plane)["findings"])


def test_without_paths_the_endpoint_stays_closed(control_plane: ControlPlane, files: Files) -> None:
    proxy = start(control_plane, files, options=())
    eventually(lambda: findings(control_plane) == {"provided-tls-not-configured"}, "the finding")
    assert is_closed(proxy)


def test_an_unreadable_key_closes_the_endpoint(control_plane: ControlPlane, files: Files) -> None:
    files.write(files.issue())
    files.key.unlink()
    files.key.mkdir()  # not a mode, which root would not be stopped by
    proxy = start(control_plane, files)
    eventually(lambda: findings(control_plane) == {"provided-tls-unreadable"}, "the finding")
    assert is_closed(proxy)


def test_a_restarted_control_plane_learns_the_state_again(control_plane: ControlPlane, files: Files) -> None:
    files.write(files.issue())
    proxy = start(control_plane, files)
    opens(proxy, files)
    control_plane.process.kill()
    files.key.unlink()
    control_plane.restart()
    eventually(lambda: findings(control_plane) == {"provided-tls-missing"}, "the state to be told again", 45)
    eventually(lambda: is_closed(proxy), "the endpoint to close")


def test_a_real_prometheus_verifies_it_without_any_mesh_tls(
    control_plane: ControlPlane, files: Files, processes: Processes, tmp_path: Path
) -> None:
    files.write(files.issue())
    opens(start(control_plane, files), files)
    start_proxy(control_plane, dataplane_document("plain", "127.0.0.4", service_port=1))
    made = control_plane.ok(
        *("prometheus", "config", "--mode", "plain", "--interval", "1s", "--provided-ca-file", str(files.ca))
    )
    prometheus = start_prometheus(processes, tmp_path / "prometheus", made)
    both = {"backend": 1.0, "plain": 1.0}
    eventually(lambda: prometheus.query("up") == both, "both targets to be up", 60.0)
    assert prometheus.query('up{job="meshmeter-dataplanes"}') == both
