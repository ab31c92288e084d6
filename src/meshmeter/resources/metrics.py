"""The `metrics` messages that Mesh and Dataplane share (kuma-facts 2.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from meshmeter.resources.base import Model, Port

PROMETHEUS = "prometheus"
"""The only type of metrics backend."""


class TlsMode(StrEnum):
    """How the metrics endpoint is secured; the words are those of `conf.tls.mode`."""

    ACTIVE_MTLS_BACKEND = "activeMTLSBackend"
    PROVIDED_TLS = "providedTLS"
    DISABLED = "disabled"


class MetricsTls(Model):
    """How the metrics endpoint is secured."""

    mode: TlsMode | None = None
    """`activeMTLSBackend`: mutual TLS of the mesh when the mesh has it, else plain HTTP; `providedTLS`: HTTPS
    with a certificate of yours; `disabled`: plain HTTP. Absent in a message that is present means
    `activeMTLSBackend`."""


class AggregateEntry(Model):
    """One application endpoint beside the proxy. Entries of Mesh and Dataplane are joined by `name`."""

    name: str | None = None
    """What joins the entries of Mesh and Dataplane; also the value of the `source` label."""
    port: Port | None = None
    """Port of the application's metrics."""
    path: str | None = None
    """Path of the application's metrics; without one, `/metrics`."""
    enabled: bool | None = None
    """False: this endpoint is not scraped. Without a value: true."""
    address: str | None = None
    """IP address or host name of the application; without one, the Dataplane's `networking.address`."""


class EnvoyMetrics(Model):
    """Which of Envoy's own metrics are returned."""

    filter_regex: str | None = None
    """RE2 expression searched in Envoy's own dotted names; only matching metrics are returned."""
    used_only: bool | None = None
    """True: only metrics that Envoy has updated at least once."""


class PrometheusConf(Model):
    """`conf` of a backend of type prometheus, on a Mesh or a Dataplane."""

    opaque: ClassVar[bool] = True

    port: Port | None = None
    """Port of the metrics endpoint; without one, 5670."""
    path: str | None = None
    """Path of the metrics endpoint; without one, `/metrics`."""
    tags: dict[str, str] | None = None
    """Tags by which a TrafficPermission refers to the metrics endpoint; without any,
    `kuma.io/service: dataplane-metrics`."""
    skip_mtls: bool | None = Field(default=None, alias="skipMTLS")
    """Older spelling of `tls.mode`: true is `disabled`, false is `activeMTLSBackend`. Deprecated."""
    tls: MetricsTls | None = None
    """How the endpoint is secured."""
    aggregate: tuple[AggregateEntry, ...] | None = None
    """Endpoints of applications whose metrics are returned together with Envoy's."""
    envoy: EnvoyMetrics | None = None
    """Which of Envoy's own metrics are returned."""
    application_label: str | None = None
    """Label that names the `aggregate` entry on each series of an application; empty or absent: no label. Ours, not
    Kuma's."""
