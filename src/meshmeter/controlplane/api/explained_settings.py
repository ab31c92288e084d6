"""What `explain` says of settings: each value with where it comes from and what it overrode, and each application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshmeter.addresses import host_port
from meshmeter.controlplane.api.explained_state import finding_json
from meshmeter.effective.aggregates import EffectiveAggregate
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.effective.origin import Origin, Sourced
from meshmeter.resources.metrics import TlsMode


def settings_json(effective: EffectiveMetrics) -> dict[str, Any]:
    """Every setting by its field path in `conf`, with its origin."""
    return {
        "port": sourced_json(effective.port),
        "path": sourced_json(effective.path),
        "tags": sourced_json(effective.tags),
        "tls.mode": sourced_json(effective.tls_mode),
        "envoy.filterRegex": sourced_json(effective.filter_regex),
        "envoy.usedOnly": sourced_json(effective.used_only),
        "applicationLabel": sourced_json(effective.application_label),
        "agentMetrics": sourced_json(effective.agent_metrics),
    }


def sourced_json(sourced: Sourced[Any]) -> dict[str, Any]:
    """A value, its origin, and what it overrode, highest layer first."""
    return {
        "value": _plain(sourced.value),
        "origin": _origin(sourced.origin),
        "overrode": [{"value": _plain(o.value), "origin": _origin(o.origin)} for o in sourced.overrode],
    }


def _origin(origin: Origin) -> dict[str, str]:
    return {"layer": str(origin.layer), "resource": origin.resource, "field": origin.field}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, TlsMode) else value


def aggregate_json(entry: EffectiveAggregate) -> dict[str, Any]:
    """One application endpoint and whether it is scraped."""
    if not entry.enabled.value:
        state = "disabled"
    else:
        state = "refused" if entry.refused is not None else "scraped"
    return {
        "name": entry.name,
        "state": state,
        "url": aggregate_url(entry),
        "field": entry.field,
        "settings": {
            "enabled": sourced_json(entry.enabled),
            "port": sourced_json(entry.port),
            "path": sourced_json(entry.path),
            "address": sourced_json(entry.address),
            **{path: sourced_json(option) for path, option in entry.options.items()},
        },
        "finding": finding_json(entry.refused) if entry.refused is not None else None,
    }


def aggregate_url(entry: EffectiveAggregate) -> str | None:
    """Where the application is asked; None without a port. A unix socket stands in the place of host and port."""
    scheme, socket = entry.option("scheme") or "http", entry.option("unixSocket")
    if socket:
        return f"{scheme}+unix:{socket}:{entry.path.value}"
    address, port = entry.address.value, entry.port.value
    return f"{scheme}://{host_port(address, port)}{entry.path.value}" if port is not None else None
