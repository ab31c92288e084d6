"""Settings of `meshmeter dataplane run`: read once, checked once, then one frozen object.

Every option is a flag `--some-option`, else the variable `MESHMETER_DATAPLANE_SOME_OPTION`, else Kuma's
variable for the same thing (kuma-facts 9.5), else a default. An empty variable counts as absent. `--var
name=value` may be repeated; as a variable it is `MESHMETER_DATAPLANE_VAR_name=value`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from meshmeter import logs
from meshmeter.agent.coalescing import Room
from meshmeter.agent.options import OPTIONS, VAR_PREFIX
from meshmeter.agent.variables import NAME
from meshmeter.durations import parse_duration
from meshmeter.errors import SettingsError
from meshmeter.exposition.kernel import PYTHON, Kernel, choose
from meshmeter.files import read_file

MAX_SECONDS = 3600.0

_DEFAULTS = {option.name: option.default for option in OPTIONS if option.default is not None}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `meshmeter dataplane run` was told, checked."""

    control_plane: str
    """https URL without a trailing slash."""
    ca_cert_file: Path
    token_file: Path
    dataplane_file: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    envoy: Path | None = None
    work_dir: Path | None = None
    allow_files: tuple[Path, ...] = ()
    """Directories below which aggregate entries may name files and unix sockets."""
    metrics_cert_path: Path | None = None
    metrics_key_path: Path | None = None
    concurrency: int | None = None
    drain_time: float = parse_duration(_DEFAULTS["drain_time"])
    """Seconds."""
    connect_timeout: float = parse_duration(_DEFAULTS["connect_timeout"])
    """Seconds; 0: try forever."""
    max_scrapes: int = Room().answers
    """Different ones in work or being read at once."""
    max_scrape_bytes: int = Room().bytes
    """Of all answers in work or being read."""
    kernel: Kernel = PYTHON
    """What merges metrics."""
    log_format: str = _DEFAULTS["log_format"]
    log_level: str = _DEFAULTS["log_level"]
    envoy_log_level: str = _DEFAULTS["envoy_log_level"]

    def warnings(self) -> list[str]:
        """What is unwise but possible."""
        found = []
        if self.token_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.append(f"{self.token_file} can be read by other users: chmod 600 {self.token_file}")
        for folder in self.allow_files:
            if not folder.is_dir():
                found.append(f"--allow-files: {folder} is not a directory now")
            elif folder.parent == folder:
                found.append("--allow-files: with / every file that this user can read can be sent away")
        return found


