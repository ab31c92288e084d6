"""Resources and token records as rows: what a database keeps of one, and back.

Version and times are columns of their own. Everything else of a resource is the `document`, canonical JSON, so that
equal text is equal content.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from meshmeter.errors import InvalidResource, StoreUnavailable
from meshmeter.resources import codec
from meshmeter.resources.resource import EPOCH, AnyResource
from meshmeter.store.token_records import TokenRecord

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


TOKEN_COLUMNS = "id, key_id, audience, issued_at, expires_at, revoked_at, subject"
"""What a query has to select for `to_record`."""

TokenRow = tuple[str, str, str, str, str, str | None, str]


def time_text(moment: datetime) -> str:
    """ISO 8601 in UTC, always equally long: earlier times sort first."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_token_row(record: TokenRecord) -> TokenRow:
    """The values of `TOKEN_COLUMNS`."""
    return (
        record.id,
        record.key_id,
        record.audience,
        time_text(record.issued_at),
        time_text(record.expires_at),
        time_text(record.revoked_at) if record.revoked_at is not None else None,
        json.dumps(dict(record.subject), sort_keys=True, separators=(",", ":")),
    )


def to_record(row: TokenRow) -> TokenRecord:
    """The record of a row of `TOKEN_COLUMNS`. Raises StoreUnavailable if it is damaged."""
    id_, key_id, audience, issued, expires, revoked, subject = row
    try:
        return TokenRecord(
            id=id_,
            key_id=key_id,
            audience=audience,
            issued_at=datetime.fromisoformat(issued),
            expires_at=datetime.fromisoformat(expires),
            subject=dict(json.loads(subject)),
            revoked_at=datetime.fromisoformat(revoked) if revoked is not None else None,
        )
    except (ValueError, TypeError) as exc:
        raise StoreUnavailable(f"the record of a token cannot be read ({exc}): restore a backup") from exc
