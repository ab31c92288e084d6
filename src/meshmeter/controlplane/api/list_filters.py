"""Filters of lists: `name=` (part of the name), `filter[labels.KEY]=VALUE`, and for Dataplanes `tag=KEY:VALUE` and
`gateway=` (kuma-facts 9.2). All given ones have to match."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from meshmeter.controlplane.api.paging import TITLE
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.errors import Violation
from meshmeter.resources.dataplane import BUILTIN_GATEWAY, DELEGATED_GATEWAY, DataplaneSpec, tag_values
from meshmeter.resources.resource import AnyResource

Matches = Callable[[AnyResource], bool]

_LABEL, _END = "filter[labels.", "]"
_GATEWAYS = ("true", "false", "builtin", "delegated")


def matcher(query: Iterable[tuple[str, str]]) -> Matches:
    """The conjunction of the filters in a query; other parameters are left to others.

    Raises Refusal naming every parameter that cannot be read.
    """
    filters: list[Matches] = []
    faults: list[Violation] = []
    for key, value in query:
        if key == "name":
            filters.append(_name(value))
        elif key.startswith("filter["):
            if not key.startswith(_LABEL) or not key.endswith(_END) or len(key) <= len(_LABEL) + 1:
                faults.append(Violation(key[:256], "write filter[labels.KEY]=VALUE"))
            else:
                filters.append(_label(key[len(_LABEL) : -1], value))
        elif key == "tag":
            tag, colon, wanted = value.partition(":")
            if not colon or not tag:
                faults.append(Violation("tag", "write tag=KEY:VALUE"))
            else:
                filters.append(_tag(tag, wanted))
        elif key == "gateway":
            if value not in _GATEWAYS:
                faults.append(Violation("gateway", f"must be one of {', '.join(_GATEWAYS)}"))
            else:
                filters.append(_gateway(value))
    if faults:
        raise Refusal(400, TITLE, "Invalid filter", faults)
    return lambda resource: all(matches(resource) for matches in filters)


def _name(part: str) -> Matches:
    return lambda resource: part in resource.name


def _label(key: str, value: str) -> Matches:
    return lambda resource: resource.meta.labels.get(key) == value


def _tag(tag: str, value: str) -> Matches:
    def matches(resource: AnyResource) -> bool:
        spec = resource.spec
        return isinstance(spec, DataplaneSpec) and value in tag_values(spec).get(tag, ())

    return matches


def _gateway(wanted: str) -> Matches:
    def matches(resource: AnyResource) -> bool:
        spec = resource.spec
        gateway = spec.networking.gateway if isinstance(spec, DataplaneSpec) and spec.networking else None
        if wanted == "false":
            return gateway is None
        if gateway is None:
            return False
        kind = gateway.type or DELEGATED_GATEWAY
        return wanted == "true" or kind == (BUILTIN_GATEWAY if wanted == "builtin" else DELEGATED_GATEWAY)

    return matches
