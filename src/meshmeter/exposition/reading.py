"""Reading the samples of one source, a family at a time.

There are two ways to the same result. Lines in the plain form that Envoy and client libraries write are read by one
regular expression per stretch; any stretch with anything else in it, or with something to complain about, is read
again line by line, which knows about escapes, timestamps, exemplars and line numbers.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshmeter.exposition import numbers
from meshmeter.exposition.deadline import Deadline, Late
from meshmeter.exposition.excerpt import EXCERPT
from meshmeter.exposition.families import Role, Type, role_of
from meshmeter.exposition.index import Family, index, normalise, stretches
from meshmeter.exposition.lines import Fault, Sample, is_utf8, parse_sample
from meshmeter.exposition.merge import Options, Problem, Source, SourceStats
from meshmeter.exposition.samples import Metric, Samples, has_exemplar
from meshmeter.exposition.series import LabelSet, LabelTable, SourceLabels

FAMILIES = 100_000
"""How many a source with a limit of samples may have, or declare without samples; more if it may have more samples."""
NO_DEADLINE = Deadline(None, lambda: 0.0)
_BETWEEN_CHECKS = 64 << 10
_PIECE = 1 << 16

_LABEL = rb'[a-zA-Z_][a-zA-Z0-9_]*+="[^"\\\n\x00]*+"'
_PLAIN_ROW = re.compile(
    rb"([a-zA-Z_:][a-zA-Z0-9_:]*+)(?:\{((?:" + _LABEL + rb"(?:," + _LABEL + rb")*+)?+)\})?+ "
    rb"(-?\d{1,40}+(?:\.\d{1,40}+)?+(?:[eE][+-]?\d{1,2}+)?+|NaN|[+-]Inf)\n"
    rb"|([^\n]*+)\n"
)
"""One plain line as name, labels and value, or any other line as the last group. Possessive: it never backtracks, and
always consumes whole lines. Numbers of this length cannot overflow a float."""
_LINE = re.compile(rb"([^\n]*)\n")
_EDGE_LABELS = {Role.BUCKET: b"le", Role.QUANTILE: b"quantile"}


@dataclass(frozen=True, slots=True)
class _Found:
    """The first thing that was dropped for a reason."""

    offset: int | None = None
    """Of a line whose number can be told."""
    family: bytes = b""
    text: bytes = b""
    """Of a line, longer than is shown."""


Mark = tuple[dict[Fault, int], dict[Fault, _Found], bool]


class Reader:
    """One source of a merge and what became of it so far."""

    def __init__(
        self,
        source: Source,
        options: Options,
        table: LabelTable,
        deadline: Deadline = NO_DEADLINE,
        *,
        shortcuts: bool = True,
    ):
        """`open` reads the source's body, or parts of it one after the other."""
        self.source = source
        self._options = options
        self._openmetrics = source.format.openmetrics
        self._to_openmetrics = options.format.openmetrics
        self._escaping = options.format.escaping
        self._with_shortcuts = shortcuts
        self._deadline = deadline
        self._full = False
        self.samples = 0
        self._dropped: dict[Fault, int] = {}
        self._first: dict[Fault, _Found] = {}
        self.renew(table)

    def renew(self, table: LabelTable) -> None:
        """Forget all labels and go on with a table of others."""
        self._labels = SourceLabels(
            self.source, table, merge_clusters=self._options.merge_clusters, escaping=self._escaping
        )
        self._edges: dict[Role, dict[bytes, tuple[float, bytes]]] = {Role.BUCKET: {}, Role.QUANTILE: {}}

    def open(self, body: bytes, *, numbered: bool = True) -> bool:
        """Index a body; `complain` counts what belongs to no family. `numbered` if its first line is number 1. False if
        there was no time: its lines are counted, and nothing is in it."""
        self._numbered = numbered
        try:
            self._deadline.check()
            self._open(body)
        except Late:
            self.drop(Fault.DEADLINE, _count(normalise(body)), b"")
            self._open(b"")
            return False
        return True

    def _open(self, body: bytes) -> None:
        self._utf8 = _is_utf8(body)
        limit = self.source.limits.samples
        self.index = index(
            normalise(body),
            openmetrics=self._openmetrics,
            escaping=self._escaping,
            most=None if limit is None else max(limit, FAMILIES),
            check=self._deadline.check,
        )
        self._body = self.index.body

    def complain(self) -> None:
        """Count the lines that belong to no family."""
        for offset in self.index.malformed:
            self._fault(Fault.MALFORMED, offset)
        for offset in self.index.beyond:
            self._fault(Fault.SAMPLE_LIMIT, offset)
        for offset in self.index.long:
            self._fault(Fault.LABEL_LIMIT, offset)

    def take_families(self) -> list[Family]:
        """Those of the body that is open, to be held by the caller alone."""
        families = list(self.index.families.values())
        self.index = replace(self.index, families={})
        return families

    @property
    def any_split(self) -> bool:
        return self._labels.any_split

    def stats(self) -> SourceStats:
        dropped = {fault.value: self._dropped[fault] for fault in Fault if self._dropped.get(fault)}
        problems = tuple(self._problem(fault, self._first[fault]) for fault in Fault if fault in self._first)
        return SourceStats(self.source.name, self.samples, dropped, problems)

    def _problem(self, fault: Fault, found: _Found) -> Problem:
        line = 0 if found.offset is None else self._body.count(b"\n", 0, found.offset) + 1
        return Problem.of(fault.value, line, found.family, found.text)

    def mark(self) -> Mark:
        """What is counted so far, for `back`."""
        return dict(self._dropped), dict(self._first), self._full

    def back(self, mark: Mark) -> None:
        """Count nothing of what came since."""
        self._dropped, self._first, self._full = mark

    def drop(self, fault: Fault, count: int, family: bytes) -> None:
        """Count samples that were read, or need not be, and are not in the answer."""
        if count:
            self._dropped[fault] = self._dropped.get(fault, 0) + count
            self._first.setdefault(fault, _Found(family=family))

    def drop_family(self, fault: Fault, family: Family) -> None:
        """Count the lines of a family without reading them."""
        self.drop(fault, self._lines(family), family.name)

    def _lines(self, family: Family) -> int:
        return sum(self._body.count(b"\n", start, end) for start, end in family.spans)

    def read(self, family: Family) -> Samples:
        """The samples of a family, none if it has more lines than the source may have samples. Only lines are counted
        then: what is beyond the limit costs nothing. Raises Late."""
        limit = self.source.limits.samples
        if limit is not None and not self._full:
            self._full = self.samples + self._lines(family) > limit
        if self._full:
            self.drop_family(Fault.SAMPLE_LIMIT, family)
            return Samples()
        samples = Samples()
        for start, end in self._stretches(family):
            if not self._plain(start, end, family, samples):
                self._line_by_line(start, end, family, samples)
        most = len(samples) + (samples.open_ended if family.type is Type.HISTOGRAM else 0)
        if limit is not None and self.samples + most > limit:
            self._full = True
            self.drop(Fault.SAMPLE_LIMIT, len(samples), family.name)
            return Samples()
        return samples

    def _stretches(self, family: Family) -> Iterator[tuple[int, int]]:
        """The spans of a family in parts between which there is time to look at the clock. Raises Late."""
        left = 0
        for start, end in family.spans:
            for a, b in stretches(self._body, start, end):
                left -= b - a
                if left < 0:
                    self._deadline.check()
                    left = _BETWEEN_CHECKS
                yield a, b

    def _plain(self, start: int, end: int, family: Family, into: Samples) -> bool:
        """Add the samples of a stretch if every line is plain and there is nothing to complain about; else nothing."""
        composite = family.type.composite
        if not self._with_shortcuts or (len(family.shape.roles) > 1 and not composite):
            return False
        if not self._utf8 and not is_utf8(self._body[start:end]):
            return False
        rows = _PLAIN_ROW.findall(self._body, start, end)
        return self._plain_metrics(rows, family, into) if composite else self._plain_values(rows, into)

    def _plain_values(self, rows: list[tuple[bytes, bytes, bytes, bytes]], into: Samples) -> bool:
        known, read = self._labels.by_text, self._labels.read_text
        found: dict[LabelSet, bytes] = {}
        for name, text, value, _ in rows:
            labels = (known(text) or read(text)) if name else None
            if labels is None:
                return False
            found[labels] = value
        return len(found) == len(rows) and into.take_values(found)

    def _plain_metrics(
        self, rows: list[tuple[bytes, bytes, bytes, bytes]], family: Family, into: Samples
    ) -> bool:
        known, read, roles = self._labels.by_text, self._labels.read_text, family.shape.roles
        found: dict[LabelSet, Metric] = {}
        bucket = family.type is not Type.SUMMARY
        edges, mark = (
            self._edges[Role.BUCKET if bucket else Role.QUANTILE],
            b'le="' if bucket else b'quantile="',
        )
        last_text, metric = None, Metric()
        for name, text, value, _ in rows:
            role = roles.get(name)
            edge: tuple[float, bytes] | None = None
            if role is None or role is Role.BARE:
                return False
            if role is Role.BUCKET or role is Role.QUANTILE:
                head, separator, spelled = text.rpartition(mark)
                if not separator or (head and head[-1] != 0x2C):
                    return False
                text = head[:-1]
                edge = edges.get(spelled) or self._edge(role, spelled[:-1], spelled)
                if edge is None:
                    return False
            if text != last_text:
                labels = (known(text) or read(text)) if mark not in text else None  # a bound beside the bound
                if labels is None:
                    return False
                last_text, metric = text, found.get(labels) or found.setdefault(labels, Metric())
            if edge is not None:
                if edge[0] in metric.edges:
                    return False
                metric.edges[edge[0]] = (edge[1], value)
            elif role in metric.parts:
                return False
            else:
                metric.parts[role] = value
        return into.take_metrics(found)

    def _edge(self, role: Role, text: bytes, remember: bytes | None = None) -> tuple[float, bytes] | None:
        """A bucket bound or quantile as number and as it is written; None if it is none. Envoy's bounds get the one
        spelling that all its merged clusters share, applications keep theirs."""
        number, spelled = numbers.parse(text), numbers.canonical(text)
        if number is None or spelled is None or math.isnan(number):
            return None
        if role is Role.QUANTILE and not 0 <= number <= 1:
            return None
        if self.source.envoy and role is Role.BUCKET:
            spelled = numbers.bound(text) or spelled
        if remember is not None:
            self._edges[role][remember] = (number, spelled)
        return number, spelled

    def _line_by_line(self, start: int, end: int, family: Family, into: Samples) -> None:
        for line in _LINE.finditer(self._body, start, end):
            if line[1].strip():
                fault = self._take(line[1], line.start(), family, into)
                if fault is not None:
                    self._fault(fault, line.start())

    def _take(self, line: bytes, offset: int, family: Family, into: Samples) -> Fault | None:
        """Add the sample of one line, or say why not."""
        sample = parse_sample(line, openmetrics=self._openmetrics, escaping=self._escaping)
        if sample is None:
            return Fault.MALFORMED
        role = role_of(sample.name, family.shape, self._escaping)
        if role is None:
            return Fault.MALFORMED
        edge: tuple[float, bytes] | None = None
        pairs = sample.labels
        if role in _EDGE_LABELS:
            name = _EDGE_LABELS[role]
            edge = self._edge(role, dict(pairs).get(name, b""))
            if edge is None:
                role = Role.LOOSE if role is Role.BUCKET else Role.BARE
            else:
                pairs = tuple(pair for pair in pairs if pair[0] != name)
        labels = self._labels.read(pairs)
        if labels is None:
            return Fault.LABEL_LIMIT
        tail, lost_times = self._tail(sample, role, family.type)
        fault = self._add(labels, role, edge, tail, family.type, into)
        if fault is None:
            into.exemplars += has_exemplar(tail)
            for _ in range(lost_times):
                self._fault(Fault.TIMESTAMP, offset)
        return fault

    def _add(
        self,
        labels: LabelSet,
        role: Role,
        edge: tuple[float, bytes] | None,
        tail: bytes,
        type: Type,
        into: Samples,
    ) -> Fault | None:
        apart = not self._labels.merges_clusters
        if type.composite and role not in (Role.BARE, Role.LOOSE):
            bound = None if edge is None else edge[0]
            metric = into.metric(labels, role, bound, tail, apart=apart)
            if metric is None:
                return Fault.DUPLICATE
            if edge is None:
                metric.parts[role] = tail
            else:
                metric.edges[edge[0]] = (edge[1], tail)
            return None
        values = {Role.CREATED: into.created, Role.LOOSE: into.loose}.get(role, into.plain)
        return None if into.put(values, labels, tail, apart=apart) else Fault.DUPLICATE

    def _tail(self, sample: Sample, role: Role, type: Type) -> tuple[bytes, int]:
        """The tail in the format of the answer, and how many times it lost."""
        tail, lost = sample.value, 0
        if sample.timestamp:
            time = numbers.time(
                sample.timestamp, openmetrics=self._openmetrics, to_openmetrics=self._to_openmetrics
            )
            if time is None:
                lost += 1
            else:
                tail += b" " + time
        carries_exemplars = role in (Role.BUCKET, Role.LOOSE) or (type is Type.COUNTER and role is Role.VALUE)
        if sample.exemplar and self._to_openmetrics and carries_exemplars:
            tail += b" " + sample.exemplar
            lost += sample.exemplar_lost_time
        return tail, lost

    def _fault(self, fault: Fault, offset: int) -> None:
        self._dropped[fault] = self._dropped.get(fault, 0) + 1
        known = self._first.get(fault)
        if known is None or (
            known.offset is not None and offset < known.offset
        ):  # families may be interleaved
            text = self._body[offset : offset + EXCERPT + 1].partition(b"\n")[0]
            self._first[fault] = _Found(offset if self._numbered else None, text=text)


def _count(body: bytes) -> int:
    """Lines of a normalised body that are no comments, without looking at each; of several empty ones some count."""
    return body.count(b"\n") - body.count(b"\n#") - body.startswith(b"#") - body.count(b"\n\n")


def _is_utf8(body: bytes) -> bool:
    """Whether a body is UTF-8; decoded in pieces, so that a large one is not held twice."""
    if body.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(body), _PIECE):
            decoder.decode(body[at : at + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
