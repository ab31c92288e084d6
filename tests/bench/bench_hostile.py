"""What the largest body of an application costs when it is made to be dear: time, and memory beyond the body.

    .venv/bin/python tests/bench/bench_hostile.py --kernel python --mib 4 odd_last_line one_label

measures some shapes alone; `--uncapped` without the limit of samples that applications have by default. Each shape has
a process of its own, so that peaks do not add up.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from figures import Figure

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import NAMES, choose
from meshmeter.exposition.merge import Options, Source
from meshmeter.scrape.config import PLAIN
from meshmeter.scrape.gather import limits_of

MIB = 1 << 20
USUAL = 4
"""MiB of each shape; an application may send 16 by default (`--mib 16`), which takes many minutes."""
SAMPLES, LARGEST = 99_000, 16 * MIB
"""Of an application by default, a little less than is allowed."""
PATIENCE = 300
"""Seconds after which a shape is given up."""


def _filled(size: int, line: Callable[[int], bytes], head: bytes = b"") -> bytes:
    made, length = [head], len(head)
    for n in count():
        if length >= size:
            return b"".join(made)
        made.append(line(n))
        length += len(made[-1])
    raise AssertionError("endless")


def _plain(size: int) -> bytes:
    return _filled(
        size, lambda n: b'a_total{path="/v1/items/%d",code="200"} %d\n' % (n, n), b"# TYPE a_total counter\n"
    )


def _clusters(size: int) -> bytes:
    """Histograms of split clusters, all with bounds of their own."""

    def line(n: int) -> bytes:
        cluster = b"w-%016x" % (n // 50)
        return b'envoy_h_bucket{envoy_cluster_name="%b",le="%d.5"} %d\n' % (
            cluster,
            n * 7919 % 1_000_003,
            n % 50,
        )

    return _filled(size, line, b"# TYPE envoy_h histogram\n")


def _full(size: int, line: Callable[[int, bytes], bytes], head: bytes = b"", end: bytes = b"") -> bytes:
    """As many samples as are allowed in a body of the largest size, in proportion; lines are as long as that leaves
    room for, by the second argument of `line`."""
    lines = size * SAMPLES // LARGEST
    room = (size - len(head) - len(end)) // lines - len(line(lines - 1, b""))
    return head + b"".join(line(n, b"v" * room) for n in range(lines)) + end


FULL: dict[str, Callable[[int], bytes]] = {
    "full": lambda size: _full(
        size, lambda n, v: b'a_total{path="/%d%b",code="200"} %d\n' % (n, v, n), b"# TYPE a_total counter\n"
    ),
    "full_odd_line": lambda size: _full(
        size, lambda n, v: b'a{path="/%d%b",code="200"} %d\n' % (n, v, n), end=b"a{x= 1\n"
    ),
    "full_odd": lambda size: _full(size, lambda n, v: b'a{path = "/%d%b",code="200"} %d 1\n' % (n, v, n)),
    "full_pairs": lambda size: _full(
        size,
        lambda n, v: b'a{x="%d",%b} %d\n' % (n, b",".join(b'l%d="v"' % n for n in range(len(v) // 8)), n),
    ),
    "full_metrics": lambda size: _full(
        size, lambda n, v: b'a_sum{x="%d%b"} 1\n' % (n, v), b"# TYPE a summary\n"
    ),
    "full_buckets": lambda size: _full(
        size, lambda n, v: b'a_bucket{x="%d%b",le="%d"} 1\n' % (n // 10, v, n % 10), b"# TYPE a histogram\n"
    ),
    "full_crlf": lambda size: _full(size, lambda n, v: b'a{path="/%d%b"} %d\r\n' % (n, v, n)),
    "full_indented": lambda size: _full(size, lambda n, v: b'\ta{path="/%d%b"} %d\n' % (n, v, n)),
    "full_families": lambda size: _full(
        size, lambda n, v: b'# HELP f%d x\n# TYPE f%d gauge\nf%d{x="%d%b"} 1\n' % (n, n, n, n, v)
    ),
    "full_exemplars": lambda size: _full(
        size,
        lambda n, v: b'a_total{x="%d%b"} 1 # {id="%d%b"} 1\n' % (n, v[::2], n, v[::2]),
        b"# TYPE a counter\n",
        b"# EOF\n",
    ),
}
"""What is just inside of all limits, so that all of it is kept: this takes the most memory."""

SHAPES: dict[str, Callable[[int], bytes]] = {
    **FULL,
    "plain": _plain,
    "odd_last_line": lambda size: _plain(size) + b"a_total{x= 1\n",
    "odd_first_line": lambda size: b"# TYPE a_total counter\na_total{x= 1\n" + _plain(size),
    "odd_each_other": lambda size: _filled(
        size, lambda n: b'a{x="%d"} 1\na{x="%d" } 1\na{x= 1\n' % (n, n), b"# TYPE a gauge\n"
    ),
    "one_line": lambda size: b'a{x="' + b"v" * size + b'" 1\n',
    "one_token": lambda size: b"a" * size + b"\n",
    "one_label": lambda size: b'a{x="' + b"\\\\" * (size // 2) + b'"} 1\n',
    "one_open_label": lambda size: b'a{x="' + b"\\\\" * (size // 2),
    "label_pairs": lambda size: b"a{" + _filled(size, lambda n: b'l%d="v",' % n) + b"} 1\n",
    "exemplar_pairs": lambda size: (
        b"# TYPE a counter\na_total 1 # {" + _filled(size, lambda n: b'l%d="v",' % n) + b"} 1\n# EOF\n"
    ),
    "commas": lambda size: b"a{" + b"," * size + b"} 1\n",
    "braces": lambda size: b"a" + b"{" * size + b" 1\n",
    "blanks": lambda size: b"a" + b" " * size + b"1\n",
    "long_number": lambda size: b"a " + b"1" * size + b"\n",
    "families": lambda size: _filled(
        size, lambda n: b'# HELP f%d x\n# TYPE f%d gauge\nf%d{x="%d"} 1\n' % (n, n, n, n)
    ),
    "names": lambda size: _filled(size, lambda n: b"f%d 1\n" % n),
    "two_interleaved": lambda size: _filled(size, lambda n: b'%c{x="%d"} 1\n' % (97 + n % 2, n)),
    "many_interleaved": lambda size: _filled(size, lambda n: b'a%d{x="%d"} 1\n' % (n % 1000, n)),
    "long_labels": lambda size: _filled(size, lambda n: b'a{x="%d%b"} 1\n' % (n, b"v" * 16_000)),
    "series": lambda size: _filled(size, lambda n: b'a{x="%d"} 1\n' % n),
    "duplicates": lambda size: _filled(size, lambda n: b"a 1\n"),
    "malformed": lambda size: _filled(size, lambda n: b"-%d\n" % n),
    "malformed_samples": lambda size: _filled(size, lambda n: b"a %dx\n" % n),
    "types_of_one": lambda size: _filled(size, lambda n: b"# TYPE a gauge\n"),
    "types": lambda size: _filled(size, lambda n: b"# TYPE a%d gauge\n" % n),
    "helps": lambda size: _filled(size, lambda n: b"# HELP a%d\n" % n),
    "comments": lambda size: _filled(size, lambda n: b"#\n"),
    "blank_lines": lambda size: b"\n" * size,
    "dates": lambda size: _filled(
        size,
        lambda n: (
            b"# TYPE c%d_total counter\nc%d_total 1\n# TYPE c%d_created gauge\nc%d_created 1\n" % (n, n, n, n)
        ),
    ),
    "stateset": lambda size: (
        _filled(size, lambda n: b'a{a="s%d",x="%d"} 1\n' % (n % 3, n // 3), b"# TYPE a stateset\n")
        + b"# EOF\n"
    ),
    "exemplars": lambda size: (
        _filled(size, lambda n: b'a_total{x="%d"} 1 # {id="%d"} 1\n' % (n, n), b"# TYPE a counter\n")
        + b"# EOF\n"
    ),
    "crlf": lambda size: _plain(size).replace(b"\n", b"\r\n"),
    "indented": lambda size: _plain(size).replace(b"\n", b"\n\t"),
    "indentation": lambda size: _filled(size, lambda n: b"  \t   a 1\n"),
    "buckets": lambda size: _filled(
        size, lambda n: b'a_bucket{le="%d"} %d\n' % (n, n), b"# TYPE a histogram\n"
    ),
    "buckets_down": lambda size: _filled(
        size, lambda n: b'a_bucket{le="%d"} 1\n' % (10**8 - n), b"# TYPE a histogram\n"
    ),
    "quantiles_of_one": lambda size: _filled(size, lambda n: b'a{quantile="0.5"} 1\n', b"# TYPE a summary\n"),
    "metrics": lambda size: _filled(size, lambda n: b'a_sum{x="%d"} 1\n' % n, b"# TYPE a summary\n"),
    "quoted_names": lambda size: _filled(size, lambda n: b'{"a.%d"} 1\n' % n),
    "split_clusters": _clusters,
}


def measure(shape: str, kernel: str, mib: float, *, capped: bool) -> dict[str, float]:
    """Seconds of CPU, and the peak of memory beyond the body's own, as a multiple of it."""
    body = SHAPES[shape](int(mib * MIB))
    openmetrics = body.endswith(b"# EOF\n")
    format = Format.OPENMETRICS_1 if openmetrics else Format.TEXT
    limits = limits_of(PLAIN) if capped else replace(limits_of(PLAIN), samples=None)
    source = Source("app", body, format, envoy=shape == "split_clusters", limits=limits)
    merge = choose(kernel).merge
    merge([replace(source, body=b"a 1\n")], Options(format))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started = _memory("VmRSS"), _cpu()
    result = merge([source], Options(format))
    seconds, peak = _cpu() - started, _memory("VmHWM") - before
    assert result.sources[0].name == "app"
    return {"seconds": seconds, "peak": peak / len(body), "mib": len(body) / MIB}


