from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshmeter.certs.tokens import ADMIN, DATAPLANE, DISCOVERY, IDENTITY, read, verify
from meshmeter.cli.token_commands import covered, read_tags
from meshmeter.errors import SettingsError
from support.api_server import ServedApi
from support.cli import Cli


def test_only_the_token_is_printed(cli: Cli, api: ServedApi) -> None:
    done = cli(
        "token", "dataplane", "--mesh", "default", "--name", "web", "--tag", "a=1,2", "--valid-for", "24h"
    )
    assert done.code == 0 and done.err == ""
    claims = verify(done.out.strip(), api.tokens.keys, audience=DATAPLANE, now=datetime.now(UTC))
    assert (claims.mesh, claims.name, claims.tags) == ("default", "web", {"a": ("1", "2")})
    assert claims.expires_at - claims.issued_at == timedelta(hours=24)


def test_a_discovery_token(cli: Cli, api: ServedApi) -> None:
    for arguments, meshes in (((), None), (("--mesh", "default"), ("default",))):
        token = cli.ok("token", "discovery", *arguments).strip()
        claims = verify(token, api.tokens.keys, audience=DISCOVERY, now=datetime.now(UTC))
        assert claims.meshes == meshes


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (("dataplane",), 2, "--mesh"),
        (("dataplane", "--mesh", "nope"), 1, "mesh of name nope is not found"),
        (("dataplane", "--mesh", "default", "--valid-for", "soon"), 1, "validFor"),
        (("dataplane", "--mesh", "default", "--tag", "x"), 2, "KEY=VALUE"),
    ],
)
def test_refusals(cli: Cli, arguments: tuple[str, ...], code: int, word: str) -> None:
    done = cli("token", *arguments)
    assert done.code == code and word in done.err and done.out == ""


def test_tags_given_twice_are_joined() -> None:
    assert read_tags(["a=1", "a=2,3", "b=x=y"]) == {"a": ["1", "2", "3"], "b": ["x=y"]}
    for bad in ("a", "=1", "a=", "a=,"):
        with pytest.raises(SettingsError):
            read_tags([bad])


def test_identity_and_admin_tokens(cli: Cli, api: ServedApi) -> None:
    token = cli.ok("token", "identity", "--mesh", "default", "--service", "prometheus-server").strip()
    claims = verify(token, api.tokens.keys, audience=IDENTITY, now=datetime.now(UTC))
    assert (claims.mesh, claims.service) == ("default", "prometheus-server")
    token = cli.ok("token", "admin", "--valid-for", "2h").strip()
    claims = verify(token, api.tokens.keys, audience=ADMIN, now=datetime.now(UTC))
    assert claims.expires_at - claims.issued_at == timedelta(hours=2)


def test_tokens_are_listed_and_revoked(cli: Cli, api: ServedApi, tmp_path: Path) -> None:
    token = cli.ok("token", "dataplane", "--mesh", "default", "--name", "web", "--tag", "a=1").strip()
    token_id = read(token, api.tokens.keys).id
    (line,) = [line for line in cli.ok("token", "list").splitlines() if line.startswith(token_id)]
    assert line.split()[1] == "dataplane" and "mesh default; name web; a=1" in line and line.endswith("valid")
    assert cli.ok("token", "revoke", token_id) == f"dataplane token {token_id} is revoked\n"
    assert f"{token_id}   dataplane" in cli.ok("token", "list") and "revoked" in cli.ok("token", "list")
    assert json.loads(cli.ok("token", "list", "--json"))["items"][-1]["revokedAt"]
    other = cli.ok("token", "discovery").strip()
    file = tmp_path / "leaked"
    file.write_text(other)
    assert "is revoked" in cli.ok("token", "revoke", "--file", str(file))
    assert api.tokens.is_revoked(read(other, api.tokens.keys).id)
    listed = cli.ok("token", "list") + cli.ok("token", "list", "--json")
    assert token not in listed and other not in listed


@pytest.mark.parametrize("arguments", [(), ("id", "--file", "x")])
def test_what_to_revoke_is_given_once(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli("token", "revoke", *arguments)
    assert done.code == 2 and "--file" in done.err


def test_a_token_given_as_an_id_is_not_repeated(cli: Cli) -> None:
    token = cli.ok("token", "discovery").strip()
    done = cli("token", "revoke", token)
    assert done.code == 2 and "--file" in done.err and token not in done.err + done.out


def test_the_key_is_rotated(cli: Cli, api: ServedApi) -> None:
    shown = cli.ok("token", "rotate-key")
    assert api.tokens.keys.keys() and str(list(api.tokens.keys)[-1]) in shown and len(api.tokens.keys) == 2
    cli.ok("token", "rotate-key", "--no-overlap")
    assert len(api.tokens.keys) == 1
    done = cli("token", "list")
    assert done.code == 1 and "--token-file" in done.err


def test_what_a_token_covers_in_words() -> None:
    assert covered({}) == "everything"
    assert covered({"meshes": ["a", "b"]}) == "meshes a, b"
    assert covered({"mesh": "m", "service": "s"}) == "mesh m; service s"


@pytest.mark.parametrize(
    "kind",
    [
        ("dataplane", "-m", "default"),
        ("discovery",),
        ("identity", "-m", "default", "--service", "p"),
        ("admin",),
    ],
)
def test_a_token_can_be_written_to_a_file_of_its_owner(
    cli: Cli, api: ServedApi, tmp_path: Path, kind: tuple[str, ...]
) -> None:
    file = tmp_path / "new.token"
    file.write_text("old")
    file.chmod(0o644)
    assert cli.ok("token", *kind, "--out", str(file)) == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert read(file.read_text().strip(), api.tokens.keys).id
    for wrong in (tmp_path, tmp_path / "none" / "x"):
        done = cli("token", *kind, "--out", str(wrong))
        assert done.code == 2 and f"--out: {wrong}" in done.err
