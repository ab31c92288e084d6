"""`schema`, `version` and `--version`."""

from __future__ import annotations

from typing import Annotated

import typer

from meshmeter.cli.options import KindName


def add_commands(app: typer.Typer) -> None:
    app.callback()(_before_commands)
    app.command("schema")(schema)
    app.command("version")(version)


def schema(kind: KindName) -> None:
    """Print the JSON Schema of a kind, for editors."""
    from meshmeter.cli import output
    from meshmeter.cli.kinds import kind_of
    from meshmeter.resources.schema import json_schema

    output.out(output.as_json(json_schema(kind_of(kind))))


def _version_asked(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


def _before_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_version_asked, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options that stand before a command."""


def version() -> None:
    """Print the version."""
    from meshmeter import __version__
    from meshmeter.cli import output

    output.out(f"meshmeter {__version__}")
