"""EnvoyStream: Envoy's body through a kernel while it arrives, family by family.

Envoy writes one family after the other, and no application may have a family of Envoy's names. So what stands between
two of its family heads can be merged and sent before the rest has come. What is answered is the same for every way in
which the body may arrive in pieces: where a kernel decides by what comes later in a body, here the first one wins.

The contract of a kernel is `exposition.merge`; this module only calls it with parts of a body.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from meshmeter.exposition.families import Type, openmetrics_claims, parse_type, shape
from meshmeter.exposition.lines import Fault
from meshmeter.exposition.merge import EOF, MergeResult, Options, Problem, Source, SourceStats

SEGMENT = 512 << 10
"""Bytes after which what has arrived is merged."""

MOST_PROBLEMS = 5

_OWN = b"envoy_"
_TYPE = re.compile(rb"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) ([a-z]+)")

Merge = Callable[[Sequence[Source], Options], MergeResult]


@dataclass(slots=True)
class _Family:
    """One family of a segment: where it begins and ends there."""

    start: int
    end: int
    name: bytes = b""
    """Empty if nothing declares a type."""
    type: Type = Type.UNKNOWN
    declared: tuple[int, int] = (0, 0)
    """Where the type stands in the segment."""


class EnvoyStream:
    """Feed it the body; it gives segments of whole families, and what they become. Not for several threads at once,
    but `merge` may run in another thread than `feed`."""

    def __init__(
        self,
        merge: Merge,
        options: Options,
        *,
        expected: frozenset[bytes] = frozenset(),
        segment: int = SEGMENT,
    ):
        """`expected` are the family names of an earlier answer of the same Envoy: only with them a counter `x_total`
        can give way to a gauge `x` that comes later, as OpenMetrics wants it."""
        self._merge = merge
        self._options = options
        self._expected = expected
        self._segment = segment
        self._pieces: list[bytes] = []
        self._size = 0
        self._lines = 0
        self._owners: dict[bytes, bytes] = {}
        self._claimed: set[bytes] = set()
        self._samples = 0
        self._dropped: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self.received = 0
        """Bytes so far."""
        self.written = 0
        """Bytes of all that `merge` has returned."""
        self.kept = b""
        """Families that are not named `envoy_…`: to be merged with those of the applications, before them."""

    # Pieces in, segments out

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece; a segment once there is enough for one."""
        self.received += len(piece)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size < self._segment:
            return
        held = b"".join(self._pieces)
        end = _last_family(held)
        if end:
            yield held[:end]
            held = held[end:]
        self._pieces, self._size = [held], len(held)

    def rest(self) -> bytes:
        """The last segment, once the body is complete. Of one that broke off it is to be thrown away."""
        held = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return held if not held or held.endswith(b"\n") else held + b"\n"

    # Segments in, answer out

    def merge(self, segment: bytes) -> bytes:
        """What is to be sent for a segment; segments in their order."""
        if not segment:
            return b""
        lines = self._lines
        self._lines += segment.count(b"\n")
        body = self._admit(segment)
        source = Source("envoy", body, envoy=True)
        total = self._options.total_bytes
        left = None if total is None else max(0, total - self.written)
        result = self._merge([source], replace(self._options, total_bytes=left))
        self._note(result.sources[0], lines)
        answer = result.body.removesuffix(EOF) if self._options.format.openmetrics else result.body
        self.written += len(answer)
        return answer

    def stats(self) -> SourceStats:
        """What became of everything that was merged."""
        return SourceStats("envoy", self._samples, dict(self._dropped), tuple(self._problems))

    def names(self) -> frozenset[bytes]:
        """The families so far: `expected` of the next stream."""
        return frozenset(self._owners.values())

    def _note(self, stats: SourceStats, lines: int) -> None:
        self._samples += stats.samples
        self._dropped.update(stats.dropped)
        for problem in stats.problems[: MOST_PROBLEMS - len(self._problems)]:
            self._problems.append(replace(problem, line=problem.line + lines) if problem.line else problem)

    def _admit(self, segment: bytes) -> bytes:
        """The segment without families that have no place in this answer, and with types that do."""
        parts: list[bytes] = []
        done = 0
        for family in _families(segment):
            if not family.name:
                continue
            if not family.name.startswith(_OWN):
                self.kept += segment[family.start : family.end]
            elif self._is_taken(family):
                self._refuse(family, segment)
            else:
                if self._has_to_give_way(family):
                    start, end = family.declared
                    parts += [segment[done:start], b"untyped"]
                    done = end
                continue
            parts.append(segment[done : family.start])
            done = family.end
        return segment if not parts else b"".join((*parts, segment[done:]))

    def _is_taken(self, family: _Family) -> bool:
        """Whether an earlier family has one of its names; else they are its own from now on."""
        roles = shape(family.name, family.type, openmetrics=False).roles
        clashing = self._claimed if self._options.format.openmetrics else frozenset()
        if any(name in self._owners or name in clashing for name in roles):
            return True
        self._owners.update(dict.fromkeys(roles, family.name))
        return False

    def _has_to_give_way(self, family: _Family) -> bool:
        """Whether OpenMetrics cannot have the family under its type; else the names that go with it are taken."""
        typed = (family.type is Type.COUNTER and family.name.endswith(b"_total")) or family.type.composite
        if not self._options.format.openmetrics or not typed:
            return False
        others = openmetrics_claims(family.name, family.type) - set(
            shape(family.name, family.type, openmetrics=False).roles
        )
        if any(name in self._owners or name in self._claimed or name in self._expected for name in others):
            return True
        self._claimed |= others
        return False

    def _refuse(self, family: _Family, segment: bytes) -> None:
        text = segment[family.start : family.end]
        count = sum(1 for line in text.split(b"\n") if line and not line.startswith(b"#"))
        self._dropped[Fault.TYPE_CONFLICT.value] += count
        if len(self._problems) < MOST_PROBLEMS:
            name = family.name.decode(errors="replace")
            self._problems.append(Problem(Fault.TYPE_CONFLICT.value, 0, name))


def family_names(body: bytes) -> frozenset[bytes]:
    """The families of a whole body of Envoy, for `expected`."""
    return frozenset(family.name for family in _families(body) if family.name)


def _last_family(held: bytes) -> int:
    """Where the last family begins: at the first of the comments before its samples; 0 if there is only one."""
    at = held.rfind(b"\n#")
    while at > 0:
        before = held.rfind(b"\n", 0, at)
        if held[before + 1 : before + 2] != b"#":
            return at + 1
        at = before
    return 0


def _families(segment: bytes) -> Iterator[_Family]:
    """The families of a segment, each from its first comment to its last sample."""
    family: _Family | None = None
    at, after_comment = 0, False
    while at < len(segment):
        if segment[at] != 0x23:  # samples, up to the next comment
            after_comment = False
            at = segment.find(b"\n#", at) + 1 or len(segment)
            continue
        if not after_comment:
            if family is not None:
                family.end = at
                yield family
            family = _Family(at, len(segment))
        after_comment = True
        assert family is not None
        if (found := _TYPE.match(segment, at)) and not family.name:
            family.name = found[1]
            family.type = parse_type(found[2], openmetrics=False) or Type.UNKNOWN
            family.declared = found.span(2)
        at = segment.find(b"\n", at) + 1 or len(segment)
    if family is not None:
        yield family
