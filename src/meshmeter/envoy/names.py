"""Names of Envoy objects, which end up in metric labels; spelled as Kuma's users know them (kuma-facts 6.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from meshmeter.resources.dataplane import SERVICE_TAG

METRICS_LISTENER = "kuma:metrics:prometheus"
METRICS_CLUSTER = "kuma:metrics:hijacker"
METRICS_STAT_PREFIX = "kuma_metrics_prometheus"

ADS_CLUSTER = "ads_cluster"

_NOT_IN_STATS = re.compile(r"[^a-zA-Z0-9_-]")


def stat_name(name: str) -> str:
    """The name as it stands in stats: everything outside letters, digits, `_` and `-` becomes `_`."""
    return _NOT_IN_STATS.sub("_", name)


def inbound_listener(address: str, port: int) -> str:
    return f"inbound:{host_port(address, port)}"


def outbound_listener(address: str, port: int) -> str:
    return f"outbound:{host_port(address, port)}"


def local_cluster(port: int) -> str:
    """The application behind an inbound."""
    return f"localhost:{port}"


def local_stat_prefix(port: int) -> str:
    return f"localhost_{port}"


def inbound_route(service: str) -> str:
    return f"inbound:{service}"


def service_cluster(tags: Mapping[str, str]) -> str:
    """The cluster of an outbound: its service; with more tags, the service and a hash over all of them."""
    service = tags.get(SERVICE_TAG, "")
    if set(tags) <= {SERVICE_TAG}:
        return service
    content = "".join(key + tags[key] for key in sorted(tags))
    return f"{service}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
