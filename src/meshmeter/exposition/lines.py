"""One line of exposition text, read with tolerance: a sample, or the reason why it is none.

    text 0.0.4    name{label="value",...} value [milliseconds] [an exemplar, which is forgotten]
    OpenMetrics   name{label="value",...} value [seconds] [# {label="value",...} value [seconds]]

Blanks and tabs may be anywhere between tokens, a comma may follow the last label, and a name may stand quoted inside
the braces (`{"http.server.duration",a="b"} 1`). Everything is bytes: names and label values leave here in one
spelling (escapes only where needed), so equal text means equal content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from meshmeter.exposition import numbers
from meshmeter.exposition.names import LEGACY_LABEL, Escaping, escape_label

_NAME = re.compile(rb"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*")
_OPEN = re.compile(rb"[ \t]*\{[ \t]*")
_QUOTED = re.compile(rb'"([^"\\\n\x00]*+(?:\\[^\n\x00][^"\\\n\x00]*+)*+)"[ \t]*')
_LABEL = re.compile(
    rb'(?:([a-zA-Z_][a-zA-Z0-9_]*)|"([^"\\\n\x00]*+(?:\\[^\n\x00][^"\\\n\x00]*+)*+)")[ \t]*=[ \t]*'
    rb'"([^"\\\n\x00]*+(?:\\[^\n\x00][^"\\\n\x00]*+)*+)"[ \t]*'
)
_COMMA = re.compile(rb",[ \t]*")
_CLOSE = re.compile(rb"\}[ \t]*")
_NUMBERS = re.compile(rb"([^ \t#{}\",]+)(?:[ \t]+([^ \t#]+))?[ \t]*")
_EXEMPLAR = re.compile(rb"#[ \t]*")

Labels = tuple[tuple[bytes, bytes], ...]
"""Label names and escaped values, in the order of the line."""


class Fault(StrEnum):
    """Why something was dropped; the words of `meshmeter_source_dropped_samples{reason=…}`, and those in
    `LOST` of `meshmeter_source_lost_details{reason=…}`."""

    MALFORMED = "malformed_line"
    """Not a sample, not UTF-8, a label twice, or a number that Prometheus would not read."""
    LABEL_LIMIT = "label_limit"
    """Too many labels, or a label or a whole line that is too long."""
    SAMPLE_LIMIT = "sample_limit"
    TOTAL_LIMIT = "total_limit"
    """The merged answer would be longer than allowed."""
    DEADLINE = "deadline"
    """There was no time left to merge it."""
    RESERVED = "reserved_name"
    """An application may not expose `envoy_…` and `meshmeter_…`."""
    TYPE_CONFLICT = "type_conflict"
    """An earlier source has a family of this name with another type."""
    DUPLICATE = "duplicate_series"
    """The same series was there before, in this source or an earlier one."""
    QUANTILE = "summary_quantile"
    """Quantiles of several clusters cannot be merged (deviations D18)."""
    TIMESTAMP = "timestamp"
    """A time that Prometheus could not read; the sample, or the exemplar, stays without it."""
    TYPE = "type"
    """The type of a family whose samples are not what it promises; they stay. Counted by families."""
    EXEMPLAR = "exemplar"
    """An exemplar of a family that is written without its type."""


LOST = frozenset({Fault.TIMESTAMP, Fault.TYPE, Fault.EXEMPLAR})
"""Faults that cost no sample: what is counted are parts of samples that are in the answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample line."""

    name: bytes
    labels: Labels
    value: bytes
    timestamp: bytes = b""
    """A number as it was written, which need not be a time that anybody can read; empty if there is none."""
    exemplar: bytes = b""
    """The exemplar as OpenMetrics writes it, from its `#` on; empty if there is none."""
    exemplar_lost_time: bool = False
    """Whether the exemplar had a time that Prometheus could not read; it is without it then."""


def parse_sample(line: bytes, *, openmetrics: bool, escaping: Escaping = Escaping.UTF8) -> Sample | None:
    """The sample of a line without its newline; None if it is malformed. `escaping` is for labels of its exemplar."""
    name, at = b"", 0
    if found := _NAME.match(line):
        name, at = found[1], found.end()
    labels: Labels = ()
    if opened := _OPEN.match(line, at):
        at = opened.end()
        if not name:
            quoted = _QUOTED.match(line, at)
            if quoted is None:
                return None
            name, at = unescape(quoted[1]), quoted.end()
            if comma := _COMMA.match(line, at):
                at = comma.end()
            elif not _CLOSE.match(line, at):
                return None
        parsed = _labels(line, at)
        if parsed is None:
            return None
        labels, at = parsed
    elif at and not line[at - 1 : at].isspace():
        return None
    if not name or not is_utf8(line):
        return None
    return _after_labels(line, at, name, labels, openmetrics, escaping)


def _after_labels(
    line: bytes, at: int, name: bytes, labels: Labels, openmetrics: bool, escaping: Escaping
) -> Sample | None:
    found = _NUMBERS.match(line, at)
    if found is None:
        return None
    value = numbers.canonical(found[1])
    timestamp, at = found[2] or b"", found.end()
    if value is None or (timestamp and not numbers.is_time(timestamp)):
        return None
    exemplar, lost_time = b"", False
    if at < len(line):
        marked = _EXEMPLAR.match(line, at)
        if marked is None:
            return None
        read = _exemplar(line, marked.end(), escaping)
        if read is None:
            return None
        if openmetrics:  # text has no exemplars: it is forgotten
            exemplar, lost_time = read
    return Sample(name, labels, value, timestamp, exemplar, lost_time)


def _exemplar(line: bytes, at: int, escaping: Escaping) -> tuple[bytes, bool] | None:
    """The exemplar in one spelling, empty if it is longer than OpenMetrics allows or has two labels that become the
    same, and whether it lost its time."""
    opened = _OPEN.match(line, at)
    parsed = _labels(line, opened.end()) if opened else None
    if parsed is None:
        return None
    labels, at = parsed
    found = _NUMBERS.match(line, at)
    if found is None or found.end() != len(line):
        return None
    value, timestamp = numbers.canonical(found[1]), found[2] or b""
    if value is None or (timestamp and not numbers.is_time(timestamp)):
        return None
    time = numbers.time(timestamp, openmetrics=True, to_openmetrics=True) if timestamp else b""
    labels = tuple((escape_label(name, escaping), value) for name, value in labels)
    names = {name for name, _ in labels}
    if len(names) != len(labels) or b"__name__" in names:
        return b"", False
    if sum(len((n + unescape(v)).decode()) for n, v in labels) > 128:
        return b"", False  # OpenMetrics 1.0.0 limits label names and values of an exemplar to 128 characters
    inner = b",".join(b'%b="%b"' % (quote_label(n), v) for n, v in labels)
    return b"# {%b} %b" % (inner, value) + (b" " + time if time else b""), time is None


def _labels(line: bytes, at: int) -> tuple[Labels, int] | None:
    """Labels up to and with the closing brace, and where the line goes on."""
    labels = []
    while not (closed := _CLOSE.match(line, at)):
        found = _LABEL.match(line, at)
        if found is None:
            return None
        name = found[1] if found[1] is not None else unescape(found[2])
        labels.append((name, escape(unescape(found[3]))))
        at = found.end()
        if comma := _COMMA.match(line, at):
            at = comma.end()
        elif not _CLOSE.match(line, at):
            return None
    names = {name for name, _ in labels}
    if len(names) != len(labels) or b"__name__" in names or b"" in names:
        return None
    return tuple(labels), closed.end()


def labels_of(written: bytes) -> Labels:
    """Those of a label set as it is written between braces."""
    return tuple(
        (found[1] if found[1] is not None else unescape(found[2]), found[3])
        for found in _LABEL.finditer(written)
    )


def spelled(labels: Labels) -> bytes:
    """A label set as it is written between braces."""
    return b",".join([b'%b="%b"' % (quote_label(name), value) for name, value in labels])


def unescape(text: bytes) -> bytes:
    r"""`\\`, `\"` and `\n` stand for a character; any other backslash stands for itself."""
    if b"\\" not in text:
        return text
    marked = text.replace(b"\\\\", b"\x00")  # no text that is read has this byte
    return marked.replace(b"\\n", b"\n").replace(b'\\"', b'"').replace(b"\x00", b"\\")


def escape(text: bytes) -> bytes:
    """A label value as it is written between quotes."""
    return text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b'"', b'\\"')


def quote_label(name: bytes) -> bytes:
    """A label name as it is written: quoted only if it has to be."""
    return name if LEGACY_LABEL.fullmatch(name) else b'"%b"' % escape(name)


def is_utf8(text: bytes) -> bool:
    """Whether a line is UTF-8; Prometheus refuses a whole scrape for one label value that is not."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
