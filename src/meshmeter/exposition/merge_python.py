"""The reference kernel, in pure Python: readable first, and fast where Envoy's own form of text allows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field

from meshmeter.exposition import encoder, soundness
from meshmeter.exposition.blocks import HEAD, Blocks
from meshmeter.exposition.deadline import Deadline, Late
from meshmeter.exposition.encoder import Head
from meshmeter.exposition.families import Type, openmetrics_claims, openmetrics_name
from meshmeter.exposition.index import Family
from meshmeter.exposition.lines import Fault
from meshmeter.exposition.merge import (
    DEFAULT_LIMITS,
    ENVOY,
    EOF,
    PIECE,
    RENEWAL,
    Limits,
    MergeResult,
    Merging,
    Options,
    Source,
)
from meshmeter.exposition.reading import Reader
from meshmeter.exposition.samples import Samples, merge_split
from meshmeter.exposition.series import LabelTable

OWN = b"envoy_"
RESERVED = (OWN, b"meshmeter_")


@dataclass(slots=True)
class _Merged:
    """One family of the answer and where its samples are."""

    name: bytes
    type: Type
    parts: list[tuple[Reader, Family]] = field(default_factory=list)

    def head(self) -> Head:
        return Head(
            self.name,
            self.type,
            next((family.help for _, family in self.parts if family.help), b""),
            next((family.unit for _, family in self.parts if family.unit), b""),
        )


def begin(
    options: Options,
    limits: Limits = DEFAULT_LIMITS,
    *,
    shortcuts: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Merging:
    """Begin an answer (contract: `exposition.merge`).

    Without `shortcuts` every line is read by the slow and complete reader: for tests, the result is the same.
    """
    return _Merging(options, limits, shortcuts, Deadline(options.seconds, clock))


class _Merging:
    def __init__(self, options: Options, limits: Limits, shortcuts: bool, deadline: Deadline):
        self._options = options
        self._deadline = deadline
        self._shortcuts = shortcuts
        self._out = _Out(options, deadline)
        self._blocks = Blocks()
        self._table = LabelTable()
        self._envoy = self._reader(Source(ENVOY, b"", envoy=True, limits=limits))
        self._is_fed = False
        self._read = 0
        self._kept = bytearray()
        self._taken: set[bytes] = set()
        """Names that what was written of Envoy's body uses or reserves."""

    def feed(self, piece: bytes | memoryview) -> Sequence[bytes]:
        self._is_fed = True
        for block in self._blocks.feed(piece):
            self._take(block)
        return self._out.take()

    def finish(self, sources: Sequence[Source], *, whole: bool = True) -> MergeResult:
        readers = [self._envoy] if self._is_fed else []
        if whole and (last := self._blocks.rest()):
            self._take(last)
        self._envoy.open(bytes(self._kept), numbered=False)
        self._kept.clear()
        for source in sources:
            reader = self._reader(source)
            reader.open(source.body)
            readers.append(reader)
        for reader in readers:
            reader.complain()
        families = deque(_join(readers, self._taken))
        openmetrics = self._options.format.openmetrics
        untyped = _clashing(families, self._taken) if openmetrics else _hidden(families)
        while families:  # what is written is given up
            family = families.popleft()
            self._out.write(family, fits=family.name not in untyped)
        return MergeResult(self._out.end(), tuple(reader.stats() for reader in readers))

    def _reader(self, source: Source) -> Reader:
        return Reader(source, self._options, self._table, self._deadline, shortcuts=self._shortcuts)

    def _take(self, block: bytes) -> None:
        """Write a block that is one family of Envoy's own with nothing else in it; keep any other for the end."""
        self._read += len(block)
        if self._read > RENEWAL:
            self._read, self._table = len(block), LabelTable()
            self._envoy.renew(self._table)
        head = 0 if block.startswith(HEAD) else block.find(b"\n" + HEAD) + 1
        if not block.startswith(HEAD + OWN, head):
            self._kept += block
            return
        if not self._envoy.open(block, numbered=False):
            return
        families = list(self._envoy.index.families.values())
        if self._envoy.index.declared != 1 or len(families) != 1:
            self._kept += block
            return
        self._envoy.complain()
        self._take_family(families[0])

    def _take_family(self, family: Family) -> None:
        names = {family.name, *family.shape.roles}
        if not self._taken.isdisjoint(names):
            self._envoy.drop_family(Fault.TYPE_CONFLICT, family)
            return
        reserved = _reserved(family) if self._options.format.openmetrics else frozenset()
        typed = reserved is not None and self._taken.isdisjoint(reserved)
        if self._out.write(_Merged(family.name, family.type, [(self._envoy, family)]), fits=typed):
            self._taken |= names
            if reserved and typed:
                self._taken |= reserved


