"""How Prometheus's `kuma_sd_configs` reads the monitoring assignment service."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

TYPE_URL = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


def endpoint_url(server: str, resource_type: str) -> str:
    """The URL that requests for a type of resource go to; ValueError for another protocol than HTTP."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{server}: the protocol must be either 'http' or 'https'")
    if not parts.netloc:
        raise ValueError(f"{server}: host must not be empty")
    return f"{server.rstrip('/')}/v3/discovery:{resource_type}"


def label_sets(resources: list[dict[str, Any]], type_url: str) -> list[dict[str, str]]:
    """The labels of each target in the order of the answer; ValueError if it is not of this service."""
    if type_url != TYPE_URL:
        raise ValueError(f"unexpected type URL {type_url}")
    found = []
    for assignment in resources:
        if assignment["@type"] != TYPE_URL:
            raise ValueError(f"cannot parse a resource of type {assignment['@type']}")
        for target in assignment.get("targets", ()):
            labels = {
                "__address__": target.get("address", ""),
                "__scheme__": target.get("scheme", ""),
                "__metrics_path__": target.get("metrics_path", ""),
                "instance": target["name"],
                "__meta_kuma_dataplane": target["name"],
                "__meta_kuma_mesh": assignment["mesh"],
                "__meta_kuma_service": assignment["service"],
            }
            for name, value in (target.get("labels", {}) | assignment.get("labels", {})).items():
                labels[f"__meta_kuma_label_{_UNSAFE.sub('_', name)}"] = value
            found.append(labels)
    return found
