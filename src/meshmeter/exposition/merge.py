"""The merge contract: bodies of several sources in, one valid body out.

A kernel begins a `Merging` for each answer. Envoy's body is fed to it in pieces, and what is whole can be sent at
once; `finish` merges the rest with the bodies of the applications. `merge` does both for bodies that are there already.
Nothing in a body makes it raise. Every kernel computes the same bytes and counts for the same input, however it is cut:
`merge_python` is the reference, `merge_native` the compiled one, `kernel` chooses. The rules, in full in
docs/decisions/0002-merge-rules.md:

* families in the order of their first appearance, sources in the order given; one group per family;
* the first source wins a conflict of type and an equal series, the loser is dropped and counted;
* a line that cannot be read costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from meshmeter.exposition.excerpt import excerpt
from meshmeter.exposition.formats import Format

MIB = 1 << 20

ENVOY = "envoy"
"""The name of what is fed."""

RENEWAL = 16 * MIB
"""Bytes of Envoy's body after which a kernel forgets the labels it has met, so that they do not pile up."""

PIECE = 1 << 20
"""Bytes after which a kernel begins another piece of its answer."""

EOF = b"# EOF\n"
"""How every answer in OpenMetrics ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one source may contribute. None: no limit."""

    samples: int | None = None
    """Families are kept whole: from the first one with more lines than are left, all are dropped unread."""
    labels: int | None = 128
    label_name_bytes: int | None = 1024
    label_value_bytes: int | None = 16 * 1024


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Source:
    """One body."""

    name: str
    body: bytes
    format: Format = Format.TEXT
    """TEXT or an OpenMetrics format; `formats.sniff` knows for a body that does not say."""
    envoy: bool = False
    """Envoy's own: its clusters are merged, and only it may have families named `envoy_…`."""
    label: str | None = None
    """Label that gets the source's name on every series; one that is there already becomes `exported_…`."""
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Options:
    """What to make of the sources."""

    format: Format = Format.TEXT
    """One that `formats.negotiate` returns."""
    merge_clusters: bool = True
    total_bytes: int | None = 320 * MIB
    """A family that would make the answer longer is dropped."""
    seconds: float | None = None
    """What an answer may take from `begin` on; what is not merged then is dropped. None: as long as it takes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that was dropped for a reason, for people."""

    reason: str
    line: int
    """Line of the source's body, counted from 1; 0 where a whole family is meant, and in Envoy's body."""
    family: str
    """The family's name where a whole one is meant, or what was read before it was dropped."""
    text: str
    """The line, or the family's name, as `excerpt` shows it. Empty where all of a body is meant."""

    @classmethod
    def of(cls, reason: str, line: int, family: bytes, text: bytes) -> Problem:
        """Of a family, or of the `text` of a line."""
        return cls(reason, line, family.decode(errors="replace"), excerpt(text or family))


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What became of one source."""

    name: str
    samples: int
    """Samples of it in the answer, after merging clusters."""
    dropped: Mapping[str, int]
    """What was dropped, by reason (`lines.Fault`): samples, or for the reasons in `lines.LOST` parts of samples that
    are in the answer."""
    problems: tuple[Problem, ...]
    """The first of each reason, in the order of `lines.Fault`. That is the first line of an application's body, or what
    was met first where lines have no number."""


@dataclass(frozen=True, slots=True, eq=False)
class MergeResult:
    """Compared by what it says; where it is cut into pieces does not count."""

    pieces: Sequence[bytes]
    """One valid body, in pieces of whole lines: large ones are never held twice."""
    sources: tuple[SourceStats, ...]
    """In the order of the sources given."""

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def without_end(self) -> Sequence[bytes]:
        """The pieces less `EOF`, if they end in it: what more can be sent after."""
        if not self.pieces or not self.pieces[-1].endswith(EOF):
            return self.pieces
        return [*self.pieces[:-1], self.pieces[-1].removesuffix(EOF)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MergeResult):
            return NotImplemented
        return (self.body, self.sources) == (other.body, other.sources)

    __hash__ = None  # type: ignore[assignment]  # it has parts that cannot be hashed


class Merging(Protocol):
    """One answer while it comes into being. Used by one thread at a time, and not after `finish`."""

    def feed(self, piece: bytes | memoryview) -> Sequence[bytes]:
        """Some more of Envoy's body, which is text; what of the answer can be sent now."""

    def finish(self, sources: Sequence[Source], *, whole: bool = True) -> MergeResult:
        """The rest of the answer, and what became of all sources: of Envoy first, if anything was fed. If Envoy's
        body is not `whole`, its last block is left out without a word."""


class Begin(Protocol):
    """What a kernel does."""

    def __call__(self, options: Options, limits: Limits = ...) -> Merging:
        """`limits` are those of the body that is fed."""


def merge(begin: Begin, sources: Sequence[Source], options: Options) -> MergeResult:
    """One valid body from those of the sources: the first one is fed if it is Envoy's, as Envoy writes them."""
    first = sources[0] if sources else None
    if first is None or not first.envoy or first.label is not None or first.format.openmetrics:
        return begin(options).finish(sources)
    merging = begin(options, first.limits)
    pieces = merging.feed(first.body)
    rest = merging.finish(sources[1:])
    named = replace(rest.sources[0], name=first.name)
    return MergeResult([*pieces, *rest.pieces], (named, *rest.sources[1:]))
