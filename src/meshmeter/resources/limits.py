"""How large a resource may be (deviations D31): what one registration or `apply` asks for is work for the control
plane, and for everybody who is told of it.

Sizes are judged before anything is read, on documents of either form, and again on what is stored: there the limits may
have been others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import paths


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each that a resource may have."""

    inbounds: int = 256
    outbounds: int = 512
    tags: int = 64
    """Of one set of tags, and different ones of a whole Dataplane."""
    aggregate_entries: int = 256
    """Of a Mesh's backend, and of a Dataplane."""
    document_bytes: int = 1 << 20
    """Of a document as JSON."""


DEFAULT_LIMITS = Limits()


def check_sizes(document: object, limits: Limits = DEFAULT_LIMITS, *, where: str = "") -> None:
    """Raises InvalidResource with all that there is too much of, fields after the prefix `where`."""
    faults = [Violation(where + found.field, found.reason) for found in size_violations(document, limits)]
    if not faults and isinstance(document, Mapping):
        size = len(json.dumps(document, default=str, ensure_ascii=False).encode(errors="replace"))
        if size > limits.document_bytes:
            reason = (
                f"has {size} bytes, and the control plane takes at most {limits.document_bytes} "
                "(max_document_bytes, --max-document-bytes)"
            )
            faults.append(Violation(where.rstrip("."), reason))
    if faults:
        raise InvalidResource(faults)


def size_violations(document: object, limits: Limits = DEFAULT_LIMITS) -> Iterator[Violation]:
    """What there is too much of in a document of either form, or in a spec. Whatever has another shape than it should
    have is passed over: that is for others to tell."""
    for path, holder in (("", document), ("spec", _part(document, "spec"))):
        if holder is not None:
            yield from _dataplane(holder, path, limits)
            yield from _mesh(holder, path, limits)


def _dataplane(spec: object, at: str, limits: Limits) -> Iterator[Violation]:
    networking = _part(spec, "networking")
    path = paths.child(at, "networking")
    yield from _too_many(_part(networking, "inbound"), f"{path}.inbound", limits.inbounds, "max_inbounds")
    yield from _too_many(_part(networking, "outbound"), f"{path}.outbound", limits.outbounds, "max_outbounds")
    own: set[object] = set()
    for name, most in (("inbound", limits.inbounds), ("outbound", limits.outbounds)):
        for index, item in enumerate(_items(_part(networking, name))[:most]):
            tags = _part(item, "tags")
            yield from _too_many(tags, f"{path}.{name}[{index}].tags", limits.tags, "max_tags")
            if name == "inbound" and isinstance(tags, Mapping):
                own.update(list(tags)[: limits.tags])
    yield from _too_many(own, path, limits.tags, "max_tags", "different tags")
    gateway = _part(_part(networking, "gateway"), "tags")
    yield from _too_many(gateway, f"{path}.gateway.tags", limits.tags, "max_tags")
    yield from _conf(
        _part(_part(spec, "metrics"), "conf"), f"{at}.metrics.conf" if at else "metrics.conf", limits
    )


def _mesh(spec: object, at: str, limits: Limits) -> Iterator[Violation]:
    path = f"{at}.metrics.backends" if at else "metrics.backends"
    for index, backend in enumerate(_items(_part(_part(spec, "metrics"), "backends"))):
        yield from _conf(_part(backend, "conf"), f"{path}[{index}].conf", limits)


def _conf(conf: object, path: str, limits: Limits) -> Iterator[Violation]:
    entries = _part(conf, "aggregate")
    yield from _too_many(entries, f"{path}.aggregate", limits.aggregate_entries, "max_aggregate_entries")
    yield from _too_many(_part(conf, "tags"), f"{path}.tags", limits.tags, "max_tags")
    for index, entry in enumerate(_items(entries)[: limits.aggregate_entries]):
        params = _part(entry, "params")
        yield from _too_many(params, f"{path}.aggregate[{index}].params", limits.tags, "max_tags")


def _too_many(
    found: object, path: str, most: int, setting: str, what: str = "entries"
) -> Iterator[Violation]:
    if isinstance(found, Sized) and not isinstance(found, str | bytes) and len(found) > most:
        flag = "--" + setting.replace("_", "-")
        yield Violation(
            path, f"has {len(found)} {what}, and the control plane takes at most {most} ({setting}, {flag})"
        )


def _items(found: object) -> Sequence[Any]:
    return found if isinstance(found, list | tuple) else ()


def _part(holder: object, name: str) -> object:
    """A field of a document or of a model; the names are the same in both."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None) if not isinstance(holder, str | list | tuple) else None
