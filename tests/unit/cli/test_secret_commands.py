"""`meshmeter secret`, and documents of type Secret in `meshmeter apply`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from meshmeter.cli.secret_commands import read_secret
from meshmeter.errors import SettingsError
from support.cli import Cli


def test_written_listed_and_deleted(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "ca.key"
    file.write_text("very secret")
    assert cli.ok("secret", "put", "ca-key", "--file", str(file)) == "secret ca-key of mesh default is kept\n"
    listed = cli.ok("secret", "list")
    assert "ca-key" in listed and "secret" not in listed
    assert cli.ok("secret", "delete", "ca-key") == "secret ca-key of mesh default is deleted\n"
    again = cli("secret", "delete", "ca-key")
    assert again.code == 1 and "ca-key" in again.err
    empty = cli("secret", "list")
    assert (empty.code, empty.out, empty.err) == (0, "", 'there are no secrets in mesh "default"\n')


def test_documents_of_type_secret_can_be_applied(cli: Cli, tmp_path: Path) -> None:
    data = base64.b64encode(b"very secret").decode()
    secret = {"type": "Secret", "mesh": "default", "name": "ca-key", "data": data}
    permission = {
        "type": "TrafficPermission",
        "mesh": "default",
        "name": "all",
        "sources": [{"match": {"kuma.io/service": "*"}}],
        "destinations": [{"match": {"kuma.io/service": "*"}}],
    }
    file = tmp_path / "all.yaml"
    file.write_text("\n---\n".join(json.dumps(document) for document in (permission, secret)))
    dry = cli.ok("apply", "-f", str(file), "--dry-run")
    assert 'secret "ca-key" of mesh "default" written (dry run' in dry and data not in dry
    assert "ca-key" not in cli.ok("secret", "list")
    done = cli.ok("apply", "-f", str(file))
    assert 'secret "ca-key" of mesh "default" written' in done
    assert 'traffic-permission "all" of mesh "default" created' in done
    assert "ca-key" in cli.ok("secret", "list")


def test_a_fault_names_the_file_and_the_field_but_not_the_secret(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "secret.yaml"
    file.write_text("type: Secret\nmesh: default\nname: ca-key\ndata: 'SECRET not base64'\n")
    done = cli("apply", "-f", str(file))
    assert done.code == 1 and f"{file}:4: data: must be base64" in done.err and "SECRET" not in done.err


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_secret(tmp_path / "no")
    (tmp_path / "empty").touch()
    with pytest.raises(SettingsError, match="is empty"):
        read_secret(tmp_path / "empty")
