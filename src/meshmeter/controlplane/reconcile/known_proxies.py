"""KnownProxies: what proxies and their agents told of themselves, and what each has at hand for its protection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from meshmeter.controlplane.reconcile.trust import Trust
from meshmeter.effective.credentials import (
    NO_CREDENTIALS,
    CertificateState,
    Credentials,
    ProvidedCertificate,
)
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import ProxyKey, Resource

NOT_CONFIGURED = ProvidedCertificate(
    CertificateState.NOT_CONFIGURED,
    "tls.mode is providedTLS, and the proxy was started without the paths of a certificate and its key",
)


class KnownProxies:
    """By mesh and name of the Dataplane. Not thread-safe."""

    def __init__(self, trust: Trust | None):
        """Without `trust` nobody has an identity."""
        self._trust = trust
        self._proxies: dict[ProxyKey, ProxyInfo] = {}
        self._certificates: dict[ProxyKey, ProvidedCertificate] = {}

    def __iter__(self) -> Iterator[ProxyKey]:
        """Every proxy of which anything is kept."""
        return iter(self._proxies.keys() | self._certificates.keys())

    def info(self, key: ProxyKey) -> ProxyInfo | None:
        """Where its sockets and files are; None if it never connected, or has been away for long."""
        return self._proxies.get(key)

    def connected(self, proxy: ProxyInfo) -> bool:
        """Take over what a proxy told; whether that is news."""
        key = (proxy.mesh, proxy.dataplane)
        is_news = self._proxies.get(key) != proxy
        self._proxies[key] = proxy
        return is_news

    def certificate_reported(self, key: ProxyKey, certificate: ProvidedCertificate) -> bool:
        """Take over what an agent told of the provided certificate; whether that is news."""
        is_news = self._certificates.get(key) != certificate
        self._certificates[key] = certificate
        return is_news

    def forget(self, key: ProxyKey) -> None:
        """The proxy has gone."""
        self._proxies.pop(key, None)
        self._certificates.pop(key, None)

    def certificate_expiries(self) -> dict[ProxyKey, datetime]:
        """When the provided certificates that proxies told of expire."""
        return {
            key: certificate.not_after
            for key, certificate in self._certificates.items()
            if certificate.not_after is not None
        }

    def credentials(self, signing: Resource[MeshSpec], dataplane: Resource[DataplaneSpec]) -> Credentials:
        """What the proxy has at hand; `signing` is the Mesh by which it gets an identity. Nothing is signed for one
        that never connected."""
        key = (dataplane.mesh, dataplane.name)
        proxy = self._proxies.get(key)
        if proxy is None:
            return self._trust.without_identity(dataplane.mesh) if self._trust else NO_CREDENTIALS
        found = self._trust.credentials(signing, dataplane) if self._trust else NO_CREDENTIALS
        if proxy.metrics_sds_path is None:
            return replace(found, provided=NOT_CONFIGURED)
        # Before the agent has spoken nothing is held against the certificate: while there is none, Envoy opens nothing.
        return replace(found, provided=self._certificates.get(key))
