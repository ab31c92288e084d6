"""Where the control plane is and which token it wants: flags, then environment, then the data directory on this host.

A token that was not chosen for an address, the one in the data directory, is sent only to the control plane of that
directory or to this host: an address typed wrong must not receive it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from meshmeter import defaults
from meshmeter.addresses import is_loopback
from meshmeter.errors import SettingsError
from meshmeter.files import read_file, read_given

ADDRESS_VARIABLE = "MESHMETER_API_ADDRESS"
TOKEN_VARIABLE = "MESHMETER_TOKEN"
TOKEN_FILE_VARIABLE = "MESHMETER_TOKEN_FILE"
DATA_DIR_VARIABLE = "MESHMETER_DATA_DIR"
CA_CERT_VARIABLE = "MESHMETER_CA_CERT_FILE"

INSECURE_VARIABLE = "MESHMETER_INSECURE_HTTP"
"""`true`: tokens may be sent in plain HTTP to another host. As that of `control-plane run`."""

DEFAULT_ADDRESS = f"http://{defaults.BIND}:{defaults.API_PORT}"


@dataclass(frozen=True, slots=True)
class Connection:
    """One control plane and the credential for it."""

    address: str
    """Base URL without a slash at the end."""
    token: str = field(repr=False)
    ca_cert_file: Path | None = None
    """The authority that has to have signed the certificate of an https address; None: those the system trusts."""


def find_connection(
    api_address: str | None,
    token_file: Path | None,
    data_dir: Path | None,
    environ: Mapping[str, str],
    ca_cert_file: Path | None = None,
) -> Connection:
    """The connection that flags, environment and data directory describe.

    Raises SettingsError saying what is missing and how to give it.
    """
    directory = data_directory(data_dir, environ)
    written = api_address or environ.get(ADDRESS_VARIABLE)
    local = _local_address(directory)
    address = _checked(written) if written else local
    if address is None:
        if directory.is_dir():
            raise SettingsError(
                f"no control plane runs on {directory}: start `meshmeter control-plane run --data-dir {directory}`, "
                "or name another one with --api-address"
            )
        address = DEFAULT_ADDRESS
    if address != local and not _is_private(address) and environ.get(INSECURE_VARIABLE, "").lower() != "true":
        raise SettingsError(
            f"--api-address {address}: the token could be read on the way; use https://, or, on a network that you "
            f"trust, set {INSECURE_VARIABLE}=true"
        )
    token = _given_token(token_file, environ)
    if token is None:
        token = _local_token(directory, address, is_ours=address == local)
    return Connection(address, token, _authority(address, directory, ca_cert_file, environ))


def data_directory(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The data directory of a control plane on this host: as the option says, else the variable, else the default."""
    return given or Path(environ.get(DATA_DIR_VARIABLE) or defaults.DATA_DIR)


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"--api-address {address!r} is not a URL such as {DEFAULT_ADDRESS}")
    return address.rstrip("/")


def _local_address(directory: Path) -> str | None:
    """Where the control plane of the directory listens, None if it does not run."""
    return local_endpoint(directory, "api")


def local_endpoint(directory: Path, server: str) -> str | None:
    """Where a server of the control plane of the directory listens, None if it does not run. Raises SettingsError."""
    file = directory / "endpoints.json"
    try:
        return str(json.loads(read_file(file))[server]).rstrip("/")
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise SettingsError(f"{file}: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise SettingsError(
            f"{file} is not readable: restart the control plane, or use --api-address"
        ) from exc


def _authority(address: str, directory: Path, given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The authority for an https address: as given, else that of the data directory if there is one."""
    if not address.startswith("https:"):
        return None
    if given is None and (name := environ.get(CA_CERT_VARIABLE)):
        given = Path(name)
    if given is not None:
        return given
    local = directory / "ca.crt"
    return local if local.exists() else None


def _given_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    if token_file is not None:
        return read_token(token_file, "--token-file")
    if token := environ.get(TOKEN_VARIABLE, "").strip():
        return _usable(token, TOKEN_VARIABLE)
    if name := environ.get(TOKEN_FILE_VARIABLE):
        return read_token(Path(name), TOKEN_FILE_VARIABLE)
    return None


def _local_token(directory: Path, address: str, *, is_ours: bool) -> str:
    file = directory / "admin.token"
    how = f"give one with --token-file, {TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE}, or use --data-dir"
    if not file.exists():
        raise SettingsError(f"no admin token for {address}: {file} does not exist; {how}")
    if not is_ours and not _is_loopback(address):
        raise SettingsError(
            f"no admin token for {address}: the one in {directory} is only sent to this host; give one with "
            f"--token-file, {TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE}"
        )
    return read_token(file, str(file))


def read_token(file: Path, source: str) -> str:
    """The token in a file that the user named with `source`. Raises SettingsError, which never shows it."""
    try:
        token = read_given(file).decode().strip()
    except OSError as exc:
        raise SettingsError(f"{source}: {file}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{source}: {file} is not a token") from exc
    return _usable(token, f"{source}: {file}" if source != str(file) else source)


def _usable(token: str, source: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(f"{source} is not a token")  # never shown: it may be one with a typing error
    return token


def _is_private(address: str) -> bool:
    """Whether nobody else can read what is sent there."""
    return urlsplit(address).scheme == "https" or _is_loopback(address)


def _is_loopback(address: str) -> bool:
    return is_loopback(urlsplit(address).hostname or "")
