"""The Python kernel under libFuzzer: what `make fuzz ARGS=--python` runs. Its arguments are libFuzzer's."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["meshmeter.exposition"]):
    from support.fuzz_claims import check
from support.fuzz_cases import decode


def one(text: bytes) -> None:
    check(decode(text))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
