"""`prometheus config`: print a configuration of Prometheus that finds and scrapes every proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshmeter import defaults
from meshmeter.cli.options import DataDir, DiscoveryKind, ScrapeMode

PROXY_URL = f"http://{defaults.BIND}:{defaults.METRICS_PROXY_PORT}"
IDENTITY_DIR = Path("/etc/prometheus/meshmeter")


def add_commands(app: typer.Typer) -> None:
    prometheus = typer.Typer(help="Help with the configuration of Prometheus.", no_args_is_help=True)
    prometheus.callback()(_group)
    prometheus.command("config")(config)
    app.add_typer(prometheus, name="prometheus")


def _group() -> None:
    """Without it, a group of one command would become that command."""


def config(
    mode: Annotated[
        ScrapeMode,
        typer.Option(
            "--mode",
            help="plain: without the mesh's TLS; sidecar: a data plane beside Prometheus adds it; direct: Prometheus "
            "has a certificate itself.",
        ),
    ] = ScrapeMode.PLAIN,
    sd: Annotated[
        DiscoveryKind, typer.Option("--sd", help="How Prometheus finds the proxies.")
    ] = DiscoveryKind.HTTP,
    mesh: Annotated[
        str | None, typer.Option("--mesh", "-m", help="Only this mesh; an identity is good for one.")
    ] = None,
    discovery_address: Annotated[
        str | None,
        typer.Option(
            "--discovery-address",
            metavar="URL",
            help="Target discovery [from the data directory, else loopback].",
        ),
    ] = None,
    discovery_token_file: Annotated[
        Path | None,
        typer.Option("--discovery-token-file", metavar="FILE", help="Discovery token, on Prometheus' host."),
    ] = None,
    discovery_ca_file: Annotated[
        Path | None,
        typer.Option(
            "--discovery-ca-file",
            metavar="FILE",
            help="The control plane's ca.crt, on Prometheus' host, for https.",
        ),
    ] = None,
    proxy_url: Annotated[
        str | None,
        typer.Option(
            "--proxy-url",
            metavar="URL",
            help=f"sidecar: networking.metricsProxy of its Dataplane [default {PROXY_URL}].",
        ),
    ] = None,
    identity_dir: Annotated[
        Path | None,
        typer.Option(
            "--identity-dir",
            metavar="DIR",
            help=f"direct: where `meshmeter identity` writes [default {IDENTITY_DIR}].",
        ),
    ] = None,
    provided_ca_file: Annotated[
        Path | None,
        typer.Option("--provided-ca-file", metavar="FILE", help="Authority of certificates for providedTLS."),
    ] = None,
    interval: Annotated[str, typer.Option("--interval", metavar="DURATION", help="Scrape interval.")] = "15s",
    data_dir: DataDir = None,
) -> None:
    """Print a complete prometheus.yml."""
    import os

    from meshmeter.cli import output
    from meshmeter.cli.connection import data_directory, local_endpoint
    from meshmeter.cli.prometheus_config import Access, Files, prometheus_config
    from meshmeter.durations import parse_duration
    from meshmeter.errors import SettingsError

    try:
        positive = parse_duration(interval) > 0
    except ValueError:
        positive = False
    if not positive:
        raise SettingsError(f"--interval: {interval!r} is not a duration such as 15s")
    for flag, given, where in (
        ("--proxy-url", proxy_url, ScrapeMode.SIDECAR),
        ("--identity-dir", identity_dir, ScrapeMode.DIRECT),
    ):
        if given is not None and mode is not where:
            raise SettingsError(
                f"{flag} has no effect with --mode {mode}: leave it out, or use --mode {where}"
            )
    if mode is ScrapeMode.DIRECT and mesh is None:
        mesh = "default"
    folder = data_directory(data_dir, os.environ)
    address = (
        discovery_address
        or local_endpoint(folder, "discovery")
        or f"http://{defaults.BIND}:{defaults.DISCOVERY_PORT}"
    )
    if discovery_ca_file is not None and not address.startswith("https:"):
        raise SettingsError(f"--discovery-ca-file has no effect: discovery is at {address}, without TLS")
    ca_file = discovery_ca_file
    if ca_file is None and address.startswith("https:") and discovery_address is None:
        ca_file = (folder / "ca.crt").absolute()
    made = prometheus_config(
        mode,
        sd,
        Access(address, discovery_token_file, ca_file),
        mesh=mesh,
        proxy_url=proxy_url or PROXY_URL,
        files=Files(identity_dir or IDENTITY_DIR, provided_ca_file),
        interval=interval,
    )
    output.out(output.as_yaml([made]))
