from __future__ import annotations

import json
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshmeter.certs.authority import covers
from meshmeter.controlplane.data_dir import DataDir, open_data_dir
from meshmeter.errors import StartupError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECRETS = ("ca.key", "server.key", "signing.key")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "meshmeter"


def start(path: Path, *names: str, now: datetime = NOW) -> DataDir:
    return open_data_dir(path, names, now=now)


def refusal(path: Path, now: datetime = NOW) -> str:
    with pytest.raises(StartupError) as caught:
        start(path, now=now)
    assert "PRIVATE KEY--" not in str(caught.value)
    return str(caught.value)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_everything(path: Path) -> None:
    directory = start(path)
    assert set(contents(path)) == {"ca.crt", "server.crt", *SECRETS}
    assert mode(path) == 0o700
    assert [mode(path / name) for name in SECRETS] == [0o600] * 3
    assert mode(path / "ca.crt") == 0o644
    assert directory.admin_token == path / "admin.token"
    directory.server.certificate.verify_directly_issued_by(directory.authority.certificate)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path / "server.crt", path / "server.key")


def test_later_starts_change_nothing(path: Path) -> None:
    start(path, "cp.example")
    before = contents(path)
    start(path, "cp.example", now=NOW + 200 * DAY)
    start(path)
    assert contents(path) == before


def test_the_server_certificate_covers_this_host_and_the_names(path: Path) -> None:
    certificate = start(path, "cp.example", "10.0.0.1", "cp.example").server.certificate
    assert covers(certificate, ["localhost", "127.0.0.1", "::1", "cp.example", "10.0.0.1"])


def test_another_name_gets_another_certificate_of_the_same_authority(path: Path) -> None:
    first = start(path)
    second = start(path, "new.example")
    assert second.authority.certificate == first.authority.certificate
    assert second.server.certificate != first.server.certificate
    assert covers(second.server.certificate, ["localhost", "new.example"])


def test_an_old_server_certificate_is_renewed(path: Path) -> None:
    first, later = start(path), NOW + 250 * DAY
    second = start(path, now=later)
    assert second.server.certificate.not_valid_after_utc > later + 300 * DAY
    assert second.authority.certificate == first.authority.certificate


@pytest.mark.parametrize("name", ["server.crt", "server.key"])
@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_server_certificate_is_made_anew(path: Path, name: str, damage: bytes | None) -> None:
    start(path)
    (path / name).unlink()
    if damage is not None:
        (path / name).write_bytes(damage)
    directory = start(path)
    assert (path / "server.crt").read_bytes() == directory.server.certificate_pem
    assert (path / "server.key").read_bytes() == directory.server.key_pem


def test_a_server_certificate_of_an_earlier_authority_is_made_anew(path: Path) -> None:
    start(path)
    for name in ("ca.crt", "ca.key"):
        (path / name).unlink()
    directory = start(path)
    directory.server.certificate.verify_directly_issued_by(directory.authority.certificate)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: (p / "ca.key").unlink(), "ca.key is missing: restore both files from a backup"),
        (lambda p: (p / "ca.crt").unlink(), "ca.crt is missing: restore both files from a backup"),
        (lambda p: (p / "ca.key").write_bytes(b""), "the key is not an unencrypted PEM private key"),
        (lambda p: (p / "ca.crt").write_bytes(b"\xff"), "the certificate is not a PEM certificate"),
        (
            lambda p: (p / "ca.key").write_bytes((p / "signing.key").read_bytes()),
            "the key does not belong to the certificate",
        ),
        (
            lambda p: (p / "signing.key").write_bytes(b"half"),
            "signing.key: not an unencrypted PEM private key",
        ),
        (lambda p: (p / "signing.key").write_bytes(b""), "remove it to make a new one (all tokens then have"),
    ],
)
def test_what_cannot_be_replaced_by_itself_is_named(
    path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    start(path)
    damage(path)
    before = contents(path)
    message = refusal(path)
    assert reason in message and str(path) in message
    assert contents(path) == before


@pytest.mark.parametrize("now", [NOW - 10 * DAY, NOW + 3651 * DAY])
def test_a_clock_outside_the_life_of_the_authority_is_told(path: Path, now: datetime) -> None:
    start(path)
    (path / "server.crt").unlink()
    message = refusal(path, now)
    assert "the authority is valid from 2026-05-01 to 2036-04-28, which is not now" in message
    assert "compare the host's clock" in message


def test_secrets_that_others_could_read_are_closed(path: Path) -> None:
    start(path)
    for name in SECRETS:
        (path / name).chmod(0o644)
    start(path)
    assert [mode(path / name) for name in SECRETS] == [0o600] * 3


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"cannot use {tmp_path}/file" in refusal(tmp_path / "file" / "data")
    assert f"cannot use {tmp_path}/file" in refusal(tmp_path / "file")


def test_a_directory_in_the_place_of_a_file_is_named(path: Path) -> None:
    (path / "signing.key").mkdir(parents=True)
    assert f"cannot use {path}/signing.key: it is a directory, not a regular file" in refusal(path)


# endpoints.json


def test_endpoints_are_there_while_it_runs(path: Path) -> None:
    directory = start(path)
    directory.write_endpoints({"api": "http://127.0.0.1:5681"})
    assert json.loads((path / "endpoints.json").read_text()) == {"api": "http://127.0.0.1:5681"}
    directory.remove_endpoints()
    directory.remove_endpoints()
    assert not (path / "endpoints.json").exists()


def test_the_repr_shows_no_key(path: Path) -> None:
    shown = repr(start(path))
    assert "PRIVATE" not in shown and "key=<" not in shown
