"""Changing cases a little: line by line, word by word and byte by byte, with what other cases have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from support.odd_bodies import BYTES, LABELS, TAILS, TYPES

_NUMBER = re.compile(rb"[-+]?[0-9][0-9.eE+-]*")
_NUMBERS = (
    b"0", b"-1", b"1e30", b"-62135596800000", b"1.7e+18", b"9223372036854775807", b"9223372036854775808", b"NaN",
    b"+Inf", b"-Inf", b"1e-400", b"0.1", b"1.0", b"1e16", b"9007199254740993", b"1395066363",
    b"1395066363000.5", b"007", b".5",
)  # fmt: skip
_SUFFIXES = (b"_total", b"_bucket", b"_sum", b"_count", b"_created", b"_info", b"_gsum", b"_gcount", b"")
_HEADS = (
    b"#case",
    b"#case o",
    b"#case u",
    b"#case o u",
    b"#case k",
    b"#case 200",
    b"#case o 300",
    b"#case c=9,60,61",
)
_SOURCES = (
    b"#source",
    b"#source o",
    b"#source e",
    b"#source e o",
    b"#source l=app",
    b"#source n=2,,,",
    b"#source n=,1,3,3",
)
_LONGEST = 4000


def mutated(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """A case near to this one."""
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        text = random.choice(_WAYS)(random, text, others)
    return text[:_LONGEST]


def _lines(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    lines = text.splitlines(keepends=True) or [b"\n"]
    at = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines) + 1), lines[at])
        case 2:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            donor = random.choice(others).splitlines(keepends=True) or [b"\n"]
            start = random.randrange(len(donor))
            lines[at:at] = donor[start : start + random.choice((1, 1, 3, 8))]
        case _:
            lines.insert(
                at,
                b"# TYPE " + lines[at].split(b"{")[0].split(b" ")[0].strip() + b" " + _type(random) + b"\n",
            )
    return b"".join(lines)


def _type(random: Random) -> bytes:
    return random.choice(TYPES).encode()


def _words(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    lines = text.splitlines(keepends=True) or [b"\n"]
    at = random.randrange(len(lines))
    line = lines[at]
    name, brace, rest = line.partition(b"{")
    match random.randrange(6):
        case 0:
            numbers = list(_NUMBER.finditer(line))
            if numbers:
                found = random.choice(numbers)
                line = line[: found.start()] + random.choice(_NUMBERS) + line[found.end() :]
        case 1:
            end = rest.rpartition(b"}")[2] if brace else b" 1\n"
            line = name.rstrip(b"\n").split(b" ")[0] + random.choice(LABELS).encode() + end
        case 2:
            line = (
                line.rstrip(b"\n") + b" " + random.choice((*_NUMBERS, random.choice(TAILS).encode())) + b"\n"
            )
        case 3:
            stem = re.sub(
                rb"_(total|bucket|sum|count|created|info|gsum|gcount)?$", b"", name.split(b" ")[0].strip()
            )
            tail = line[len(name.split(b" ")[0].strip()) :]
            line = stem + random.choice(_SUFFIXES) + tail
        case 4:
            line = random.choice(_HEADS) + b"\n" if at == 0 else line.replace(b",", b" ,  ", 1)
        case _:
            line = b"\n" + random.choice(_SOURCES) + b"\n" + line
    lines[at] = line
    return b"".join(lines)


def _bytes(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    damaged = bytearray(text)
    at = random.randrange(len(damaged) + 1)
    match random.randrange(4):
        case 0:
            damaged[at : at + 1] = bytes([random.choice(BYTES)])
        case 1:
            del damaged[at : at + random.randint(1, 8)]
        case 2:
            damaged[at:at] = bytes(random.choice(BYTES) for _ in range(random.randint(1, 4)))
        case _:
            donor = random.choice(others)
            start = random.randrange(len(donor) + 1)
            damaged[at:at] = donor[start : start + random.randint(1, 40)]
    return bytes(damaged)


_WAYS = (_lines, _lines, _words, _words, _words, _bytes)
