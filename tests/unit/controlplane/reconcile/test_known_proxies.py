"""What a proxy told, and what it has at hand by that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from meshmeter.controlplane.reconcile.known_proxies import NOT_CONFIGURED, KnownProxies
from meshmeter.effective.credentials import NO_CREDENTIALS, CertificateState, Credentials, ProvidedCertificate
from meshmeter.envoy.proxy import ProxyInfo
from support.resources import dataplane, metered

KEY = ("default", "backend-1")
PROXY = ProxyInfo(*KEY, "/run/a.sock", "/run/e.sock")
WITH_FILES = replace(PROXY, metrics_sds_path="/run/sds.yaml")
CERTIFICATE = ProvidedCertificate(CertificateState.USABLE, "", datetime(2030, 1, 1, tzinfo=UTC))
SIGNED = Credentials(authority_warning="signed")
UNSIGNED = Credentials(authority_warning="not signed")


class Signs:
    def credentials(self, mesh: Any, dataplane: Any) -> Credentials:
        return SIGNED

    def without_identity(self, mesh: str) -> Credentials:
        return UNSIGNED


def test_what_is_told_again_is_no_news() -> None:
    known = KnownProxies(None)
    assert known.connected(PROXY) and not known.connected(PROXY) and known.connected(WITH_FILES)
    assert known.certificate_reported(KEY, CERTIFICATE) and not known.certificate_reported(KEY, CERTIFICATE)
    assert known.info(KEY) == WITH_FILES and list(known) == [KEY]
    assert known.certificate_expiries() == {KEY: CERTIFICATE.not_after}
    known.forget(KEY)
    assert known.info(KEY) is None and not list(known) and not known.certificate_expiries()


def test_a_certificate_that_cannot_be_read_expires_at_no_time() -> None:
    known = KnownProxies(None)
    known.certificate_reported(KEY, ProvidedCertificate(CertificateState.MISSING))
    assert known.certificate_expiries() == {} and list(known) == [KEY]


def test_nothing_is_signed_for_who_never_connected() -> None:
    known = KnownProxies(Signs())
    assert known.credentials(metered(), dataplane()) == UNSIGNED
    known.connected(WITH_FILES)
    assert known.credentials(metered(), dataplane()) == SIGNED


def test_the_provided_certificate_is_what_the_agent_says() -> None:
    known = KnownProxies(None)
    assert known.credentials(metered(), dataplane()) == NO_CREDENTIALS
    known.connected(PROXY)
    assert known.credentials(metered(), dataplane()).provided == NOT_CONFIGURED
    known.connected(WITH_FILES)
    assert known.credentials(metered(), dataplane()).provided is None
    known.certificate_reported(KEY, CERTIFICATE)
    assert known.credentials(metered(), dataplane()).provided == CERTIFICATE
