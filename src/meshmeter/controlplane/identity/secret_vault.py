"""SecretVault: the secrets of the store, encrypted with a key that is not in it.

The key is `secrets.key` of the data directory (0600). Each secret is sealed with AES-256-GCM and authenticated with its
name, so that whoever can write to the database can neither read a secret nor put one in another's place. Names:

    MESH/ca-builtin/BACKEND    authority that the control plane made: key and certificate
    MESH/trust                 what the proxies of the mesh trust, through a change of authority
    MESH/secret/NAME           what users keep for `mtls.backends[].conf` (`{secret: NAME}`)
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meshmeter.errors import StartupError, StoreUnavailable
from meshmeter.files import read_secret
from meshmeter.store.base import Store
from meshmeter.whole_files import write_whole

KEY_FILE = "secrets.key"

_FORMAT = b"\x01"
_NONCE = 12
_KEY = 32


class SecretVault:
    """Seals what it puts into a store and opens what it gets out. Make one with `open`."""

    def __init__(self, store: Store, key: bytes):
        """`key`: 32 random bytes."""
        self._store = store
        self._cipher = AESGCM(key)

    @classmethod
    async def open(cls, store: Store, folder: Path) -> SecretVault:
        """The vault of a data directory, with a new key if there is none and nothing that was sealed with one.

        Raises StartupError naming the file, StoreUnavailable.
        """
        file = folder / KEY_FILE
        try:
            if not file.exists():
                if any("/" in name for name in await store.secret_names()):
                    raise StartupError(
                        f"{file} is missing, and the store has secrets that it opens: restore it from a backup"
                    )
                write_whole(file, base64.b64encode(os.urandom(_KEY)) + b"\n", 0o600)
            key = base64.b64decode(read_secret(file).strip(), validate=True)
        except OSError as exc:
            raise StartupError(
                f"cannot use {file}: {exc.strerror}; check its owner and the free space"
            ) from exc
        except (ValueError, binascii.Error):
            key = b""
        if len(key) != _KEY:
            raise StartupError(f"{file} does not hold a key: restore it from a backup")
        return cls(store, key)

    async def get(self, name: str) -> bytes | None:
        """The secret, or None. Raises StoreUnavailable, also if it was sealed with another key or changed since."""
        sealed = await self._store.get_secret(name)
        if sealed is None:
            return None
        try:
            if not sealed.startswith(_FORMAT):
                raise InvalidTag
            nonce, text = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            return self._cipher.decrypt(nonce, text, name.encode())
        except (InvalidTag, ValueError) as exc:
            raise StoreUnavailable(
                f"the secret {name} cannot be opened: it is damaged, or {KEY_FILE} is not the key it was sealed with; "
                "restore both from one backup"
            ) from exc

    async def put(self, name: str, value: bytes) -> None:
        """Seal and keep a secret. Raises StoreUnavailable."""
        nonce = os.urandom(_NONCE)
        sealed = _FORMAT + nonce + self._cipher.encrypt(nonce, value, name.encode())
        await self._store.put_secret(name, sealed)

    async def delete(self, name: str) -> bool:
        """Remove a secret; False if there was none of that name. Raises StoreUnavailable."""
        return await self._store.delete_secret(name)

    async def names(self, prefix: str = "") -> Sequence[str]:
        """The names that begin so, in order. Raises StoreUnavailable."""
        return await self._store.secret_names(prefix)
