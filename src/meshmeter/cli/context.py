"""The control plane that a command asks, as its options name it: one object for every command that asks one."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer

from meshmeter.cli.connection import (
    ADDRESS_VARIABLE,
    CA_CERT_VARIABLE,
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
)
from meshmeter.cli.options import DataDir

if TYPE_CHECKING:
    from meshmeter.cli.client import ApiClient

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Context:
    """What the options say; None where one is not given. Each field is an option of every command that asks."""

    api_address: Annotated[
        str | None,
        typer.Option(
            "--api-address",
            metavar="URL",
            help=f"Resource API of the control plane [{ADDRESS_VARIABLE}; else from the data directory].",
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help=f"File with the admin token [{TOKEN_FILE_VARIABLE}, or {TOKEN_VARIABLE} for the token itself; "
            "else from the data directory].",
        ),
    ] = None
    ca_cert_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-cert-file",
            metavar="FILE",
            help=f"Authority of an https:// control plane: its ca.crt [{CA_CERT_VARIABLE}; else from the data "
            "directory, else what this system trusts].",
        ),
    ] = None
    data_dir: DataDir = None

    def client(self) -> ApiClient:
        """A client for the control plane that options, environment and data directory name. Raises SettingsError."""
        from meshmeter.cli.client import ApiClient
        from meshmeter.cli.connection import find_connection

        found = find_connection(
            self.api_address, self.token_file, self.data_dir, os.environ, self.ca_cert_file
        )
        return ApiClient(found)


def asks_control_plane(command: Callable[Concatenate[Context, P], R]) -> Callable[..., R]:
    """The command as typer registers it: with the options of a Context after its own, which it gets as one."""
    own = list(inspect.signature(command).parameters.values())[1:]
    options = [field.name for field in fields(Context)]
    run: Callable[..., R] = command
    hints = get_type_hints(command, include_extras=True) | get_type_hints(Context, include_extras=True)

    @wraps(command)
    def called(**given: Any) -> R:
        context = Context(**{name: given.pop(name) for name in options})
        return run(context, **given)

    shown = (*own, *inspect.signature(Context).parameters.values())
    parameters = [p.replace(kind=p.KEYWORD_ONLY, annotation=hints[p.name]) for p in shown]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect reads
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called
