"""`explain dataplane` and `explain mesh`: what holds, where it comes from, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from meshmeter.cli.context import Context, asks_control_plane
from meshmeter.cli.options import MeshName, TreeFormat

Output = Annotated[TreeFormat, typer.Option("--output", "-o", help="How to print.")]


def add_commands(app: typer.Typer) -> None:
    explain = typer.Typer(
        help="Say what holds, where it comes from, and what is wrong.", no_args_is_help=True
    )
    explain.command("dataplane")(dataplane)
    for alias in ("dp", "dataplanes"):
        explain.command(alias, hidden=True)(dataplane)
    explain.command("mesh")(mesh)
    app.add_typer(explain, name="explain")


@asks_control_plane
def dataplane(
    context: Context,
    name: Annotated[str, typer.Argument(help="The Dataplane.")],
    mesh: MeshName = "default",
    output: Output = TreeFormat.TREE,
) -> None:
    """Everything about the metrics of one proxy."""
    from meshmeter.cli.client import naming, path_to
    from meshmeter.cli.explain_tree import dataplane_tree

    path = path_to("meshes", mesh, "dataplanes", name, "_metrics")
    client = context.client()
    with naming(f'Dataplane "{name}"', mesh):
        answer = client.get(path)
    _show(answer, output, dataplane_tree)


@asks_control_plane
def mesh(
    context: Context,
    name: Annotated[str, typer.Argument(help="The Mesh.")],
    output: Output = TreeFormat.TREE,
) -> None:
    """How the proxies of a mesh are, in numbers and by finding."""
    from meshmeter.cli.client import naming, path_to
    from meshmeter.cli.explain_tree import mesh_tree

    path = path_to("meshes", name, "_metrics")
    client = context.client()
    with naming(f'mesh "{name}"'):
        answer = client.get(path)
    _show(answer, output, mesh_tree)


def _show(answer: dict[str, Any], form: TreeFormat, tree: Callable[[dict[str, Any]], str]) -> None:
    from meshmeter.cli import output

    if form is TreeFormat.JSON:
        output.out(output.as_json(answer))
    elif form is TreeFormat.YAML:
        output.out(output.as_yaml([answer]))
    else:
        output.tree(tree(answer))
