"""The options of `meshmeter dataplane run`: one list that the command line, the settings and the help come from."""

from __future__ import annotations

from meshmeter import defaults, logs
from meshmeter.agent.coalescing import Room
from meshmeter.exposition import kernel
from meshmeter.options import Option

PREFIX = "MESHMETER_DATAPLANE_"
VAR_PREFIX = f"{PREFIX}VAR_"


def _option(
    name: str,
    metavar: str,
    help: str,
    default: str | None = None,
    *,
    aliases: tuple[str, ...] = (),
    repeats: bool = False,
) -> Option:
    return Option(name, metavar, help, default, PREFIX, aliases, repeats)


OPTIONS: tuple[Option, ...] = (
    _option(
        "control_plane",
        "URL",
        f"dataplane API of the control plane, https://HOST:{defaults.DATAPLANE_API_PORT}",
        aliases=("KUMA_CONTROL_PLANE_URL",),
    ),
    _option(
        "ca_cert_file",
        "FILE",
        "certificate of the authority that signed the control plane's certificate (its ca.crt)",
        aliases=("KUMA_CONTROL_PLANE_CA_CERT_FILE",),
    ),
    _option(
        "token_file",
        "FILE",
        "dataplane token; read again for every request, so it may be replaced at any time",
        aliases=("KUMA_DATAPLANE_RUNTIME_TOKEN_PATH",),
    ),
    _option(
        "dataplane_file",
        "FILE",
        "the Dataplane, as YAML or JSON; {{ name }} is replaced by --var name=value",
        aliases=("KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH",),
    ),
    _option(
        "envoy",
        "PATH",
        "the Envoy program (default: the one of the extra meshmeter[envoy], else envoy on $PATH)",
        aliases=("MESHMETER_ENVOY", "KUMA_DATAPLANE_RUNTIME_BINARY_PATH"),
    ),
    _option(
        "work_dir",
        "DIR",
        "directory for sockets, bootstrap and saved state, for this user only "
        "(default: one per Dataplane in $XDG_RUNTIME_DIR or /tmp)",
        aliases=("KUMA_DATAPLANE_RUNTIME_WORK_DIR",),
    ),
    _option(
        "allow_files",
        "DIR",
        "directory below which aggregate entries may name files and unix sockets; may be repeated "
        "(default: none)",
        repeats=True,
    ),
    _option(
        "metrics_cert_path",
        "FILE",
        "certificate of the metrics endpoint where the Mesh says tls.mode providedTLS",
        aliases=("KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH",),
    ),
    _option(
        "metrics_key_path",
        "FILE",
        "its private key",
        aliases=("KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH",),
    ),
    _option(
        "concurrency",
        "N",
        "worker threads of Envoy (default: one per processor)",
        aliases=("KUMA_DATAPLANE_RUNTIME_CONCURRENCY",),
    ),
    _option(
        "drain_time",
        "DURATION",
        "how long open connections may take to end after SIGTERM",
        "5s",
        aliases=("KUMA_DATAPLANE_DRAIN_TIME",),
    ),
    _option(
        "connect_timeout",
        "DURATION",
        "give up if the control plane is not reached at start within this time; 0s: never",
        "0s",
    ),
    _option(
        "max_scrapes",
        "N",
        "different scrapes in work, or being read, at once; one more is answered 503",
        str(Room().answers),
    ),
    _option(
        "max_scrape_bytes",
        "SIZE",
        "bytes of all answers in work, or being read, as in 64MiB; one more scrape is answered 503",
        f"{Room().bytes >> 20}MiB",
    ),
    _option(
        "kernel",
        "|".join(kernel.NAMES),
        "what merges metrics: native is compiled and fast, auto takes it where it is installed",
        kernel.AUTO,
        aliases=("MESHMETER_KERNEL",),
    ),
    _option("log_format", "|".join(logs.FORMATS), "format of the log", "console"),
    _option(
        "log_level",
        "|".join(logs.LEVELS),
        "least level that is logged",
        "info",
    ),
    _option(
        "envoy_log_level",
        "|".join(logs.LEVELS),
        "least level that Envoy logs",
        "warning",
    ),
)
