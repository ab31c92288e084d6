"""The control plane's own metrics, all named `meshmeter_control_plane_…`, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from meshmeter import __version__
from meshmeter.resources.resource import ProxyKey


class SelfMetrics:
    """One object per process; pass it to whoever counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("meshmeter_control_plane_build", "Version that runs.", registry=self.registry).info(
            {"version": __version__}
        )
        self.nacks = Counter(
            "meshmeter_control_plane_ads_nacks",
            "Configurations that an Envoy refused.",
            ["type"],
            registry=self.registry,
        )
        self.acks = Counter(
            "meshmeter_control_plane_ads_acks",
            "Configurations that an Envoy took over.",
            ["type"],
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "meshmeter_control_plane_reconcile_duration_seconds",
            "Time to compile and publish what a burst of changes touched.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
            registry=self.registry,
        )
        self.reconciled_proxies = Counter(
            "meshmeter_control_plane_reconciled_proxies",
            "Proxies compiled because something changed.",
            registry=self.registry,
        )
        self.store_errors = Counter(
            "meshmeter_control_plane_store_errors",
            "Times that the store could not be used.",
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "meshmeter_control_plane_certificate_expiry_timestamp_seconds",
            "When the certificate of the servers that speak TLS expires; it is renewed in its last third.",
            registry=self.registry,
        )
        self.identities_signed = Counter(
            "meshmeter_control_plane_identities_signed",
            "Certificates signed for proxies and for programs without one.",
            registry=self.registry,
        )
        self.http_requests = Counter(
            "meshmeter_control_plane_http_requests",
            "Requests answered, by server, method and status.",
            ["server", "method", "code"],
            registry=self.registry,
        )

        self.http_connections = Gauge(
            "meshmeter_control_plane_http_connections",
            "Connections, by server.",
            ["server"],
            registry=self.registry,
        )
        self.refused_connections = Counter(
            "meshmeter_control_plane_refused_connections",
            "Connections closed because there were too many, by server.",
            ["server"],
            registry=self.registry,
        )

    def count_requests(self, app: web.Application, server: str) -> None:
        """Count what `app`, which is not started yet, will answer."""

        async def count(request: web.Request, response: web.StreamResponse) -> None:
            # A method is whatever the client sends; only known ones may become series.
            method = request.method if request.method in METH_ALL else "other"
            self.http_requests.labels(server, method, str(response.status)).inc()

        app.on_response_prepare.append(count)

    def watch_connections(self, server: str, now: Callable[[], float]) -> None:
        """What a server has of connections, read when it is scraped."""
        self.http_connections.labels(server).set_function(now)

    def reconciled(self, seconds: float, proxies: int) -> None:
        """One round of the reconciler."""
        self.reconcile_seconds.observe(seconds)
        self.reconciled_proxies.inc(proxies)

    def watch(
        self,
        *,
        connected: Callable[[], float],
        revision: Callable[[], float],
        snapshot_age: Callable[[], float],
        targets: Callable[[], float],
        unreadable: Callable[[], float],
        store_faulty: Callable[[], float],
    ) -> None:
        """Gauges that are read when they are scraped."""
        for name, help_, read in (
            ("connected_proxies", "Proxies with an ADS stream.", connected),
            ("store_revision", "Revision of the last change in the store.", revision),
            (
                "snapshot_age_seconds",
                "Time since what is served was last known to equal the store; 0 while the store is there.",
                snapshot_age,
            ),
            ("discovery_targets", "Targets that Prometheus is told.", targets),
            ("store_faulty", "1 while the database is deleted, replaced or damaged.", store_faulty),
            (
                "unreadable_resources",
                "Resources in the store that cannot be read and are left out.",
                unreadable,
            ),
        ):
            Gauge(f"meshmeter_control_plane_{name}", help_, registry=self.registry).set_function(read)

    def watch_certificates(
        self,
        provided: Callable[[], Mapping[ProxyKey, datetime]],
        authorities: Callable[[], Mapping[str, datetime]],
    ) -> None:
        """When provided certificates, by proxy, and the authorities of meshes expire."""
        self.registry.register(_Expiries(provided, authorities))


class _Expiries(Collector):
    """Read when scraped: proxies and meshes come and go."""

    def __init__(
        self,
        provided: Callable[[], Mapping[ProxyKey, datetime]],
        authorities: Callable[[], Mapping[str, datetime]],
    ):
        self._provided, self._authorities = provided, authorities

    def collect(self) -> Iterator[GaugeMetricFamily]:
        certificates = GaugeMetricFamily(
            "meshmeter_control_plane_provided_certificate_expiry_timestamp_seconds",
            "When the certificate that a proxy was given for its metrics endpoint expires.",
            labels=("mesh", "dataplane"),
        )
        for (mesh, name), moment in sorted(self._provided().items()):
            certificates.add_metric((mesh, name), moment.timestamp())
        yield certificates
        authorities = GaugeMetricFamily(
            "meshmeter_control_plane_mesh_ca_expiry_timestamp_seconds",
            "When the certificate authority of a mesh with mTLS expires.",
            labels=("mesh",),
        )
        for mesh, moment in sorted(self._authorities().items()):
            authorities.add_metric((mesh,), moment.timestamp())
        yield authorities
