"""Reading exposition text line by line, tolerantly: a bad line is counted by reason, the rest stays.

Works on bytes, for bodies of many megabytes. Text 0.0.4 and OpenMetrics share the reader: what only one of them allows
(exemplars, `# EOF`, `# UNIT`, timestamps in seconds) is recognised by the format that the source declared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

TEXT_TYPES = frozenset({b"counter", b"gauge", b"histogram", b"summary", b"untyped"})
OPENMETRICS_TYPES = frozenset(
    {b"counter", b"gauge", b"histogram", b"summary", b"unknown", b"info", b"stateset", b"gaugehistogram"}
)

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
_VALUE = rb"[^\s#]+"
_BLOCK = rb'\{(?:[^"\n}]|"(?:[^"\\\n]|\\.)*")*\}'
SAMPLE = re.compile(
    rb"(?P<name>" + _NAME + rb")?[ \t]*(?P<labels>" + _BLOCK + rb")?[ \t]+(?P<value>" + _VALUE + rb")"
    rb"(?:[ \t]+(?P<time>" + _VALUE + rb"))?[ \t]*(?P<exemplar>#[ \t]*" + _BLOCK + rb".*)?"
)
_LABEL = re.compile(
    rb'[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\\n]|\\.)*")[ \t]*=[ \t]*'
    rb'"(?P<value>(?:[^"\\\n]|\\.)*)"[ \t]*(?:,|$)'
)
_QUOTED_NAME = re.compile(rb'[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*(?:,|$)')
_PLAIN_LABELS = re.compile(rb'\{(?:[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"(?:,(?=[a-zA-Z_])|(?=\})))*\}')
_PLAIN_NAME = re.compile(_NAME)
_META = re.compile(rb"#[ \t]+(HELP|TYPE|UNIT)[ \t]+(\"(?:[^\"\\\n]|\\.)*\"|[^ \t]+)(?:[ \t](.*))?")
_TIME_MS = re.compile(rb"-?[0-9]{1,18}")

Label = tuple[bytes, bytes]
"""Name and value, the value still escaped."""


@dataclass(slots=True)
class Sample:
    """One sample. Its name may carry a suffix of its family's."""

    name: bytes
    labels: tuple[Label, ...]
    value: bytes
    time: bytes = b""
    """Milliseconds, empty if there is none."""


@dataclass(slots=True)
class Family:
    """A metric family as one source declares it."""

    name: bytes
    type: bytes = b"untyped"
    help: bytes | None = None
    unit: bytes | None = None
    samples: list[Sample] = field(default_factory=list)


def read(body: bytes, *, openmetrics: bool, bad: Counter[str]) -> Iterator[Family]:
    """The families of a body in order of appearance, each once; bad lines are counted in `bad` by reason."""
    families: dict[bytes, Family] = {}
    current: Family | None = None
    for raw in body.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = raw.strip(b" \t\r")
        if not line:
            continue
        if line.startswith(b"#"):
            current = _comment(line, families, current, openmetrics, bad)
            continue
        sample = read_sample(line, openmetrics=openmetrics, bad=bad)
        if sample is not None:
            current = _family_of(sample.name, families, current)
            current.samples.append(sample)
    yield from families.values()


def _comment(
    line: bytes, families: dict[bytes, Family], current: Family | None, openmetrics: bool, bad: Counter[str]
) -> Family | None:
    match = _META.fullmatch(line)
    if match is None:
        return current  # a remark, or `# EOF`, also in the middle of concatenated bodies
    word, name, text = match[1], _unquoted(match[2]), (match[3] or b"").strip()
    if not name or b"\0" in name or not _is_utf8(name) or not _is_utf8(text):
        bad["bad_metadata"] += 1
        return current
    family = families.setdefault(name, Family(name))
    if word == b"TYPE":
        types = OPENMETRICS_TYPES if openmetrics else TEXT_TYPES
        kind = text.lower()
        if kind not in types:
            bad["bad_type"] += 1
        elif family.samples:
            bad["late_type"] += 1
        else:
            family.type = b"untyped" if kind == b"unknown" else kind
    elif word == b"HELP":
        family.help = text if family.help is None else family.help
    else:
        family.unit = text if family.unit is None else family.unit
    return family