class _Out:
    """What is written, in pieces."""

    def __init__(self, options: Options, deadline: Deadline):
        self._deadline = deadline
        self._openmetrics = options.format.openmetrics
        self._end = EOF if self._openmetrics else b""
        self._left = None if options.total_bytes is None else options.total_bytes - len(self._end)
        self._body, self._pieces = bytearray(), list[bytes]()

    def write(self, family: _Merged, *, fits: bool) -> bool:
        """Write a family with all its samples, under its type if that fits its names and its samples. False if there
        are none, no place for it, or no time."""
        marks = [reader.mark() for reader, _ in family.parts]
        try:
            self._deadline.check()
            samples, counts = _collect(family)
            self._deadline.check()
        except Late:
            for (reader, part), mark in zip(family.parts, marks, strict=True):
                reader.back(mark)
                reader.drop_family(Fault.DEADLINE, part)
            return False
        if not len(samples):
            return False
        openmetrics = self._openmetrics
        closed = samples.complete() if fits and family.type is Type.HISTOGRAM else []
        typed = fits and soundness.sound(family.name, family.type, samples, openmetrics=openmetrics)
        if not typed:
            samples.reopen(closed)
            closed = []
        samples.sort()
        write = encoder.openmetrics if openmetrics else encoder.text
        written = deque(write(family.head(), samples, typed=typed))
        if self._left is not None:
            length = sum(map(len, written))
            if length > self._left:
                for has in counts:
                    has.reader.drop(Fault.TOTAL_LIMIT, has.samples, family.name)
                return False
            self._left -= length
        while written:  # nothing of it is there twice
            self._body += written.popleft()
            if len(self._body) >= PIECE:
                self._cut()
        lost = not typed and (not openmetrics or _reserved(family) is not None)
        for has in counts:
            has.reader.samples += has.samples + sum(at in has.metrics for at in closed)
            has.reader.drop(Fault.TYPE, lost and has.samples > 0, family.name)
            has.reader.drop(Fault.EXEMPLAR, 0 if typed else has.exemplars, family.name)
        return True

    def take(self) -> list[bytes]:
        """What was not taken yet."""
        if self._body:
            self._cut()
        taken, self._pieces = self._pieces, []
        return taken

    def end(self) -> list[bytes]:
        """The rest."""
        self._body += self._end
        return self.take()

    def _cut(self) -> None:
        self._pieces.append(bytes(self._body))
        self._body.clear()


def _join(readers: Iterable[Reader], taken: Set[bytes]) -> list[_Merged]:
    """The families of all sources, less those that lose a conflict; `taken` are names that none may have."""
    joined: dict[bytes, _Merged] = {}
    owners: dict[bytes, _Merged] = {}
    for reader in readers:
        for family in reader.take_families():
            if family.name.startswith(RESERVED) and not reader.source.envoy:
                reader.drop_family(Fault.RESERVED, family)
                continue
            if not taken.isdisjoint((family.name, *family.shape.roles)):
                reader.drop_family(Fault.TYPE_CONFLICT, family)
                continue
            merged = joined.get(family.name)
            if merged is None:
                merged = _Merged(family.name, family.type)
            elif merged.type.in_text is not family.type.in_text:
                reader.drop_family(Fault.TYPE_CONFLICT, family)
                continue
            if any(owners.get(name, merged) is not merged for name in family.shape.roles):
                reader.drop_family(Fault.TYPE_CONFLICT, family)
                continue
            joined[family.name] = merged
            for name in family.shape.roles:
                owners[name] = merged
            merged.parts.append((reader, family))
    return list(joined.values())


@dataclass(frozen=True, slots=True)
class _Count:
    """What a source has in a family."""

    reader: Reader
    samples: int
    exemplars: int
    metrics: range
    """Places of its metrics among those of the family."""


def _collect(family: _Merged) -> tuple[Samples, list[_Count]]:
    """The samples of a family over all sources, and what each of them has in it. Raises Late."""
    collected = Samples()
    counts = []
    for reader, part in family.parts:
        samples = reader.read(part)
        if reader.any_split:
            if family.type is Type.HISTOGRAM:
                samples.complete()  # before it is summed: a cluster that lacks +Inf counts there with its last bound
            samples, quantiles = merge_split(samples, family.type)
            reader.drop(Fault.QUANTILE, quantiles, family.name)
        found, first = len(samples), len(collected.metrics)
        if not len(collected):
            collected = samples
        else:
            refused = collected.add(samples)
            reader.drop(Fault.DUPLICATE, refused, family.name)
            found -= refused
        counts.append(_Count(reader, found, samples.exemplars, range(first, len(collected.metrics))))
    return collected, counts


def _clashing(families: Iterable[_Merged], taken: Set[bytes]) -> frozenset[bytes]:
    """Families that OpenMetrics cannot have under their type, because the names it reserves for them are taken: the
    counter `x_total` beside a gauge `x`."""
    families = list(families)
    used = {name: family.name for family in families for _, part in family.parts for name in part.shape.roles}
    reserved = set(taken)
    clashing = set()
    for family in families:
        claims = _reserved(family)
        if (
            claims is None
            or not reserved.isdisjoint(claims)
            or any(used.get(name, family.name) != family.name for name in claims)
        ):
            clashing.add(family.name)
        else:
            reserved |= claims
    return frozenset(clashing)


def _hidden(families: Iterable[_Merged]) -> frozenset[bytes]:
    """Histograms named as samples of another family are: under that TYPE line other parsers look for those."""
    families = list(families)
    histograms = {family.name for family in families if family.type is Type.HISTOGRAM}
    return frozenset(
        name
        for family in families
        for _, part in family.parts
        for name in part.shape.roles
        if name in histograms and name != family.name
    )


def _reserved(family: _Merged | Family) -> frozenset[bytes] | None:
    """The names that OpenMetrics reserves for a family under its type, if it does for such a type; None if it cannot
    have the family under its type."""
    if family.type in (Type.GAUGE, Type.UNKNOWN, Type.STATESET):
        return frozenset()
    if family.type is Type.COUNTER and not family.name.endswith(b"_total"):
        return None
    if not openmetrics_name(family.name, family.type):
        return None
    return openmetrics_claims(family.name, family.type)
