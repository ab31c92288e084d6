"""`apply`, `get`, `delete` and `validate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshmeter.cli import exit_codes
from meshmeter.cli.options import (
    ApiAddress,
    CaCertFile,
    DataDir,
    Files,
    Form,
    Format,
    KindName,
    MeshName,
    TokenFile,
    Variables,
)

if TYPE_CHECKING:
    from meshmeter.cli.client import ApiClient
    from meshmeter.cli.documents import Input

NOTHING = "no resource(s) passed to apply"


def add_commands(app: typer.Typer) -> None:
    app.command("apply")(apply)
    app.command("get")(get)
    app.command("delete")(delete)
    app.command("validate")(validate)


def connect(
    api_address: str | None, token_file: Path | None, data_dir: Path | None, ca_cert_file: Path | None
) -> ApiClient:
    """A client for the control plane that flags, environment and data directory name. Raises SettingsError."""
    from meshmeter.cli.client import ApiClient
    from meshmeter.cli.connection import find_connection

    return ApiClient(find_connection(api_address, token_file, data_dir, os.environ, ca_cert_file))


def apply(
    file: Files,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change, and for how many proxies; write nothing."),
    ] = False,
    var: Variables = None,
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    ca_cert_file: CaCertFile = None,
    data_dir: DataDir = None,
) -> None:
    """Create or change resources: all of those given, or none if one has a fault."""
    from meshmeter.cli import output
    from meshmeter.cli.documents import read_input
    from meshmeter.errors import ApiError

    given = read_input(file, var)
    _stop_if_unreadable(given)
    client = connect(api_address, token_file, data_dir, ca_cert_file)
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
        line = f'resource type="{result["kind"]}" mesh="{result["mesh"]}" name="{result["name"]}" {result["result"]}'
        output.out(f"{line} (dry run)" if dry_run else line)
        if result["diff"]:
            output.out(result["diff"])
        for warning in result["warnings"]:
            output.warn(f"{given.place(index)}: {warning}")
    if dry_run:
        output.out(affected_line(answer["affected"]))


def apply_secrets(given: Input, client: ApiClient, *, dry_run: bool) -> Input:
    """Write the documents of type Secret, each by itself and before the others, which may refer to them.

    What is left of the input. Raises ApiError.
    """
    from meshmeter.cli import output
    from meshmeter.cli.client import path_to
    from meshmeter.errors import ApiError, Violation

    secrets, others = given.split(lambda document: document.data.get("type") == "Secret")
    for index, document in enumerate(secrets.documents):
        mesh, name = str(document.data.get("mesh", "default")), str(document.data.get("name", ""))
        line = f'resource type="Secret" mesh="{mesh}" name="{name}"'
        if dry_run:
            output.out(f"{line} (dry run, not compared)")
            continue
        try:
            client.put(path_to("meshes", mesh, "secrets", name), document.data)
        except ApiError as exc:
            faults = [Violation(f"{secrets.place(index)}: {v.field}", v.reason) for v in exc.violations]
            raise ApiError(exc.status, f"{secrets.place(index)}: {exc.title}", exc.detail, faults) from exc
        output.out(f"{line} Written")
    return others


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
        output.faults(given.decoded()[1])
        raise typer.Exit(exit_codes.REFUSED)
    if not given.documents:
        output.fail(NOTHING)
        raise typer.Exit(exit_codes.REFUSED)


def get(
    kind: KindName,
    name: Annotated[str | None, typer.Argument(help="One resource; without it, all.")] = None,
    mesh: MeshName = "default",
    all_meshes: Annotated[bool, typer.Option("--all-meshes", "-A", help="Those of all meshes.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print.")] = Format.TABLE,
    form: Annotated[
        Form, typer.Option("--format", help="Form of the resources with -o yaml and json.")
    ] = Form.UNIVERSAL,
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    ca_cert_file: CaCertFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show resources. What `-o yaml` prints can be applied again."""
    from meshmeter.cli.client import naming
    from meshmeter.cli.kinds import item_path, kind_of, list_path
    from meshmeter.errors import SettingsError

    chosen = kind_of(kind)
    if name is not None and all_meshes:
        raise SettingsError("--all-meshes shows all resources: leave out the name, or use --mesh")
    client = connect(api_address, token_file, data_dir, ca_cert_file)
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
        _show(items, chosen.name, output, single=False)


def _show(items: list[dict[str, Any]], kind: str, form: Format, *, single: bool) -> None:
    from datetime import UTC, datetime

    from meshmeter.cli import output
    from meshmeter.cli.tables import TABLES

    if form is Format.TABLE:
        output.out(TABLES[kind](items, datetime.now(UTC)))
    elif form is Format.YAML:
        if items:
            output.out(output.as_yaml(items))
    elif single:
        output.out(output.as_json(items[0]))
    else:
        output.out(output.as_json({"total": len(items), "items": items, "next": None}))


def delete(
    kind: KindName,
    name: Annotated[str, typer.Argument(help="The resource.")],
    mesh: MeshName = "default",
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    ca_cert_file: CaCertFile = None,
    data_dir: DataDir = None,
) -> None:
    """Delete one resource. A Mesh goes only when no Dataplane is left in it."""
    from meshmeter.cli import output
    from meshmeter.cli.client import naming
    from meshmeter.cli.kinds import item_path, kind_of

    chosen = kind_of(kind)
    client = connect(api_address, token_file, data_dir, ca_cert_file)
    with naming(f'{chosen.name} "{name}"', mesh if chosen.mesh_scoped else ""):
        client.delete(item_path(chosen, mesh, name))
    where = f' mesh="{mesh}"' if chosen.mesh_scoped else ""
    output.out(f'resource type="{chosen.name}"{where} name="{name}" Deleted')


def validate(
    file: Files,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as faults.")] = False,
    var: Variables = None,
) -> None:
    """Check files without a control plane: every fault of every document, each with its place."""
    from meshmeter.cli import output
    from meshmeter.cli.documents import read_input
    from meshmeter.resources.validation import warnings

    given = read_input(file, var)
    resources, found = given.decoded()
    output.faults(found)
    advised = 0
    for place, resource in resources:
        for warning in warnings(resource):
            output.warn(f"{place}: {warning}")
            advised += 1
    if found or (strict and advised):
        raise typer.Exit(exit_codes.REFUSED)
    if not resources:
        output.fail("there is no document in what was given")
        raise typer.Exit(exit_codes.REFUSED)
    output.out(f"{len(resources)} {'resource is' if len(resources) == 1 else 'resources are'} valid")
