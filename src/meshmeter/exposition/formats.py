"""Exposition formats: what a Content-Type says, what a scraper accepts, and what is answered.

Grammar of an Accept header, as far as it matters here: media ranges separated by commas, each with parameters
separated by semicolons (`version`, `escaping`, `q`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from meshmeter.exposition.names import Escaping


class Format(StrEnum):
    """A format; the value is its Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_UTF8 = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    """Text 1.0.0, which is text 0.0.4 in which names may be quoted UTF-8."""
    TEXT_UNDERSCORES = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    TEXT_DOTS = "text/plain; version=1.0.0; charset=utf-8; escaping=dots"
    TEXT_VALUES = "text/plain; version=1.0.0; charset=utf-8; escaping=values"
    OPENMETRICS_0 = "application/openmetrics-text; version=0.0.1; charset=utf-8"
    OPENMETRICS_1 = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    OPENMETRICS_1_UTF8 = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    """OpenMetrics 1.0.0 in which names may be quoted UTF-8."""
    OPENMETRICS_1_UNDERSCORES = (
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
    )
    OPENMETRICS_1_DOTS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots"
    OPENMETRICS_1_VALUES = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
    PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    """Recognised so that it can be refused by name."""
    UNKNOWN = ""

    @property
    def openmetrics(self) -> bool:
        return self.value.startswith("application/openmetrics-text")

    @property
    def scheme(self) -> Escaping | None:
        """What becomes of names that are not of the old alphabet, if the Content-Type says so."""
        _, _, scheme = self.value.partition("; escaping=")
        return Escaping(scheme) if scheme else None

    @property
    def escaping(self) -> Escaping:
        """As `scheme`; underscores if the Content-Type does not say, which every Prometheus takes."""
        return self.scheme or Escaping.UNDERSCORES


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a scraper accepts."""

    text: Format
    """The text format that it likes best, or gets where it likes none."""
    openmetrics: Format | None
    """The OpenMetrics format that it gets; None if it takes none, or likes text better."""


def accepted(accept: str | None) -> Accepted:
    """What an Accept header asks for. OpenMetrics of other versions than 1.0.0, and protobuf, are never answered. Of
    several ranges of one kind the one with the highest weight counts, with its `escaping`, if that is a known one. As
    in client libraries, `*/*` stands for text, then with the `escaping` that is named for OpenMetrics."""
    nothing = (-1.0, False)
    text, openmetrics = (nothing, Format.TEXT), (nothing, Format.OPENMETRICS_1)
    anything = 0.0
    for media, parameters in _ranges(accept if accept is not None else "*/*"):
        quality, version = _quality(parameters.get("q", "1")), parameters.get("version")
        scheme = parameters.get("escaping", "") if quality else ""
        if media == "text/plain" and version in (None, "0.0.4", "1.0.0"):
            text = max(text, _weighed(quality, Format.TEXT, scheme), key=lambda range: range[0])
        elif media == "application/openmetrics-text" and version in (None, "1.0.0"):
            openmetrics = max(
                openmetrics, _weighed(quality, Format.OPENMETRICS_1, scheme), key=lambda range: range[0]
            )
        elif media in ("text/*", "*/*"):
            anything = max(anything, quality)
    if text[0] == nothing:
        text = _weighed(anything, Format.TEXT, openmetrics[1].scheme or "")
    (likes_text, _), (likes_openmetrics, _) = text[0], openmetrics[0]
    wanted = likes_openmetrics > 0 and likes_openmetrics >= likes_text
    return Accepted(text[1], openmetrics[1] if wanted else None)


def _weighed(quality: float, format: Format, scheme: str) -> tuple[tuple[float, bool], Format]:
    """A range of an Accept header with its weight; of two with the same one, that with a scheme counts."""
    found = _WITH_SCHEME.get((format, scheme), format)
    return (quality, found is not format), found


_WITH_SCHEME = {
    (plain, format.scheme.value): format
    for plain in (Format.TEXT, Format.OPENMETRICS_1)
    for format in Format
    if format.scheme and format.openmetrics is plain.openmetrics
}


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
    asked = accepted(accept)
    return asked.openmetrics if asked.openmetrics and any(f.openmetrics for f in available) else asked.text


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
