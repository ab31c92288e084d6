"""`apply`, `get`, `delete` and `validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshmeter.cli import exit_codes
from meshmeter.cli.context import Context, asks_control_plane
from meshmeter.cli.options import Files, Form, Format, KindName, MeshName, Variables

if TYPE_CHECKING:
    from meshmeter.cli.client import ApiClient
    from meshmeter.cli.documents import Input

NOTHING = "no resource(s) passed to apply"


def add_commands(app: typer.Typer) -> None:
    app.command("apply")(apply)
    app.command("get")(get)
    app.command("delete")(delete)
    app.command("validate")(validate)


@asks_control_plane
def apply(
    context: Context,
    file: Files,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change, and for how many proxies; write nothing."),
    ] = False,
    var: Variables = None,
) -> None:
    """Create or change resources: all of those given, or none if one has a fault."""
    from meshmeter.cli import output
    from meshmeter.cli.documents import read_input
    from meshmeter.errors import ApiError

    given = read_input(file, var)
    _stop_if_unreadable(given)
    client = context.client()
    for warning in given.warnings:
        output.warn(str(warning))
    given = apply_secrets(given, client, dry_run=dry_run)
    if not given.documents:
        return
    body = {"documents": [document.data for document in given.documents]}
    try:
        answer = client.post("/_apply", body, {"dry-run": "true" if dry_run else "false"})
    except ApiError as exc:
        located = given.located(exc.violations)
        raise ApiError(exc.status, exc.title, exc.detail, located) from exc
    for index, result in enumerate(answer["results"]):
        done = outcome(result["kind"], result["mesh"], result["name"], result["result"].lower())
        output.out(f"{done} (dry run)" if dry_run else done)
        if result["diff"]:
            output.difference(result["diff"])
        for warning in result["warnings"]:
            output.warn(given.warning(index, warning))
    if dry_run:
        output.out(affected_line(answer["affected"]))


def apply_secrets(given: Input, client: ApiClient, *, dry_run: bool) -> Input:
    """Write the documents of type Secret, each by itself and before the others, which may refer to them.

    What is left of the input. Raises ApiError.
    """
    from meshmeter.cli import output
    from meshmeter.cli.client import path_to
    from meshmeter.cli.documents import is_secret
    from meshmeter.errors import ApiError, Violation
    from meshmeter.resources.secret import KIND, identity

    secrets, others = given.split(is_secret)
    for index, document in enumerate(secrets.documents):
        mesh, name = identity(document.data)
        if dry_run:
            output.out(outcome(KIND, mesh, name, "written (dry run, not compared)"))
            continue
        try:
            client.put(path_to("meshes", mesh, "secrets", name), document.data)
        except ApiError as exc:
            found = [Violation(f"documents[{index}].{v.field}", v.reason) for v in exc.violations]
            faults = secrets.located(found)
            raise ApiError(exc.status, f"{secrets.place(index)}: {exc.title}", exc.detail, faults) from exc
        output.out(outcome(KIND, mesh, name, "written"))
    return others


def outcome(kind: str, mesh: str, name: str, what: str) -> str:
    """`dataplane "web" of mesh "default" created`."""
    of = f' of mesh "{mesh}"' if mesh else ""
    return f'{kind_words(kind)} "{name}"{of} {what}'


def kind_words(kind: str) -> str:
    """A kind as the command line calls it: `traffic-permission`."""
    from meshmeter.resources.kinds import KINDS

    return KINDS[kind].singular if kind in KINDS else kind.lower()


def affected_line(affected: dict[str, int]) -> str:
    """`3 proxies change: 1 port, 2 tls`."""
    proxies = affected["proxies"]
    aspects = [f"{count} {aspect}" for aspect, count in affected.items() if count and aspect != "proxies"]
    if not proxies:
        return "no proxy changes"
    return f"{proxies} {'proxy changes' if proxies == 1 else 'proxies change'}: {', '.join(aspects)}"


def _stop_if_unreadable(given: Input) -> None:
    from meshmeter.cli import output

    if given.faults:
        output.faults(given.checked()[1])
        raise typer.Exit(exit_codes.REFUSED)
    if not given.documents:
        output.fail(NOTHING)
        raise typer.Exit(exit_codes.REFUSED)


@asks_control_plane
def get(
    context: Context,
    kind: KindName,
    name: Annotated[str | None, typer.Argument(help="One resource; without it, all.")] = None,
    mesh: MeshName = "default",
    all_meshes: Annotated[bool, typer.Option("--all-meshes", "-A", help="Those of all meshes.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print.")] = Format.TABLE,
    form: Annotated[
        Form, typer.Option("--format", help="Form of the resources with -o yaml and json.")
    ] = Form.UNIVERSAL,
) -> None:
    """Show resources. What `-o yaml` and `-o json` print can be applied again."""
    from meshmeter.cli import output as cli_output
    from meshmeter.cli.client import naming
    from meshmeter.cli.kinds import item_path, kind_of, list_path
    from meshmeter.errors import SettingsError

    chosen = kind_of(kind)
    if name is not None and all_meshes:
        raise SettingsError("--all-meshes shows all resources: leave out the name, or use --mesh")
    client = context.client()
    overview = output is Format.TABLE and chosen.name == "Dataplane"
    suffix = "/_overview" if overview else ""
    query = {} if overview else {"format": form.value}
    if name is not None:
        with naming(f'{chosen.name} "{name}"', mesh if chosen.mesh_scoped else ""):
            item = client.get(item_path(chosen, mesh, name) + suffix, query)
        _show([item], chosen.name, output, single=True)
    else:
        with naming(chosen.plural, mesh):
            items = client.items(list_path(chosen, None if all_meshes else mesh) + suffix, query)
        if not items and output is not Format.JSON:
            cli_output.note(nothing(chosen.plural, mesh if chosen.mesh_scoped and not all_meshes else ""))
            return
        _show(items, chosen.name, output, single=False)


def nothing(what: str, mesh: str) -> str:
    """What is said of an empty list."""
    return f"there are no {what}" + (f' in mesh "{mesh}"' if mesh else "")


def _show(items: list[dict[str, Any]], kind: str, form: Format, *, single: bool) -> None:
    from datetime import UTC, datetime

    from meshmeter.cli import output
    from meshmeter.cli.tables import TABLES

    if form is Format.TABLE:
        output.rows(TABLES[kind](items, datetime.now(UTC)))
    elif form is Format.YAML:
        output.out(output.as_yaml(items))
    elif single:
        output.out(output.as_json(items[0]))
    else:
        output.out(output.as_json({"total": len(items), "items": items, "next": None}))


@asks_control_plane
def delete(
    context: Context,
    kind: KindName,
    name: Annotated[str, typer.Argument(help="The resource.")],
    mesh: MeshName = "default",
) -> None:
    """Delete one resource. A Mesh goes only when no Dataplane is left in it."""
    from meshmeter.cli import output
    from meshmeter.cli.client import naming
    from meshmeter.cli.kinds import item_path, kind_of

    chosen = kind_of(kind)
    client = context.client()
    with naming(f'{chosen.name} "{name}"', mesh if chosen.mesh_scoped else ""):
        client.delete(item_path(chosen, mesh, name))
    output.out(outcome(chosen.name, mesh if chosen.mesh_scoped else "", name, "deleted"))


def validate(
    file: Files,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as faults.")] = False,
    var: Variables = None,
) -> None:
    """Check files without a control plane: every fault of every document, each with its place."""
    from meshmeter.cli import output
    from meshmeter.cli.documents import read_input
    from meshmeter.resources.validation.rules import warnings

    given = read_input(file, var)
    valid, found = given.checked()
    output.faults(found)
    noted = [str(warning) for warning in given.warnings]
    for checked in valid:
        if checked.resource is not None:
            noted += (given.warning(checked.index, str(warning)) for warning in warnings(checked.resource))
    for warning in noted:
        output.warn(warning)
    if found or (strict and noted):
        raise typer.Exit(exit_codes.REFUSED)
    if not valid:
        output.fail("there is no document in what was given")
        raise typer.Exit(exit_codes.REFUSED)
    output.out(f"{len(valid)} {'document is' if len(valid) == 1 else 'documents are'} valid")
