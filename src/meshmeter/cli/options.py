"""Options that several commands share. Imports nothing heavy: every `--help` reads this module."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from meshmeter import defaults
from meshmeter.cli.connection import (
    DATA_DIR_VARIABLE,
)


class Format(StrEnum):
    """How `get` prints."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


class TreeFormat(StrEnum):
    """How `explain` prints."""

    TREE = "tree"
    YAML = "yaml"
    JSON = "json"


class Form(StrEnum):
    """The two forms of a resource."""

    UNIVERSAL = "universal"
    KUBERNETES = "kubernetes"


class ScrapeMode(StrEnum):
    """How Prometheus reaches the proxies."""

    PLAIN = "plain"
    SIDECAR = "sidecar"
    DIRECT = "direct"


class DiscoveryKind(StrEnum):
    """How Prometheus finds the proxies."""

    HTTP = "http"
    KUMA = "kuma"


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help=f"Data directory of a control plane on this host [{DATA_DIR_VARIABLE}; default {defaults.DATA_DIR}].",
    ),
]
Files = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        metavar="FILE|DIR|-",
        help="File, directory (its .yaml, .yml and .json files), or - for standard input. May be repeated.",
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var", "-v", metavar="NAME=VALUE", help="Value of {{ NAME }} in the files. May be repeated."
    ),
]
MeshName = Annotated[str, typer.Option("--mesh", "-m", metavar="MESH", help="The mesh.")]


def _kinds(incomplete: str) -> list[str]:
    """Kinds that a shell may complete a word to."""
    from meshmeter.resources.kinds import KINDS

    words = [word for kind in KINDS.values() for word in (kind.singular, kind.plural, *kind.aliases)]
    return [word for word in words if word.startswith(incomplete)]


KindName = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="mesh, dataplane, traffic-permission; plurals and dp, tp too.",
        autocompletion=_kinds,
    ),
]
