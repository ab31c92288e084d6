"""Bodies that are nearly right: lines of all kinds, put together at random and damaged, with options of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from meshmeter.exposition import merge_python
from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import Kernel
from meshmeter.exposition.merge import Limits, Options, Source

LONG_WAY = Kernel("long way", partial(merge_python.begin, shortcuts=False))
"""The Python kernel without its shortcuts for plain text."""

FILES = sorted((Path(__file__).parents[1] / "data" / "expositions").iterdir())

_REAL = [line for path in FILES for line in path.read_bytes().splitlines(keepends=True)]
CLUSTER = ("w-0123456789abcdef", "w-fedcba9876543210", "w", "-0123456789abcdef", "admin")
TYPES = ("counter", "gauge", "histogram", "summary", "gaugehistogram", "info", "stateset", "untyped", "odd")
LABELS = (
    "", "{}", '{x=""}', '{x="1"}', '{l="z",x="2"}', '{x="2",l="z",}', '{ x = "1" }', '{"c.d"="x"}', '{x="\\\\"}',
    '{"c.d"="x","c-d"="y"}', '{"d:e"="x"}',
    '{le="x"}', '{le="NaN",x="1"}', '{quantile="x"}', '{le="-1"}',
    '{le=""}', '{quantile=""}', '{x="",le="1"}',
    '{le="",quantile="0.5"}', '{"c.d"="",c_d="x"}', '{x="",x="1"}',
    '{a="s1"}', '{a="s2",b="1"}', '{kuma_io_mesh_traffic="q",app="1",exported_app="2"}', '{le="1"}', '{le="+Inf"}',
    '{le="-0"}', '{le="1.0",x="1"}', '{x="1",le="1e0"}', '{le="1",le="2"}', '{,le="2"}', '{quantile="0.5"}',
    '{x="1",quantile="-0"}', '{quantile="2"}',
    *(f'{{envoy_cluster_name="{name}"{more}}}' for name in CLUSTER for more in ("", ',le="0.5"', ',le="1800000"')),
    *(f'{{envoy_cluster_name="{name}",quantile="0.5"}}' for name in CLUSTER),
)  # fmt: skip
TAILS = (
    "1", "2", "0", "-1", "2.5", "1e16", "007", "+3", ".5", "nan", "-inf", "1e999", "0x1", "5 1395066363000", "5 1.5",
    "5 -62135596800000", "5 1e30", "5 1.7e+18", "5 9223372036854775807", "5 9223372036854775808", "5 NaN", "5 +0",
    "5 1e999", "5 9223372036854774.9", "5 .5e1", "5 x", '1 # {id="v"} 1 -2', '1 # {id="v"} 1 1e16',
    '3 # {id="v"} 1', "6 1395066364000", "7 2.5", "8 1000", "9 1395066363000", "3 1", '4 2 # {id="v"} 1', "5 3",
    '1 # {"t.i"="v"} 1', '1 # {"t.i"="v","t-i"="v"} 1',
    '1 # {id="v"} 1 2', '1 2 # {id="v"} 1', "1 # {} x", "",
)  # fmt: skip
BYTES = b'ab_{}",=\\ #\n1eE+-.NaInf\t\r\xc3\xa9\x00:\x0b'
_FORMATS = tuple(f for f in Format if f is Format.TEXT or f is Format.OPENMETRICS_1 or f.scheme)


def cases(random: Random) -> Iterator[tuple[list[Source], Options]]:
    """Arguments of `merge`, without end."""
    while True:
        sources = [_source(random, n) for n in range(random.choice((1, 1, 2, 3)))]
        if random.random() < 0.3:
            sources[0] = _envoy(random)
        total = random.choice((None, None, None, 30, 100, 300))
        yield sources, Options(random.choice(_FORMATS), random.random() < 0.8, total)


def _source(random: Random, n: int) -> Source:
    limits = Limits(*(random.choice((None, None, 0, 1, 2, 5)) for _ in range(4)))
    return Source(
        f"s{n}",
        damaged(random, b"".join(_line(random) for _ in range(random.choice((1, 3, 8, 20))))),
        random.choice((Format.TEXT, Format.OPENMETRICS_1)),
        envoy=random.random() < 0.4,
        label=random.choice((None, None, None, "app", "a", "w_x")),
        limits=random.choice((Limits(), Limits(), limits)),
    )


def _envoy(random: Random) -> Source:
    """A body as a real Envoy writes it, with a little damage to some: the same labels in each family."""
    names = [
        "a",
        "b-0123456789abcdef",
        "b-c-0123456789abcdef",
        "b-fedcba9876543210",
        "b",
        "admin",
        "ads_cluster",
    ]
    label = random.choice(("envoy_cluster_name", "envoy_cluster_name", "envoy_http_conn_manager_prefix", "x"))
    labels = [f'{label}="{name}"' for name in sorted(random.sample(names, random.randint(0, 7)))]
    families = "".join(_family(random, n, labels) for n in range(random.randint(1, 6))).encode()
    if random.random() < 0.3:
        families = damaged(random, families)
    limits = random.choice((Limits(), Limits(), Limits(random.randint(1, 40))))
    return Source("envoy", families, envoy=True, limits=limits)


def _family(random: Random, n: int, labels: list[str]) -> str:
    name = f"envoy_{n}" + random.choice(("", "_total", "_sum"))
    kind = random.choice(("counter", "gauge", "histogram", "histogram"))
    largest = random.choice((0, 9, 10, 10**4, 10**17, 10**18, 10**19))
    own = random.choice(
        (labels, labels, labels, labels[1:], [], [f'{label},a="1"' for label in labels], labels * 2)
    )
    bounds = random.choice((("0.5", "1800000", "+Inf"), ("0.5", "1", "1.0", "+Inf"), ("+Inf",), ("1", "2")))
    lines = [f"# TYPE {name} {kind}"]
    for label in own or random.choice(([""], ["{}"])):
        braced = label if not label or label == "{}" else f"{{{label}}}"
        if kind != "histogram":
            value = random.randint(-largest if kind == "gauge" and random.random() < 0.2 else 0, largest)
            lines.append(f"{name}{braced} {value}")
            continue
        inside = f"{label}," if len(braced) > 2 else ""
        counts = sorted(random.randint(0, largest) for _ in bounds)
        lines += [
            f'{name}_bucket{{{inside}le="{le}"}} {count}' for le, count in zip(bounds, counts, strict=True)
        ]
        total = random.choice((0, largest, 35.25, 1.5e300, "1e+16", "NaN"))
        count = counts[-1] + (random.random() < 0.05)
        lines += [f"{name}_sum{braced} {total}", f"{name}_count{braced} {count}"]
    return "\n".join(lines) + random.choice(("\n", "\n", "\n\n"))


def lines(random: Random) -> Iterator[bytes]:
    """Lines of all kinds, without end."""
    while True:
        yield _line(random)


def _line(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.2:
        return random.choice(_REAL)
    name = random.choice(
        ("a", "a", "a", "envoy_a", "a_x_seconds", "a.b", "a.b", "a-b", "a_b", "U__a_2e_b", "1:ü", "")
    )
    suffix = random.choice(
        ("", "", "", "_total", "_bucket", "_sum", "_count", "_created", "_info", "_gsum", "_gcount")
    )
    if kind < 0.4:
        written = f'"{name}{suffix}"' if _quoted(name) or not name else name + suffix
        return f"# TYPE {written} {random.choice(TYPES)}\n".encode()
    if kind < 0.45:
        text = random.choice(
            ('HELP a he\\nlp "q" \\\\ x', "UNIT a_x_seconds seconds", "EOF", "HELP", "TYPE a")
        )
        return f"# {text}\n".encode()
    labels, tail = random.choice(LABELS), random.choice(TAILS)
    if _quoted(name):
        return f'{{"{name}{suffix}"{"," + labels[1:] if labels else "}"} {tail}\n'.encode()
    return f"{name}{suffix}{labels} {tail}\n".encode()


def _quoted(name: str) -> bool:
    return any(character in name for character in ".-:")


def damaged(random: Random, body: bytes) -> bytes:
    """The body with a few bytes changed, taken out or put in, or as it is."""
    made = bytearray(body)
    for _ in range(random.choice((0, 0, 0, 1, 2, 5))):
        at, kind = random.randrange(len(made) + 1), random.random()
        if kind < 0.4:
            made[at : at + 1] = bytes([random.choice(BYTES)])
        elif kind < 0.6:
            del made[at : at + random.randint(1, 8)]
        elif kind < 0.8:
            made[at:at] = bytes(random.choice(BYTES) for _ in range(random.randint(1, 4)))
        else:
            made[at:at] = made[random.randrange(len(made) + 1) :][: random.randint(1, 40)]
    return bytes(made)
