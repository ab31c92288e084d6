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
Scope = Literal["listener", "source", "proxy", "resource"]


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    """Stable, kebab-case, listed in docs/findings.md."""
    severity: Severity
    scope: Scope
    """What it costs: the whole endpoint, one aggregate entry, nothing but attention, or what one resource says."""
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
        "metrics-address-refused": FindingKind(
            "refused",
            "listener",
            "The Dataplane says that Prometheus reaches it at a link-local address, or where a cloud's metadata "
            "service answers. Nobody is led there: it is no target.",
            "Write an address of the proxy's own host into networking.address, and into networking.advertisedAddress "
            "if that is set.",
        ),
        "metrics-port-of-control-plane": FindingKind(
            "refused",
            "listener",
            "The metrics endpoint of this Dataplane would be at a port of the control plane itself. Nobody is led "
            "there: it is no target.",
            "Set another metrics.conf.port on this Dataplane.",
        ),
        "metrics-port-of-other-proxy": FindingKind(
            "refused",
            "listener",
            "The metrics endpoint of this Dataplane would be at a port that an older Dataplane with the same address "
            "uses. Nobody is led there: it is no target.",
            "Set another metrics.conf.port on this Dataplane, or correct its address.",
        ),
        "mesh-ca-unusable": FindingKind(
            "refused",
            "listener",
            "The mesh has mTLS, and its certificate authority cannot be read, made or used, so this proxy has no "
            "identity. Everything that needs one stays closed: the metrics endpoint, inbounds and outbounds.",
            "Correct what the message names: the file or secret of the authority, or mtls.backends of the Mesh. It is "
            "tried again every few seconds.",
        ),
        "mesh-ca-outdated": FindingKind(
            "warning",
            "proxy",
            "The certificate authority that the Mesh names cannot be used now. The one that was read before stays in "
            "force until the control plane restarts.",
            "Correct what the message names before the control plane restarts. It is tried again every few seconds.",
        ),
        "provided-tls-not-configured": FindingKind(
            "refused",
            "listener",
            "The endpoint has to be protected by a provided certificate, and this proxy was started without the paths "
            "of one. It stays closed instead of answering in plain text.",
            "Start the proxy with KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH and KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH "
            "(or --metrics-cert-path and --metrics-key-path).",
        ),
        "provided-tls-missing": FindingKind(
            "refused",
            "listener",
            "The file of the provided certificate or of its key does not exist. The endpoint stays closed.",
            "Put the file where the message says, on the proxy's host. The endpoint then opens by itself.",
        ),
        "provided-tls-unreadable": FindingKind(
            "refused",
            "listener",
            "The file of the provided certificate or of its key cannot be read by the proxy's user. The endpoint stays "
            "closed.",
            "Let the user that runs the proxy read the file. The endpoint then opens by itself.",
        ),
        "provided-tls-expired": FindingKind(
            "refused",
            "listener",
            "The provided certificate has expired. The endpoint stays closed.",
            "Replace both files by a new certificate and its key. The endpoint then opens by itself.",
        ),
        "provided-tls-not-yet-valid": FindingKind(
            "refused",
            "listener",
            "The provided certificate is not valid yet. The endpoint stays closed until it is.",
            "Compare the clock of the proxy's host, or replace the certificate.",
        ),
        "provided-tls-mismatched": FindingKind(
            "refused",
            "listener",
            "The provided key does not belong to the provided certificate. The endpoint stays closed.",
            "Put certificate and key of one pair into the two files. The endpoint then opens by itself.",
        ),
        "provided-tls-invalid": FindingKind(
            "refused",
            "listener",
            "The provided certificate or key is not what it has to be: PEM, not encrypted, RSA of at least 2048 bits "
            "or ECDSA. The endpoint stays closed.",
            "Replace the file that the message names. The endpoint then opens by itself.",
        ),
        "provided-tls-not-for-address": FindingKind(
            "warning",
            "proxy",
            "The provided certificate has no subject alternative name, or none for the address at which discovery "
            "lists the proxy: a Prometheus that verifies it refuses the endpoint.",
            "Issue a certificate with that address as a subject alternative name, or give Prometheus a name that it "
            "has as tls_config.server_name. A common name does not count.",
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
            "An aggregate entry has a link-local address, or another one where a cloud's metadata service answers with "
            "credentials.",
            "Use loopback or the Dataplane's own address. These addresses cannot be allowed.",
        ),
        "aggregate-is-control-plane": FindingKind(
            "refused",
            "source",
            "An aggregate entry points at a port of the control plane on the proxy's own host.",
            "Point the entry at the application's port. Prometheus reads the control plane's own metrics itself.",
        ),
        "aggregate-address-not-allowed": FindingKind(
            "refused",
            "source",
            "An aggregate entry points neither at loopback, nor at an address of the Dataplane itself, nor "
            "into a network that the operator allowed.",
            "Set the entry's `address` to one of the Dataplane, or have the operator allow the network: "
            "`--allowed-networks` of `meshmeter control-plane run`.",
        ),
        "pod-annotation-invalid": FindingKind(
            "warning",
            "proxy",
            "An annotation of the Pod has a value that cannot be read. It has no effect: what the Mesh or the "
            "Dataplane says holds.",
            "Correct the value of the annotation that the message names, or remove it.",
        ),
        "pod-annotation-entry-invalid": FindingKind(
            "refused",
            "source",
            "An annotation of the Pod about an aggregate entry has a value that cannot be read. The entry is not "
            "scraped, since what was asked for is not known.",
            "Correct the value of the annotation that the message names, or remove it.",
        ),
        "pod-annotation-unknown": FindingKind(
            "warning",
            "proxy",
            "The Pod has an annotation with the prefix prometheus.metrics.kuma.io/ that does not exist. It has no "
            "effect.",
            "Use port, path, or aggregate-NAME-port, -path, -enabled and -address after the prefix. A NAME has "
            "letters, digits, -, _ and dots.",
        ),
        "pod-service-refused": FindingKind(
            "warning",
            "proxy",
            "A Service that the Pod is behind, or one of its ports, does not become an inbound of the Dataplane: "
            "it cannot be read, leads to no port of the Pod, or there are too many. Everything else of the Pod is"
            " served.",
            "Correct the field that the message names in the Service, or give the port that it leads to a name in"
            " the Pod.",
        ),
        "pod-service-annotation-invalid": FindingKind(
            "warning",
            "proxy",
            "An annotation of a Service that the Pod is behind has a value that cannot be used. It has no effect.",
            "Correct the value of the annotation that the message names, or remove it; a protocol is better "
            "written as appProtocol of the port.",
        ),
        "pod-label-refused": FindingKind(
            "warning",
            "proxy",
            "A label of the Pod or of its node does not become a tag or label of the Dataplane: tags cannot have "
            "such a name or value, or there are too many.",
            "Change or remove the label that the message names.",
        ),
        "pod-gateway-invalid": FindingKind(
            "warning",
            "proxy",
            "The annotation kuma.io/gateway of the Pod has a value that does not exist here. The Pod gets the "
            "Dataplane of an ordinary one.",
            "Write enabled (called after the Pod's Service) or provided (after its Deployment), or remove the "
            "annotation.",
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
        "tag-not-a-label": FindingKind(
            "warning",
            "proxy",
            "A tag of the Dataplane would be a label that Prometheus or discovery sets itself, or that steers "
            "Prometheus, so it is told to nobody.",
            "Give the tag another name: none that begins with two signs that are no letters or digits, and none of "
            "job, instance, mesh, dataplane, service, pod, namespace, le, quantile.",
        ),
        "tag-label-conflict": FindingKind(
            "warning",
            "proxy",
            "Two tags of the Dataplane come to the same label, in which everything but letters, digits and underscores "
            "is an underscore, and a tag x also gives a label xs. One has it, the other is left out.",
            "Rename one of the two tags.",
        ),
        "tag-not-certified": FindingKind(
            "warning",
            "proxy",
            "The token of this proxy lists tags, but not one that it has and that a TrafficPermission asks for. The "
            "certificate does not say the tag, so the permission does not let the proxy in by it.",
            "If the proxy is to have the tag, restart it with a token that lists it (--tag), or apply the Dataplane "
            "with it yourself.",
        ),
        "resource-too-large": FindingKind(
            "warning",
            "proxy",
            "A stored Mesh or Dataplane is larger than the control plane takes now. It is served, and costs more than "
            "others are meant to.",
            "Make it smaller, or raise the setting that the message names; until then it cannot be applied or "
            "registered again.",
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
        "resource-unreadable": FindingKind(
            "refused",
            "resource",
            "The store keeps a resource that this control plane cannot read: a newer version wrote it, or it is "
            "damaged. It is left as it is and has no effect; everything else is served.",
            "Run the newer meshmeter that wrote it, restore a backup, or delete the resource.",
        ),
        "source-address-refused": FindingKind(
            "warning",
            "source",
            "The address of this source, or what its host name leads to, is none that the agent may connect to: it is "
            "neither loopback, nor an address of the agent's host, nor in a network that the operator allowed.",
            "Use 127.0.0.1 or an address of the host as the entry's address, or have the operator allow the network "
            "with --allowed-networks of the control plane. Link-local addresses and those of cloud metadata services "
            "cannot be allowed.",
        ),
        "source-file-refused": FindingKind(
            "warning",
            "source",
            "A file or unix socket that the entry names may not be opened by the agent, or is not what it has to be.",
            "Start the agent with --allow-files and the directory of the file, or correct what the message names.",
        ),
        "source-down": FindingKind(
            "warning",
            "source",
            "In the last scrape this source gave no metrics; everything else in the scrape was returned.",
            "See that the application runs and serves metrics at the `address`, `port` and `path` of the entry.",
        ),
        "source-all-duplicates": FindingKind(
            "warning",
            "source",
            "In the last scrape every sample of this source was dropped, because an earlier source has the same "
            "series.",
            "Set `applicationLabel` in metrics.conf of the Mesh or the Dataplane: a label with the name of the entry "
            "then tells the series of applications apart. Or remove the entry if it leads to what another one leads "
            "to.",
        ),
        "source-sample-limit": FindingKind(
            "warning",
            "source",
            "In the last scrape this source had more samples than it may, and families of it were dropped.",
            "Let the application serve fewer series, or raise `limits.samples` of the entry (100000 without a value; 0 "
            "is no limit).",
        ),
    }
)


UNLISTED = frozenset(
    {"metrics-address-refused", "metrics-port-of-control-plane", "metrics-port-of-other-proxy"}
)
"""Codes of what is no target either: whoever followed discovery or the metrics proxy would come somewhere else."""


def finding(code: str, message: str, *, field: str = "", remedy: str = "") -> Finding:
    """A finding of a registered code. `message` names what is concerned; `remedy` is a more fitting one than that of
    the register. KeyError for an unknown code."""
    kind = FINDINGS[code]
    return Finding(code, kind.severity, kind.scope, message, remedy or kind.remedy, field)
