"""The keys that sign and verify tokens, as files of the data directory.

    signing.key            signs new tokens
    signing-KID.key        an earlier one, which still verifies: there are tokens of it that have not expired

A rotation first keeps the old key under its own name and then replaces `signing.key`, so that at no moment a key with
valid tokens is only in memory. A control plane that was killed in between has the same key under both names, which is
no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.tokens import SigningKey
from meshmeter.errors import StartupError
from meshmeter.files import read_secret
from meshmeter.whole_files import write_whole

CURRENT = "signing.key"


class SigningKeys(Mapping[str, SigningKey]):
    """Every key that verifies, by its id. Make one with `open`; all methods may raise OSError."""

    def __init__(self, folder: Path, current: SigningKey, earlier: Mapping[str, SigningKey]):
        self._folder = folder
        self._current = current
        self._keys = {**earlier, current.id: current}

    @classmethod
    def open(cls, folder: Path) -> SigningKeys:
        """The keys of the directory, the first one made if there is none. Raises StartupError naming a bad file."""
        file = folder / CURRENT
        if not file.exists():
            write_whole(file, _new().to_pem(), 0o600)
        current = _read(file, "remove it to make a new one (all tokens then have to be issued again)")
        earlier = (
            _read(each, "remove it (its tokens then have to be issued again)")
            for each in sorted(folder.glob("signing-*.key"))
        )
        return cls(folder, current, {key.id: key for key in earlier})

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self._current

    def __getitem__(self, key_id: str) -> SigningKey:
        return self._keys[key_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def rotate(self) -> SigningKey:
        """A new key signs from now on; the one before goes on verifying."""
        old, new = self._current, _new()
        write_whole(self._earlier(old.id), old.to_pem(), 0o600)
        write_whole(self._folder / CURRENT, new.to_pem(), 0o600)
        self._keys[new.id] = self._current = new
        return new

    def retire(self, is_needed: Callable[[str], bool]) -> list[str]:
        """Forget the earlier keys that are not needed any more; their ids."""
        gone = [key_id for key_id in self._keys if key_id != self._current.id and not is_needed(key_id)]
        for key_id in gone:
            self._earlier(key_id).unlink(missing_ok=True)
            del self._keys[key_id]
        return gone

    def _earlier(self, key_id: str) -> Path:
        return self._folder / f"signing-{key_id}.key"


def _new() -> SigningKey:
    return SigningKey.of(ec.generate_private_key(ec.SECP256R1()))


def _read(file: Path, remedy: str) -> SigningKey:
    try:
        return SigningKey.from_pem(read_secret(file))
    except ValueError as exc:
        raise StartupError(f"{file}: {exc}; restore it, or {remedy}") from exc
