"""Rules for a Mesh (kuma-facts 1.4, 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshmeter.durations import parse_single
from meshmeter.errors import Violation
from meshmeter.resources.mesh import MeshMetrics, MeshSpec, MetricsBackend, Mtls, MtlsBackend
from meshmeter.resources.metrics import PROMETHEUS
from meshmeter.resources.validation.authority import (
    BUILTIN,
    PROVIDED,
    builtin_ca_violations,
    provided_ca_violations,
    written_key_violations,
)
from meshmeter.resources.validation.metrics import backend_type_violations, conf_violations

_MODES = ("STRICT", "PERMISSIVE")
_UNKNOWN_BACKEND = "has to be set to one of the backends in the mesh"


def mesh_violations(name: str, spec: MeshSpec) -> Iterator[Violation]:
    """Faults of `mtls`, of `routing`, then of `metrics`. `name` is the Mesh's own."""
    if spec.mtls:
        yield from _mtls(name, spec.mtls)
    if (spec.routing or {}).get("zoneEgress") is True and not (spec.mtls and spec.mtls.enabled_backend):
        yield Violation("mtls", "has to be set when zoneEgress enabled")
    if spec.metrics:
        yield from _metrics(spec.metrics)


def mesh_change_violations(old: MeshSpec, new: MeshSpec) -> list[Violation]:
    """Faults of replacing a stored Mesh: certificates of two authorities cannot be told apart while mTLS is
    on."""
    before = old.mtls and old.mtls.enabled_backend
    after = new.mtls and new.mtls.enabled_backend
    if before and after and before != after:
        reason = "Changing CA when mTLS is enabled is forbidden. Disable mTLS first and then change the CA"
        return [Violation("mtls.enabledBackend", reason)]
    return []


def _mtls(mesh: str, mtls: Mtls) -> Iterator[Violation]:
    backends = mtls.backends or ()
    if len(backends) > 1:
        yield Violation("mtls.backends", "cannot have more than 1 backends")
    yield from _names(backends, "mtls.backends")
    for index, backend in enumerate(backends):
        path = f"mtls.backends[{index}]"
        if backend.dp_cert:
            rotation = backend.dp_cert.rotation
            if parse_single((rotation and rotation.expiration) or "") is None:
                yield Violation("mtls.dpcert.rotation.expiration", "has to be a valid format")
        if backend.mode and backend.mode not in _MODES:
            listed = ", ".join(f'"{mode}"' for mode in _MODES)
            yield Violation(f"{path}.mode", f"must be one of {listed}")
        if backend.type == PROVIDED:
            yield from written_key_violations(backend.conf or {}, f"{path}.conf")
        if not mtls.skip_validation:
            yield from _authority(mesh, backend, path)
    if mtls.enabled_backend and mtls.enabled_backend not in (b.name for b in backends):
        yield Violation("mtls.enabledBackend", _UNKNOWN_BACKEND)


def _authority(mesh: str, backend: MtlsBackend, path: str) -> Iterator[Violation]:
    if backend.type == BUILTIN:
        yield from builtin_ca_violations(mesh, backend, path)
    elif backend.type == PROVIDED:
        yield from provided_ca_violations(backend.conf or {}, f"{path}.conf")
    else:
        yield Violation(f"{path}.type", "could not find installed plugin for this type")


def _metrics(metrics: MeshMetrics) -> Iterator[Violation]:
    backends = metrics.backends or ()
    yield from _names(backends, "metrics.backends")
    for index, backend in enumerate(backends):
        path = f"metrics.backends[{index}]"
        yield from backend_type_violations(backend.type, f"{path}.type")
        if backend.type == PROMETHEUS and backend.conf:
            yield from conf_violations(backend.conf, f"{path}.conf")
    if metrics.enabled_backend and metrics.enabled_backend not in (b.name for b in backends):
        yield Violation("metrics.enabledBackend", _UNKNOWN_BACKEND)


def _names(backends: Sequence[MtlsBackend | MetricsBackend], path: str) -> Iterator[Violation]:
    seen = set()
    for index, backend in enumerate(backends):
        name = backend.name or ""
        if name in seen:
            reason = f'"{name}" name is already used for another backend'
            yield Violation(f"{path}[{index}].name", reason)
        seen.add(name)
