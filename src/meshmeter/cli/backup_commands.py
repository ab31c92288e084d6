"""`backup` and `restore`: the data directory of a control plane on this host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshmeter.cli.options import DataDir

if TYPE_CHECKING:
    from meshmeter.controlplane.backups import Made

Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys-dir",
        metavar="DIR",
        help="A directory of their own for the keys: ca.crt, ca.key, signing keys, secrets.key.",
    ),
]


def add_commands(app: typer.Typer) -> None:
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty directory for the copy.")],
    keys_dir: Keys = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the database of a control plane on this host, also while it runs; without --keys-dir no keys."""
    from datetime import UTC, datetime

    from meshmeter.cli import output
    from meshmeter.cli.connection import data_directory
    from meshmeter.controlplane.backups import back_up

    made = back_up(data_directory(data_dir, os.environ), target, keys=keys_dir, now=datetime.now(UTC))
    output.out(f"{target} has the database at revision {made.revision}: {_content(made)}")
    if keys_dir is not None:
        output.out(
            f"{keys_dir} has the keys: {', '.join(made.keys)}. Keep it apart: both together open everything."
        )
    else:
        output.out(
            "It has no keys: ca.crt, ca.key, signing*.key and secrets.key are needed to restore; copy them once with "
            "--keys-dir."
        )


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="What `backup` made.")],
    keys_dir: Keys = None,
    data_dir: DataDir = None,
) -> None:
    """Put a copy back into a data directory that has no database and whose control plane does not run."""
    from meshmeter.cli import output
    from meshmeter.cli.connection import data_directory
    from meshmeter.controlplane.backups import restore as put_back

    directory = data_directory(data_dir, os.environ)
    made = put_back(source, directory, keys=keys_dir)
    output.out(f"{directory} has the database at revision {made.revision}: {_content(made)}")
    output.out(
        "Tokens that were revoked after the backup are valid again: revoke them once more, or make all void with "
        "`meshmeter token rotate-key --no-overlap`."
    )


def _content(made: Made) -> str:
    return f"{made.resources} resources, {made.secrets} secrets (encrypted), {made.tokens} records of tokens"
