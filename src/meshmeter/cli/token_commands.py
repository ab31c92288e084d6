"""`token dataplane` and `token discovery`: print a new token, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from meshmeter.cli.options import ApiAddress, DataDir, TokenFile

ValidFor = Annotated[
    str, typer.Option("--valid-for", metavar="DURATION", help="Lifetime, for example 24h or 30d.")
]


def add_commands(app: typer.Typer) -> None:
    tokens = typer.Typer(help="Issue tokens.", no_args_is_help=True)
    tokens.command("dataplane")(dataplane)
    tokens.command("discovery")(discovery)
    app.add_typer(tokens, name="token")


def dataplane(
    mesh: Annotated[str, typer.Option("--mesh", "-m", help="The mesh that the data plane may join.")],
    name: Annotated[str | None, typer.Option("--name", help="The only Dataplane; without it, any.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="KEY=VALUE[,VALUE]",
            help="Values that a tag of the Dataplane may have. May be repeated.",
        ),
    ] = None,
    valid_for: ValidFor = "30d",
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """A token for `meshmeter dataplane run`."""
    from meshmeter.cli import output
    from meshmeter.cli.resource_commands import connect

    tags = read_tags(tag or ())
    body = {"mesh": mesh, "name": name, "tags": tags, "validFor": valid_for}
    client = connect(api_address, token_file, data_dir)
    output.out(client.post("/tokens/dataplane", {k: v for k, v in body.items() if v}))


def discovery(
    mesh: Annotated[
        list[str] | None,
        typer.Option(
            "--mesh", "-m", help="A mesh whose targets it shows; without one, all. May be repeated."
        ),
    ] = None,
    valid_for: ValidFor = "30d",
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """A token for a Prometheus that asks for targets from another host."""
    from meshmeter.cli import output
    from meshmeter.cli.resource_commands import connect

    body: dict[str, object] = {"validFor": valid_for}
    if mesh:
        body["meshes"] = mesh
    output.out(connect(api_address, token_file, data_dir).post("/tokens/discovery", body))


def read_tags(given: list[str] | tuple[()]) -> dict[str, list[str]]:
    """`KEY=VALUE[,VALUE]` items; a key given twice has the values of both. Raises SettingsError."""
    from meshmeter.errors import SettingsError

    tags: dict[str, list[str]] = {}
    for item in given:
        key, equals, values = item.partition("=")
        listed = [value for value in values.split(",") if value]
        if not equals or not key or not listed:
            raise SettingsError(f"--tag {item!r}: write KEY=VALUE, or KEY=VALUE,VALUE for several")
        tags.setdefault(key, []).extend(listed)
    return tags
