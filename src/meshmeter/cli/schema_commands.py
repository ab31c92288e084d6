"""`schema` and `version`."""

from __future__ import annotations

import typer

from meshmeter.cli.options import KindName


def add_commands(app: typer.Typer) -> None:
    app.command("schema")(schema)
    app.command("version")(version)


def schema(kind: KindName) -> None:
    """Print the JSON Schema of a kind, for editors."""
    from meshmeter.cli import output
    from meshmeter.cli.kinds import kind_of
    from meshmeter.resources.schema import json_schema

    output.out(output.as_json(json_schema(kind_of(kind))))


def version() -> None:
    """Print the version."""
    from meshmeter import __version__
    from meshmeter.cli import output

    output.out(f"meshmeter {__version__}")
