"""Exposition formats: what a Content-Type says, what a scraper accepts, and what is answered.

Grammar of an Accept header, as far as it matters here: media ranges separated by commas, each with parameters
separated by semicolons (`version`, `escaping`, `q`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum


class Format(StrEnum):
    """A format; the value is its Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_UTF8 = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    """Text 0.0.4 in which names may be quoted UTF-8."""
    OPENMETRICS_0 = "application/openmetrics-text; version=0.0.1; charset=utf-8"
    OPENMETRICS_1 = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    OPENMETRICS_1_UTF8 = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    """OpenMetrics 1.0.0 in which names may be quoted UTF-8."""
    PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    """Recognised so that it can be refused by name."""
    UNKNOWN = ""

    @property
    def openmetrics(self) -> bool:
        return self in (Format.OPENMETRICS_0, Format.OPENMETRICS_1, Format.OPENMETRICS_1_UTF8)

    @property
    def utf8_names(self) -> bool:
        return self in (Format.TEXT_UTF8, Format.OPENMETRICS_1_UTF8)


def response_format(content_type: str | None) -> Format:
    """The format that a Content-Type names; UNKNOWN if it is absent or names none (kuma-facts 5.3)."""
    media, parameters = _media(content_type or "")
    match media:
        case "text/plain":
            return Format.TEXT
        case "application/openmetrics-text":
            version = parameters.get("version", "0.0.1")
            return {"0.0.1": Format.OPENMETRICS_0, "1.0.0": Format.OPENMETRICS_1}.get(version, Format.UNKNOWN)
        case "application/vnd.google.protobuf":
            if parameters.get("encoding") == "delimited":
                return Format.PROTOBUF
    return Format.UNKNOWN


def charset(content_type: str | None) -> str:
    """The charset of a body, UTF-8 if none is named."""
    return _media(content_type or "")[1].get("charset", "utf-8")


def sniff(body: bytes) -> Format:
    """The format of a body that came without a usable Content-Type: only OpenMetrics ends in `# EOF`."""
    return Format.OPENMETRICS_1 if body.rstrip().endswith(b"# EOF") else Format.TEXT


def negotiate(accept: str | None, available: Iterable[Format]) -> Format:
    """The format of the answer: OpenMetrics 1.0.0 if the scraper accepts it at least as gladly as text and a
    source speaks OpenMetrics, else text (design 6, deviations D17). Never UNKNOWN: an answer that nobody asked
    for is still better than none."""
    text, openmetrics = 0.0, 0.0
    text_utf8 = openmetrics_utf8 = False
    for media, parameters in _ranges(accept if accept is not None else "*/*"):
        quality = _quality(parameters.get("q", "1"))
        utf8 = quality > 0 and parameters.get("escaping") == "allow-utf-8"
        version = parameters.get("version")
        if media in ("text/plain", "text/*", "*/*") and version in (None, "0.0.4", "1.0.0"):
            text = max(text, quality)
            text_utf8 |= utf8 and media == "text/plain"
        elif media == "application/openmetrics-text" and version in (None, "1.0.0"):
            openmetrics = max(openmetrics, quality)
            openmetrics_utf8 |= utf8
    if openmetrics > 0 and openmetrics >= text and any(f.openmetrics for f in available):
        return Format.OPENMETRICS_1_UTF8 if openmetrics_utf8 else Format.OPENMETRICS_1
    return Format.TEXT_UTF8 if text_utf8 else Format.TEXT


def _ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    for part in accept.split(","):
        if part.strip():
            yield _media(part)


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    parameters = {}
    for item in rest:
        key, _, value = item.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"').lower()
    return media.strip().lower(), parameters


def _quality(text: str) -> float:
    """A weight; one that cannot be read counts as 1, as if it were not there."""
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return min(max(quality, 0.0), 1.0) if quality == quality else 1.0
