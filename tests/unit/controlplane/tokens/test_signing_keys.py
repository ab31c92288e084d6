from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meshmeter.controlplane.tokens.signing_keys import SigningKeys
from meshmeter.errors import StartupError


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_first_key_is_made_and_kept(tmp_path: Path) -> None:
    first = SigningKeys.open(tmp_path)
    assert files(tmp_path) == ["signing.key"]
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
    assert list(first) == [first.current.id]
    assert SigningKeys.open(tmp_path).current.id == first.current.id


def test_after_a_rotation_the_old_key_verifies_also_after_a_restart(tmp_path: Path) -> None:
    keys = SigningKeys.open(tmp_path)
    old = keys.current
    new = keys.rotate()
    assert keys.current is new and new.id != old.id
    assert set(keys) == {old.id, new.id} and len(keys) == 2
    assert stat.S_IMODE((tmp_path / f"signing-{old.id}.key").stat().st_mode) == 0o600
    again = SigningKeys.open(tmp_path)
    assert again.current.id == new.id and set(again) == {old.id, new.id}
    assert again[old.id].to_pem() == old.to_pem()


def test_a_key_that_is_not_needed_is_forgotten_but_never_the_one_that_signs(tmp_path: Path) -> None:
    keys = SigningKeys.open(tmp_path)
    first = keys.current.id
    keys.rotate()
    second = keys.current.id
    keys.rotate()
    assert keys.retire(lambda key_id: key_id == second) == [first]
    assert set(keys) == {second, keys.current.id}
    assert keys.retire(lambda _: False) == [second]
    assert files(tmp_path) == ["signing.key"]
    assert list(SigningKeys.open(tmp_path)) == [keys.current.id]


def test_killed_in_the_middle_of_a_rotation_nothing_is_lost(tmp_path: Path) -> None:
    keys = SigningKeys.open(tmp_path)
    (tmp_path / f"signing-{keys.current.id}.key").write_bytes((tmp_path / "signing.key").read_bytes())
    again = SigningKeys.open(tmp_path)
    assert list(again) == [keys.current.id]


@pytest.mark.parametrize("name", ["signing.key", "signing-abc.key"])
def test_a_damaged_key_is_named_and_left(tmp_path: Path, name: str) -> None:
    SigningKeys.open(tmp_path)
    (tmp_path / name).write_bytes(b"half")
    with pytest.raises(
        StartupError, match=f"{name}: not an unencrypted PEM private key; restore it, or remove it"
    ):
        SigningKeys.open(tmp_path)
    assert (tmp_path / name).read_bytes() == b"half"


def test_keys_that_others_could_read_are_closed(tmp_path: Path) -> None:
    SigningKeys.open(tmp_path).rotate()
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    SigningKeys.open(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
