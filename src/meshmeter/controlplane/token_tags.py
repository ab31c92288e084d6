"""What a dataplane token says of the tags of a Dataplane beyond the values that it lists.

A token that lists tags is a complete list: what is not on it is not allowed where it would matter. A token that lists
none leaves all tags to whoever holds it.
"""

from __future__ import annotations

from meshmeter.certs.tokens import Claims
from meshmeter.effective.labels import reserved_tags
from meshmeter.errors import PermissionDenied
from meshmeter.resources.dataplane import DataplaneSpec


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
