"""Projection 3: what the agent of one Dataplane scrapes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from meshmeter.addresses import IPNetwork
from meshmeter.durations import parse_single
from meshmeter.effective.aggregates import EffectiveAggregate
from meshmeter.effective.interfaces import listen_address
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions


def build(
    dataplane: Resource[DataplaneSpec],
    effective: EffectiveMetrics | None,
    *,
    allowed_networks: Sequence[IPNetwork] = (),
) -> ScrapeConfig:
    """The agent's configuration, disabled when metrics are off or may not be served.

    `allowed_networks` are where aggregate entries may point beside the proxy's own host; the agent checks the addresses
    that it really connects to against them.
    Its version is a hash of everything else in it, so equal content is equal in every control plane.
    """
    if effective is None or not effective.serves:
        config = ScrapeConfig(version="", mesh=dataplane.mesh, dataplane=dataplane.name, enabled=False)
    else:
        config = ScrapeConfig(
            version="",
            mesh=dataplane.mesh,
            dataplane=dataplane.name,
            enabled=True,
            sources=tuple(
                SourceConfig(
                    entry.name,
                    entry.address.value,
                    entry.port.value or 0,
                    entry.path.value,
                    _options(entry),
                )
                for entry in effective.sources
            ),
            filter_regex=effective.filter_regex.value or None,
            used_only=effective.used_only.value,
            application_label=effective.application_label.value or None,
            agent_metrics=effective.agent_metrics.value,
            allowed_networks=tuple(map(str, allowed_networks)),
            metrics_address=listen_address(dataplane.spec),
            metrics_port=effective.port.value,
        )
    content = json.dumps(config.to_json(), sort_keys=True, separators=(",", ":"))
    return replace(config, version=hashlib.sha256(content.encode()).hexdigest()[:32])


def _options(entry: EffectiveAggregate) -> SourceOptions:
    defaults = SourceOptions()
    timeout = parse_single(entry.option("timeout") or "")
    return SourceOptions(
        scheme=str(entry.option("scheme") or defaults.scheme),
        ca_file=entry.option("tls.caFile") or "",
        server_name=entry.option("tls.serverName") or "",
        insecure_skip_verify=bool(entry.option("tls.insecureSkipVerify")),
        bearer_token_file=entry.option("bearerTokenFile") or "",
        basic_auth_file=entry.option("basicAuthFile") or "",
        params=tuple(sorted((entry.option("params") or {}).items())),
        timeout=timeout.total_seconds() if timeout else None,
        unix_socket=entry.option("unixSocket") or "",
        body_bytes=entry.option("limits.bodyBytes"),
        samples=entry.option("limits.samples"),
        labels=entry.option("limits.labels"),
        label_name_bytes=entry.option("limits.labelNameBytes"),
        label_value_bytes=entry.option("limits.labelValueBytes"),
    )
