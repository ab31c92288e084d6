"""`completion`: what a shell needs to complete our commands, their options and the kinds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def add_commands(app: typer.Typer) -> None:
    app.command("completion")(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the completion script of a shell: `source <(meshmeter completion bash)`."""
    from importlib import import_module

    from meshmeter.cli.main import COMPLETION_VARIABLE, PROGRAM

    script = import_module("typer.completion").get_completion_script  # not declared in its types
    print(script(prog_name=PROGRAM, complete_var=COMPLETION_VARIABLE, shell=shell.value))