def _memory(field: str) -> int:
    """Bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def apart(shape: str, kernel: str, mib: float, *, capped: bool = True) -> dict[str, float] | None:
    """As `measure`, in a process of its own; None if it takes too long."""
    command = [sys.executable, __file__, "--one", "--kernel", kernel, "--mib", str(mib), shape]
    try:
        done = subprocess.run(
            command if capped else [*command, "--uncapped"],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def figures(quick: bool) -> Iterator[Figure]:
    """For each shape: seconds against those at half the size, and the peak against the body."""
    mib, shapes = (1, list(SHAPES)[::6]) if quick else (USUAL, list(SHAPES))
    for kernel in NAMES[1:]:
        for shape in shapes:
            half, whole = apart(shape, kernel, mib / 2), apart(shape, kernel, mib)
            name = f"hostile {shape}, {mib} MiB, {kernel}"
            if half is None or whole is None:
                yield Figure(f"{name}: given up", PATIENCE, "s")
                continue
            yield Figure(
                name, whole["seconds"], "s", "half of it", whole["seconds"] / max(half["seconds"], 1e-3)
            )
            yield Figure(f"{name}, peak", whole["peak"] * whole["mib"], "MiB", "body", whole["peak"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default="python", choices=NAMES)
    parser.add_argument("--mib", type=float, default=4.0)
    parser.add_argument("--uncapped", action="store_true")
    parser.add_argument("--one", action="store_true", help="here, as JSON")
    parser.add_argument("shapes", nargs="*", choices=[*SHAPES, []])
    options = parser.parse_args()
    capped = not options.uncapped
    if options.one:
        print(json.dumps(measure(options.shapes[0], options.kernel, options.mib, capped=capped)))
        return
    for shape in options.shapes or SHAPES:
        half = apart(shape, options.kernel, options.mib / 2, capped=capped)
        whole = apart(shape, options.kernel, options.mib, capped=capped)
        if half is None or whole is None:
            print(f"{shape:20} given up after {PATIENCE} s", flush=True)
            continue
        ratio = whole["seconds"] / max(half["seconds"], 1e-3)
        print(
            f"{shape:20} {whole['seconds']:8.3f} s  {ratio:5.2f} x half  peak {whole['peak']:6.2f} x body",
            flush=True,
        )


if __name__ == "__main__":
    main()
