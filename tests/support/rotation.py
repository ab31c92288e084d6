"""Certificates and authority of a mesh change while somebody scrapes: what the scraper sees. Real processes."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from support.mesh_tls import Authority
from support.processes import MESHMETER, ControlPlane, document, eventually
from support.proxies import Proxy, application, dataplane_document, start_proxy

ADDRESS = "127.0.0.3"

LIFETIME = timedelta(seconds=5)
"""Of every certificate of the mesh."""


@dataclass
class Seen:
    """What came of a loop of scrapes."""

    scrapes: int = 0
    failures: list[str] = field(default_factory=list)
    certificates: set[int] = field(default_factory=set)
    """Serial numbers that the server showed."""
    authorities: list[str] = field(default_factory=list)
    """Who had signed them, in the order of their appearance, as key identifiers."""
    shown_expired: int = 0

    def to_json(self) -> str:
        return json.dumps(
            {
                "scrapes": self.scrapes,
                "failures": self.failures,
                "certificates": len(self.certificates),
                "authorities": len(self.authorities),
                "shown_expired": self.shown_expired,
            }
        )


class Rotation:
    """A mesh with a provided authority in files, one proxy, and a program with an identity that is kept renewed."""

    def __init__(self, control_plane: ControlPlane, folder: Path, lifetime: timedelta = LIFETIME):
        self._control_plane, self._folder, self._lifetime = control_plane, folder, lifetime
        self._files = folder / "ca.crt", folder / "ca.key"
        self._identity = folder / "identity"
        self._authorities = 0

    def change_authority(self) -> None:
        """Another authority in the files, from one moment to the next."""
        self._authorities += 1
        made = Authority(self._folder / f"authority-{self._authorities}")
        for file, content in zip(self._files, (made.made.bundle_pem, made.key_pem), strict=True):
            fresh = file.with_suffix(".new")
            fresh.write_text(content)
            fresh.rename(file)

    def start(self) -> Proxy:
        """Until the first scrape."""
        self.change_authority()
        certificate, key = ({"file": str(file)} for file in self._files)
        backend = {
            "name": "ca",
            "type": "provided",
            "conf": {"cert": certificate, "key": key},
            "dpCert": {"rotation": {"expiration": f"{self._lifetime.seconds}s"}},
        }
        mesh = document(
            type="Mesh",
            name="default",
            mtls={"enabledBackend": "ca", "backends": [backend]},
            metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
        )
        self._control_plane.ok("apply", "-f", "-", stdin=mesh)
        service_port = application(self._control_plane, "backend")
        proxy = start_proxy(
            self._control_plane, dataplane_document("backend", ADDRESS, service_port=service_port)
        )
        self._control_plane.processes.start(
            "identity",
            *MESHMETER,
            *("identity", "run", "--mesh", "default", "--service", "prometheus-server"),
            *("--out", str(self._identity), "--data-dir", str(self._control_plane.data_dir)),
        )
        seen = Seen()

        def works() -> bool:
            self._scrape(proxy, seen)
            return True

        eventually(works, "the first scrape")
        return proxy

    def trusted(self) -> int:
        """How many authorities the program with an identity trusts."""
        return (self._identity / "ca.crt").read_text().count("BEGIN CERTIFICATE")

    def scrape_for(
        self, proxy: Proxy, seconds: float, *, every: float, events: Mapping[float, Callable[[], object]]
    ) -> Seen:
        """Scrape in a steady rhythm; each event happens so many seconds after the start."""
        seen, began = Seen(), time.monotonic()
        due, count = sorted(events.items(), key=lambda event: event[0]), 0
        while (now := time.monotonic() - began) < seconds:
            while due and now >= due[0][0]:
                due.pop(0)[1]()
            try:
                self._scrape(proxy, seen)
            except OSError as exc:
                seen.failures.append(f"after {now:.1f} s: {exc}")
            count += 1
            time.sleep(max(0.0, count * every - (time.monotonic() - began)))
        return seen

    def _scrape(self, proxy: Proxy, seen: Seen) -> None:
        """One scrape with a new connection, as Prometheus does after its files changed. Raises OSError."""
        parts = urlsplit(proxy.metrics_url)
        assert parts.hostname and parts.port
        context = ssl.create_default_context(cafile=self._identity / "ca.crt")
        context.load_cert_chain(self._identity / "tls.crt", self._identity / "tls.key")
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
        seen.scrapes += 1
        try:
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            shown = x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True) or b"")
            connection.request("GET", parts.path)
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as exc:
            raise OSError(repr(exc)) from exc
        finally:
            connection.close()
        if response.status != 200 or b"envoy_server_live" not in body:
            raise OSError(f"status {response.status}")
        seen.certificates.add(shown.serial_number)
        signer = shown.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        if signer is not None and signer.hex() not in seen.authorities:
            seen.authorities.append(signer.hex())
        seen.shown_expired += datetime.now(UTC) > shown.not_valid_after_utc
