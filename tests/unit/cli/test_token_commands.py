from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meshmeter.certs.tokens import DATAPLANE, DISCOVERY, verify
from meshmeter.cli.token_commands import read_tags
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
