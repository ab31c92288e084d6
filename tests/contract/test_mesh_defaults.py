"""The defaults that a Mesh gets when it is written."""

from __future__ import annotations

from typing import Any

from contract.conformance import Case, vectors
from meshmeter.resources.codec import decode, to_kubernetes, to_universal
from meshmeter.resources.defaults import with_defaults


def printed_in_full(value: Any) -> Any:
    """The tree with enums at their zero value written out: `tls: {}` is `tls: {mode: activeMTLSBackend}`."""
    if isinstance(value, list):
        return [printed_in_full(item) for item in value]
    if isinstance(value, dict):
        tree = {key: printed_in_full(item) for key, item in value.items()}
        return tree | ({"tls": {"mode": "activeMTLSBackend"}} if tree.get("tls") == {} else {})
    return value


def stored(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as the resource API returns it after it was written."""
    document = to_universal(with_defaults(decode({"type": "Mesh", "name": "mesh-1", **spec})))
    return {key: value for key, value in document.items() if key in ("metrics", "mtls")}


@vectors("mesh-defaults", "default", "create-then-get", "create-update-get")
def test_defaults(case: Case) -> None:
    written = stored(case.data["mesh"] or {})

    assert written == printed_in_full(case.data["expected"])
    assert stored(written) == written


@vectors("mesh-defaults", "k8s-admission-default")
def test_kubernetes_object(case: Case) -> None:
    written = to_kubernetes(with_defaults(decode(case.data["object"])))

    assert written == printed_in_full(case.data["expected"])
    assert to_kubernetes(with_defaults(decode(written))) == written
