"""The command line. `run(argv)` is the console script.

Each command imports what it needs when it runs, so that `--help` answers at once; the two long-running commands read
their own arguments and never load the command framework.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from meshmeter.cli import exit_codes
from meshmeter.cli.other_tools import hint
from meshmeter.errors import ApiError, InvalidResource, MeshmeterError, SettingsError, StartupError

if TYPE_CHECKING:
    import typer

PROGRAM = "meshmeter"

COMPLETION_VARIABLE = "_MESHMETER_COMPLETE"
"""Set by the scripts of `completion` when they ask us how a line may go on."""

ALIASES = {"dp": "dataplane", "dataplanes": "dataplane"}
"""Other words for a long-running command."""

LONG_RUNNING = {
    "control-plane": ("meshmeter.cli.control_plane", "Run the control plane: `control-plane run --help`."),
    "dataplane": ("meshmeter.cli.dataplane", "Run a data plane: `dataplane run --help`."),
}
"""Command to the module whose `run` takes the arguments after it, and its line in the help."""


def run(argv: Sequence[str]) -> int:
    """Run the command line; the exit code. Never raises, prints no traceback for an error that has a name."""
    arguments = list(argv)
    command = ALIASES.get(arguments[0], arguments[0]) if arguments else ""
    if command in LONG_RUNNING:
        return _long_running(command, arguments[1:])
    if told := hint(arguments):
        return _failed(SettingsError(told))
    if os.environ.get(COMPLETION_VARIABLE):
        _prepare_completion()
    try:
        application()(args=arguments, prog_name=PROGRAM)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else exit_codes.OK
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except MeshmeterError as exc:
        return _failed(exc)
    return exit_codes.OK


def application() -> typer.Typer:
    """Every command."""
    import typer

    from meshmeter.cli import (
        backup_commands,
        completion_command,
        demo_command,
        explain_commands,
        identity_commands,
        prometheus_commands,
        resource_commands,
        schema_commands,
        secret_commands,
        token_commands,
    )

    app = typer.Typer(
        help="Traffic metrics for every proxy of a service mesh, and for the applications beside them.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},  # of all commands below, too
    )
    for name, (_, line) in LONG_RUNNING.items():
        app.command(
            name,
            help=line,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )(_never_called)
    for module in (
        resource_commands,
        explain_commands,
        identity_commands,
        prometheus_commands,
        token_commands,
        secret_commands,
        backup_commands,
        schema_commands,
        demo_command,
        completion_command,
    ):
        module.add_commands(app)
    return app


def _prepare_completion() -> None:
    """Make the framework answer a completion script that asks."""
    import_module("typer.completion").completion_init()  # not declared in its types


def _never_called() -> None:
    """`run` takes these commands before the framework sees them; they are registered for the help only."""


def _long_running(name: str, arguments: list[str]) -> int:
    code: int = import_module(LONG_RUNNING[name][0]).run(arguments)
    return code


def _failed(error: MeshmeterError) -> int:
    """Print the error as its reader needs it; the exit code."""
    from meshmeter.cli import output

    match error:
        case SettingsError():
            output.fail(*str(error).splitlines())
            return exit_codes.USAGE
        case StartupError():
            output.fail(*str(error).splitlines())
            return exit_codes.CANNOT_START
        case ApiError() | InvalidResource():
            if error.violations:
                output.faults(error.violations)
            else:
                output.fail(_words(error))
            return exit_codes.REFUSED
        case _:
            output.fail(str(error))
            return exit_codes.REFUSED


def _words(error: ApiError | InvalidResource) -> str:
    if isinstance(error, ApiError) and error.status == 401:
        return f"{error}; give an admin token with --token-file, or use --data-dir"
    return str(error)
