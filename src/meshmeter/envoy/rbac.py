"""Access control: who may open a connection, by the identities in the client's certificate (kuma-facts
6.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshmeter.effective.access import ANY, admitted_sources
from meshmeter.envoy import names
from meshmeter.resources.dataplane import SERVICE_TAG
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

NOBODY = "kuma://"
"""No certificate says this."""


def rbac_filter(
    listener_name: str, mesh: str, permission: Resource[TrafficPermissionSpec] | None
) -> dict[str, Any]:
    """The network filter that lets in the sources of `permission`, and without one nobody.

    It belongs behind mTLS only: without a client certificate it knows no identity.
    """
    rules: dict[str, Any] = {}
    principals = [_principal(mesh, source) for source in admitted_sources(permission)]
    if permission is not None and principals:
        rules["policies"] = {permission.name: {"permissions": [{"any": True}], "principals": principals}}
    return {
        "name": "envoy.filters.network.rbac",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
            "rules": rules,
            "statPrefix": f"{names.stat_name(listener_name)}.",
        },
    }


def _principal(mesh: str, source: Mapping[str, str]) -> dict[str, Any]:
    """All tags of the source have to be in the certificate, for `*` with any value.

    Any service asks for nothing: every certificate of the mesh is of one, or of a Dataplane without any.
    """
    ids = [
        {"authenticated": {"principalName": _identity(mesh, tag, value)}}
        for tag, value in sorted(source.items())
        if (tag, value) != (SERVICE_TAG, ANY)
    ]
    match ids:
        case []:
            return {"any": True}
        case [single]:
            return single
        case _:
            return {"andIds": {"ids": ids}}


def _identity(mesh: str, tag: str, value: str) -> dict[str, Any]:
    """What a URI of the certificate has to be.

    A tag may have slashes in its name and none in its value, so `kuma://a/b/c` is the tag `a/b` alone: `*` stands for
    no slash, and no other value has one, but for the service of a proxy without any (`dataplane/NAME`).
    """
    start = f"spiffe://{mesh}/" if tag == SERVICE_TAG else f"kuma://{tag}/"
    if value == ANY:
        return {"safeRegex": {"regex": f"{re.escape(start)}[^/]+"}}
    if "/" in value and tag != SERVICE_TAG:
        return {"exact": NOBODY}
    return {"exact": start + value}
