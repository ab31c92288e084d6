"""TLS between proxies: the transport sockets of both ends, and the secrets that they refer to (kuma-facts 6).

Secrets come over the same stream as the rest, so that they are there when a listener asks for them, and are renewed
without touching a listener or a connection.
"""

from __future__ import annotations

from typing import Any

from meshmeter.effective.credentials import Identity
from meshmeter.envoy import names
from meshmeter.xds import types
from meshmeter.xds.snapshot import ResourceKey

_SOCKET = "envoy.transport_sockets.tls"
_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"

_ADS = {"ads": {}, "resourceApiVersion": "V3"}

PARAMETERS = {"tlsMinimumProtocolVersion": "TLSv1_2"}


def downstream_mtls(mesh: str) -> dict[str, Any]:
    """For those who call: only certificates of this mesh are let in."""
    return _downstream(
        {"requireClientCertificate": True, "commonTlsContext": _common(mesh, _any_service(mesh))}
    )


def upstream_mtls(mesh: str, *, service: str | None = None) -> dict[str, Any]:
    """For calling: the own identity is shown, and the server has to be this service, or any one of the mesh."""
    server = {"exact": f"spiffe://{mesh}/{service}"} if service is not None else _any_service(mesh)
    context = _common(mesh, server) | {"alpnProtocols": [names.MESH_PROTOCOL]}
    return {
        "name": _SOCKET,
        "typedConfig": {"@type": f"{_TYPE}.UpstreamTlsContext", "commonTlsContext": context},
    }


def downstream_provided(sds_path: str) -> dict[str, Any]:
    """For the metrics endpoint with a certificate of the user's (deviations D13).

    Envoy reads it through a file that the agent writes, `sds_path`, and reads it again when another file is moved
    to its place; certificates that are named in a listener directly would never be read again.
    """
    folder = sds_path.rpartition("/")[0] or "/"
    source = {
        "pathConfigSource": {"path": sds_path, "watchedDirectory": {"path": folder}},
        "resourceApiVersion": "V3",
    }
    certificate = {"name": names.PROVIDED_CERTIFICATE, "sdsConfig": source}
    context = {"tlsParams": PARAMETERS, "tlsCertificateSdsSecretConfigs": [certificate]}
    return _downstream({"commonTlsContext": context})


def secrets(identity: Identity) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a proxy shows to others of its mesh, and by what it verifies them. The first one holds a private key."""
    return (
        {
            "@type": types.SECRET,
            "name": names.identity_secret(identity.mesh),
            "tlsCertificate": {
                "certificateChain": {"inlineString": identity.certificate_pem},
                "privateKey": {"inlineString": identity.key_pem},
            },
        },
        {
            "@type": types.SECRET,
            "name": names.authority_secret(identity.mesh),
            "validationContext": {"trustedCa": {"inlineString": identity.bundle_pem}},
        },
    )


def secret_keys(mesh: str) -> tuple[ResourceKey, ResourceKey]:
    """What a listener or cluster with `downstream_mtls` or `upstream_mtls` refers to."""
    return (
        ResourceKey(types.SECRET, names.identity_secret(mesh)),
        ResourceKey(types.SECRET, names.authority_secret(mesh)),
    )


def _downstream(context: dict[str, Any]) -> dict[str, Any]:
    return {"name": _SOCKET, "typedConfig": {"@type": f"{_TYPE}.DownstreamTlsContext", **context}}


def _common(mesh: str, peer: dict[str, str]) -> dict[str, Any]:
    """The own identity, and whom to accept: a URI of the peer's certificate has to match."""
    return {
        "tlsParams": PARAMETERS,
        "tlsCertificateSdsSecretConfigs": [{"name": names.identity_secret(mesh), "sdsConfig": _ADS}],
        "combinedValidationContext": {
            "defaultValidationContext": {"matchTypedSubjectAltNames": [{"sanType": "URI", "matcher": peer}]},
            "validationContextSdsSecretConfig": {"name": names.authority_secret(mesh), "sdsConfig": _ADS},
        },
    }


def _any_service(mesh: str) -> dict[str, str]:
    return {"prefix": f"spiffe://{mesh}/"}
