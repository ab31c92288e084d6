"""An option of a command that runs on: flag, variable and meaning come from one entry of a table.

The command line, the settings, the help and the test of the documentation all read the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option as users know it."""

    name: str
    """Field of the settings, and key in a configuration file (there also with dashes)."""
    metavar: str
    """What it takes: a word in capitals, or the words that may be given with bars between; SWITCH for one that is on or
    off, whose flag has an opposite, `--no-...`."""
    help: str
    default: str | None = None
    """As a user would write it."""
    prefix: str = "MESHMETER_"
    """Of its variable."""
    aliases: tuple[str, ...] = ()
    """Further variables that are read if our own is absent."""
    repeats: bool = False
    """It may be given several times; in a variable the values stand between colons."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return self.prefix + self.name.upper()


SWITCH = "SWITCH"
