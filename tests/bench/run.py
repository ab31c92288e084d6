"""Run the benchmarks: a table for people, and one line of JSON per figure.

Each `bench_<subject>.py` beside this file has `figures(quick: bool) -> Iterator[Figure]`. Figures are medians of
interleaved runs, and ratios against a baseline of the same run, so that a noisy machine does not matter much.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from figures import Figure  # noqa: E402 - found through the path set above


def main() -> None:
    """Run all benchmarks, or those whose names are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs; about two minutes")
    parser.add_argument("names", nargs="*", help="subjects, e.g. merge; all if none is given")
    options = parser.parse_args()
    found = {path.stem.removeprefix("bench_"): path.stem for path in sorted(HERE.glob("bench_*.py"))}
    unknown = set(options.names) - set(found)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    figures = list(_run([found[name] for name in options.names or found], options.quick))
    width = max(len(figure.figure) for figure in figures)
    for figure in figures:
        ratio = f"{figure.ratio:8.2f} x {figure.baseline}" if figure.ratio is not None else ""
        print(f"{figure.figure:<{width}}  {figure.value:12.3f} {figure.unit:<8} {ratio}", file=sys.stderr)
    for figure in figures:
        print(json.dumps(asdict(figure)))


def _run(modules: list[str], quick: bool) -> Iterator[Figure]:
    for name in modules:
        print(f"{name} …", file=sys.stderr)
        yield from importlib.import_module(name).figures(quick)


if __name__ == "__main__":
    main()
