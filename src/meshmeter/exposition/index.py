"""The index of one body: which family is where, found without reading samples.

A family is a list of spans of the body. That keeps memory near the size of the body itself, and lets the kernel read
one family at a time, whatever order the source has written them in.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meshmeter.exposition.families import Role, Shape, Type, escaped, parse_type, shape
from meshmeter.exposition.lines import is_utf8, parse_sample, unescape
from meshmeter.exposition.names import Escaping, escape_name

_METADATA = re.compile(
    rb"#[ \t]*(HELP|TYPE|UNIT)[ \t]+"
    rb'(?:([a-zA-Z_:][a-zA-Z0-9_:]*)|"([^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+)")(?:[ \t]+(.*))?',
    re.DOTALL,
)
LONGEST = 1 << 20
"""Bytes of a line that is read. Time is not looked at within a line, and a long one takes many times its length."""
_OFTEN = 256
_STRETCH = 64 << 10
_INDENTED = re.compile(rb"^[ \t]+", re.MULTILINE)
_FIRST_TOKEN = re.compile(rb"([^ \t{\n]*)[^\n]*\n")
"""Consumes whole lines, so that a match never starts within one."""
_NAME_BOUNDARY = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(slots=True)
class Family:
    """One family of one source."""

    shape: Shape
    """With the names of the answer."""
    help: bytes = b""
    """Unescaped."""
    unit: bytes = b""
    bounds: array[int] = field(default_factory=lambda: array("Q"))
    """Where stretches of whole sample lines begin and end in the body, in turn: spans without an object for each."""

    @property
    def spans(self) -> Iterator[tuple[int, int]]:
        """Offsets of whole sample lines in the body, in order."""
        return zip(self.bounds[::2], self.bounds[1::2], strict=True)

    @property
    def name(self) -> bytes:
        return self.shape.name

    @property
    def type(self) -> Type:
        return self.shape.type


@dataclass(frozen=True, slots=True)
class Index:
    """A body and what is in it."""

    body: bytes
    """Normalised: no BOM, no carriage returns before newlines, no indentation, a newline at the end."""
    families: Mapping[bytes, Family]
    """Only those with sample lines, in the order of their first one."""
    declared: int
    """How many there are with those that have none."""
    malformed: Sequence[int]
    """Offsets of lines that belong to no family."""
    beyond: Sequence[int]
    """Offsets of lines whose families are too many."""
    long: Sequence[int]
    """Offsets of lines that are longer than `LONGEST`."""


def stretches(body: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Whole lines in stretches of about 64 KiB, or one line that is longer."""
    while start < end:
        stop = body.find(b"\n", min(start + _STRETCH, end) - 1, end) + 1
        yield start, stop
        start = stop


def normalise(body: bytes) -> bytes:
    """The body as `index` reads it; the same object when there is nothing to do, as with Envoy's."""
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if b"\r\n" in body:
        body = body.replace(b"\r\n", b"\n")
    if body.startswith((b" ", b"\t")) or b"\n " in body or b"\n\t" in body:
        body = _INDENTED.sub(b"", body)
    return body if not body or body.endswith(b"\n") else body + b"\n"


