"""Fuzz the merge kernels: `make fuzz ARGS="--minutes 5"`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

from support import coverage_guided
from support.fuzz_cases import decode
from support.fuzz_claims import KERNELS, Refuted, check
from support.fuzzing import Fuzzer, keep, smallest
from support.judge import judge

FAILURES = Path("fuzz-failures")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument(
        "--seed", type=int, help="a number; other numbers try other cases (default: the time)"
    )
    parser.add_argument(
        "--jobs", type=int, default=cpu_count() or 1, help="side by side (default: one a core)"
    )
    parser.add_argument("--case", type=Path, help="run the case in this file, and nothing else")
    guided = parser.add_mutually_exclusive_group()
    guided.add_argument(
        "--native",
        action="store_true",
        help="the compiled kernel under libFuzzer, guided by the code that cases reach (needs cargo-fuzz)",
    )
    guided.add_argument(
        "--python", action="store_true", help="the Python kernel in the same way, in one job (needs atheris)"
    )
    asked = parser.parse_args()
    lacking = coverage_guided.missing_for_native() if asked.native else []
    lacking += coverage_guided.missing_for_python() if asked.python else []
    if lacking:
        print(
            f"fuzz: {'--native' if asked.native else '--python'} needs", *lacking, sep="\n  ", file=sys.stderr
        )
        return 2
    print(f"kernels: {', '.join(kernel.name for kernel in KERNELS)}")
    print(
        f"judges: prometheus_client{', Prometheus' if judge() else ' (not Prometheus: scripts/judge needs Go)'}",
        flush=True,
    )
    if asked.case:
        return once(asked.case, native=asked.native)
    if asked.python:
        _, found = coverage_guided.explore_python(asked.minutes, asked.seed)
        for text in found:
            tell_small(text)
        return 1 if found else 0
    # Spawned, so that each has a judge of its own.
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        if asked.native:
            return explore_native(pool, asked.minutes, asked.jobs, asked.seed)
        seed = asked.seed if asked.seed is not None else int(time.time())
        refuted = sum(pool.map(job, [seed + 2 * n for n in range(asked.jobs)], [asked.minutes] * asked.jobs))
    return 1 if refuted else 0


def once(file: Path, *, native: bool) -> int:
    try:
        check(decode(file.read_bytes()))
    except Refuted as refuted:
        print(f"{file}: {refuted}")
        return 1
    if native and not coverage_guided.once_native(file.resolve()):
        return 1
    print(f"{file}: all claims hold")
    return 0


def job(seed: int, minutes: float) -> bool:
    """Whether a claim was refuted."""
    end = time.monotonic() + 60 * minutes
    fuzzer = Fuzzer(seed)
    found = fuzzer.run(lambda: time.monotonic() > end)
    print(f"seed {seed}: {fuzzer.tried} cases, {fuzzer.kinds} kinds of outcome", flush=True)
    if not found:
        return False
    tell(*found)
    return True


def explore_native(pool: ProcessPoolExecutor, minutes: float, jobs: int, seed: int | None) -> int:
    """Cases under libFuzzer; what it keeps is judged then."""
    kept, found = coverage_guided.explore_native(minutes, jobs, seed)
    for text in found:
        file = keep(text, FAILURES)
        print(f'again: make fuzz ARGS="--native --case {file}"', flush=True)
    print(f"judging the {len(kept)} new cases that it kept", flush=True)
    refuted = sum(pool.map(judged, [kept[n::jobs] for n in range(jobs)]))
    return 1 if found or refuted else 0


def judged(files: Sequence[Path]) -> bool:
    """Whether a claim was refuted."""
    found = coverage_guided.refuted_by_others(files)
    if not found:
        return False
    tell(*smallest(*found))
    return True


def tell_small(text: bytes) -> None:
    """As `tell`, of the smallest case near this one."""
    try:
        check(decode(text))
    except Refuted as refuted:
        tell(*smallest(text, refuted))
    else:
        print(f"too slow, or refuted only there: {keep(text, FAILURES)}", flush=True)


def tell(text: bytes, refuted: Refuted) -> None:
    """Keep a case that refutes a claim."""
    file = keep(text, FAILURES)
    print(f'{refuted}\nagain: make fuzz ARGS="--case {file}"', flush=True)


if __name__ == "__main__":
    sys.exit(main())
