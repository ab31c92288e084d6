"""Label sets and where they are read: one object per distinct set, so that equal series are the same object."""

from __future__ import annotations

import re

from meshmeter.exposition import clusters
from meshmeter.exposition.lines import Labels, escape, labels_of, spelled
from meshmeter.exposition.merge import Limits, Source
from meshmeter.exposition.names import Escaping, escape_label

_PAIR = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*)="([^"]*)"')


class LabelSet:
    """A label set as it is written. Compared by identity: a `LabelTable` makes one object for equal sets. There may be
    a hundred thousand of them, so it holds little, and not itself."""

    __slots__ = ("_base", "_later", "inner", "target", "time")

    def __init__(self, inner: bytes, target: LabelSet | None = None):
        self.inner = inner
        """What stands between the braces."""
        self.target = target
        """The set that this one is merged into, of a split cluster."""
        self._base: LabelSet | None = None
        self.time: float | None = None
        """Of one whose base is another, the time of its samples as the answer has it."""
        self._later: dict[float, LabelSet] | None = None

    @property
    def labels(self) -> Labels:
        return labels_of(self.inner)

    @property
    def base(self) -> LabelSet:
        """The set of the first sample of a series: another one only for samples of other times."""
        return self if self._base is None else self._base

    def at(self, time: float) -> LabelSet:
        """The same labels for samples of another time than those of this set."""
        if self._later is None:
            self._later = {}
        found = self._later.get(time)
        if found is None:
            found = self._later[time] = LabelSet(self.inner)
            found._base, found.time = self, time
        return found

    def has(self, name: bytes) -> bool:
        """Whether there is a label of this name."""
        return name in self.inner and any(known == name for known, _ in self.labels)


def _identity(labels: Labels, inner: bytes) -> bytes:
    """What makes label sets equal: order does not count. The same object as `inner` if they are in that order."""
    if len(labels) < 2:
        return inner
    ordered = tuple(sorted(labels))
    return inner if ordered == labels else spelled(ordered)


class LabelTable:
    """The label sets of one merge."""

    def __init__(self) -> None:
        self._sets: dict[bytes, LabelSet] = {}

    def get(self, labels: Labels) -> LabelSet:
        inner = spelled(labels)
        identity = _identity(labels, inner)
        found = self._sets.get(identity)
        if found is None:
            found = self._sets[identity] = LabelSet(inner)
        return found


class SourceLabels:
    """Turns the labels of one source into label sets, with everything that is added to or changed in them."""

    def __init__(self, source: Source, table: LabelTable, *, merge_clusters: bool, escaping: Escaping):
        self._source = source
        self._table = table
        self._merge_clusters = merge_clusters and source.envoy
        self._escaping = escaping
        self._split: dict[bytes, LabelSet] = {}
        self._by_text: dict[bytes, LabelSet | None] = {}
        self.by_text = self._by_text.get
        """A label set by the text between its braces, if `read_text` has seen it."""

    @property
    def merges_clusters(self) -> bool:
        """True if samples of several clusters may be summed up."""
        return self._merge_clusters

    @property
    def any_split(self) -> bool:
        """True once a label set of a split cluster was read."""
        return bool(self._split)

    def read_text(self, text: bytes) -> LabelSet | None:
        """As `read`, from plain text between braces: no escapes, no blanks. Remembered, since Envoy repeats the
        labels of a cluster in every family."""
        made = self.read(tuple(_PAIR.findall(text)))
        self._by_text[made.inner if made is not None and made.inner == text else text] = (
            made  # one object for both
        )
        return made

    def read(self, labels: Labels) -> LabelSet | None:
        """The label set, or None if it breaks a limit, has a label twice, or names the metric. An empty label is
        none: it is not written, and counts for no limit."""
        if not _distinct(labels):
            return None
        labels = tuple([label for label in labels if label[1]])
        if exceeds(labels, self._source.limits):
            return None
        if self._escaping is not Escaping.UTF8:
            labels = tuple([(escape_label(name, self._escaping), value) for name, value in labels])
            if not _distinct(labels):
                return None
        if self._source.label is not None:
            labels = _with_label(labels, self._source.label.encode(), escape(self._source.name.encode()))
        if self._merge_clusters:
            relabelled, split = clusters.relabel(labels)
            if split:
                inner = spelled(labels)
                identity = _identity(labels, inner)
                found = self._split.get(identity)
                if found is None:
                    found = self._split[identity] = LabelSet(inner, self._table.get(relabelled))
                return found
            labels = relabelled
        return self._table.get(labels)


def _distinct(labels: Labels) -> bool:
    """Whether no label is there twice or names the metric."""
    names = {name for name, _ in labels}
    return len(names) == len(labels) and b"__name__" not in names


def exceeds(labels: Labels, limits: Limits) -> bool:
    """True if a sample with these labels is not taken."""
    if limits.labels is not None and len(labels) > limits.labels:
        return True
    for name, value in labels:
        if limits.label_name_bytes is not None and len(name) > limits.label_name_bytes:
            return True
        if limits.label_value_bytes is not None and len(value) > limits.label_value_bytes:
            return True
    return False


def _with_label(labels: Labels, name: bytes, value: bytes) -> Labels:
    names = {n for n, _ in labels}
    renamed = name
    while renamed in names:
        renamed = b"exported_" + renamed
    return ((name, value), *((renamed if n == name else n, v) for n, v in labels))
