"""Which kernel merges: the compiled one where it is installed, the Python one everywhere else.

The choice is made once, by whoever starts the process, and handed down; nothing here reads the environment.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshmeter.errors import SettingsError
from meshmeter.exposition import merge_python
from meshmeter.exposition.merge import Begin, MergeResult, Options, Source, merge

AUTO, NAMES = "auto", ("auto", "python", "native")
"""What a kernel may be called by; `auto` is the fastest that is installed."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of the contract in `exposition.merge`."""

    name: str
    begin: Begin
    why: str = ""
    """Why it is not the compiled one, where that was not asked for."""
    envoys_at_once: int = 128 << 10
    """Bytes that it merges in a few milliseconds, as Envoy writes them: so little is not worth another thread."""
    others_at_once: int = 8 << 10
    """Bytes of applications that it merges in at most some 50 ms, however odd they are: a family for each eight bytes
    takes up to two hundred times as long as what Envoy writes."""

    def merge(self, sources: Sequence[Source], options: Options) -> MergeResult:
        """One valid body from those of the sources."""
        return merge(self.begin, sources, options)

    def is_quick(self, *, envoy: int, others: int) -> bool:
        """Whether so many bytes of Envoy and of applications are merged at once rather than in a thread."""
        return envoy <= self.envoys_at_once and others <= self.others_at_once

    def __str__(self) -> str:
        return f"{self.name}, {self.why}" if self.why else self.name


PYTHON = Kernel("python", merge_python.begin)


def choose(name: str = AUTO) -> Kernel:
    """The kernel of this name. Raises SettingsError for a name that is none of `NAMES`, and for `native` where the
    compiled kernel cannot be loaded."""
    if name not in NAMES:
        raise SettingsError(f"there is no kernel {name!r}, only {', '.join(NAMES)}")
    if name == PYTHON.name:
        return PYTHON
    try:
        native = importlib.import_module("meshmeter.exposition.merge_native")
    except ImportError as exc:
        if name == AUTO:
            return replace(PYTHON, why=f"the compiled kernel cannot be loaded ({exc})")
        raise SettingsError(
            f"the compiled merge kernel cannot be loaded ({exc}): build it with `make native`, or choose the kernel "
            "python or auto"
        ) from exc
    return Kernel("native", native.begin, envoys_at_once=1 << 20, others_at_once=256 << 10)
