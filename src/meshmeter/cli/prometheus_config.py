"""Scrape configurations for Prometheus: one way of finding the proxies, one way of reaching them.

    plain     no TLS of the mesh: a mesh without mTLS, or with metrics outside of it
    sidecar   Prometheus asks in plain HTTP, its sidecar's metrics proxy adds the TLS of the mesh
    direct    Prometheus itself has a certificate of the mesh

Targets with a certificate of their own (`tls.mode: providedTLS`) are a job of their own: they are verified by another
authority, and a sidecar has no part in their TLS.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from meshmeter.cli.options import DiscoveryKind, ScrapeMode
from meshmeter.defaults import BIND, METRICS_PROXY_PORT
from meshmeter.durations import parse_duration
from meshmeter.mads.target_groups import META, TRANSPORT

PROXY_URL = f"http://{BIND}:{METRICS_PROXY_PORT}"


JOB = "meshmeter-dataplanes"
PROVIDED_JOB = "meshmeter-dataplanes-provided-tls"

HTTPS = {"source_labels": ["__scheme__"], "regex": "https"}
"""Matches targets with provided TLS, where discovery does not speak to a client with a certificate of the mesh."""

PROVIDED = {"source_labels": [TRANSPORT], "regex": "provided-tls"}
"""Matches the same in what http_sd_configs tells a client with a certificate of the mesh."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where discovery is, and what it asks for."""

    address: str
    """Base URL of the discovery server."""
    token_file: Path | None = None
    """Discovery token."""
    ca_file: Path | None = None
    """Authority of an https address."""


@dataclass(frozen=True, slots=True)
class Files:
    """Files on Prometheus' host."""

    identity: Path = Path("/etc/prometheus/meshmeter")
    """Folder that `meshmeter identity` writes to."""
    provided_ca: Path | None = None
    """Authority of provided certificates; None: what the system trusts."""


def prometheus_config(
    mode: ScrapeMode,
    discovery: DiscoveryKind,
    access: Access,
    *,
    mesh: str | None = None,
    proxy_url: str = PROXY_URL,
    files: Files = Files(),  # frozen
    interval: str = "15s",
) -> dict[str, Any]:
    """A complete configuration. With `mesh` only the targets of that mesh; an identity is good for one."""
    head: dict[str, Any] = {"global": {"scrape_interval": interval, "scrape_timeout": _timeout(interval)}}
    found = _discovery(discovery, access, mesh, direct=mode is ScrapeMode.DIRECT, interval=interval)
    only = (
        [{"source_labels": [f"{META}mesh"], "regex": mesh, "action": "keep"}]
        if mesh is not None and discovery is DiscoveryKind.KUMA
        else []
    )
    how: dict[str, Any] = {}
    others = [HTTPS | {"action": "drop"}]
    if mode is ScrapeMode.SIDECAR:
        how = {"proxy_url": proxy_url}
    elif mode is ScrapeMode.DIRECT:
        how = {
            "tls_config": {
                "cert_file": str(files.identity / "tls.crt"),
                "key_file": str(files.identity / "tls.key"),
                "ca_file": str(files.identity / "ca.crt"),
            }
        }
        # What kuma_sd_configs is told has none of them.
        others = [PROVIDED | {"action": "drop"}] if discovery is DiscoveryKind.HTTP else []
    of_the_mesh = {
        "job_name": JOB,
        **found,
        **how,
        "relabel_configs": [*only, *others, *_labels()],
    }
    trust = {"tls_config": {"ca_file": str(files.provided_ca)}} if files.provided_ca is not None else {}
    provided = {
        "job_name": PROVIDED_JOB,
        **_discovery(discovery, access, mesh, direct=False, interval=interval),
        **trust,
        "relabel_configs": [
            *only,
            HTTPS | {"action": "keep"},
            {"target_label": "job", "replacement": JOB},
            *_labels(),
        ],
    }
    # Copies, so that what two jobs have in common is written out twice instead of as a YAML alias.
    return head | {"scrape_configs": [deepcopy(of_the_mesh), deepcopy(provided)]}


def _discovery(
    discovery: DiscoveryKind, access: Access, mesh: str | None, *, direct: bool, interval: str
) -> dict[str, Any]:
    credentials: dict[str, Any] = {}
    if access.token_file is not None:
        credentials["authorization"] = {"type": "Bearer", "credentials_file": str(access.token_file)}
    if access.ca_file is not None:
        credentials["tls_config"] = {"ca_file": str(access.ca_file)}
    base = access.address.rstrip("/")
    if discovery is DiscoveryKind.KUMA:
        server = f"{base}/direct" if direct else base
        return {"kuma_sd_configs": [{"server": server, "refresh_interval": interval, **credentials}]}
    query = ({"mesh": mesh} if mesh is not None else {}) | ({"direct": "true"} if direct else {})
    url = f"{base}/v1/targets" + (f"?{urlencode(query)}" if query else "")
    return {"http_sd_configs": [{"url": url, "refresh_interval": interval, **credentials}]}


def _labels() -> list[dict[str, Any]]:
    """Each series gets the mesh, the proxy and all its tags as labels (kuma-facts 9.8)."""
    return [
        {"source_labels": [f"{META}mesh"], "target_label": "mesh"},
        {"source_labels": [f"{META}dataplane"], "target_label": "dataplane"},
        {"action": "labelmap", "regex": f"{META}label_(.+)"},
    ]


def _timeout(interval: str) -> str:
    """Prometheus' own default is 10 s, and it must not be longer than the interval."""
    return "10s" if parse_duration(interval) > 10 else interval
