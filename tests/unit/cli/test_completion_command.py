from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(offline: Cli, shell: str) -> None:
    script = offline.ok("completion", shell)
    assert "_MESHMETER_COMPLETE=" in script and "meshmeter" in script


def test_other_shells_are_wrong_usage(offline: Cli) -> None:
    assert offline("completion", "cmd").code == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [("meshmeter val", ["validate"]), ("meshmeter get da", ["dataplane", "dataplanes"])],
)
def test_bash_completes_commands_and_kinds(offline: Cli, tmp_path: Path, line: str, words: list[str]) -> None:
    (tmp_path / "meshmeter").symlink_to(Path(sys.executable).with_name("meshmeter"))
    script = tmp_path / "complete.sh"
    script.write_text(offline.ok("completion", "bash"))
    asked = (
        f"source {script}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        'COMP_LINE="${COMP_WORDS[*]}"; _meshmeter_completion meshmeter; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == words
