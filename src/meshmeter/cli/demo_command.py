"""`demo`: a small real mesh on this machine, measured."""

from __future__ import annotations

from typing import Annotated

import typer


def add_commands(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Wait until every target is healthy, report, and stop.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0, metavar="SECONDS", help="Stop after so long.")
    ] = None,
    prometheus: Annotated[
        bool,
        typer.Option(
            "--prometheus/--no-prometheus", help="Start the Prometheus of this machine, if it has one."
        ),
    ] = True,
    mtls: Annotated[
        bool,
        typer.Option("--mtls", help="With mTLS: only Prometheus may scrape, with a certificate of the mesh."),
    ] = False,
) -> None:
    """Start a control plane, two services behind real Envoys, and watch their metrics."""
    from meshmeter.cli.demo import main

    raise typer.Exit(main(once=once, duration=duration, prometheus=prometheus, mtls=mtls))
