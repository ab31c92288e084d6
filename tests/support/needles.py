"""Secrets to look for in whatever a system wrote or answered."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

ANY_P256_KEY = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
"""How the PEM of every P-256 key begins: finds keys that a test has never seen."""

ENOUGH = 16
"""Characters of a secret that must not occur."""


class Needles:
    """Texts that must not occur, each with a name that a failure may show."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {
            ANY_P256_KEY: "a P-256 key",
            "PRIVATE KEY-----": "a private key",
            base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()[:32]: "a private key, encoded",
            base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----").decode()[:32]: "a private key, encoded",
        }

    def add(self, name: str, secret: str) -> str:
        """A token, a P-256 key or another text, also in part and encoded; the secret itself."""
        secret = secret.strip()
        if "-----BEGIN" in secret:
            lines = [line for line in secret.splitlines() if line and not line.startswith("-")]
            # Of a P-256 key: between the beginning, which all have, and the public half, which certificates have.
            self._add(name, lines[0][48:64])
            if len(lines) > 1:
                self._add(name, lines[1][:24])
        elif secret.count(".") == 2:
            self._add(f"{name} (signature)", secret.rpartition(".")[2])
        else:
            self._add(name, secret)
        if "-----BEGIN" not in secret:
            self._add(f"{name} (encoded)", base64.b64encode(secret.encode()).decode()[-80:-4])
        return secret

    def _add(self, name: str, text: str) -> None:
        if len(text) >= ENOUGH:
            self._texts[text] = name

    def found(self, text: str) -> list[str]:
        """The names of those that occur."""
        return sorted({name for needle, name in self._texts.items() if needle in text})


def files_with(needles: Needles, folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every file in the folder that has one, and which."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found = needles.found(path.read_bytes().decode("latin-1"))
            if found:
                yield path, found


def command_lines() -> Iterator[str]:
    """Of every process on this host that is still there and that we may look at."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
