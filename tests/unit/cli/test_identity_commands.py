from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from meshmeter.cli.identity_files import read_identity
from support.api_server import ServedApi
from support.cli import Cli
from support.processes import eventually


def test_issue_says_what_it_wrote(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = cli.ok("identity", "issue", "--service", "prometheus", "--out", str(out))
    assert shown.startswith(f"{out}: spiffe://default/prometheus, valid until 20")
    assert (out / "tls.key").read_text() not in shown


def test_a_refusal_is_told(cli: Cli, tmp_path: Path) -> None:
    done = cli("identity", "issue", "--mesh", "other", "--service", "p", "--out", str(tmp_path / "out"))
    assert done.code == 1 and "has no mTLS" in done.err
    done = cli("identity", "issue", "--service", "a/b", "--out", str(tmp_path / "out"))
    assert done.code == 1 and "service: tag value must consist of" in done.err
    assert not (tmp_path / "out").exists()


def test_run_writes_and_stops_cleanly_when_told(api: ServedApi, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "meshmeter",
        "identity",
        "run",
        "--service",
        "prometheus",
        f"--out={out}",
    ]
    env = {**os.environ, "MESHMETER_API_ADDRESS": api.url, "MESHMETER_TOKEN": api.admin_token}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            eventually(lambda: read_identity(out), "the identity to be written")
        finally:
            running.send_signal(signal.SIGTERM)
        shown = running.communicate(timeout=60)[0].decode()
        assert running.returncode == 0, shown
    assert "spiffe://default/prometheus" in shown and "PRIVATE" not in shown
