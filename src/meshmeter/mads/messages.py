"""The JSON messages of the monitoring assignment service: DiscoveryRequest and DiscoveryResponse (kuma-facts 7.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from meshmeter.mads.assignments import TYPE_URL, AssignmentSnapshot


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """What of a request counts. Everything else in it, known or not, is ignored (deviations D21)."""

    version_info: str = ""
    """The version that the client has; empty if none."""
    resource_names: frozenset[str] | None = None
    """None: all."""


def parse_request(body: bytes) -> DiscoveryRequest:
    """Read a request; names may be snake_case or camelCase. ValueError, with a sentence, if it is none."""
    try:
        data = json.loads(body)
    except RecursionError as exc:
        raise ValueError("the body is nested too deeply") from exc
    if not isinstance(data, dict):
        raise ValueError("the body must be a JSON object")
    version = _either(data, "version_info", "versionInfo", "")
    if not isinstance(version, str):
        raise ValueError("version_info must be a string")
    names = _either(data, "resource_names", "resourceNames", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("resource_names must be a list of strings")
    return DiscoveryRequest(version, frozenset(names) or None)


def _either(data: dict[str, Any], snake: str, camel: str, absent: Any) -> Any:
    value = data[snake] if snake in data else data.get(camel)
    return absent if value is None else value


def response_body(snapshot: AssignmentSnapshot, *, direct: bool = False) -> bytes:
    """The DiscoveryResponse; `resources` is left out when there are none. `direct` is for a client with a certificate
    of the mesh."""
    head = {"type_url": TYPE_URL, "version_info": snapshot.version}
    body = json.dumps(head, separators=(",", ":")).encode()
    if not snapshot.assignments:
        return body
    resources = b",".join(a.encoded_direct if direct else a.encoded for a in snapshot.assignments)
    return body[:-1] + b',"resources":[' + resources + b"]}"
