"""Where meshmeter goes its own way, as rules over cases.

Each rule is named after its row of docs/reference/deviations.md and turns what a vector expects from the reference
implementation into what must hold here. Rules look at the content of a case, never at its name, so another
tree of the same shape runs unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

# Effective metrics, permissions, discovery


def d1_d3_entries_merged_field_by_field(data: dict[str, Any]) -> dict[str, Any] | None:
    """D1, D3: an entry of the Dataplane does not replace the Mesh's of that name, its fields override; path
    `/metrics`."""
    expected = data["expected"]
    if not expected or "aggregate" not in expected:
        return expected  # type: ignore[no-any-return]  # YAML
    mesh = data["mesh"]["metrics"]
    backend = next(b for b in mesh["backends"] if b["name"] == mesh["enabledBackend"])
    below = {entry["name"]: entry for entry in backend.get("conf", {}).get("aggregate", ())}
    entries = [{"path": "/metrics"} | below.get(entry["name"], {}) | entry for entry in expected["aggregate"]]
    return expected | {"aggregate": entries}


def d6_known_fields(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """D6: old keys (`interface`, `service`) that the reference ignores would be refused, so they leave
    first."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return {key: _known(fields[key], value) for key, value in data.items() if key in fields}


def _known(annotation: Any, value: Any) -> Any:
    nested = next((t for t in _types(annotation) if issubclass(t, BaseModel)), None)
    if nested is None:
        return value
    if isinstance(value, list):
        return [d6_known_fields(nested, item) for item in value]
    return d6_known_fields(nested, value) if isinstance(value, Mapping) else value


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)


def out_of_scope(data: dict[str, Any]) -> str | None:
    """Why a case is about something that meshmeter does not have; None for all others."""
    for policy in data.get("meshMetrics") or ():
        backends = policy["spec"].get("default", {}).get("backends") or ()
        if any(backend["type"] == "Prometheus" for backend in backends):
            return "MeshMetric is not a kind of resource here (D22 says how it would coexist)"
    return None


# Annotations of Pods


def d4_exactly_what_is_said(entries: list[dict[str, Any]], said: Mapping[str, str]) -> list[dict[str, Any]]:
    """D4: entries are not completed to whole ones. Only what an annotation is about stays."""
    prefix = "prometheus.metrics.kuma.io/aggregate-"
    return [
        {
            key: value
            for key, value in entry.items()
            if key == "name" or f"{prefix}{entry['name']}-{key}" in said
        }
        for entry in entries
    ]


def d4_entry_without_a_port(data: dict[str, Any]) -> bool:
    """D4: whether the reference gives the Dataplane up for an entry without a port, which here is a finding on that
    entry."""
    return str(data.get("error", "")) == "port needs to be specified for metrics scraping"


# The metrics listener


def d10_permissions(chains: list[dict[str, Any]], access: dict[str, Any]) -> list[dict[str, Any]]:
    """D10: permissions hold for the endpoint behind mTLS; releases up to 2.4 have the filter already."""
    name = access["name"]
    return [
        chain | {"filters": [access, *(f for f in chain["filters"] if f["name"] != name)]} for chain in chains
    ]


def d11_no_bypass(chains: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """D11: no filter chain of its own for clients on the proxy's own address."""
    return [c for c in chains if "sourcePrefixRanges" not in c.get("filterChainMatch", {})]


def d13_reloaded_files(chains: list[dict[str, Any]], sds_file: str) -> list[dict[str, Any]]:
    """D13: only the chain that terminates TLS, with its certificate from a file that the agent keeps up to date."""
    (chain,) = (chain for chain in chains if "transportSocket" in chain)
    source = {
        "pathConfigSource": {
            "path": sds_file,
            "watchedDirectory": {"path": sds_file.rpartition("/")[0]},
        },
        "resourceApiVersion": "V3",
    }
    context = {"tlsCertificateSdsSecretConfigs": [{"name": "kuma:metrics:certificate", "sdsConfig": source}]}
    socket = chain["transportSocket"]
    typed = socket["typedConfig"] | {"commonTlsContext": context}
    return [chain | {"transportSocket": socket | {"typedConfig": typed}}]


def d12_no_files_no_listener(data: dict[str, Any]) -> bool:
    """D12: whether the case asks for a provided certificate without naming its files: then nothing opens."""
    files = data["metadata"].get("metricsCertPath"), data["metadata"].get("metricsKeyPath")
    metrics = data["mesh"].get("metrics", {})
    modes = {b.get("conf", {}).get("tls", {}).get("mode") for b in metrics.get("backends", ())}
    return "providedTLS" in modes and not all(files)


def d14_d15_routes(manager: dict[str, Any]) -> dict[str, Any]:
    """D14, D15: the exact path with GET and HEAD, an explicit timeout, the query left to the agent; 405 for the
    rest. `manager` is the reference's connection manager."""
    (host,) = manager["routeConfig"]["virtualHosts"]
    (route,) = host["routes"]
    path = route["match"]["prefix"]
    scrape = {
        "match": {
            "path": path,
            "headers": [{"name": ":method", "stringMatch": {"safeRegex": {"regex": "GET|HEAD"}}}],
        },
        "route": {"cluster": route["route"]["cluster"], "prefixRewrite": "/metrics", "timeout": "90s"},
    }
    others = {
        "match": {"path": path},
        "directResponse": {"status": 405},
        "responseHeadersToAdd": [
            {"header": {"key": "allow", "value": "GET, HEAD"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }
    routes = manager["routeConfig"] | {"virtualHosts": [host | {"routes": [scrape, others]}]}
    return manager | {"routeConfig": routes}


def d29_nobody_instructs(manager: dict[str, Any]) -> dict[str, Any]:
    """D29: `x-envoy-*` headers are removed first of all, no client is internal, and the address of a client is that of
    its connection. `manager` is the reference's connection manager."""
    kind = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    removal = {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typedConfig": {
            "@type": f"type.googleapis.com/envoy.{kind}",
            "mutations": [{"removeOnMatch": {"keyMatcher": {"prefix": "x-envoy-"}}}],
        },
    }
    return manager | {
        "internalAddressConfig": {"cidrRanges": [{"addressPrefix": "0.0.0.0", "prefixLen": 32}]},
        "useRemoteAddress": True,
        "skipXffAppend": True,
        "earlyHeaderMutationExtensions": [removal],
    }


# Exposition


def of_meshmetric(data: dict[str, Any]) -> str | None:
    """Why a request is about something that meshmeter does not have; None for all others."""
    if data["modifier"] == "meshmetric-sidecar":
        return "MeshMetric is not a kind of resource here"
    return None


def d15_our_query(parameters: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """D15: the agent writes Envoy's query itself. `/stats/prometheus` needs no `format`."""
    return sorted(pair for pair in parameters if pair[0] != "format")


def d17_one_format(formats: list[str], bodies: list[str]) -> bool:
    """D17: whether bodies of several formats meet. Then the answer is one format that all are converted to, and not
    the concatenation under the highest Content-Type."""
    closed = {body.rstrip().endswith("# EOF") for body in bodies}
    return len(closed) > 1 or len({name for name in formats if name}) > 1


def d18_without_quantiles(text: str) -> str:
    """D18: quantiles of clusters that were merged are gone, their sums and counts are there."""
    return "".join(line + "\n" for line in text.splitlines() if 'quantile="' not in line)
