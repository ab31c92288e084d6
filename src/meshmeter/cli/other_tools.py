"""Words that users of kumactl bring along, and where to find the same here."""

from __future__ import annotations

from collections.abc import Sequence

_TOKENS = {
    "dataplane-token": "token dataplane --mesh MESH --name NAME",
    "user-token": "token admin",
    "signing-key": "token rotate-key",
    "tls-certificate": "identity issue --mesh MESH --service SERVICE --out DIR",
}

_INSPECT = {
    "dataplanes": "get dataplanes",
    "dataplane": "explain dataplane NAME",
    "meshes": "get meshes",
    "mesh": "explain mesh NAME",
}


def hint(arguments: Sequence[str]) -> str | None:
    """What to say to a command line that begins with a verb of kumactl; None for any other."""
    verb, what = arguments[0] if arguments else "", arguments[1] if len(arguments) > 1 else ""
    match verb:
        case "inspect":
            instead = _commands(_INSPECT.get(what), "explain dataplane NAME", "get dataplanes")
        case "generate":
            instead = _commands(_TOKENS.get(what), "token dataplane", "identity issue")
        case "install":
            instead = _commands(None, "prometheus config") + ", and start a control plane with "
            instead += _commands(None, "control-plane run")
        case "config":
            return (
                "there is no `config`: name the control plane with --api-address and --token-file, or with "
                "MESHMETER_API_ADDRESS and MESHMETER_TOKEN_FILE"
            )
        case _:
            return None
    return f"there is no `{verb}`: use {instead}"


def _commands(exact: str | None, *others: str) -> str:
    return " or ".join(f"`meshmeter {words}`" for words in ((exact,) if exact else others))
