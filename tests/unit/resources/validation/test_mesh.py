from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.validation.mesh import mesh_change_violations, mesh_violations

CA = {"name": "ca-1", "type": "builtin"}


def faults(spec: dict[str, Any]) -> list[str]:
    return [str(violation) for violation in mesh_violations("m", MeshSpec.model_validate(spec))]


def mtls(*backends: dict[str, Any], **fields: Any) -> list[str]:
    return faults({"mtls": {"backends": list(backends), **fields}})


def test_a_good_authority() -> None:
    assert mtls(CA | {"mode": "PERMISSIVE"}, enabledBackend="ca-1") == []


@pytest.mark.parametrize(
    ("backends", "found"),
    [
        (
            [CA, CA],
            [
                "mtls.backends: cannot have more than 1 backends",
                'mtls.backends[1].name: "ca-1" name is already used for another backend',
            ],
        ),
        ([CA | {"mode": "X"}], ['mtls.backends[0].mode: must be one of "STRICT", "PERMISSIVE"']),
        ([CA | {"dpCert": {}}], ["mtls.dpcert.rotation.expiration: has to be a valid format"]),
        ([CA | {"name": "A"}], ['mtls.backends[0].name: "A" name must be valid dns name']),
        (
            [CA | {"type": "vault"}],
            ["mtls.backends[0].type: could not find installed plugin for this type"],
        ),
        (
            [{"name": "ca-1", "type": "provided", "conf": {"cert": {"secret": "x"}}}],
            ["mtls.backends[0].conf.key: has to be defined"],
        ),
    ],
)
def test_authorities(backends: list[dict[str, Any]], found: list[str]) -> None:
    assert mtls(*backends) == found


def test_an_authority_need_not_be_checked() -> None:
    assert mtls({"name": "ca-1", "type": "vault"}, skipValidation=True) == []


def test_backends_in_force_have_to_exist() -> None:
    reason = "has to be set to one of the backends in the mesh"

    assert mtls(CA, enabledBackend="ca-2") == [f"mtls.enabledBackend: {reason}"]
    assert faults({"metrics": {"enabledBackend": "x"}}) == [f"metrics.enabledBackend: {reason}"]
    assert faults({"metrics": {"enabledBackend": ""}}) == []


def test_egress_needs_mtls() -> None:
    reason = "mtls: has to be set when zoneEgress enabled"

    assert faults({"routing": {"zoneEgress": True}}) == [reason]
    assert faults({"routing": {"zoneEgress": True}, "mtls": {"backends": [CA]}}) == [reason]
    assert (
        faults({"routing": {"zoneEgress": True}, "mtls": {"enabledBackend": "ca-1", "backends": [CA]}}) == []
    )
    assert faults({"routing": {"zoneEgress": False}}) == []


def test_metrics_backends() -> None:
    backends = [
        {"name": "p", "type": "prometheus", "conf": {"port": 0}},
        {"name": "p", "type": "prometheus"},
        {"name": "q", "type": "statsd", "conf": {"port": 0}},
    ]

    assert faults({"metrics": {"backends": backends}}) == [
        'metrics.backends[1].name: "p" name is already used for another backend',
        "metrics.backends[0].conf.port: port must be in the range [1, 65535]",
        'metrics.backends[2].type: unknown backend type. Available backends: "prometheus"',
    ]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [("a", "b", True), ("a", "a", False), ("a", "", False), ("a", None, False), (None, "b", False)],
)
def test_the_authority_cannot_change_while_mtls_is_on(
    before: str | None, after: str | None, refused: bool
) -> None:
    old, new = (MeshSpec.model_validate({"mtls": {"enabledBackend": name}}) for name in (before, after))

    assert [v.field for v in mesh_change_violations(old, new)] == ["mtls.enabledBackend"] * refused
