"""The kinds of cases that no test reads yet, each with what is missing for it. The list only ever gets shorter."""

from __future__ import annotations

from collections.abc import Mapping

_PODS = (
    "whole Pods are not injected yet: it is told which get a sidecar, and patches are applied to containers"
)
_MESHMETRIC = "MeshMetric is not a kind of resource here"
_ADDRESSES = "paths are matched exactly (D14) and files come by SDS (D13): Envoy has no such part"

UNREAD: Mapping[tuple[str, str], str] = {
    ("container-patch-injector", "inject"): _PODS,
    ("container-patch-injector", "inject-facts"): _PODS,
    ("envoy-metrics-listener", "static-endpoint"): _ADDRESSES,
    ("envoy-metrics-listener", "transport-socket"): _ADDRESSES,
    ("mads-http", "round-trip"): "messages are JSON only, there is no second form to come back from",
    ("meshmetric", "envoy-config"): _MESHMETRIC,
    ("meshmetric", "profile"): _MESHMETRIC,
    ("meshmetric", "proxy-role"): _MESHMETRIC,
    ("meshmetric", "validate"): _MESHMETRIC,
    (
        "pod-annotations",
        "deprecation-warning",
    ): "MeshMetric is not a kind of resource here, so annotations about metrics are not deprecated for it",
    (
        "prometheus-kuma-sd",
        "parse-any",
    ): "discovery is JSON over HTTP, there are no Any messages with protobuf bytes",
    (
        "prometheus-kuma-sd",
        "poll",
    ): "the reader of the tests has no polling of its own; a real Prometheus polls",
}
"""By area and kind."""
