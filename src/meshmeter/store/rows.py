"""Resources as rows: what a database keeps of one, and back.

Version and times are columns of their own. Everything else is the `document`, canonical JSON, so that equal text is
equal content.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from meshmeter.errors import InvalidResource, StoreUnavailable
from meshmeter.resources import codec
from meshmeter.resources.resource import EPOCH, AnyResource

COLUMNS = "document, version, creation_time, modification_time"
"""What a query has to select for `to_resource`."""

Row = tuple[str, int, str, str]


def to_document(resource: AnyResource) -> str:
    """Everything of a resource but its version and times."""
    meta = replace(resource.meta, version=0, creation_time=EPOCH, modification_time=EPOCH)
    return json.dumps(codec.to_stored(replace(resource, meta=meta)), sort_keys=True, separators=(",", ":"))


def to_resource(row: Row) -> AnyResource:
    """The resource of a row of `COLUMNS`. Raises StoreUnavailable if it is damaged or of a newer program."""
    document, version, created, modified = row
    try:
        resource = codec.from_stored(json.loads(document))
        meta = replace(
            resource.meta,
            version=version,
            creation_time=datetime.fromisoformat(created),
            modification_time=datetime.fromisoformat(modified),
        )
    except (InvalidResource, ValueError, TypeError, AttributeError) as exc:
        raise StoreUnavailable(
            f"a stored resource cannot be read ({exc}): run the newer meshmeter that wrote it, or restore a backup"
        ) from exc
    return replace(resource, meta=meta)
