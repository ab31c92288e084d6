"""`token`: issue tokens (each command prints the new one and nothing else, or writes it to a file), list, revoke,
rotate the key that signs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from meshmeter.cli.context import Context, asks_control_plane

ValidFor = Annotated[
    str, typer.Option("--valid-for", metavar="DURATION", help="Lifetime, for example 24h or 30d.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write it to a file that only you can read, instead of printing it."
    ),
]


def add_commands(app: typer.Typer) -> None:
    tokens = typer.Typer(help="Issue, list and revoke tokens.", no_args_is_help=True)
    tokens.command("dataplane")(dataplane)
    tokens.command("discovery")(discovery)
    tokens.command("identity")(identity)
    tokens.command("admin")(admin)
    tokens.command("list")(list_)
    tokens.command("revoke")(revoke)
    tokens.command("rotate-key")(rotate_key)
    app.add_typer(tokens, name="token")


@asks_control_plane
def dataplane(
    context: Context,
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
    out: Out = None,
) -> None:
    """A token for `meshmeter dataplane run`."""
    tags = read_tags(tag or ())
    body = {"mesh": mesh, "name": name, "tags": tags, "validFor": valid_for}
    client = context.client()
    _deliver(client.post("/tokens/dataplane", {k: v for k, v in body.items() if v}), out)


@asks_control_plane
def discovery(
    context: Context,
    mesh: Annotated[
        list[str] | None,
        typer.Option(
            "--mesh", "-m", help="A mesh whose targets it shows; without one, all. May be repeated."
        ),
    ] = None,
    valid_for: ValidFor = "30d",
    out: Out = None,
) -> None:
    """A token for a Prometheus that asks for targets from another host."""
    body: dict[str, object] = {"validFor": valid_for}
    if mesh:
        body["meshes"] = mesh
    _deliver(context.client().post("/tokens/discovery", body), out)


@asks_control_plane
def identity(
    context: Context,
    mesh: Annotated[str, typer.Option("--mesh", "-m", help="The mesh.")],
    service: Annotated[
        str, typer.Option("--service", help="The one service whose certificate may be asked for.")
    ],
    valid_for: ValidFor = "30d",
    out: Out = None,
) -> None:
    """A token for `meshmeter identity` on another host."""
    client = context.client()
    body = {"mesh": mesh, "service": service, "validFor": valid_for}
    _deliver(client.post("/tokens/identity", body), out)


@asks_control_plane
def admin(
    context: Context,
    valid_for: ValidFor = "24h",
    out: Out = None,
) -> None:
    """A token for this command line on another host. It may do everything."""
    client = context.client()
    _deliver(client.post("/tokens/admin", {"validFor": valid_for}), out)


def _deliver(token: str, out: Path | None) -> None:
    """Print a token, or write it to a file. Raises SettingsError."""
    from meshmeter.cli import output
    from meshmeter.errors import SettingsError
    from meshmeter.whole_files import write_whole

    if out is None:
        output.out(token)
        return
    if out.exists() and not out.is_file():
        raise SettingsError(f"--out: {out} is no file")
    try:
        write_whole(out, f"{token}\n".encode(), 0o600)
    except OSError as exc:
        raise SettingsError(f"--out: {out}: {exc.strerror}") from exc


@asks_control_plane
def list_(
    context: Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The tokens that have not expired: what for, until when, and whether they are revoked. Never a token itself."""
    from meshmeter.cli import output

    answer = context.client().get("/tokens")
    if json:
        output.out(output.as_json(answer))
        return
    if not answer["items"]:
        output.note("there are no tokens")
        return
    rows = (
        (
            item["id"],
            item["kind"],
            covered(item),
            item["issuedAt"],
            item["expiresAt"],
            "revoked" if item["revokedAt"] else "valid",
        )
        for item in answer["items"]
    )
    output.rows(output.table(("ID", "KIND", "COVERS", "ISSUED", "EXPIRES", "STATE"), rows))


@asks_control_plane
def revoke(
    context: Context,
    token_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id, as `token list` shows it.")
    ] = None,
    revoked_file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="File with the token to revoke, instead of ID."),
    ] = None,
) -> None:
    """Make a token void, for the next request and for the connections that it opened."""
    from meshmeter.cli import output
    from meshmeter.cli.connection import read_token
    from meshmeter.errors import SettingsError

    if (token_id is None) == (revoked_file is None):
        raise SettingsError("give the ID of a token, or a file that has it with --file")
    if token_id is not None and "." in token_id:
        raise SettingsError(
            "that is a token and not its ID: put it into a file and give that with --file, so that it is not in the "
            "history of the shell"
        )
    body = {"id": token_id} if revoked_file is None else {"token": read_token(revoked_file, "--file")}
    answer = context.client().post("/tokens/_revoke", body)
    output.out(f"{answer['kind']} token {answer['id']} is revoked")


@asks_control_plane
def rotate_key(
    context: Context,
    overlap: Annotated[
        bool,
        typer.Option(
            "--overlap/--no-overlap",
            help="Tokens of the old key stay valid until they expire; or are void at once, for a key that leaked.",
        ),
    ] = True,
) -> None:
    """Sign tokens with a new key from now on."""
    from meshmeter.cli import output

    client = context.client()
    answer = client.post("/tokens/_rotate-key", {"overlap": overlap})
    output.out(f"tokens are signed by key {answer['keyId']} from now on")


def covered(item: Mapping[str, Any]) -> str:
    """What a token covers, in a few words."""
    words = []
    if item.get("mesh"):
        words.append(f"mesh {item['mesh']}")
    if item.get("meshes"):
        words.append(f"meshes {', '.join(item['meshes'])}")
    for claim in ("name", "service"):
        if item.get(claim):
            words.append(f"{claim} {item[claim]}")
    for tag, values in (item.get("tags") or {}).items():
        words.append(f"{tag}={','.join(values)}")
    return "; ".join(words) or "everything"


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
