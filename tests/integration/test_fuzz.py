"""A short run of the fuzzer, the same in every run, and that it finds what it is there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON
from meshmeter.exposition.merge import Limits, Options, Source
from support import coverage_guided, fuzz_claims, require
from support.fuzz_cases import Case, decode, encode
from support.fuzz_claims import Refuted, check
from support.fuzzing import FOUND_ONCE, Fuzzer, keep, smallest


@pytest.fixture(autouse=True)
def parts() -> None:
    require.prometheus_parsers()
    require.native_kernel()


@pytest.mark.parametrize("file", FOUND_ONCE, ids=lambda file: file.stem)
def test_what_was_found_once(file: Path) -> None:
    check(decode(file.read_bytes()))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_short_run(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    found = fuzzer.run(lambda: fuzzer.tried >= 500)
    assert found is None, f"{found[1]}\n{found[0]!r}"
    assert fuzzer.kinds > 100


def test_a_case_is_a_file() -> None:
    case = Case(
        [
            Source("s0", b"a 1", Format.OPENMETRICS_1, envoy=True),
            Source("s1", b"b 2\n\n", label="app", limits=Limits(1, None, 3, None)),
        ],
        Options(Format.OPENMETRICS_1_UTF8, merge_clusters=False, total_bytes=300),
        (5, 700),
    )
    assert decode(encode(case)) == case


def test_what_it_finds_is_made_small_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a parser that dislikes a value, in place of those that like our answers."""
    monkeypatch.setattr(fuzz_claims, "objections", lambda body, format: "seven" if b" 7\n" in body else "")
    text = b'#case\n\n#source\n# TYPE a gauge\na{x="1"} 6\na{x="2"} 7\nb 5\n'
    with pytest.raises(Refuted) as refuted:
        check(decode(text))
    small, again = smallest(text, refuted.value)
    assert (small, again.claim) == (b'\n#source\na{x=""}7', "every parser takes the answer")
    assert keep(small, tmp_path / "found").read_bytes() == small


def test_without_its_parts_the_coverage_guided_run_says_which_ones(tmp_path: Path) -> None:
    run = [sys.executable, str(Path(__file__).parents[1] / "fuzz" / "run.py")]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}

    def said(way: str) -> tuple[int, str]:
        ended = subprocess.run(
            [*run, way], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return ended.returncode, ended.stderr

    assert said("--native") == (2, "fuzz: --native needs\n  Rust: https://rustup.rs\n")
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\nexit 101\n")
    cargo.chmod(0o755)
    status, text = said("--native")
    assert status == 2
    for how in (
        "rustup toolchain install nightly",
        "cargo install cargo-fuzz --locked",
        "apt-get install g++",
    ):
        assert how in text


def test_what_the_coverage_guided_run_keeps_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coverage_guided.write_seeds(tmp_path)
    kept = sorted(tmp_path.iterdir())[:12]
    assert all(decode(file.read_bytes()).sources for file in kept)
    assert coverage_guided.refuted_by_others(kept) is None
    monkeypatch.setattr(fuzz_claims, "objections", lambda body, format: "go" if b"go_gc" in body else "")
    other = next(file for file in sorted(tmp_path.iterdir()) if b"go_gc" in file.read_bytes())
    found = coverage_guided.refuted_by_others([*kept, other])
    assert found is not None
    assert (found[0], found[1].claim) == (other.read_bytes(), "every parser takes the answer")


def test_what_could_be_sent_at_once_comes_first_when_an_answer_is_merged_again() -> None:
    """The order changes, what is said does not."""
    case = decode(b"#case\n\n#source e\nb 1\nenvoy_a 2\n")
    check(case)
    first = PYTHON.merge(case.sources, case.options).body
    assert first == b"# TYPE b untyped\nb 1\n# TYPE envoy_a untyped\nenvoy_a 2\n"
    again = PYTHON.merge([Source("again", first, envoy=True)], case.options).body
    assert again == b"# TYPE envoy_a untyped\nenvoy_a 2\n# TYPE b untyped\nb 1\n"


def test_without_atheris_the_run_over_the_python_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_guided, "find_spec", lambda name: None)
    (lacking,) = coverage_guided.missing_for_python()
    assert lacking.startswith("atheris") and lacking.endswith(".venv/bin/pip install atheris")
