"""Registration at start and whenever it is needed again: tries until it works, or is of no use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshmeter import __version__
from meshmeter.agent.backoff import Backoff
from meshmeter.agent.control_plane import ControlPlane, Registration, Untrusted
from meshmeter.agent.document import identity
from meshmeter.errors import ApiError, InvalidResource, StartupError, TokenError

log = logging.getLogger(__name__)

RETRY_LATER = frozenset({0, 408, 409, 425, 429})
"""Statuses after which the same request may work later, beside all of 500 and more; 0 is no answer at all."""


@dataclass(frozen=True, slots=True)
class ProxyFacts:
    """What the control plane has to know of this proxy beside its Dataplane."""

    instance: str
    """Another one for every run of an agent."""
    agent_socket: Path
    admin_socket: Path
    envoy_version: str
    metrics_cert_path: Path | None = None
    metrics_key_path: Path | None = None
    metrics_sds_path: Path | None = None
    """Where Envoy reads the provided certificate; None if there is none."""
    certificate: Callable[[], dict[str, Any] | None] = lambda: None
    """What the provided certificate is worth now, for the control plane; None if there is none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "instance": self.instance,
            "agentSocket": str(self.agent_socket),
            "adminSocket": str(self.admin_socket),
            "metricsCertPath": str(self.metrics_cert_path) if self.metrics_cert_path else None,
            "metricsKeyPath": str(self.metrics_key_path) if self.metrics_key_path else None,
            "metricsSdsPath": str(self.metrics_sds_path) if self.metrics_sds_path else None,
            "certificate": self.certificate(),
            "agentVersion": __version__,
            "envoyVersion": self.envoy_version,
        }


class RegistrationClient:
    """Registers one Dataplane, again and again where needed, and remembers with which token."""

    def __init__(self, control_plane: ControlPlane, dataplane: Mapping[str, Any], proxy: ProxyFacts):
        self._control_plane = control_plane
        self._dataplane = dataplane
        self.proxy = proxy
        self.identity = identity(dataplane)
        """Mesh and name."""
        self._token_digest = ""

    async def register(self) -> Registration:
        """One attempt; raises as the ControlPlane does."""
        digest = self._control_plane.token_digest()
        registration = await self._control_plane.register(self._dataplane, self.proxy.to_json())
        self._token_digest = digest
        return registration

    def token_changed(self) -> bool:
        """Whether the file has another token than the one we registered with, which Envoy also uses."""
        digest = self._control_plane.token_digest()
        return digest not in ("", self._token_digest)


async def register_at_start(
    registration_client: RegistrationClient,
    saved: Registration | None,
    *,
    connect_timeout: float,
    backoff: Backoff,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Registration, bool]:
    """The registration to start with, and whether the control plane itself just gave it.

    While the control plane cannot be reached, `saved` is used if there is one; otherwise it is tried again,
    up to `connect_timeout` seconds (0: forever). Raises StartupError if the token, the certificate or the
    request is refused, and InvalidResource if the Dataplane is.
    """
    deadline = clock() + connect_timeout if connect_timeout else float("inf")
    while True:
        try:
            return await registration_client.register(), True
        except TokenError as exc:
            mesh, name = registration_client.identity
            raise StartupError(
                f"the control plane does not accept the token: {exc}. Make one with "
                f"`meshmeter token dataplane --mesh {mesh} --name {name}`"
            ) from exc
        except ApiError as exc:
            if not may_work_later(exc):
                raise _final(exc) from exc
            if saved is not None:
                log.warning("%s; starting with the configuration of the last run, and trying on", exc)
                return saved, False
            if isinstance(exc, Untrusted):
                raise StartupError(f"{exc}. Give its authority (ca.crt) as --ca-cert-file") from exc
            pause = backoff.next()
            if clock() + pause > deadline:
                raise StartupError(f"{exc}; gave up after {connect_timeout:g} s (--connect-timeout)") from exc
            log.warning("%s; trying again in %.0f s", exc, pause)
            await sleep(pause)


def may_work_later(exc: ApiError) -> bool:
    """Whether the same request may succeed without anybody changing it."""
    return exc.status in RETRY_LATER or exc.status >= 500


def _final(exc: ApiError) -> Exception:
    if exc.violations:
        return InvalidResource(exc.violations, exc.title)
    return StartupError(f"the control plane refused the registration (HTTP {exc.status}): {exc}")