def load(flags: Mapping[str, Any], variables: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags (by `Option.name`; texts for an option that repeats), the `--var` arguments and the
    environment.

    Raises SettingsError; its message names the flag or variable as the user wrote it, and has a line per
    fault.
    """
    reader = _Reader(flags, environ)
    settings = {
        "control_plane": reader.url("--control-plane"),
        "ca_cert_file": reader.existing_file("--ca-cert-file"),
        "token_file": reader.existing_file("--token-file"),
        "dataplane_file": reader.existing_file("--dataplane-file"),
        "variables": reader.vars(variables),
        "envoy": reader.path("--envoy"),
        "work_dir": reader.path("--work-dir"),
        "allow_files": reader.folders("--allow-files"),
        "metrics_cert_path": reader.path("--metrics-cert-path"),
        "metrics_key_path": reader.path("--metrics-key-path"),
        "concurrency": reader.count("--concurrency"),
        "drain_time": reader.seconds("--drain-time"),
        "connect_timeout": reader.seconds("--connect-timeout"),
        "max_scrapes": reader.count("--max-scrapes"),
        "max_scrape_bytes": reader.size("--max-scrape-bytes"),
        "kernel": reader.kernel("--kernel"),
        "log_format": reader.one_of("--log-format", logs.FORMATS),
        "log_level": reader.one_of("--log-level", logs.LEVELS),
        "envoy_log_level": reader.one_of("--envoy-log-level", logs.LEVELS),
    }
    if bool(settings["metrics_cert_path"]) != bool(settings["metrics_key_path"]):
        reader.faults.append(
            "--metrics-cert-path and --metrics-key-path belong together: give both or neither"
        )
    if reader.faults:
        raise SettingsError("\n".join(reader.faults))
    return Settings(**settings)  # type: ignore[arg-type]  # each value was read as its field's type


_SIZE = re.compile(r"([0-9]{1,15})(|KiB|MiB|GiB|TiB)")
_UNIT_BITS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}


class _Reader:
    """Looks values up and collects what is wrong with them, so that all faults are told at once."""

    def __init__(self, flags: Mapping[str, Any], environ: Mapping[str, str]):
        self._flags, self._environ = flags, environ
        self._options = {option.flag: option for option in OPTIONS}
        self.faults: list[str] = []

    def _find(self, flag: str) -> tuple[str, str] | None:
        """Where the value is from, as the user wrote it, and the value."""
        option = self._options[flag]
        given = self._flags.get(option.name)
        if given is not None:
            return flag, given
        for variable in (option.variable, *option.aliases):
            if value := self._environ.get(variable):
                return variable, value
        return None if option.default is None else (flag, option.default)

    def _required(self, flag: str) -> tuple[str, str] | None:
        found = self._find(flag)
        if found is None:
            option = self._options[flag]
            names = " or ".join((option.variable, *option.aliases))
            self.faults.append(f"{flag} is missing ({option.help}); it can also be set as {names}")
        return found

    def url(self, flag: str) -> str:
        found = self._required(flag)
        if found is None:
            return ""
        source, text = found
        try:
            parts = urlsplit(text)
            usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or parts.username or parts.path not in ("", "/"):
            self.faults.append(f"{source}: {text!r} is not a URL of the form https://HOST:PORT")
        elif parts.scheme != "https":
            self.faults.append(
                f"{source}: {text!r} must begin with https://, the token would travel in the clear"
            )
        return text.rstrip("/")

    def path(self, flag: str) -> Path | None:
        found = self._find(flag)
        if found is None:
            return None
        if not found[1]:
            self.faults.append(f"{found[0]}: cannot be empty")
            return None
        return Path(found[1]).absolute()

    def folders(self, flag: str) -> tuple[Path, ...]:
        option = self._options[flag]
        found: list[str] = self._flags.get(option.name) or []
        if not found:
            found = [text for text in self._environ.get(option.variable, "").split(os.pathsep) if text]
        # Without `..` and `.`, and with links as they are: entries name files by the same path.
        return tuple(Path(os.path.abspath(text)) for text in found)

    def existing_file(self, flag: str) -> Path:
        found = self._required(flag)
        if found is None:
            return Path()
        source, text = found
        path = Path(text)
        try:
            read_file(path)
        except OSError as exc:
            self.faults.append(f"{source}: {text}: {(exc.strerror or str(exc)).lower()}")
        except ValueError as exc:
            self.faults.append(f"{source}: {text!r}: {exc}")
        return path.absolute()

    def seconds(self, flag: str) -> float:
        source, text = self._find(flag) or (flag, "")
        try:
            seconds = parse_duration(text)
        except ValueError:
            self.faults.append(f"{source}: {text!r} is not a duration such as 5s, 500ms or 1m")
            return 0.0
        if not 0 <= seconds <= MAX_SECONDS:
            self.faults.append(
                f"{source}: {text!r} is {'less than 0s' if seconds < 0 else 'more than an hour'}"
            )
        return seconds

    def count(self, flag: str) -> int | None:
        found = self._find(flag)
        if found is None:
            return None
        source, text = found
        if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= 1024:
            self.faults.append(f"{source}: {text!r} is not a number from 1 to 1024")
            return None
        return int(text)

    def size(self, flag: str) -> int:
        """Bytes."""
        source, text = self._find(flag) or (flag, "")
        found = _SIZE.fullmatch(text)
        size = int(found[1]) << _UNIT_BITS[found[2]] if found else 0
        if not 1 << 20 <= size <= 1 << 40:
            self.faults.append(f"{source}: {text!r} is not a size from 1MiB to 1TiB, such as 64MiB")
        return size

    def kernel(self, flag: str) -> Kernel:
        source, text = self._find(flag) or (flag, "")
        try:
            return choose(text)
        except SettingsError as exc:
            self.faults.append(f"{source}: {exc}")
            return PYTHON

    def one_of(self, flag: str, choices: Sequence[str]) -> str:
        source, text = self._find(flag) or (flag, "")
        if text not in choices:
            self.faults.append(f"{source}: {text!r} is not one of {', '.join(choices)}")
        return text

    def vars(self, given: Sequence[str]) -> dict[str, str]:
        found = {
            key.removeprefix(VAR_PREFIX): value
            for key, value in self._environ.items()
            if key.startswith(VAR_PREFIX)
        }
        for argument in given:
            name, equals, value = argument.partition("=")
            if not equals or not NAME.fullmatch(name):
                self.faults.append(f"--var: {argument!r} is not of the form name=value")
            found[name] = value
        return found
