"""Socket addresses in Envoy's form. Envoy binds and calls IP addresses only; a host name is not resolved
here."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any


def ip_literal(text: str | None) -> str | None:
    """The IP address in its usual spelling; None for a host name, an IPv6 address with a scope, or
    nothing."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return None if "%" in str(address) else str(address)


def socket_address(address: str, port: int) -> dict[str, Any]:
    return {"socketAddress": {"address": address, "portValue": port}}


def pipe(path: str) -> dict[str, Any]:
    """A unix socket."""
    return {"pipe": {"path": path}}


def load_assignment(cluster: str, addresses: list[dict[str, Any]]) -> dict[str, Any]:
    """The endpoints of a cluster, in one locality."""
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    document: dict[str, Any] = {"clusterName": cluster}
    if endpoints:
        document["endpoints"] = [{"lbEndpoints": endpoints}]
    return document
