"""Target groups for Prometheus's `http_sd_configs`, with the labels that `kuma_sd_configs` gives.

The same relabelling rules work for both ways of discovery (kuma-facts 7.4).
"""

from __future__ import annotations

from typing import Any

from meshmeter.mads.assignments import AssignmentSnapshot, MonitoringAssignment, Selection, select

META = "__meta_kuma_"

TRANSPORT = "__meta_meshmeter_transport"
"""Label of ours, for clients with a certificate of the mesh: `plain`, `mtls` or `provided-tls`. `labelmap` over
`__meta_kuma_label_(.+)` does not reach it, so it never comes to be one of series."""


def target_groups(
    snapshot: AssignmentSnapshot,
    mesh: str | None = None,
    service: str | None = None,
    *,
    direct: bool = False,
) -> list[dict[str, Any]]:
    """One group per target, in order of mesh and name; `mesh` and `service` select, None does not restrict.

    With `direct` the scheme is that of a client that speaks the mesh's TLS itself.
    """
    selection = Selection(frozenset({mesh}) if mesh is not None else None, service)
    return [_group(assignment, direct) for assignment in select(snapshot, selection).assignments]


def _group(assignment: MonitoringAssignment, direct: bool) -> dict[str, Any]:
    target = assignment.target
    labels = {
        "__scheme__": target.direct_scheme if direct else target.scheme,
        "__metrics_path__": target.metrics_path,
        "instance": target.name,
        f"{META}mesh": assignment.mesh,
        f"{META}service": assignment.service,
        f"{META}dataplane": target.name,
    }
    if direct:
        labels[TRANSPORT] = str(target.transport)
    labels |= {f"{META}label_{name}": value for name, value in target.labels.items()}
    return {"targets": [target.address], "labels": labels}
