from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshmeter.agent.envoy_binary import find, version
from meshmeter.errors import StartupError
from support.require import envoy


def a_program(path: Path, script: str = "exit 0") -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_one_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    assert find(a_program(tmp_path / "mine"), {}) == tmp_path / "mine"


@pytest.mark.parametrize("name", ["nowhere", ".", "not-executable"])
def test_one_that_is_not_there_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "not-executable").touch(0o600)
    with pytest.raises(StartupError, match=re.escape("pip install 'meshmeter[envoy]'")) as caught:
        find(tmp_path / name, {"PATH": str(tmp_path)})
    assert str(tmp_path / name) in str(caught.value)


def test_without_the_extra_it_is_looked_for_on_the_path(tmp_path: Path) -> None:
    a_program(tmp_path / "envoy")
    assert find(None, {"PATH": str(tmp_path)}, packaged=lambda: None) == tmp_path / "envoy"
    with pytest.raises(StartupError, match="there is no Envoy on this machine: pip install"):
        find(None, {"PATH": str(tmp_path / "elsewhere")}, packaged=lambda: None)


def test_the_extra_is_found_without_a_path() -> None:
    pytest.importorskip("envoy")
    assert find(None, {}).parts[-3:] == ("envoy", "_bin", "envoy")


async def test_the_version_of_a_real_envoy() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-dev)?", await version(envoy()))


async def test_a_program_that_is_no_envoy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="does not seem to be Envoy; `--version` says: hello"):
        await version(a_program(tmp_path / "x", "echo hello"))
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF garbage")
    broken.chmod(0o755)
    with pytest.raises(StartupError, match="cannot be run"):
        await version(broken)


@pytest.mark.parametrize(("told", "new_enough"), [("1.39.3", False), ("1.40.0", True), ("2.0.0-dev", True)])
async def test_an_envoy_that_would_refuse_the_bootstrap_is_told(
    tmp_path: Path, told: str, new_enough: bool
) -> None:
    program = a_program(tmp_path / "envoy", f"echo envoy version: 0123abc/{told}/Clean/RELEASE/BoringSSL")
    if new_enough:
        assert await version(program) == told
    else:
        with pytest.raises(
            StartupError, match=r"is Envoy 1\.39\.3, and 1\.40 or newer is needed: pip install"
        ):
            await version(program)


async def test_a_program_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"did not end within 0\.05 s"):
        await version(a_program(tmp_path / "x", "exec sleep 60"), seconds=0.05)