def index(
    body: bytes,
    *,
    openmetrics: bool,
    escaping: Escaping,
    most: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Index:
    """Find the families of a normalised body; names that become the same are one family.

    The first TYPE, HELP and UNIT of a family hold. `# EOF` is a comment wherever it stands: bodies are often joined
    by naive tools. There are `most` families, by declarations and then by samples; comments and samples of more are
    passed over, as are longer comments than `LONGEST`. `check` is called every now and then, and may raise.
    """
    return _Indexer(body, openmetrics, escaping, most, check).run()


class _Indexer:
    def __init__(
        self,
        body: bytes,
        openmetrics: bool,
        escaping: Escaping,
        most: int | None,
        check: Callable[[], None],
    ):
        self._check = check
        self._body = body
        self._openmetrics = openmetrics
        self._escaping = escaping
        self._families: dict[bytes, Family] = {}
        self._owners: dict[bytes, Family] = {}
        """By names of samples in the answer, and in the source where `escape_name` does not lead from one to the
        other."""
        self._used: dict[bytes, Family] = {}
        self._most = most
        self._malformed, self._beyond, self._long = array("Q"), array("Q"), array("Q")

    def run(self) -> Index:
        regions = list(self._regions())
        if not self._openmetrics:
            self._fold_created()
        for n, (start, end) in enumerate(regions):
            if n % _OFTEN == 0:
                self._check()
            self._assign(start, end)
        declared = len(self._families)
        return Index(self._body, self._used, declared, self._malformed, self._beyond, self._long)

    def _regions(self) -> Iterator[tuple[int, int]]:
        """The stretches of sample lines between comments; declares the families on the way."""
        body, at = self._body, 0
        types: dict[bytes, Type | None] = {}
        texts: dict[tuple[bytes, bytes], bytes] = {}
        regions, comments = [], 0
        while at < len(body):
            if body[at] == 0x23:  # '#'
                start = at
            else:
                start = body.find(b"\n#", at) + 1 or len(body)
                regions.append((at, start))
            if start < len(body):
                end = body.find(b"\n", start)
                comments += 1
                if comments % _OFTEN == 0:
                    self._check()
                if end - start <= LONGEST:
                    self._metadata(body[start:end], types, texts)
                at = end + 1
            else:
                at = start
        for name, type in types.items():
            self._declare(name, type or Type.UNKNOWN, texts)
        return iter(regions)

    def _metadata(
        self, line: bytes, types: dict[bytes, Type | None], texts: dict[tuple[bytes, bytes], bytes]
    ) -> None:
        """Note one comment line; `types` is None for a family that has no TYPE so far."""
        found = _METADATA.fullmatch(line)
        if found is None or not is_utf8(line) or b"\x00" in line:
            return
        keyword, text = found[1], found[4] or b""
        name = found[2] if found[2] is not None else unescape(found[3])
        if not name or (name not in types and len(types) == self._most):
            return
        types.setdefault(name, None)
        if keyword != b"TYPE":
            texts.setdefault((keyword, name), unescape(text))
        elif types[name] is None:
            types[name] = parse_type(text, openmetrics=self._openmetrics)

    def _declare(self, declared: bytes, type: Type, texts: Mapping[tuple[bytes, bytes], bytes]) -> None:
        made = shape(declared, type, openmetrics=self._openmetrics)
        written = escaped(made, self._escaping)
        help, unit = (texts.get((keyword, declared), b"") for keyword in (b"HELP", b"UNIT"))
        family = self._families.get(written.name)
        if family is None:
            family = self._families[written.name] = Family(written, help, unit)
            for name in written.roles:
                self._owners.setdefault(name, family)
        if written is not made:
            family.help, family.unit = family.help or help, family.unit or unit
            for name in shape(declared, family.type, openmetrics=self._openmetrics).roles:
                if escape_name(name, self._escaping) not in family.shape.roles:
                    self._owners.setdefault(name, family)

    def _fold_created(self) -> None:
        """Give `x_created` of a text body to the family it dates: text has it as a gauge of its own."""
        for name, created in list(self._families.items()):
            if not name.endswith(b"_created") or created.type is not Type.GAUGE:
                continue
            base = name.removesuffix(b"_created")
            for candidate in (base + b"_total", base):
                parent = self._families.get(candidate)
                if parent and parent.type in (Type.COUNTER, Type.HISTOGRAM, Type.SUMMARY):
                    if parent.type is Type.COUNTER and candidate == base:
                        continue
                    roles = dict(parent.shape.roles) | {name: Role.CREATED}
                    parent.shape = Shape(parent.name, parent.type, roles)
                    self._owners[name] = parent
                    break

    def _assign(self, start: int, end: int) -> None:
        """Add a region to the families of its lines: as a whole if they are all of one."""
        body = self._body
        while end - 1 > start and body[end - 2 : end] == b"\n\n":
            end -= 1
        if (only := self._only_owner(start, end)) is not None:
            self._add(only, start, end)
            return
        for n, line in enumerate(_FIRST_TOKEN.finditer(body, start, end)):
            if n % _OFTEN == 0:
                self._check()
            if line.end() - line.start() > LONGEST:
                self._long.append(line.start())
                continue
            name = line[1]
            if not _NAME_BOUNDARY.fullmatch(name):
                text = line[0][:-1]
                if not text.strip():
                    continue
                sample = parse_sample(text, openmetrics=self._openmetrics)
                if sample is None:
                    self._malformed.append(line.start())
                    continue
                name = sample.name
            family = self._owner(name)
            if family is None:
                self._beyond.append(line.start())
            else:
                self._add(family, line.start(), line.end())

    def _only_owner(self, start: int, end: int) -> Family | None:
        """The family of all lines of a region, if they are all of one."""
        only: Family | None = None
        for a, b in stretches(self._body, start, end):
            self._check()
            if b - a > LONGEST and b - max(a, self._body.rfind(b"\n", a, b - 1) + 1) > LONGEST:
                return None
            for name in set(_FIRST_TOKEN.findall(self._body, a, b)):
                owner = self._owners.get(name)
                if owner is None or (only is not None and owner is not only):
                    return None
                only = owner
        return only

    def _owner(self, name: bytes) -> Family | None:
        """The family of a sample; a new one without type if none is declared, or None if there are too many. A sample
        that has the name of a family without being one that its type promises, such as `x` of a histogram `x`, is
        taken in."""
        family = self._owners.get(name)
        if family is None:
            written = escape_name(name, self._escaping)
            family = self._owners.get(written) or self._families.get(written)
            if family is None:
                if len(self._families) == self._most:
                    return None
                family = Family(Shape(written, Type.UNKNOWN, {written: Role.VALUE}))
                self._families[written] = family
            elif written not in family.shape.roles:
                family.shape = Shape(written, family.type, dict(family.shape.roles) | {written: Role.BARE})
            self._owners.setdefault(written, family)
        return family

    def _add(self, family: Family, start: int, end: int) -> None:
        self._used.setdefault(family.name, family)
        bounds = family.bounds
        if bounds and bounds[-1] == start:
            bounds[-1] = end
        else:
            bounds.extend((start, end))
