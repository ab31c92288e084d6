"""TLS of the mesh as Envoy's schema has it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meshmeter.effective.credentials import Identity
from meshmeter.envoy import tls
from meshmeter.xds.protos import to_any, to_dict

IDENTITY = Identity("shop", "<cert>", "<key>", "<bundle>", datetime(2030, 1, 1, tzinfo=UTC), "1")


def context(socket: dict[str, Any]) -> dict[str, Any]:
    """The TLS context, checked by Envoy's schema."""
    return to_dict(to_any(socket["typedConfig"]))


def peers(socket: dict[str, Any]) -> list[dict[str, Any]]:
    validation = context(socket)["commonTlsContext"]["combinedValidationContext"]
    found: list[dict[str, Any]] = validation["defaultValidationContext"]["matchTypedSubjectAltNames"]
    return found


def test_who_calls_shows_a_certificate_of_this_mesh() -> None:
    socket = tls.downstream_mtls("shop")
    assert context(socket)["requireClientCertificate"] is True
    # With the slash: `shop` lets nobody of `shop-2` in.
    assert peers(socket) == [{"sanType": "URI", "matcher": {"prefix": "spiffe://shop/"}}]


def test_who_is_called_has_to_be_the_service() -> None:
    assert peers(tls.upstream_mtls("shop", service="web")) == [
        {"sanType": "URI", "matcher": {"exact": "spiffe://shop/web"}}
    ]
    assert peers(tls.upstream_mtls("shop")) == [{"sanType": "URI", "matcher": {"prefix": "spiffe://shop/"}}]


def test_old_versions_of_tls_are_refused() -> None:
    for socket in (
        tls.downstream_mtls("m"),
        tls.upstream_mtls("m"),
        tls.downstream_provided("/w/c/sds.json"),
    ):
        parameters = context(socket)["commonTlsContext"]["tlsParams"]
        assert parameters == {"tlsMinimumProtocolVersion": "TLSv1_2"}


def test_the_secrets_are_those_that_the_sockets_name() -> None:
    made = [to_dict(to_any(secret)) for secret in tls.secrets(IDENTITY)]
    assert [secret["name"] for secret in made] == [key.name for key in tls.secret_keys("shop")]
    common = context(tls.downstream_mtls("shop"))["commonTlsContext"]
    assert common["tlsCertificateSdsSecretConfigs"][0]["name"] == made[0]["name"]
    named = common["combinedValidationContext"]["validationContextSdsSecretConfig"]["name"]
    assert named == made[1]["name"]
    assert made[0]["tlsCertificate"]["privateKey"] == {"inlineString": "<key>"}
    assert made[1]["validationContext"]["trustedCa"] == {"inlineString": "<bundle>"}
