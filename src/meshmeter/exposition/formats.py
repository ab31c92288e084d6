"""The exposition formats: recognising one in a Content-Type, choosing one for a scraper (kuma-facts 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Format(StrEnum):
    """What a body is written in; the value is the Content-Type to send."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS_0 = "application/openmetrics-text; version=0.0.1; charset=utf-8"
    OPENMETRICS_1 = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def is_openmetrics(self) -> bool:
        return self is not Format.TEXT


def response_format(content_type: str) -> Format | None:
    """The format that a response declares; None if it is none of ours.

    Any version of text/plain counts as text; of OpenMetrics only 1.0.0, 0.0.1 and no version are known.
    """
    media_type, parameters = _split(content_type)
    if media_type == "text/plain":
        return Format.TEXT
    if media_type == "application/openmetrics-text":
        version = parameters.get("version", "")
        if version == "1.0.0":
            return Format.OPENMETRICS_1
        if version in ("", "0.0.1"):
            return Format.OPENMETRICS_0
    return None


def negotiate(accept: str, available: Iterable[Format]) -> Format:
    """The best of `available` that the scraper's Accept header allows, text if it allows nothing else.

    A higher `q` wins, then the newer format. Text is what every scraper understands, so it is always allowed.
    """
    offered = set(available)
    order = (Format.OPENMETRICS_1, Format.OPENMETRICS_0, Format.TEXT)
    best, best_quality = Format.TEXT, 0.0
    for candidate in order:
        if candidate not in offered:
            continue
        quality = max((q for q, accepted in _accepted(accept) if accepted is candidate), default=0.0)
        if quality > best_quality:
            best, best_quality = candidate, quality
    return best


def _accepted(accept: str) -> Iterable[tuple[float, Format]]:
    for part in accept.split(","):
        _media_type, parameters = _split(part)
        found = response_format(part)
        if found is None:
            continue
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            continue
        yield min(max(quality, 0.0), 1.0), found


def _split(value: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = value.split(";")
    parameters = {}
    for item in rest:
        name, _, text = item.partition("=")
        parameters[name.strip().lower()] = text.strip().strip('"')
    return media_type.strip().lower(), parameters
