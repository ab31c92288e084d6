"""`identity`: certificates of the mesh for a program without a sidecar, such as a Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshmeter.cli.options import ApiAddress, CaCertFile, DataDir, MeshName, TokenFile

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


def issue(
    service: Service,
    out: Out,
    mesh: MeshName = "default",
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    ca_cert_file: CaCertFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write a certificate with a new key, and what the mesh trusts. The key never leaves this host."""
    from meshmeter.cli.identity_keeper import Wanted, obtain
    from meshmeter.cli.resource_commands import connect

    wanted = Wanted(mesh, service, out)
    announce(obtain(connect(api_address, token_file, data_dir, ca_cert_file), wanted), out)


def run(
    service: Service,
    out: Out,
    mesh: MeshName = "default",
    api_address: ApiAddress = None,
    token_file: TokenFile = None,
    ca_cert_file: CaCertFile = None,
    data_dir: DataDir = None,
) -> None:
    """The same, and keep the files renewed until SIGTERM: at half of their life, and when the mesh's CA changes."""
    import asyncio
    import logging
    import signal

    from meshmeter.cli.identity_keeper import Wanted, keep
    from meshmeter.cli.resource_commands import connect

    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s")

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await keep(
            lambda: connect(api_address, token_file, data_dir, ca_cert_file),
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
