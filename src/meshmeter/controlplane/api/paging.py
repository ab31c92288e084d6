"""Pages of a list that stay right while the list changes.

Lists are ordered by mesh and name. The offset of the next page is the key of the last item shown, so whatever is
added or removed between two requests, no item is shown twice and none that stays is left out.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from yarl import URL

from meshmeter.controlplane.api.bodies import AnswerBody
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.errors import Violation
from meshmeter.resources.resource import AnyResource

DEFAULT_SIZE = 100
LARGEST_SIZE = 1000

TITLE = "Could not retrieve resources"

Position = tuple[str, str]
"""Mesh and name."""


class Listing(AnswerBody):
    """A page as it is answered."""

    total: int = Field(ge=0)
    items: list[Any]
    next: str | None
    """Address of the next page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page and what follows it."""

    total: int
    """Items of the whole list."""
    items: tuple[AnyResource, ...]
    next_offset: str | None
    """None on the last page."""

    def next_url(self, url: URL) -> str | None:
        """The absolute address of the next page, given that of this one."""
        if self.next_offset is None:
            return None
        return str(url.update_query(offset=self.next_offset))


def page(resources: Sequence[AnyResource], size: int, offset: str) -> Page:
    """The page after `offset` of resources ordered by mesh and name. Raises Refusal for an offset that is none."""
    begin = 0
    if offset:
        after = _decode(offset)
        begin = bisect_right(resources, after, key=_position)
    items = tuple(resources[begin : begin + size])
    more = begin + size < len(resources)
    return Page(len(resources), items, _encode(_position(items[-1])) if more else None)


def page_size(text: str | None) -> int:
    """The value of `size`. Raises Refusal with the reasons of kuma-facts 9.2."""
    if text is None:
        return DEFAULT_SIZE
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
        reason = "invalid format"
    elif (size := int(text)) <= 0:
        reason = "must be greater than 0"
    elif size > LARGEST_SIZE:
        reason = f"invalid page size of {size}. Maximum page size is {LARGEST_SIZE}"
    else:
        return size
    raise Refusal(400, TITLE, "Invalid page size", [Violation("size", reason)])


def _position(resource: AnyResource) -> Position:
    return resource.mesh, resource.name


def _encode(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _decode(offset: str) -> Position:
    try:
        padded = offset + "=" * (-len(offset) % 4)
        mesh, name = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        if isinstance(mesh, str) and isinstance(name, str):
            return mesh, name
    except (ValueError, TypeError, RecursionError):
        pass
    raise Refusal(
        400,
        TITLE,
        "invalid: invalid offset: use the address in `next` of the page before",
        [Violation("offset", "invalid")],
    )
