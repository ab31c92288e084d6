"""What a dataplane token says of the tags of a Dataplane beyond the values that it lists.

A token that lists tags is a complete list: what is not on it is not allowed where it would matter. A token that lists
none leaves all tags to whoever holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from meshmeter.certs.tokens import Claims
from meshmeter.controlplane.admission.written_by import OPERATOR, TOKEN_TAGS, operator_layer
from meshmeter.effective.findings import Finding, finding
from meshmeter.effective.labels import reserved_tags
from meshmeter.effective.transport import mtls_enabled
from meshmeter.errors import PermissionDenied
from meshmeter.resources.dataplane import ZONE_TAG, DataplaneSpec, tag_values
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


def check_labels(claims: Claims, spec: DataplaneSpec) -> None:
    """Raise PermissionDenied if a Dataplane has a tag that would be a label with another meaning (deviations D28), and
    the token lists tags, but not this one."""
    if not claims.tags:
        return
    for tag in reserved_tags(spec):
        if tag not in claims.tags:
            raise PermissionDenied(
                f'dataplane contains tag "{tag}", which would be a label that discovery or Prometheus sets itself, and '
                f"the token does not list it: rename the tag, or issue a token with --tag {tag}=VALUE"
            )


def token_marks(claims: Claims, zone: str) -> dict[str, str]:
    """The mark of a Dataplane that this token registers: which tags it allows; none if it leaves them all to the
    Dataplane. The zone of the control plane needs no token."""
    if not claims.tags:
        return {}
    listed = {tag: sorted(values) for tag, values in claims.tags.items()}
    return {TOKEN_TAGS: json.dumps({ZONE_TAG: [zone]} | listed, sort_keys=True)}


def certified_tags(dataplane: Resource[DataplaneSpec]) -> dict[str, frozenset[str]]:
    """The tags that the certificate of a proxy says, since an operator wrote them or its token lists them.

    Permissions let in by the certificate. A tag that only the bearer of a limited token speaks for lets nobody in.
    """
    tags = {tag: frozenset(values) for tag, values in tag_values(dataplane.spec).items()}
    listed = _listed(dataplane)
    if listed is None:
        return tags
    applied = operator_layer(dataplane) if OPERATOR in dataplane.meta.layers else None
    written: Mapping[str, set[str]] = tag_values(applied.spec) if applied is not None else {}
    found = {
        tag: values & (listed.get(tag, frozenset()) | written.get(tag, set())) for tag, values in tags.items()
    }
    return {tag: values for tag, values in found.items() if values}


def _listed(dataplane: Resource[DataplaneSpec]) -> dict[str, frozenset[str]] | None:
    """What the token lists; None if it lists nothing, or no agent registered the Dataplane."""
    mark = dataplane.meta.annotations.get(TOKEN_TAGS)
    return {tag: frozenset(values) for tag, values in json.loads(mark).items()} if mark is not None else None


def certificate_findings(
    mesh: Resource[MeshSpec],
    permissions: Sequence[Resource[TrafficPermissionSpec]],
    dataplane: Resource[DataplaneSpec],
) -> Iterator[Finding]:
    """Each tag that a permission of the mesh asks for, and that this Dataplane has and its certificate does not say."""
    if not mtls_enabled(mesh.spec) or TOKEN_TAGS not in dataplane.meta.annotations:
        return
    certified = certified_tags(dataplane)
    claimed = tag_values(dataplane.spec)
    for tag, permission in sorted(_asked(permissions).items()):
        missing = claimed.get(tag, set()) - certified.get(tag, frozenset())
        if missing:
            values = ", ".join(sorted(missing))
            yield finding(
                "tag-not-certified",
                f"the tag {tag}={values} is not in the certificate of this proxy, since its token does not list it; "
                f"TrafficPermission {permission} asks for the tag",
                field="networking",
            )


def _asked(permissions: Sequence[Resource[TrafficPermissionSpec]]) -> dict[str, str]:
    """By tag: a permission that asks for it in a source."""
    return {
        tag: permission.name
        for permission in sorted(permissions, key=lambda p: p.name, reverse=True)
        for source in permission.spec.sources or ()
        for tag in source.match or {}
    }
