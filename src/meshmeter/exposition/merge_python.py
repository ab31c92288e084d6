"""The reference kernel, in pure Python: readable first, and fast where Envoy's own form of text allows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meshmeter.exposition import soundness, writing
from meshmeter.exposition.families import Type, openmetrics_claims
from meshmeter.exposition.index import Family
from meshmeter.exposition.lines import Fault
from meshmeter.exposition.merge import EOF, PIECE, MergeResult, Options, Source
from meshmeter.exposition.reading import Reader
from meshmeter.exposition.samples import Samples, merge_split
from meshmeter.exposition.series import LabelTable
from meshmeter.exposition.writing import Head

_HEAD = b"# TYPE "

RESERVED = (b"envoy_", b"meshmeter_")


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


def merge(sources: Sequence[Source], options: Options, *, shortcuts: bool = True) -> MergeResult:
    """One valid body from those of the sources (contract: `exposition.merge`). Never raises for anything in a body.

    Without `shortcuts` every line is read by the slow and complete reader: for tests, the result is the same.
    """
    table = LabelTable()
    readers = [Reader(source, options, table, shortcuts=shortcuts) for source in sources]
    families = _join(readers)
    openmetrics = options.format.openmetrics
    untyped = _clashing(families) if openmetrics else frozenset()
    end = EOF if openmetrics else b""
    body, done, size = bytearray(), list[bytes](), 0
    for family in families:
        samples, counts = _collect(family)
        if not len(samples):
            continue
        fits = family.name not in untyped
        typed = fits and soundness.sound(family.name, family.type, samples, openmetrics=openmetrics)
        write = writing.openmetrics if openmetrics else writing.text
        written = b"".join(write(family.head(), samples, typed=typed))
        if options.total_bytes is not None and size + len(written) + len(end) > options.total_bytes:
            for reader, count, _ in counts:
                reader.drop(Fault.TOTAL_LIMIT, count, family.name)
            continue
        body += written
        size += len(written)
        if len(body) >= PIECE:
            done.append(bytes(body))
            body.clear()
        for reader, count, exemplars in counts:
            reader.samples += count
            reader.drop(Fault.TYPE, fits and not typed and count > 0, family.name)
            reader.drop(Fault.EXEMPLAR, 0 if typed else exemplars, family.name)
    body += end
    if body:
        done.append(bytes(body))
    return MergeResult(done, tuple(reader.stats() for reader in readers))


def heads(body: bytes) -> list[int]:
    """Where lines that begin with `# TYPE ` are."""
    found = [0] if body.startswith(_HEAD) else []
    at = body.find(b"\n" + _HEAD)
    while at >= 0:
        found.append(at + 1)
        at = body.find(b"\n" + _HEAD, at + 1)
    return found


def _join(readers: Iterable[Reader]) -> list[_Merged]:
    """The families of all sources, less those that lose a conflict."""
    joined: dict[bytes, _Merged] = {}
    owners: dict[bytes, _Merged] = {}
    for reader in readers:
        for family in reader.index.families.values():
            if family.name.startswith(RESERVED) and not reader.source.envoy:
                reader.drop_family(Fault.RESERVED, family)
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


def _collect(family: _Merged) -> tuple[Samples, list[tuple[Reader, int, int]]]:
    """The samples of a family over all sources, and how many, and how many exemplars, each source has in it."""
    collected = Samples()
    counts = []
    for reader, part in family.parts:
        samples = reader.read(part)
        if reader.any_split:
            samples, quantiles = merge_split(samples, family.type)
            reader.drop(Fault.QUANTILE, quantiles, family.name)
        found = len(samples)
        if not len(collected):
            collected = samples
        else:
            refused = collected.add(samples)
            reader.drop(Fault.DUPLICATE, refused, family.name)
            found -= refused
        counts.append((reader, found, samples.exemplars))
    return collected, counts


def _clashing(families: Iterable[_Merged]) -> frozenset[bytes]:
    """Families that OpenMetrics cannot have under their type, because the names it reserves for them are taken: the
    counter `x_total` beside a gauge `x`."""
    families = list(families)
    used = {name: family.name for family in families for _, part in family.parts for name in part.shape.roles}
    reserved: set[bytes] = set()
    clashing = set()
    for family in families:
        if family.type in (Type.GAUGE, Type.UNKNOWN, Type.STATESET):
            continue
        claims = openmetrics_claims(family.name, family.type)
        if family.type is Type.COUNTER and not family.name.endswith(b"_total"):
            clashing.add(family.name)
        elif not reserved.isdisjoint(claims) or any(
            used.get(name, family.name) != family.name for name in claims
        ):
            clashing.add(family.name)
        else:
            reserved |= claims
    return frozenset(clashing)
