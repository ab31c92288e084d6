"""The options of `meshmeter dataplane run`: one list that the command line, the settings and the help come from."""

from __future__ import annotations

from dataclasses import dataclass

from meshmeter import logs
from meshmeter.exposition import kernel

PREFIX = "MESHMETER_DATAPLANE_"
VAR_PREFIX = f"{PREFIX}VAR_"


@dataclass(frozen=True, slots=True)
class Option:
    """One option as users know it."""

    flag: str
    metavar: str
    help: str
    default: str | None = None
    aliases: tuple[str, ...] = ()
    """Further variables that are read if our own is absent."""
    repeats: bool = False
    """It may be given several times; in a variable the values stand between colons."""

    @property
    def variable(self) -> str:
        return PREFIX + self.flag.removeprefix("--").replace("-", "_").upper()

    @property
    def key(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option(
        "--control-plane",
        "URL",
        "dataplane API of the control plane, https://HOST:5682",
        aliases=("KUMA_CONTROL_PLANE_URL",),
    ),
    Option(
        "--ca-cert-file",
        "FILE",
        "certificate of the authority that signed the control plane's certificate (its ca.crt)",
        aliases=("KUMA_CONTROL_PLANE_CA_CERT_FILE",),
    ),
    Option(
        "--token-file",
        "FILE",
        "dataplane token; read again for every request, so it may be replaced at any time",
        aliases=("KUMA_DATAPLANE_RUNTIME_TOKEN_PATH",),
    ),
    Option(
        "--dataplane-file",
        "FILE",
        "the Dataplane, as YAML or JSON; {{ name }} is replaced by --var name=value",
        aliases=("KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH",),
    ),
    Option(
        "--envoy",
        "PATH",
        "the Envoy program (default: the one of the extra meshmeter[envoy], else envoy on $PATH)",
        aliases=("MESHMETER_ENVOY", "KUMA_DATAPLANE_RUNTIME_BINARY_PATH"),
    ),
    Option(
        "--work-dir",
        "DIR",
        "directory for sockets, bootstrap and saved state, for this user only "
        "(default: one per Dataplane in $XDG_RUNTIME_DIR or /tmp)",
        aliases=("KUMA_DATAPLANE_RUNTIME_WORK_DIR",),
    ),
    Option(
        "--allow-files",
        "DIR",
        "directory below which aggregate entries may name files and unix sockets; may be repeated "
        "(default: none)",
        repeats=True,
    ),
    Option(
        "--metrics-cert-path",
        "FILE",
        "certificate of the metrics endpoint where the Mesh says tls.mode providedTLS",
        aliases=("KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH",),
    ),
    Option(
        "--metrics-key-path",
        "FILE",
        "its private key",
        aliases=("KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH",),
    ),
    Option(
        "--concurrency",
        "N",
        "worker threads of Envoy (default: one per processor)",
        aliases=("KUMA_DATAPLANE_RUNTIME_CONCURRENCY",),
    ),
    Option(
        "--drain-time",
        "DURATION",
        "how long open connections may take to end after SIGTERM",
        "5s",
        aliases=("KUMA_DATAPLANE_DRAIN_TIME",),
    ),
    Option(
        "--connect-timeout",
        "DURATION",
        "give up if the control plane is not reached at start within this time; 0s: never",
        "0s",
    ),
    Option(
        "--max-scrapes",
        "N",
        "different scrapes in work, or being read, at once; one more is answered 503",
        "10",
    ),
    Option(
        "--max-scrape-bytes",
        "SIZE",
        "bytes of all answers in work, or being read, as in 64MiB; one more scrape is answered 503",
        "128MiB",
    ),
    Option(
        "--kernel",
        "|".join(kernel.NAMES),
        "what merges metrics: native is compiled and fast, auto takes it where it is installed",
        kernel.AUTO,
        aliases=("MESHMETER_KERNEL",),
    ),
    Option("--log-format", "|".join(logs.FORMATS), "format of the log", "console"),
    Option(
        "--log-level",
        "|".join(logs.LEVELS),
        "least level that is logged",
        "info",
    ),
    Option(
        "--envoy-log-level",
        "|".join(logs.LEVELS),
        "least level that Envoy logs",
        "warning",
    ),
)
