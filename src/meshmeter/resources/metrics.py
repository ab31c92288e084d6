"""The `metrics` messages that Mesh and Dataplane share (kuma-facts 2.1)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from meshmeter.resources.base import Model

PROMETHEUS = "prometheus"
"""The only type of metrics backend."""


class TlsMode(StrEnum):
    """How the metrics endpoint is secured; the words are those of `conf.tls.mode`."""

    ACTIVE_MTLS_BACKEND = "activeMTLSBackend"
    PROVIDED_TLS = "providedTLS"
    DISABLED = "disabled"


class MetricsTls(Model):
    mode: TlsMode | None = None
    """Absent in a message that is present means `activeMTLSBackend`, the enum's zero value."""


class AggregateEntry(Model):
    """One application endpoint beside the proxy. Entries of Mesh and Dataplane are joined by `name`."""

    name: str | None = None
    port: int | None = None
    path: str | None = None
    enabled: bool | None = None
    address: str | None = None


class EnvoyMetrics(Model):
    """Which of Envoy's own metrics are returned."""

    filter_regex: str | None = None
    used_only: bool | None = None


class PrometheusConf(Model):
    """`conf` of a backend of type prometheus, on a Mesh or a Dataplane."""

    port: int | None = None
    path: str | None = None
    tags: dict[str, str] | None = None
    skip_mtls: bool | None = Field(default=None, alias="skipMTLS")
    tls: MetricsTls | None = None
    aggregate: tuple[AggregateEntry, ...] | None = None
    envoy: EnvoyMetrics | None = None
