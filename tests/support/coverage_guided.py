"""The kernels under libFuzzer, which looks for cases that lead through other code.

The compiled one runs in native/fuzz, the Python one under atheris (tests/fuzz/python_target.py). What is tried of the
compiled one is far more than parsers of others and the Python kernel could judge; what is kept of it, since it leads
somewhere new, they do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from random import Random

from support.fuzz_cases import Case, decode, encode
from support.fuzz_claims import Refuted, check
from support.fuzzing import seeds
from support.odd_bodies import cases

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "native" / "fuzz"
WORK = ROOT / "build" / "fuzz"
"""What is worth keeping is here, also for the next run."""

_TOOLCHAIN = "+nightly"
_LONGEST = 4000
_STARTS = 300
"""Made-up cases to start from, beside those of the repository."""


def missing_for_native() -> list[str]:
    """What has to be there and is not, each with how to get it."""
    if shutil.which("cargo") is None:
        return ["Rust: https://rustup.rs"]
    lacking = [] if CRATE.is_dir() else ["native/fuzz, which only the repository has"]
    if not _works("cargo", _TOOLCHAIN, "--version"):
        lacking.append(
            "a nightly Rust, of which libFuzzer's hooks are a part: rustup toolchain install nightly"
        )
    if not _works("cargo", "fuzz", "--version"):
        lacking.append("cargo-fuzz: cargo install cargo-fuzz --locked")
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "c++", "g++", "clang++"))):
        lacking.append("a C++ compiler, for libFuzzer: on Debian and Ubuntu, apt-get install g++")
    return lacking


def missing_for_python() -> list[str]:
    if find_spec("atheris"):
        return []
    return ["atheris, which has no release for some versions of Python: .venv/bin/pip install atheris"]


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def write_seeds(folder: Path) -> None:
    """What to start from: the corpus in tests/data, and made-up cases."""
    folder.mkdir(parents=True, exist_ok=True)
    made = (encode(Case(*case)) for case in islice(cases(Random(1)), _STARTS))
    for n, text in enumerate([*seeds(), *made]):
        (folder / f"{n:04}").write_bytes(text)


def explore_native(minutes: float, jobs: int, seed: int | None) -> tuple[list[Path], list[bytes]]:
    """What libFuzzer kept that was not there before, and the case, if any, that refutes a claim."""
    many = (f"-fork={jobs}", "-ignore_crashes=0", "-ignore_timeouts=0", "-ignore_ooms=0")
    return _explore(WORK / "native", (*_cargo_fuzz(), "{}", "{}", "--", *many), minutes, seed)


def explore_python(minutes: float, seed: int | None) -> tuple[list[Path], list[bytes]]:
    """The same. Of the Python kernel each case is judged when it is tried; one process does it."""
    target = ROOT / "tests" / "fuzz" / "python_target.py"
    return _explore(WORK / "python", (sys.executable, str(target), "{}", "{}"), minutes, seed)


def once_native(file: Path) -> bool:
    """Whether all claims hold for the case in this file."""
    return _run([*_cargo_fuzz(), str(file)])


def _cargo_fuzz() -> Sequence[str]:
    # The kernel has no unsafe code, for which AddressSanitizer would make all twice as slow.
    target = CRATE.parent / "target" / "fuzz"
    places = ("--fuzz-dir", str(CRATE), "--target-dir", str(target))
    return ("cargo", _TOOLCHAIN, "fuzz", "run", "--sanitizer=none", *places, "merge")


def _explore(
    folder: Path, command: Sequence[str], minutes: float, seed: int | None
) -> tuple[list[Path], list[bytes]]:
    """`command` has two places for folders of cases: those it keeps, and those to start from."""
    corpus, starts, found = folder / "corpus", folder / "seeds", folder / "found"
    write_seeds(starts)
    shutil.rmtree(found, ignore_errors=True)
    for each in (corpus, found):
        each.mkdir(parents=True, exist_ok=True)
    before = set(corpus.iterdir())
    folders = iter((str(corpus), str(starts)))
    options = [
        f"-max_total_time={max(round(60 * minutes), 1)}",
        f"-max_len={_LONGEST}",
        "-timeout=20",
        f"-dict={ROOT / 'tests' / 'fuzz' / 'exposition.dict'}",
        f"-artifact_prefix={found}/",
        *([] if seed is None else [f"-seed={seed}"]),
    ]
    ended_well = _run([*(next(folders) if word == "{}" else word for word in command), *options])
    # It keeps slow ones too, which on a machine with much to do refute nothing: `-timeout` is the limit.
    refuting = [
        file.read_bytes() for file in sorted(found.iterdir()) if not file.name.startswith("slow-unit")
    ]
    if not ended_well and not refuting:
        raise SystemExit("fuzz: libFuzzer did not run")
    return sorted(set(corpus.iterdir()) - before), refuting


def _run(command: Sequence[str]) -> bool:
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def refuted_by_others(files: Sequence[Path]) -> tuple[bytes, Refuted] | None:
    """The first case that refutes a claim which needs other parsers or both kernels."""
    for file in files:
        text = file.read_bytes()
        try:
            check(decode(text))
        except Refuted as refuted:
            return text, refuted
    return None
