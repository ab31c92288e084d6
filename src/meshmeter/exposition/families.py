"""Metric families: their types in both formats, and which sample names belong to which.

Text and OpenMetrics name some families differently. Inside the kernel a family has the name of its plain sample: the
OpenMetrics counter `requests` is `requests_total`, the info `build` is `build_info`; so the same family is met under
the same name, whatever format a source speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from meshmeter.exposition.names import LEGACY_NAME, Escaping, escape_name


class Type(StrEnum):
    """A family's type, spelled as OpenMetrics does."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNKNOWN = "unknown"
    INFO = "info"
    STATESET = "stateset"
    GAUGEHISTOGRAM = "gaugehistogram"

    @property
    def in_text(self) -> Type:
        """The type that text 0.0.4 has for it (UNKNOWN is written `untyped` there)."""
        return _IN_TEXT.get(self, self)

    @property
    def composite(self) -> bool:
        """True if one metric of the family is several samples."""
        return self in (Type.HISTOGRAM, Type.SUMMARY, Type.GAUGEHISTOGRAM)


_IN_TEXT = {Type.INFO: Type.GAUGE, Type.STATESET: Type.GAUGE}

_TEXT_TYPES = MappingProxyType(
    {
        b"counter": Type.COUNTER,
        b"gauge": Type.GAUGE,
        b"histogram": Type.HISTOGRAM,
        b"summary": Type.SUMMARY,
        b"untyped": Type.UNKNOWN,
        b"unknown": Type.UNKNOWN,
    }
)
_OPENMETRICS_TYPES = MappingProxyType({t.value.encode(): t for t in Type} | {b"untyped": Type.UNKNOWN})


class Role(StrEnum):
    """What a sample is within its family."""

    VALUE = ""
    BUCKET = "_bucket"
    QUANTILE = "quantile"
    SUM = "_sum"
    COUNT = "_count"
    GSUM = "_gsum"
    GCOUNT = "_gcount"
    CREATED = "_created"
    BARE = "bare"
    """A sample of the family's own name that its type does not have: `x` of a histogram `x`, or of a summary `x`
    without a quantile."""
    LOOSE = "loose"
    """A `_bucket` without a bound."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A family as one source declares it."""

    name: bytes
    type: Type
    roles: Mapping[bytes, Role]
    """By sample name."""


def parse_type(text: bytes, *, openmetrics: bool) -> Type | None:
    """The type that a `# TYPE` line names; None if the format has no such type."""
    types = _OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES
    return types.get(text.strip().lower())


def shape(declared: bytes, type: Type, *, openmetrics: bool) -> Shape:
    """The family that `# TYPE declared type` declares. OpenMetrics counters whose declared name already ends in
    `_total`, as some old clients write them, are taken at their word."""
    match type:
        case Type.COUNTER if openmetrics:
            base = declared.removesuffix(b"_total")
            name = base + b"_total"
            return Shape(name, type, {name: Role.VALUE, base + b"_created": Role.CREATED})
        case Type.INFO:
            name = declared.removesuffix(b"_info") + b"_info"
            return Shape(name, type, {name: Role.VALUE})
        case Type.HISTOGRAM:
            roles = _roles(declared, (Role.BUCKET, Role.SUM, Role.COUNT))
        case Type.SUMMARY:
            roles = {declared: Role.QUANTILE} | _roles(declared, (Role.SUM, Role.COUNT))
        case Type.GAUGEHISTOGRAM:
            roles = _roles(declared, (Role.BUCKET, Role.GSUM, Role.GCOUNT))
        case _:
            roles = {declared: Role.VALUE}
    if openmetrics and type in (Type.HISTOGRAM, Type.SUMMARY):
        roles = roles | {declared + b"_created": Role.CREATED}
    return Shape(declared, type, roles)


def _roles(name: bytes, roles: Iterable[Role]) -> dict[bytes, Role]:
    return {name + role.value.encode(): role for role in roles}


def escaped(source: Shape, escaping: Escaping) -> Shape:
    """The family as the answer has it. The scheme is for a family's name, what its samples' names end in stays: the
    buckets of `a.b` are `U__a_2e_b_bucket`, so that they are found under `U__a_2e_b`."""
    name = escape_name(source.name, escaping)
    if name == source.name:
        return source
    return Shape(
        name, source.type, {_sample(name, source.type, role): role for role in source.roles.values()}
    )


def role_of(name: bytes, shape: Shape, escaping: Escaping) -> Role | None:
    """What a sample with this name in the source is within a family of the answer."""
    role = shape.roles.get(escape_name(name, escaping))
    if role is not None or LEGACY_NAME.fullmatch(name):
        return role
    for written, role in shape.roles.items():
        base = name.removesuffix(role.value.encode())
        if (
            role.value[:1] == "_"
            and base != name
            and _sample(escape_name(base, escaping), shape.type, role) == written
        ):
            return role
    return None


def _sample(name: bytes, type: Type, role: Role) -> bytes:
    """The name of a family's sample."""
    match role:
        case Role.VALUE | Role.QUANTILE:
            return name
        case Role.CREATED:
            return created_name(name, type)
    return name + role.value.encode()


def created_name(name: bytes, type: Type) -> bytes:
    """The name of a family's dates."""
    base = name.removesuffix(b"_total") if type is Type.COUNTER else name
    return base + Role.CREATED.value.encode()


def openmetrics_name(name: bytes, type: Type) -> bytes:
    """How OpenMetrics names the family in its metadata lines."""
    match type:
        case Type.COUNTER:
            return name.removesuffix(b"_total")
        case Type.INFO:
            return name.removesuffix(b"_info")
    return name


def openmetrics_claims(name: bytes, type: Type) -> frozenset[bytes]:
    """All names that a family of OpenMetrics reserves, used or not; no other family may have one of them."""
    base = openmetrics_name(name, type)
    suffixes: tuple[bytes, ...]
    match type:
        case Type.COUNTER:
            suffixes = (b"", b"_total", b"_created")
        case Type.SUMMARY:
            suffixes = (b"", b"_count", b"_sum", b"_created")
        case Type.HISTOGRAM:
            suffixes = (b"", b"_count", b"_sum", b"_bucket", b"_created")
        case Type.GAUGEHISTOGRAM:
            suffixes = (b"", b"_gcount", b"_gsum", b"_bucket")
        case Type.INFO:
            suffixes = (b"", b"_info")
        case _:
            suffixes = (b"",)
    return frozenset(base + suffix for suffix in suffixes)
