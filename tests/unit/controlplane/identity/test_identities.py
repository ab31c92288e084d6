"""When a proxy gets another identity, and when it keeps the one it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.mesh_ca import MeshAuthority, make_authority
from meshmeter.certs.trust import Anchor, TrustRecord
from meshmeter.controlplane.identity.identities import Identities, Signer, identity_addresses, identity_tags
from meshmeter.effective.credentials import Identity
from support.resources import dataplane

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = ("default", "backend-1")


def signer(
    made: MeshAuthority | None = None, *, accepts_others: bool = False, lifetime: timedelta = DAY
) -> Signer:
    made = made or authority()
    record = TrustRecord((Anchor(made.fingerprint, made.bundle_pem),), lifetime)
    return Signer(made, record, lifetime, accepts_others)


def authority() -> MeshAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    return make_authority("default", key, serial=1, now=NOW, valid_for=999 * DAY)


BY = signer()


def leaf(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate_pem.encode())


def test_it_is_kept_until_half_of_its_life_is_over() -> None:
    signed: list[None] = []
    identities = Identities(lambda: signed.append(None))
    first = identities.identity(dataplane(), BY, NOW)
    assert identities.identity(dataplane(), BY, NOW + DAY * 0.44) == first
    assert identities.due(NOW + DAY * 0.44) == set()
    assert identities.due(NOW + DAY / 2) == {KEY}
    second = identities.identity(dataplane(), BY, NOW + DAY / 2)
    assert second.version != first.version and second.key_pem != first.key_pem
    assert second.not_after == NOW + DAY * 1.5
    assert len(signed) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "10.9.9.9"},
        {"advertisedAddress": "10.9.9.9"},
        {"inbound": [{"port": 8080, "tags": {"kuma.io/service": "other"}}]},
        {"inbound": [{"port": 8080, "tags": {"kuma.io/service": "backend", "version": "2"}}]},
    ],
)
def test_other_tags_or_addresses_need_another(changes: dict[str, Any]) -> None:
    identities = Identities()
    first = identities.identity(dataplane(), BY, NOW)
    assert identities.identity(dataplane(**changes), BY, NOW).certificate_pem != first.certificate_pem


def test_ports_do_not() -> None:
    identities = Identities()
    first = identities.identity(dataplane(), BY, NOW)
    moved = dataplane(inbound=[{"port": 9999, "tags": {"kuma.io/service": "backend"}}])
    assert identities.identity(moved, BY, NOW) == first


def test_another_lifetime_needs_another() -> None:
    identities = Identities()
    identities.identity(dataplane(), BY, NOW)
    shorter = identities.identity(dataplane(), signer(BY.authority, lifetime=DAY / 24), NOW)
    assert shorter.not_after == NOW + DAY / 24


def test_another_authority_signs_anew_once_the_old_one_is_not_shown_any_more() -> None:
    identities, other = Identities(), authority()
    first = identities.identity(dataplane(), BY, NOW)
    assert identities.identity(dataplane(), signer(other, accepts_others=True), NOW).certificate_pem == (
        first.certificate_pem
    )
    second = identities.identity(dataplane(), signer(other), NOW)
    leaf(second).verify_directly_issued_by(other.certificate)


def test_another_bundle_is_another_version_with_the_same_certificate() -> None:
    identities = Identities()
    first = identities.identity(dataplane(), BY, NOW)
    record = TrustRecord((Anchor("x", "<more>"), *BY.record.anchors), DAY)
    second = identities.identity(dataplane(), Signer(BY.authority, record, DAY, False), NOW)
    assert second.certificate_pem == first.certificate_pem and second.version != first.version
    assert "<more>" in second.bundle_pem


def test_what_is_gone_is_forgotten() -> None:
    identities = Identities()
    identities.identity(dataplane(), BY, NOW)
    identities.identity(dataplane("other"), BY, NOW)
    identities.forget(KEY)
    assert identities.due(NOW + DAY) == {("default", "other")}
    identities.forget_mesh("default")
    assert identities.due(NOW + DAY) == set()


def test_those_issued_together_are_not_all_renewed_together() -> None:
    identities = Identities()
    for number in range(50):
        identities.identity(dataplane(f"d-{number}"), BY, NOW)
    counts = [len(identities.due(NOW + DAY * share)) for share in (0.455, 0.475, 0.5)]
    assert 0 < counts[0] < counts[1] < counts[2] == 50


def test_a_proxy_without_a_service_has_a_name_that_no_tag_can_have() -> None:
    bare = dataplane(inbound=[], gateway=None)
    assert identity_tags(bare)["kuma.io/service"] == {"dataplane/backend-1"}
    assert list(identity_addresses(bare.spec)) == ["192.168.0.1"]


@pytest.mark.parametrize("jump", [timedelta(minutes=3), 40 * DAY])
def test_one_of_the_future_is_issued_anew(jump: timedelta) -> None:
    identities = Identities()
    ahead = identities.identity(dataplane(), BY, NOW + jump)
    assert identities.due(NOW) == {KEY}
    now = identities.identity(dataplane(), BY, NOW)
    assert now.version != ahead.version and leaf(now).not_valid_before_utc <= NOW
    assert identities.due(NOW) == set()
