"""Findings: what is wrong or remarkable about a proxy's metrics, with a stable code and a way out.

`FINDINGS` is the register of all codes; docs/findings.md has one entry for each. `finding` is the only way to
make one, so no code exists outside the register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Severity = Literal["refused", "warning"]
Scope = Literal["listener", "source", "proxy"]


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    """Stable, kebab-case, listed in docs/findings.md."""
    severity: Severity
    scope: Scope
    """What it costs: the whole endpoint, one aggregate entry, or nothing but attention."""
    message: str
    remedy: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What is the same for every finding of one code."""

    severity: Severity
    scope: Scope
    cause: str
    remedy: str


FINDINGS: Mapping[str, FindingKind] = MappingProxyType(
    {
        "metrics-off": FindingKind(
            "warning",
            "proxy",
            "The Mesh enables no metrics backend, so this proxy has no metrics endpoint and is no target.",
            "Set metrics.enabledBackend of the Mesh to the name of one of its prometheus backends.",
        ),
        "metrics-port-conflict": FindingKind(
            "refused",
            "listener",
            "The metrics port is already used by an inbound, its application or an outbound of the same "
            "Dataplane.",
            "Set another metrics.conf.port on this Dataplane, or move what uses the port.",
        ),
        "metrics-port-is-admin-port": FindingKind(
            "refused",
            "listener",
            "The metrics port equals networking.admin.port of the same Dataplane.",
            "Set another metrics.conf.port or another networking.admin.port on this Dataplane.",
        ),
        "metrics-address-is-a-name": FindingKind(
            "refused",
            "listener",
            "networking.address is a host name. Envoy binds IP addresses only, so nothing of this proxy can listen.",
            "Write the IP address of the host; a name for peers and Prometheus goes into "
            "networking.advertisedAddress.",
        ),
        "mtls-unavailable": FindingKind(
            "refused",
            "listener",
            "The endpoint has to be protected by the mesh's mTLS, which this release cannot serve yet. It "
            "stays closed instead of answering in plain text.",
            "Wait for a release that serves mTLS, or set tls.mode: disabled if plain HTTP is acceptable.",
        ),
        "provided-tls-unavailable": FindingKind(
            "refused",
            "listener",
            "The endpoint has to be protected by a provided certificate, which this release cannot serve "
            "yet. It stays closed instead of answering in plain text.",
            "Wait for a release that serves providedTLS, or set tls.mode: disabled if plain HTTP is "
            "acceptable.",
        ),
        "listener-rejected": FindingKind(
            "refused",
            "listener",
            "Envoy refused the configuration, for example because another process on the host holds the "
            "port. What it served before stays in place.",
            "Read Envoy's message; free the port, or set another metrics.conf.port on this Dataplane.",
        ),
        "aggregate-port-missing": FindingKind(
            "refused",
            "source",
            "An aggregate entry has a port neither on the Mesh nor on the Dataplane.",
            "Set the entry's port, or disable the entry with enabled: false.",
        ),
        "aggregate-is-metrics-endpoint": FindingKind(
            "refused",
            "source",
            "An aggregate entry points at this proxy's own metrics endpoint, which would scrape itself "
            "without end.",
            "Point the entry at the application's port.",
        ),
        "aggregate-is-admin-port": FindingKind(
            "refused",
            "source",
            "An aggregate entry points at the admin port of this proxy, whose metrics are part of every "
            "scrape anyway.",
            "Remove the entry, or point it at the application's port.",
        ),
        "aggregate-address-link-local": FindingKind(
            "refused",
            "source",
            "An aggregate entry has a link-local address, where cloud metadata services and their "
            "credentials live.",
            "Use loopback or the Dataplane's own address. Link-local addresses cannot be allowed.",
        ),
        "aggregate-address-not-allowed": FindingKind(
            "refused",
            "source",
            "An aggregate entry points neither at loopback, nor at an address of the Dataplane itself, nor "
            "into a network that the operator allowed.",
            "Use an address of the Dataplane, or have the operator allow the network to the control plane.",
        ),
        "skip-mtls-deprecated": FindingKind(
            "warning",
            "proxy",
            "The TLS mode in force is written as skipMTLS, the spelling of 2.3 and older.",
            "Write tls.mode: disabled instead of skipMTLS: true, tls.mode: activeMTLSBackend instead of "
            "false.",
        ),
        "metrics-plain-in-mtls-mesh": FindingKind(
            "warning",
            "proxy",
            "The Mesh has mTLS, but this endpoint answers everybody in plain HTTP because tls.mode is "
            "disabled.",
            "Remove tls.mode: disabled, or keep the port away from those who may not read metrics.",
        ),
        "metrics-no-permission": FindingKind(
            "warning",
            "proxy",
            "The endpoint is protected by mTLS, and no TrafficPermission allows anybody to scrape it.",
            "Apply a TrafficPermission whose destination matches the endpoint's tags (by default "
            "kuma.io/service: dataplane-metrics) and whose source is Prometheus.",
        ),
        "proxy-not-connected": FindingKind(
            "warning",
            "proxy",
            "No Envoy of this Dataplane is connected to the control plane; if one runs, it serves its last "
            "configuration.",
            "Start `meshmeter dataplane run` for it, or look for the reason in its log.",
        ),
        "proxy-config-incomplete": FindingKind(
            "warning",
            "proxy",
            "A part of this proxy's Envoy configuration could not be built from the Dataplane and was left out; "
            "everything else is in force.",
            "Correct the field that the message names.",
        ),
        "agent-not-reporting": FindingKind(
            "warning",
            "proxy",
            "The agent has not reported a scrape for a while: nobody scrapes the endpoint, or the agent "
            "cannot reach the control plane.",
            "See that Prometheus has the target and reaches it, and that the agent reaches the control "
            "plane.",
        ),
        "source-down": FindingKind(
            "warning",
            "source",
            "In the last scrape this source gave no metrics; everything else in the scrape was returned.",
            "See that the application runs and serves metrics at the address, port and path of the entry.",
        ),
    }
)


def finding(code: str, message: str, *, field: str = "") -> Finding:
    """A finding of a registered code. `message` names what is concerned; KeyError for an unknown code."""
    kind = FINDINGS[code]
    return Finding(code, kind.severity, kind.scope, message, kind.remedy, field)
