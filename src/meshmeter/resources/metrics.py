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


class AggregateScheme(StrEnum):
    """How an application's endpoint is spoken to."""

    HTTP = "http"
    HTTPS = "https"


class AggregateTls(Model):
    """How the server of an `https` endpoint is verified. The paths are on the proxy's host."""

    ca_file: str | None = None
    """PEM file of the authorities to trust; without one, those of the system."""
    server_name: str | None = None
    """Name that the certificate must carry; without one, the entry's address."""
    insecure_skip_verify: bool | None = None
    """True: any certificate is taken."""


class AggregateLimits(Model):
    """What one application may contribute. What is beyond is dropped and counted."""

    body_bytes: int | None = None
    """Of its answer, after decompression; without a value, 16 MiB."""
    samples: int | None = None
    """Without a value, 100000; 0: no limit."""
    labels: int | None = None
    """Of one sample; without a value, 128."""
    label_name_bytes: int | None = None
    """Without a value, 1024."""
    label_value_bytes: int | None = None
    """Without a value, 16384."""


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
    # What follows is meshmeter's own.
    scheme: AggregateScheme | None = None
    """`http`, which is the default, or `https`."""
    tls: AggregateTls | None = None
    """For `https`: how the server is verified."""
    bearer_token_file: str | None = None
    """File on the proxy's host with a token that is sent to the application; read for each scrape."""
    basic_auth_file: str | None = None
    """File on the proxy's host with `user:password` for the application; read for each scrape."""
    params: dict[str, str] | None = None
    """Query parameters of the request."""
    timeout: str | None = None
    """Longest time to wait, e.g. `2s`; never longer than the scraper waits."""
    unix_socket: str | None = None
    """Path of a unix socket on the proxy's host to connect to, instead of address and port."""
    limits: AggregateLimits | None = None
    """What the application may contribute."""


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
    agent_metrics: bool | None = None
    """Whether the metrics of the agent itself (`meshmeter_agent_…`) are returned as well. Ours, not Kuma's."""
