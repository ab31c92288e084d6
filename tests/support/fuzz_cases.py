"""Cases of the fuzzer as files that people can read and edit: options, then sources with their bodies.

    #case o u 300 c=7,90
    <empty line>
    #source e l=app n=5,,,
    <body>
    <empty line>
    #source o
    <body>

Options: `o` OpenMetrics; `u`, `s`, `d` or `v` for UTF-8 names, underscores, dots or values as the scheme of names; `k`
clusters kept, a number: the limit of the whole; `c=` where the first body is cut as it arrives, if it is Envoy's. Of a
source: `e` Envoy's, `o` OpenMetrics, `l=` its label, `n=` its limits (samples, labels, bytes of a label name, of a
value). Whatever else stands there has no effect, so that every text is a case; the line break before `#source` belongs
to it and not to a body. native/fuzz/src/case.rs reads the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from meshmeter.exposition.formats import Format
from meshmeter.exposition.merge import Limits, Options, Source
from meshmeter.exposition.names import Escaping


class Case(NamedTuple):
    """What a kernel is asked."""

    sources: list[Source]
    options: Options
    cuts: tuple[int, ...] = ()
    """Where the first body is cut, if it arrives in pieces; places beyond its end begin anew."""


_LABEL = re.compile(rb"[a-zA-Z_][a-zA-Z0-9_]*")
_SOURCE = b"\n#source"
_SCHEMES = {b"u": Escaping.UTF8, b"s": Escaping.UNDERSCORES, b"d": Escaping.DOTS, b"v": Escaping.VALUES}
_FORMATS = {
    (format.openmetrics, format.scheme): format
    for format in Format
    if format.scheme or format in (Format.TEXT, Format.OPENMETRICS_1)
}
_MOST = 8
"""Sources of a case; more say nothing new."""


def decode(text: bytes) -> Case:
    """The case that a file's content is."""
    head, *parts = text.split(_SOURCE)
    words = head.partition(b"\n")[0].split()
    total = next((number for word in words if (number := _number(word)) is not None), None)
    cuts = next((word[2:].split(b",") for word in reversed(words) if word.startswith(b"c=")), [])
    scheme = next((scheme for word, scheme in _SCHEMES.items() if word in words), None)
    options = Options(_FORMATS[b"o" in words, scheme], b"k" not in words, total)
    places = tuple(number for word in cuts if (number := _number(word)) is not None)
    return Case([_source(n, part) for n, part in enumerate(parts[:_MOST])], options, places)


def encode(case: Case) -> bytes:
    """A file's content."""
    sources, options, cuts = case
    words = [b"#case"]
    words += [
        word
        for word, there in (
            (b"o", options.format.openmetrics),
            *((word, options.format.scheme is scheme) for word, scheme in _SCHEMES.items()),
            (b"k", not options.merge_clusters),
        )
        if there
    ]
    if options.total_bytes is not None:
        words.append(b"%d" % options.total_bytes)
    if cuts:
        words.append(b"c=" + b",".join(b"%d" % place for place in cuts))
    return b" ".join(words) + b"\n" + b"".join(map(_written, sources))


def _source(n: int, part: bytes) -> Source:
    line, _, body = part.partition(b"\n")
    label, limits = None, Limits()
    words = line.split()
    for word in words:
        key, _, value = word.partition(b"=")
        if key == b"l" and _LABEL.fullmatch(value):
            label = value.decode()
        elif key == b"n":
            limits = Limits(*([*map(_number, value.split(b",")), None, None, None, None][:4]))
    return Source(
        f"s{n}",
        body,
        Format.OPENMETRICS_1 if b"o" in words else Format.TEXT,
        envoy=b"e" in words,
        label=label,
        limits=limits,
    )


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() and len(word) < 10 else None


def _written(source: Source) -> bytes:
    words = [_SOURCE]
    if source.envoy:
        words.append(b"e")
    if source.format.openmetrics:
        words.append(b"o")
    if source.label is not None:
        words.append(b"l=" + source.label.encode())
    limits = source.limits
    if limits != Limits():
        all_of_them = (limits.samples, limits.labels, limits.label_name_bytes, limits.label_value_bytes)
        words.append(b"n=" + ",".join("" if each is None else str(each) for each in all_of_them).encode())
    return b" ".join(words) + b"\n" + source.body
