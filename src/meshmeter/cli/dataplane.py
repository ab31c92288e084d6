"""`meshmeter dataplane run`: the agent, and Envoy beside it.

Made with argparse instead of the typer of the other commands: the agent stays running beside every
application, so what it imports is memory in every one of them.

Exit codes: 0 stopped by a signal, 1 the Dataplane is refused, 2 wrong usage, 3 it cannot start or go on.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from meshmeter import logs
from meshmeter.agent import app
from meshmeter.agent.options import OPTIONS, VAR_PREFIX
from meshmeter.agent.settings import load
from meshmeter.cli.exit_codes import CANNOT_START, INTERRUPTED, OK, REFUSED, USAGE
from meshmeter.errors import InvalidResource, SettingsError, StartupError

log = logging.getLogger(__name__)


def run(argv: list[str]) -> int:
    """Run with the arguments after `meshmeter dataplane`; the exit code."""
    try:
        arguments = vars(_parser().parse_args(argv))
    except SystemExit as exc:  # argparse has printed the help (0) or the fault (2)
        return USAGE if exc.code else OK
    try:
        settings = load(arguments, arguments["var"] or (), os.environ)
    except SettingsError as exc:
        return _failed(USAGE, str(exc).splitlines())
    logs.configure(settings.log_format, settings.log_level)
    try:
        asyncio.run(app.run(settings, os.environ))
    except SettingsError as exc:
        return _failed(USAGE, str(exc).splitlines())
    except InvalidResource as exc:
        return _failed(REFUSED, [f"{exc.title}:", *(f"  {violation}" for violation in exc.violations)])
    except StartupError as exc:
        return _failed(CANNOT_START, str(exc).splitlines())
    except KeyboardInterrupt:  # before the agent listens for signals
        return INTERRUPTED
    except Exception:
        # A fault of ours. 1 would say that the Dataplane is refused, and nobody would start it again.
        log.critical("the data plane failed", exc_info=True)
        return _failed(CANNOT_START, ["it failed, and the log has the cause; start it again"])
    return OK


def _failed(code: int, lines: list[str]) -> int:
    for line in lines:
        print(f"meshmeter dataplane run: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meshmeter dataplane", description="A data plane: Envoy and its agent.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "run",
        help="run a data plane until SIGTERM",
        description="Register a Dataplane, start its Envoy, and serve its metrics, until SIGTERM.",
        epilog="Flags win over variables, and ours over those of Kuma.",
        allow_abbrev=False,
    )
    for option in OPTIONS:
        names = ", ".join((option.variable, *option.aliases))
        default = f" (default {option.default})" if option.default is not None else ""
        command.add_argument(
            option.flag,
            dest=option.name,
            action="append" if option.repeats else "store",
            metavar=option.metavar,
            help=f"{option.help}{default} [{names}]".replace("%", "%%"),
        )
    command.add_argument(
        "--var",
        action="append",
        metavar="NAME=VALUE",
        help=f"value of {{{{ NAME }}}} in the Dataplane file; may be repeated [{VAR_PREFIX}NAME]",
    )
    return parser
