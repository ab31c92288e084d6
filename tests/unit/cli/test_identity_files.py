from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import issue_server, make_authority
from meshmeter.certs.mesh_ca import BACKDATE
from meshmeter.cli import identity_files
from meshmeter.cli.identity_files import read_identity, write_identity
from meshmeter.folders import UnsafeFolder
from support.mesh_authority import MeshAuthority

NAMES = ("tls.crt", "tls.key", "ca.crt")


async def certificate(authority: MeshAuthority) -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issued = await authority.issue("default", "prometheus", key)
    assert issued is not None
    return issued.certificate_pem


def contents(folder: Path) -> list[str]:
    return [(folder / name).read_text() for name in NAMES]


async def test_three_files_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "dir"
    pem = await certificate(MeshAuthority())
    held = write_identity(folder, pem, b"key", "trust")
    assert contents(folder) == [pem, "key", "trust"]
    for name in NAMES:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert held == read_identity(folder)
    assert held.uris == ("spiffe://default/prometheus",)
    issued = held.not_before + BACKDATE
    assert held.renew_at - issued == held.not_after - held.renew_at


async def test_nothing_is_written_where_others_may_change_it(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UnsafeFolder, match=f"chmod 700 {folder}"):
        write_identity(folder, await certificate(MeshAuthority()), b"key", "trust")
    assert not list(folder.iterdir())


async def test_a_renewal_replaces_all_and_leaves_nothing(tmp_path: Path) -> None:
    authority = MeshAuthority()
    for number in range(3):
        pem = await certificate(authority)
        write_identity(tmp_path, pem, b"key %d" % number, f"trust {number}")
    assert contents(tmp_path) == [pem, "key 2", "trust 2"]
    versions = [entry for entry in os.listdir(tmp_path) if entry.startswith(".issued-")]
    assert len(versions) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([*NAMES, ".current", *versions])


async def test_plain_files_in_the_way_are_replaced(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")
    pem = await certificate(MeshAuthority())
    write_identity(tmp_path, pem, b"key", "trust")
    assert contents(tmp_path) == [pem, "key", "trust"]


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_a_write_that_fails_changes_none_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    before = await certificate(MeshAuthority())
    write_identity(tmp_path, before, b"old key", "old trust")
    written = iter(range(9))

    def write(path: Path, content: bytes, mode: int) -> None:
        if next(written) == failing:
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(content)

    monkeypatch.setattr(identity_files, "write_whole", write)
    entries = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match="No space left"):
        write_identity(tmp_path, before, b"new key", "new trust")
    assert contents(tmp_path) == [before, "old key", "old trust"]
    assert sorted(os.listdir(tmp_path)) == entries


async def test_garbage_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_identity(tmp_path, "no certificate", b"key", "trust")
    assert os.listdir(tmp_path) == []


async def test_what_is_no_identity_is_not_read(tmp_path: Path) -> None:
    assert read_identity(tmp_path) is None
    write_identity(tmp_path, await certificate(MeshAuthority()), b"key", "trust")
    (tmp_path / ".current" / "tls.key").unlink()
    assert read_identity(tmp_path) is None
    (tmp_path / ".current" / "tls.key").write_text("key")
    (tmp_path / ".current" / "tls.crt").write_text("garbage")
    assert read_identity(tmp_path) is None


def test_a_certificate_without_uris_has_none(tmp_path: Path) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority("a", key, serial=1, now=now, valid_for=day)
    server = issue_server(authority, ["cp.example"], key, serial=2, now=now, valid_for=day)
    assert write_identity(tmp_path, server.certificate_pem.decode(), b"k", "t").uris == ()
