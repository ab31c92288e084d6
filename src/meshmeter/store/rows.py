"""Resources and token records as rows: what a database keeps of one, and back.

Version and times are columns of their own. Everything else of a resource is the `document`, canonical JSON, so that
equal text is equal content.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

from meshmeter.errors import InvalidResource, ResourceUnreadable
from meshmeter.resources import codec
from meshmeter.resources.resource import EPOCH, AnyResource, Key
from meshmeter.store.token_records import TokenRecord
from meshmeter.times import read_rfc3339

log = logging.getLogger(__name__)

LONGEST_REASON = 500
"""Characters of what is repeated of a row that cannot be read."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a token expires whose record does not say."""

COLUMNS = "kind, mesh, name, document, version, creation_time, modification_time"
"""What a query has to select for `to_resource`."""

Row = tuple[str, str, str, str, int, str, str]


def to_document(resource: AnyResource) -> str:
    """Everything of a resource but its version and times."""
    meta = replace(resource.meta, version=0, creation_time=EPOCH, modification_time=EPOCH)
    return json.dumps(codec.to_stored(replace(resource, meta=meta)), sort_keys=True, separators=(",", ":"))


def to_resource(row: Row) -> AnyResource:
    """The resource of a row of `COLUMNS`. Raises ResourceUnreadable if it is damaged or of another program."""
    kind, mesh, name, document, version, created, modified = row
    try:
        document.encode()
        resource = codec.from_stored(json.loads(document))
        if resource.key != Key(kind, mesh, name):
            raise ValueError(f"it says that it is {resource.key}")
        if not isinstance(version, int):
            raise ValueError(f"version {version!r} is no number")
        meta = replace(
            resource.meta,
            version=version,
            creation_time=read_rfc3339(created),
            modification_time=read_rfc3339(modified),
        )
        readable = replace(resource, meta=meta)
        to_document(readable)
    except InvalidResource as exc:
        reason = "; ".join(map(str, exc.violations))
        raise ResourceUnreadable(printable(kind), printable(mesh), printable(name), reason) from exc
    except Exception as exc:
        # Whatever is in a row, it costs that row and not all others.
        raise ResourceUnreadable(printable(kind), printable(mesh), printable(name), printable(exc)) from exc
    return readable


def printable(value: object) -> str:
    """What is in a damaged row, or an error about it, as text that cannot pass for more than one line of a log."""
    return str(value).encode("unicode_escape", errors="backslashreplace").decode()[:LONGEST_REASON]


TOKEN_COLUMNS = "id, key_id, audience, issued_at, expires_at, revoked_at, subject"
"""What a query has to select for `to_record`."""

TokenRow = tuple[str, str, str, str, str, str | None, str]


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC as the database has it, always equally long and with `+00:00`: earlier times sort first, those of
    older rows too."""
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
    """The record of a row of `TOKEN_COLUMNS`. One that cannot be read is that of a revoked token: it may have been."""
    id_, key_id, audience, issued, expires, revoked, subject = row
    try:
        return TokenRecord(
            id=id_,
            key_id=key_id,
            audience=audience,
            issued_at=read_rfc3339(issued),
            expires_at=read_rfc3339(expires),
            subject=dict(json.loads(subject)),
            revoked_at=read_rfc3339(revoked) if revoked is not None else None,
        )
    except (ValueError, TypeError, AttributeError) as exc:
        log.error(
            "the record of token %s cannot be read (%s): the token is taken for revoked", printable(id_), exc
        )
        return TokenRecord(
            id=str(id_),
            key_id=str(key_id),
            audience=str(audience),
            issued_at=EPOCH,
            expires_at=NEVER,
            revoked_at=EPOCH,
        )
