"""The fuzzer: keeps a pool of cases, changes them, and keeps those with which the kernels did something new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from meshmeter.exposition.formats import sniff
from support.fuzz_cases import Case, decode, encode
from support.fuzz_claims import Refuted, check
from support.mutation import mutated
from support.odd_bodies import FILES, cases

FOUND_ONCE = sorted((Path(__file__).parents[1] / "data" / "fuzz").glob("*.case"))
"""Cases that refuted a claim once, before they were mended."""

_POOL = 4000


@dataclass
class Fuzzer:
    """One run. The same seed and the same number of runs try the same cases."""

    seed: int
    tried: int = 0
    _pool: list[bytes] = field(default_factory=list)
    _seen: set[Hashable] = field(default_factory=set)

    def run(self, until: Callable[[], bool]) -> tuple[bytes, Refuted] | None:
        """Try cases until it is time; the first that refutes a claim, made small."""
        random = Random(self.seed)
        fresh = (encode(Case(*case)) for case in cases(Random(self.seed + 1)))
        first = [*seeds(), *islice(fresh, 200)]
        for text in first:
            if refuted := self._try(text):
                return refuted
        while not until():
            if random.random() < 0.1:
                text = next(fresh)
            else:
                text = mutated(random, random.choice(self._pool), self._pool)
            if refuted := self._try(text):
                return refuted
        return None

    def _try(self, text: bytes) -> tuple[bytes, Refuted] | None:
        self.tried += 1
        try:
            did = check(decode(text))
        except Refuted as refuted:
            return smallest(text, refuted)
        if did not in self._seen:
            self._seen.add(did)
            if len(self._pool) < _POOL:
                self._pool.append(text)
        return None

    @property
    def kinds(self) -> int:
        """How many things the kernels did that were not done before."""
        return len(self._seen)


def seeds() -> list[bytes]:
    """The corpus: files of our own, each in both formats, and what was found once."""
    found = [path.read_bytes() for path in FOUND_ONCE]
    for path in FILES:
        body = path.read_bytes()
        source = b" e" if path.name.startswith("envoy") else b""
        source += b" o" if sniff(body).openmetrics else b""
        found += [
            b"#case" + answer + b"\n\n#source" + source + b"\n" + body for answer in (b"", b" o", b" o u")
        ]
    return found


def smallest(text: bytes, refuted: Refuted) -> tuple[bytes, Refuted]:
    """The case with everything left out that need not be there for the same claim to be refuted."""
    end = time.monotonic() + 20
    pieces = text.splitlines(keepends=True)
    for cut in (lambda text: text.splitlines(keepends=True), lambda text: [bytes([byte]) for byte in text]):
        pieces = cut(b"".join(pieces))
        size = max(len(pieces) // 2, 1)
        while True:
            at = 0
            while at < len(pieces) and time.monotonic() < end:
                less = [*pieces[:at], *pieces[at + size :]]
                if again := _refuted(b"".join(less), refuted.claim):
                    pieces, refuted = less, again
                else:
                    at += size
            if size == 1:
                break
            size //= 2
    return b"".join(pieces), refuted


def _refuted(text: bytes, claim: str) -> Refuted | None:
    try:
        check(decode(text))
    except Refuted as refuted:
        return refuted if refuted.claim == claim else None
    return None


def keep(text: bytes, folder: Path) -> Path:
    """Write the case to a file named after its content."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{hashlib.sha256(text).hexdigest()[:12]}.case"
    file.write_bytes(text)
    return file
