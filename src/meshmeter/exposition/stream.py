"""EnvoyStream: Envoy's body through a kernel while it arrives, family by family.

Envoy writes one family after the other, and no application may have a family of Envoy's names. So what stands between
two of its family heads can be merged and sent before the rest has come. What is answered is the same for every way in
which the body may arrive in pieces: where a kernel decides by what comes later in a body, here the first one wins.

The contract of a kernel is `exposition.merge`; this module only calls it with parts of a body.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from meshmeter.exposition.families import Type, openmetrics_claims, parse_type, shape
from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.lines import Fault
from meshmeter.exposition.merge import Options, Problem, Source, SourceStats

MOST_PROBLEMS = 5

_OWN = b"envoy_"
_HEAD = b"\n# TYPE "
_TYPE = re.compile(rb"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) ([a-z]+)")


@dataclass(frozen=True, slots=True)
class _Family:
    """One family of a segment: where it begins and ends there."""

    start: int
    end: int
    name: bytes
    type: Type
    declared: tuple[int, int]
    """Where the type stands in the segment."""


class EnvoyStream:
    """Feed it the body in pieces of any size; each time it gives what is to be sent."""

    def __init__(self, kernel: Kernel, options: Options, *, expected: frozenset[bytes] = frozenset()):
        """`expected` are the family names of an earlier answer of the same Envoy: only with them a counter `x_total`
        can give way to a gauge `x` that comes later, as OpenMetrics wants it."""
        self._merge = kernel.merge
        self._find_heads = kernel.heads
        self._options = options
        self._expected = expected
        self._held: list[bytes] = []
        self._owners: dict[bytes, bytes] = {}
        self._claimed: set[bytes] = set()
        self._samples = 0
        self._dropped: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self.received = 0
        """Bytes so far."""
        self.written = 0
        """Bytes of all that was given to be sent."""
        self.kept = b""
        """Families that are not named `envoy_…`: to be merged with those of the applications, before them."""

    def feed(self, *pieces: bytes) -> Sequence[bytes]:
        """Take some more of the body; what is to be sent for the families that are whole with it."""
        self._held += pieces
        self.received += sum(map(len, pieces))
        for at in range(len(self._held) - 1, max(-1, len(self._held) - len(pieces) - 1), -1):
            # Cut within one piece, so that nothing is copied twice.
            end = _last_family(self._held[at])
            if end:
                segment = b"".join((*self._held[:at], self._held[at][:end]))
                self._held = [self._held[at][end:], *self._held[at + 1 :]]
                return self._answer(segment)
        return ()

    def end(self) -> Sequence[bytes]:
        """The body is complete; what is to be sent for its last families. Not for a body that broke off, in which the
        last one is not whole."""
        held = b"".join(self._held)
        self._held = []
        return self._answer(held if held.endswith(b"\n") else held + b"\n") if held else ()

    def _answer(self, segment: bytes) -> Sequence[bytes]:
        """What is to be sent for whole families."""
        body = self._admit(segment, self._find_heads(segment))
        total = self._options.total_bytes
        left = None if total is None else max(0, total - self.written)
        result = self._merge([Source("envoy", body, envoy=True)], replace(self._options, total_bytes=left))
        self._note(result.sources[0])
        answer = result.without_end()
        self.written += sum(map(len, answer))
        return answer

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their family."""
        return sum(map(len, self._held))

    def stats(self) -> SourceStats:
        """What became of everything that was merged."""
        return SourceStats("envoy", self._samples, dict(self._dropped), tuple(self._problems))

    def names(self) -> frozenset[bytes]:
        """The families so far: `expected` of the next stream."""
        return frozenset(self._owners.values())

    def _note(self, stats: SourceStats) -> None:
        self._samples += stats.samples
        self._dropped.update(stats.dropped)
        # Their lines are counted in this part alone; counting those before would cost more than merging them.
        self._problems += [
            replace(problem, line=0) for problem in stats.problems[: MOST_PROBLEMS - len(self._problems)]
        ]

    def _admit(self, segment: bytes, heads: Sequence[int]) -> bytes:
        """The segment without families that have no place in this answer, and with types that do."""
        parts: list[bytes] = []
        done = 0
        for family in _families(segment, heads):
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


def family_names(body: bytes, kernel: Kernel) -> frozenset[bytes]:
    """The families of a whole body of Envoy, for `expected`."""
    return frozenset(family.name for family in _families(body, kernel.heads(body)))


def _last_family(piece: bytes) -> int:
    """Where the last family that is sure to begin in this piece does: its comments and the line before are there
    whole. 0 if there is none."""
    at = piece.rfind(_HEAD) + 1
    start = _head_start(piece, at) if at else 0
    return start if start and piece.find(b"\n", 0, start - 1) >= 0 else 0


def _head_start(held: bytes, at: int) -> int:
    """The first of the comments that stand together with the one at `at`."""
    while at > 0:
        before = held.rfind(b"\n", 0, at - 1) + 1
        if held[before : before + 1] != b"#":
            return at
        at = before
    return 0


def _families(segment: bytes, heads: Sequence[int]) -> Iterator[_Family]:
    """The families whose TYPE lines begin at `heads`, each from its first comment to its last sample."""
    if not heads:
        return
    starts = [_head_start(segment, head) for head in heads]
    for head, start, end in zip(heads, starts, [*starts[1:], len(segment)], strict=True):
        found = _TYPE.match(segment, head)
        if found:
            type = parse_type(found[2], openmetrics=False) or Type.UNKNOWN
            yield _Family(start, end, found[1], type, found.span(2))
