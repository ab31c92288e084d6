"""The compiled kernel under libFuzzer, which looks for cases that lead through other code (native/fuzz).

What it tries is far more than parsers of others and the Python kernel could judge; what it keeps, since it leads
somewhere new, they do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random

from support.fuzz_cases import Case, decode, encode
from support.fuzz_claims import Refuted, check
from support.fuzzing import seeds
from support.odd_bodies import cases

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "native" / "fuzz"
BUILT = ROOT / "native" / "target" / "fuzz"
CORPUS = BUILT / "corpus"
"""What is worth keeping, also for the next run."""

_TOOLCHAIN = "+nightly"
_LONGEST = 4000
_STARTS = 300
"""Made-up cases to start from, beside those of the repository."""


def missing() -> list[str]:
    """What has to be there and is not, each with how to get it."""
    if shutil.which("cargo") is None:
        return ["Rust: https://rustup.rs"]
    lacking = []
    if not _works("cargo", _TOOLCHAIN, "--version"):
        lacking.append(
            "a nightly Rust, of which libFuzzer's hooks are a part: rustup toolchain install nightly"
        )
    if not _works("cargo", "fuzz", "--version"):
        lacking.append("cargo-fuzz: cargo install cargo-fuzz --locked")
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "c++", "g++", "clang++"))):
        lacking.append("a C++ compiler, for libFuzzer: on Debian and Ubuntu, apt-get install g++")
    return lacking


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def write_seeds(folder: Path) -> None:
    """What to start from: the corpus in tests/data, and made-up cases."""
    folder.mkdir(parents=True, exist_ok=True)
    made = (encode(Case(*case)) for case in islice(cases(Random(1)), _STARTS))
    for n, text in enumerate([*seeds(), *made]):
        (folder / f"{n:04}").write_bytes(text)


def explore(minutes: float, jobs: int, seed: int | None) -> tuple[list[Path], list[bytes]]:
    """Run it. What it kept that was not there before, and the case, if any, that refutes a claim."""
    starts, found = BUILT / "seeds", BUILT / "found"
    write_seeds(starts)
    shutil.rmtree(found, ignore_errors=True)
    for folder in (CORPUS, found):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(CORPUS.iterdir())
    options = [
        f"-fork={jobs}",
        "-ignore_crashes=0",
        "-ignore_timeouts=0",
        "-ignore_ooms=0",
        f"-max_total_time={max(round(60 * minutes), 1)}",
        f"-max_len={_LONGEST}",
        "-timeout=10",
        f"-dict={CRATE / 'exposition.dict'}",
        f"-artifact_prefix={found}/",
    ]
    if seed is not None:
        options.append(f"-seed={seed}")
    _fuzz(CORPUS, starts, "--", *options)
    return sorted(set(CORPUS.iterdir()) - before), [file.read_bytes() for file in sorted(found.iterdir())]


def once(file: Path) -> bool:
    """Whether all claims hold for the case in this file."""
    return _fuzz(file)


def _fuzz(*arguments: Path | str) -> bool:
    # The kernel has no unsafe code, for which AddressSanitizer would make all twice as slow.
    command = ("cargo", _TOOLCHAIN, "fuzz", "run", "--sanitizer=none", "--target-dir", BUILT, "merge")
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    return (
        subprocess.run([*command, *arguments], cwd=CRATE.parent, env=environment, check=False).returncode == 0
    )


def refuted_by_others(files: Sequence[Path]) -> tuple[bytes, Refuted] | None:
    """The first case that refutes a claim which needs other parsers or both kernels."""
    for file in files:
        text = file.read_bytes()
        try:
            check(decode(text))
        except Refuted as refuted:
            return text, refuted
    return None
