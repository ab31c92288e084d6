from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from meshmeter.cli.context import Context, asks_control_plane
from meshmeter.cli.main import application
from meshmeter.errors import SettingsError
from support.api_server import ServedApi
from support.cli import Cli

FLAGS = ["--api-address", "--token-file", "--ca-cert-file", "--data-dir"]

OFFLINE = {"validate", "schema", "version", "demo", "completion", "backup", "restore", "prometheus config"}
"""Commands that ask no control plane."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of the framework with its flags."""
    pending = [("", get_command(application()))]
    while pending:
        name, command = pending.pop()
        if below := getattr(command, "commands", None):
            pending += ((f"{name} {word}".strip(), found) for word, found in below.items())
        else:
            yield name, [flag for parameter in command.params for flag in parameter.opts]


def test_every_command_that_asks_a_control_plane_can_be_told_which() -> None:
    told = {name for name, flags in commands() if flags[-len(FLAGS) :] == FLAGS}
    offline = {name for name, flags in commands() if not {"--api-address", "--token-file"} & set(flags)}
    assert offline == OFFLINE | {"control-plane", "dataplane"}
    assert told == {name for name, _ in commands()} - offline
    assert len(told) > 17


def test_a_command_gets_the_options_as_one_object_beside_its_own(tmp_path: Path) -> None:
    seen: list[tuple[Context, str, int]] = []

    @asks_control_plane
    def command(context: Context, name: str, count: int = 1) -> None:
        seen.append((context, name, count))

    app = typer.Typer()
    app.command()(command)
    for arguments in (
        ["web"],
        ["--data-dir", "d", "web", "--count", "2", "--api-address", "http://x", "--token-file", "t"],
        ["web", "--ca-cert-file", "c"],
    ):
        app(arguments, standalone_mode=False)
    assert seen == [
        (Context(), "web", 1),
        (Context("http://x", Path("t"), None, Path("d")), "web", 2),
        (Context(ca_cert_file=Path("c")), "web", 1),
    ]


def test_what_is_not_given_comes_from_the_environment(
    api: ServedApi, offline: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no admin token"):
        Context(api.url).client()
    monkeypatch.setenv("MESHMETER_API_ADDRESS", api.url)
    (tmp_path / "token").write_text(api.admin_token)
    assert Context(token_file=tmp_path / "token").client().get("/meshes")["total"] >= 0
