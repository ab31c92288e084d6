"""What Envoy's cluster and listener names mean for its metrics (kuma-facts 5.4).

Traffic that is split by tags has one Envoy cluster per part, named `<service>-<16 hex digits>`; users know only the
service.
"""

from __future__ import annotations

import re

from meshmeter.exposition.lines import Labels

CLUSTER = b"envoy_cluster_name"
HTTP = b"envoy_http_conn_manager_prefix"
MESH_TRAFFIC = (b"kuma_io_mesh_traffic", b"true")

_SPLIT = re.compile(rb"(.*)-[0-9a-fA-F]{16}", re.DOTALL)
_OWN_CLUSTERS = frozenset(
    {
        b"ads_cluster",
        b"access_log_sink",
        b"system_ads",
        b"system_access_log_sink",
        b"kuma_envoy_admin",
        b"kuma_metrics_hijacker",
    }
)
_OWN_LISTENERS = frozenset({b"admin", b"kuma_envoy_admin", b"kuma_metrics_prometheus"})


def split_base(cluster: bytes) -> bytes | None:
    """The service of a split cluster; None for any other name."""
    found = _SPLIT.fullmatch(cluster)
    return found[1] if found else None


def is_own_cluster(name: bytes) -> bool:
    """True for Envoy's connections to us; everything else is traffic of the mesh."""
    return name in _OWN_CLUSTERS


def is_own_listener(prefix: bytes) -> bool:
    """True for Envoy's own HTTP listeners."""
    return prefix in _OWN_LISTENERS


def relabel(labels: Labels) -> tuple[Labels, bool]:
    """The labels as users see them, and whether the cluster was a part of a split one."""
    result, split = [], False
    cluster: bytes | None = None
    listener: bytes | None = None
    for name, value in labels:
        if name == CLUSTER:
            base = split_base(value)
            if base is not None:
                value, split = base, True
            cluster = value
            if not value:
                continue  # an empty label value is no label
        elif name == HTTP:
            listener = value
        elif name == MESH_TRAFFIC[0]:
            continue
        result.append((name, value))
    if cluster is not None:
        traffic = not is_own_cluster(cluster)
    else:
        traffic = listener is not None and not is_own_listener(listener)
    if traffic:
        result.append(MESH_TRAFFIC)
    return tuple(result), split
