"""`meshmeter control-plane run`: the control plane, until SIGTERM.

Its options are those of `controlplane.options.OPTIONS`, so they are read with argparse, which takes them from that
list.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping

from meshmeter.cli import exit_codes
from meshmeter.controlplane.options import OPTIONS
from meshmeter.controlplane.settings import load_settings
from meshmeter.errors import SettingsError, StartupError, StoreUnavailable
from meshmeter.options import SWITCH

log = logging.getLogger(__name__)


def run(argv: list[str]) -> int:
    """Run with the arguments after `meshmeter control-plane`; the exit code."""
    try:
        arguments = vars(_parser().parse_args(argv))
    except SystemExit as exc:  # argparse has printed the help (0) or the fault (2)
        return exit_codes.USAGE if exc.code else exit_codes.OK
    try:
        settings = load_settings(arguments, os.environ)
    except SettingsError as exc:
        return _failed(exit_codes.USAGE, str(exc))
    from meshmeter.controlplane import app

    try:
        app.run(settings, announce)
    except (StartupError, StoreUnavailable) as exc:
        return _failed(exit_codes.CANNOT_START, str(exc))
    except KeyboardInterrupt:  # before the control plane listens for signals
        return exit_codes.INTERRUPTED
    except Exception:
        # A fault of ours. 1 would say that somebody asked for something wrong.
        log.critical("the control plane failed", exc_info=True)
        return _failed(exit_codes.CANNOT_START, "it failed, and the log has the cause; start it again")
    return exit_codes.OK


def announce(endpoints: Mapping[str, str]) -> None:
    """Say on standard output where the servers listen."""
    width = max(map(len, endpoints))
    print("meshmeter control plane is ready")
    for name, address in endpoints.items():
        print(f"  {name.replace('_', '-'):<{width}}  {address}")
    sys.stdout.flush()


def _failed(code: int, message: str) -> int:
    for line in message.splitlines():
        print(f"meshmeter control-plane run: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meshmeter control-plane", description="The control plane.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "run",
        help="run the control plane until SIGTERM",
        description="Run the control plane until SIGTERM.",
        epilog="Flags win over variables, variables over the configuration file.",
        allow_abbrev=False,
    )
    command.add_argument(
        "--config", metavar="FILE", help="YAML file with settings, named as the options [MESHMETER_CONFIG]"
    )
    for option in OPTIONS:
        text = f"{option.help} [{option.variable}]".replace("%", "%%")
        if option.metavar == SWITCH:
            command.add_argument(
                option.flag, dest=option.name, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            shown = f" (default {option.default})" if option.default else ""
            command.add_argument(option.flag, dest=option.name, metavar=option.metavar, help=f"{text}{shown}")
    return parser
