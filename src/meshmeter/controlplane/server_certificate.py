"""The certificate of every server that speaks TLS, renewed while they run. Open connections stay as they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from ssl import PROTOCOL_TLS_SERVER, SSLContext, TLSVersion

from meshmeter.certs.authority import KeyPair
from meshmeter.controlplane.data_dir import DataDir, is_good
from meshmeter.errors import StartupError
from meshmeter.steady_clock import utc_now

log = logging.getLogger(__name__)

LOOK = 60.0
"""Seconds between two looks whether it is due."""


class ServerCertificate:
    """`context` is for HTTP servers, `pair` for whoever asks anew at each connection."""

    def __init__(
        self,
        directory: DataDir,
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[datetime], None] = lambda _expires: None,
    ):
        """`on_change` is told when the certificate in use expires."""
        self._directory, self._now, self._sleep, self._on_change = directory, now, sleep, on_change
        self._pair = directory.server
        self.context = SSLContext(PROTOCOL_TLS_SERVER)
        self.context.minimum_version = TLSVersion.TLSv1_2
        self._use(self._pair)

    @property
    def pair(self) -> KeyPair:
        """The one in use; may be read from any thread."""
        return self._pair

    async def run(self) -> None:
        """Renew it in time, until cancelled."""
        while True:
            await self._sleep(LOOK)
            now = self._now()
            if is_good(self._pair.certificate, now):
                continue
            try:
                renewed = self._directory.renewed_server(now)
            except (OSError, StartupError) as exc:
                log.warning("cannot renew the server certificate, trying again: %s", exc)
                continue
            self._use(renewed)
            log.info(
                "the server certificate is renewed, valid to %s", renewed.certificate.not_valid_after_utc
            )

    def _use(self, pair: KeyPair) -> None:
        # A context takes a new certificate for the handshakes to come.
        self.context.load_cert_chain(self._directory.path / "server.crt", self._directory.path / "server.key")
        self._pair = pair
        self._on_change(pair.certificate.not_valid_after_utc)
