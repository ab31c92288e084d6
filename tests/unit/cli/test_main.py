from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmeter.cli.main import LONG_RUNNING, run
from support.cli import Cli

COMMANDS = (
    "apply",
    "get",
    "delete",
    "validate",
    "explain",
    "token",
    "schema",
    "version",
    "demo",
    "completion",
    *LONG_RUNNING,
)

GROUPS = ("control-plane", "dataplane", "explain", "token", "identity", "prometheus", "secret")

ROOT = Path(__file__).resolve().parents[3]


def meshmeter(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "meshmeter", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
    )


def test_the_help_lists_every_command(offline: Cli) -> None:
    shown = offline.ok("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in shown, command


@pytest.mark.parametrize("arguments", [(), ("nosuch",), ("get", "--nosuch"), ("token",), ("get",)])
def test_wrong_usage_is_2(offline: Cli, arguments: tuple[str, ...]) -> None:
    assert offline(*arguments).code == 2


def test_without_a_control_plane_the_way_out_is_told(offline: Cli, tmp_path: Path) -> None:
    done = offline("get", "meshes", "--data-dir", str(tmp_path))
    assert done.code == 2 and "control-plane run" in done.err and "--api-address" in done.err


def test_an_unreachable_control_plane_is_told(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_text("t")
    done = offline("get", "meshes", "--data-dir", str(tmp_path), "--api-address", "http://127.0.0.1:1")
    assert done.code == 1 and "http://127.0.0.1:1 cannot be reached" in done.err


def test_a_wrong_token_is_told_with_the_way_out(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("wrong")
    done = cli("get", "meshes", "--token-file", str(tmp_path / "t"))
    assert done.code == 1 and "--token-file" in done.err and "wrong" not in done.err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_flags: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("meshmeter.cli.demo.main", interrupted)
    assert run(["demo"]) == 130


def test_long_running_commands_get_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    for name, (module, _) in LONG_RUNNING.items():
        monkeypatch.setattr(f"{module}.run", lambda arguments: seen.append(arguments) or 5)
        assert run([name, "run", "--help"]) == 5
    assert seen == [["run", "--help"]] * 2


def test_real_processes_exit_with_these_codes(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("type: Mesh\nname: good\n")
    (tmp_path / "bad.yaml").write_text("type: Mesh\nname: Bad\n")
    assert meshmeter("validate", "-f", "good.yaml", cwd=tmp_path).returncode == 0
    refused = meshmeter("validate", "-f", "bad.yaml", cwd=tmp_path)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert meshmeter("validate", cwd=tmp_path).returncode == 2
    assert meshmeter("get", "meshes", cwd=tmp_path).returncode == 2


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from meshmeter.cli.main import run; run(['get', '--help']);"
        "print([m for m in ('meshmeter.resources', 'aiohttp', 'grpc', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_data_plane_loads_no_command_framework(tmp_path: Path) -> None:
    code = (
        "import sys; from meshmeter.cli.main import run; run(['dataplane', 'run', '--help']);"
        "print([m for m in ('typer', 'rich', 'pydantic', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version(offline: Cli) -> None:
    assert offline.ok("--version") == offline.ok("version")


@pytest.mark.parametrize(
    "command",
    [
        *(
            "",
            "get",
            "explain",
            "explain dp",
            "token",
            "token list",
            "secret put",
            "prometheus config",
            "demo",
        ),
        *("control-plane", "control-plane run", "dataplane run", "dp run"),
    ],
)
def test_h_is_help_everywhere(offline: Cli, command: str) -> None:
    assert offline.ok(*command.split(), "-h").lower().startswith("usage: meshmeter")


@pytest.mark.parametrize("word", ["dp", "dataplanes"])
def test_other_words_for_the_data_plane(offline: Cli, word: str) -> None:
    assert offline(word, "run").code == 2
    assert "--dataplane-file" in offline.ok(word, "run", "--help")
    assert "The Dataplane." in offline.ok("explain", word, "--help")


DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]


def lines_of_code(text: str) -> Iterator[str]:
    """Command lines that a page shows: in fences, in blocks and between backticks; continued ones joined."""
    joined = text.replace("\\\n", " ")
    fenced = False
    for line in joined.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def shown_commands() -> list[tuple[str, str, tuple[str, ...]]]:
    """Page, command and its options, of everything that begins with our name."""
    found = set()
    for page in DOCUMENTS:
        for line in lines_of_code(page.read_text()):
            for match in re.finditer(r"(?:^|[ /(|])meshmeter ([a-z][^|#`)]*)", line):
                words = match[1].split()
                command = tuple(itertools.takewhile(re.compile(r"[a-z][a-z-]*").fullmatch, words[:2]))
                options = {word.partition("=")[0] for word in words if word.startswith("--")}
                if command:  # else the word is our user or a folder
                    found.add((page.name, " ".join(command), tuple(sorted(options))))
    return sorted(found)


def test_the_pages_show_commands() -> None:
    assert len(shown_commands()) > 40


@pytest.mark.parametrize(("page", "command", "options"), shown_commands())
def test_what_the_pages_show_is_there(
    offline: Cli, page: str, command: str, options: tuple[str, ...]
) -> None:
    words = command.split()
    if words[0] not in GROUPS:
        words = words[:1]
    help_ = offline(*words, "--help")
    assert help_.code == 0, command
    for option in options:
        assert re.search(rf"{option}\b", help_.out) or option == "--version", f"{page}: {command} {option}"
