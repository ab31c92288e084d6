"""The contract of merging: several bodies in, one valid body out, and an account of what was dropped.

Rules (design 6): one group per family with one HELP and one TYPE; the first declared source wins a conflict of type or
an equal series; bad lines are dropped; families whose names begin with `envoy_` or `meshmeter_` are not an
application's to expose. Everything dropped is counted by source and reason. The order of the output is that of the
sources, inside a source that of its body, so two scrapes of the same state are equal apart from values.

Envoy's own body is treated further (kuma-facts 5.4, deviations D18): clusters named `<base>-<16 hex digits>` are summed
into `<base>`, and series of the mesh's traffic get the label `kuma_io_mesh_traffic="true"`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meshmeter.exposition.formats import Format

RESERVED = (b"envoy_", b"meshmeter_")
"""Beginnings of family names that an application may not expose."""


@dataclass(frozen=True, slots=True)
class SourceBody:
    """What one source answered."""

    name: str
    body: bytes = field(repr=False)
    format: Format = Format.TEXT
    is_envoy: bool = False


@dataclass(frozen=True, slots=True)
class MergeOptions:
    application_label: str | None = None
    """Label that names the source on every application series; None: no label."""
    max_samples: int | None = None
    """Samples that one application may have; what is above is dropped. None: no limit."""
    max_labels: int = 64
    """Labels that one sample may have."""
    max_label_length: int = 8192
    """Bytes that a label's name or value may have."""


@dataclass(frozen=True, slots=True)
class MergeResult:
    """One body in text 0.0.4, and what went into it."""

    body: bytes = field(repr=False)
    samples: Mapping[str, int]
    """By source: samples in the body that came from it; a sum over clusters counts once."""
    dropped: Mapping[str, Counter[str]]
    """By source and reason: samples or lines of it that are not in the body."""


def merge(sources: Sequence[SourceBody], options: MergeOptions = MergeOptions()) -> MergeResult:
    """Merge the bodies, in declared order. Never raises for what is in a body."""
    from meshmeter.exposition.merge_python import merge_bodies

    return merge_bodies(sources, options)
