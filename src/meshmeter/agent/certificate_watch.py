"""CertificateWatch: hands the certificate for `providedTLS` to Envoy, and tells the control plane what it is worth.

Envoy reads the certificate from one file of ours, which is replaced as a whole: however the user replaces theirs (by
rename, in place, by swapping a symbolic link), Envoy never sees a certificate with another one's key. While the files
are no good that file has no certificate; the control plane then keeps the endpoint closed.

The files are read again every second. A replacement that is under way is not a fault: what was good stays in use until
the files have been bad for some seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meshmeter.agent.provided_certificate import USABLE, Files, Finding, at, examine, read_files
from meshmeter.agent.work_dir import write_private
from meshmeter.errors import ApiError, TokenError

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at the files."""

GRACE_SECONDS = 3.0
"""Seconds that files may be bad after they were good, before the endpoint is closed."""

REPEAT = 30.0
"""Seconds after which the state is told again, in case the control plane has forgotten it."""

SECRET = "kuma:metrics:certificate"
"""Name by which the listener refers to the certificate."""

_SECRET_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class CertificateWatch:
    """One pair of files. `start` before Envoy runs, `run` as a task, `close` at the end."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        sds_file: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        """`sds_file` is where Envoy reads, in a directory of its own that is ours alone."""
        self._certificate, self._key, self._sds_file = certificate, key, sds_file
        self._now = now
        self._clock = clock or asyncio.get_running_loop().time
        self._sleep = sleep
        self._seen: Files | Finding | None = None
        self._examined: tuple[Finding, datetime | None] = (Finding(USABLE), None)
        self._good_at: float | None = None
        self._handed_over: Files | None = None
        self._finding: Finding | None = None

    @property
    def finding(self) -> Finding:
        """What the certificate is worth now. `start` has been called."""
        assert self._finding is not None, "start comes first"
        return self._finding

    def start(self) -> None:
        """Look for the first time. Raises OSError if our own file cannot be written."""
        self._sds_file.parent.mkdir(mode=0o700, exist_ok=True)
        self._write(None)
        self._look()

    def close(self) -> None:
        """Take our copy of the key away."""
        self._sds_file.unlink(missing_ok=True)

    async def run(self, tell: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Look again and again until cancelled, and `tell` the control plane, which raises ApiError or TokenError."""
        told: Finding | None = None
        told_at = self._clock()
        while True:
            if self.finding != told or self._clock() - told_at >= REPEAT:
                told_at = self._clock()
                try:
                    await tell(self.finding.to_json())
                except (ApiError, TokenError) as exc:
                    told = None
                    log.debug("the state of the provided certificate could not be told: %s", exc)
                else:
                    told = self.finding
            await self._sleep(LOOK)
            try:
                await asyncio.to_thread(self._look)  # the files may be on a drive that does not answer
            except OSError as exc:
                log.error("%s cannot be written: %s; Envoy keeps what it has", self._sds_file, exc.strerror)

    def _look(self) -> None:
        """Read the files, and act if that changes anything. Raises OSError."""
        files = read_files(self._certificate, self._key)
        if files != self._seen:
            self._examined = self._judge(files)
            self._seen = files
        found = at(*self._examined, self._certificate, self._now())
        if found.state == USABLE:
            self._good_at = self._clock()
            assert isinstance(files, Files)
            if files != self._handed_over:
                self._write(files)
        elif self._is_being_replaced(found):
            return
        elif self._handed_over is not None:
            self._write(None)
        self._take(found)

    def _judge(self, files: Files | Finding) -> tuple[Finding, datetime | None]:
        if isinstance(files, Finding):
            return files, None
        return examine(files, self._certificate, self._key, self._sds_file.parent)

    def _is_being_replaced(self, found: Finding) -> bool:
        """Whether these may be the two files of a replacement that is not complete yet."""
        if self._good_at is None or found.not_after is not None:  # complete, and out of date
            return False
        return self._clock() - self._good_at < GRACE_SECONDS

    def _take(self, found: Finding) -> None:
        if found == self._finding:
            return
        self._finding = found
        if found.state == USABLE:
            log.info(
                "the certificate for the metrics endpoint is %s, valid to %s",
                self._certificate,
                found.not_after,
            )
            if not found.names:
                log.warning(
                    "%s has no subject alternative name: Prometheus will not accept it", self._certificate
                )
        else:
            log.error("the metrics endpoint cannot use its certificate and stays closed: %s", found.detail)

    def _write(self, files: Files | None) -> None:
        secrets = []
        if files is not None:
            secret = {
                "certificate_chain": {"inline_string": files.certificate.decode(errors="replace")},
                "private_key": {"inline_string": files.key.decode(errors="replace")},
            }
            secrets.append({"@type": _SECRET_TYPE, "name": SECRET, "tls_certificate": secret})
        write_private(self._sds_file, {"resources": secrets})
        self._handed_over = files