_SUFFIXES = {
    b"histogram": (b"_bucket", b"_sum", b"_count", b"_created"),
    b"gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    b"summary": (b"_sum", b"_count", b"_created", b""),
    b"counter": (b"_total", b"_created", b""),
    b"info": (b"_info",),
}


def _family_of(name: bytes, families: dict[bytes, Family], current: Family | None) -> Family:
    """The family that a sample belongs to; a new one of no type if it belongs to none."""
    if current is not None and belongs(name, current):
        return current
    found = families.get(name)
    if found is not None and belongs(name, found):
        return found
    for suffix in (b"_bucket", b"_sum", b"_count", b"_total", b"_created", b"_info", b"_gsum", b"_gcount"):
        if name.endswith(suffix):
            found = families.get(name[: -len(suffix)])
            if found is not None and belongs(name, found):
                return found
    return families.setdefault(name, Family(name))


def belongs(name: bytes, family: Family) -> bool:
    """Whether a sample of this name is one of the family's."""
    if not name.startswith(family.name):
        return False
    return name[len(family.name) :] in _SUFFIXES.get(family.type, (b"",))


def read_sample(line: bytes, *, openmetrics: bool, bad: Counter[str]) -> Sample | None:
    """One sample line, or None with the reason counted."""
    match = SAMPLE.fullmatch(line)
    if match is None:
        bad["bad_line"] += 1
        return None
    name, block, value = match["name"] or b"", match["labels"] or b"", match["value"]
    if match["exemplar"] is not None and not openmetrics:
        bad["bad_line"] += 1
        return None
    labels: tuple[Label, ...] = ()
    if block:
        parsed = read_labels(block, named=bool(name))
        if parsed is None:
            bad["bad_labels"] += 1
            return None
        quoted, labels = parsed
        name = name or quoted
    if not name:
        bad["bad_line"] += 1
        return None
    if not is_number(value):
        bad["bad_value"] += 1
        return None
    time = milliseconds(match["time"] or b"", openmetrics=openmetrics)
    if time is None:
        bad["bad_timestamp"] += 1
        return None
    return Sample(name, labels, value, time)


def read_labels(block: bytes, *, named: bool) -> tuple[bytes, tuple[Label, ...]] | None:
    """The quoted metric name, if the block starts with one and none stands before it, and the labels.

    None if the block is malformed, repeats a label, or is not UTF-8.
    """
    inner = block[1:-1].strip(b" \t")
    metric = b""
    if not named:
        first = _QUOTED_NAME.match(inner)
        if first is None:
            return None
        metric, inner = _unescaped(first[1]), inner[first.end() :]
    labels: list[Label] = []
    position = 0
    while position < len(inner):
        match = _LABEL.match(inner, position)
        if match is None:
            return None
        labels.append((_unquoted(match["name"]), match["value"]))
        position = match.end()
    if len({name for name, _value in labels}) != len(labels) or not _is_utf8(block):
        return None
    return metric, tuple(labels)


def is_number(text: bytes) -> bool:
    """Whether Prometheus takes it as a value."""
    if b"_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def milliseconds(text: bytes, *, openmetrics: bool) -> bytes | None:
    """A timestamp in milliseconds; empty stays empty, None is malformed. OpenMetrics writes seconds."""
    if not text:
        return b""
    if openmetrics:
        if not is_number(text):
            return None
        seconds = float(text)
        if seconds != seconds or abs(seconds) > 1e15:
            return None
        return b"%d" % round(seconds * 1000)
    return text if _TIME_MS.fullmatch(text) else None


def write_name(name: bytes) -> bytes:
    """A metric name where it needs no quotes, and quoted otherwise."""
    return name if is_plain(name) else b'"' + _escaped(name) + b'"'


def is_plain(name: bytes) -> bool:
    """Whether a metric name is one of the classic character set."""
    return _PLAIN_NAME.fullmatch(name) is not None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unquoted(name: bytes) -> bytes:
    return _unescaped(name[1:-1]) if name.startswith(b'"') and name.endswith(b'"') and len(name) > 1 else name


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return re.sub(rb"\\(.)", lambda m: {b"n": b"\n"}.get(m[1], m[1]), text)


def _escaped(text: bytes) -> bytes:
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
