"""`identity`: certificates of the mesh for a program without a sidecar, such as a Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshmeter.cli.context import Context, asks_control_plane
from meshmeter.cli.options import MeshName

if TYPE_CHECKING:
    from meshmeter.cli.identity_files import HeldIdentity

Service = Annotated[str, typer.Option("--service", help="The service that the certificate stands for.")]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="Where tls.crt, tls.key and ca.crt go; made if it is not there."
    ),
]


def add_commands(app: typer.Typer) -> None:
    identities = typer.Typer(
        help="Certificates of the mesh for a program without a sidecar.", no_args_is_help=True
    )
    identities.command("issue")(issue)
    identities.command("run")(run)
    app.add_typer(identities, name="identity")


@asks_control_plane
def issue(
    context: Context,
    service: Service,
    out: Out,
    mesh: MeshName = "default",
) -> None:
    """Write a certificate with a new key, and what the mesh trusts. The key never leaves this host."""
    from meshmeter.cli.identity_keeper import Wanted, obtain

    wanted = Wanted(mesh, service, out)
    announce(obtain(context.client(), wanted), out)


@asks_control_plane
def run(
    context: Context,
    service: Service,
    out: Out,
    mesh: MeshName = "default",
) -> None:
    """The same, and keep the files renewed until SIGTERM: at half of their life, and when the mesh's CA changes."""
    import asyncio
    import logging
    import signal

    from meshmeter.cli.identity_keeper import Wanted, keep

    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s")

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await keep(
            context.client,
            Wanted(mesh, service, out),
            stop,
            announce=lambda held: announce(held, out),
        )

    asyncio.run(main())


def announce(held: HeldIdentity, folder: Path) -> None:
    """Say what was written."""
    import sys

    from meshmeter.cli import output

    output.out(f"{folder}: {', '.join(held.uris)}, valid until {held.not_after:%Y-%m-%dT%H:%M:%SZ}")
    sys.stdout.flush()
