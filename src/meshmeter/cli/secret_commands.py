"""`secret`: secrets of a mesh, such as the key of its certificate authority. They are written and never shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from meshmeter.cli.context import Context, asks_control_plane
from meshmeter.cli.options import MeshName

Name = Annotated[str, typer.Argument(help="Name of the secret, as `{secret: NAME}` refers to it.")]


def add_commands(app: typer.Typer) -> None:
    secrets = typer.Typer(help="Write, list and delete secrets of a mesh.", no_args_is_help=True)
    secrets.command("put")(put)
    secrets.command("list")(list_)
    secrets.command("delete")(delete)
    app.add_typer(secrets, name="secret")


@asks_control_plane
def put(
    context: Context,
    name: Name,
    file: Annotated[
        Path, typer.Option("--file", "-f", metavar="FILE", help="What it holds; - is standard input.")
    ],
    mesh: MeshName = "default",
) -> None:
    """Keep the content of a file as a secret, encrypted; in place of an earlier one of the name."""
    from meshmeter.cli import output
    from meshmeter.cli.client import path_to

    document = {"type": "Secret", "mesh": mesh, "name": name, "data": read_secret(file)}
    client = context.client()
    client.put(path_to("meshes", mesh, "secrets", name), document)
    output.out(f"secret {name} of mesh {mesh} is kept")


@asks_control_plane
def list_(
    context: Context,
    mesh: MeshName = "default",
) -> None:
    """The names of the secrets."""
    from meshmeter.cli import output
    from meshmeter.cli.client import path_to

    client = context.client()
    answer = client.get(path_to("meshes", mesh, "secrets"))
    if not answer["items"]:
        output.note(f'there are no secrets in mesh "{mesh}"')
        return
    output.rows(output.table(("MESH", "NAME"), ((item["mesh"], item["name"]) for item in answer["items"])))


@asks_control_plane
def delete(
    context: Context,
    name: Name,
    mesh: MeshName = "default",
) -> None:
    """Remove a secret."""
    from meshmeter.cli import output
    from meshmeter.cli.client import naming, path_to

    client = context.client()
    with naming(f'secret "{name}"', mesh):
        client.delete(path_to("meshes", mesh, "secrets", name))
    output.out(f"secret {name} of mesh {mesh} is deleted")


def read_secret(file: Path) -> str:
    """The content, base64. Raises SettingsError."""
    import sys

    from meshmeter.errors import SettingsError
    from meshmeter.files import LARGEST, read_given

    try:
        content = sys.stdin.buffer.read(LARGEST + 1) if str(file) == "-" else read_given(file)
    except OSError as exc:
        raise SettingsError(f"--file: {file}: {exc.strerror}") from exc
    if len(content) > LARGEST:
        raise SettingsError(f"--file: {file} is larger than {LARGEST} bytes")
    if not content:
        raise SettingsError(f"--file: {file} is empty")
    return base64.b64encode(content).decode()
