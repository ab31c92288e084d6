"""A server certificate that is renewed while its servers run."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from meshmeter.controlplane.ads.server import AdsServer
from meshmeter.controlplane.data_dir import DataDir, open_data_dir
from meshmeter.controlplane.server_certificate import ServerCertificate
from meshmeter.xds.cache import SnapshotCache
from support.ads import RecordingHooks

DAY = timedelta(days=1)


class Stage:
    """Looks at its certificate as often as the test says."""

    def __init__(self, directory: DataDir):
        self.now, self.told = datetime.now(UTC), []  # type: ignore[var-annotated]
        self._go: asyncio.Queue[None] = asyncio.Queue()
        self._paused = asyncio.Event()
        self.certificate = ServerCertificate(
            directory, now=lambda: self.now, sleep=self._sleep, on_change=self.told.append
        )

    async def _sleep(self, _seconds: float) -> None:
        self._paused.set()
        await self._go.get()

    async def look(self) -> None:
        await self._paused.wait()
        self._paused.clear()
        self._go.put_nowait(None)
        await self._paused.wait()


async def shown(port: int) -> x509.Certificate:
    """What a client that connects now is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der)


async def test_every_server_shows_the_new_one_to_who_connects(tmp_path: Path) -> None:
    stage = Stage(open_data_dir(tmp_path, (), now=datetime.now(UTC)))
    first = stage.certificate.pair.certificate
    http = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0, ssl=stage.certificate.context)
    ads = AdsServer(SnapshotCache(), RecordingHooks())
    ads_port = await ads.start("127.0.0.1", 0, lambda: stage.certificate.pair)
    ports = http.sockets[0].getsockname()[1], ads_port
    task = asyncio.create_task(stage.certificate.run())
    async with asyncio.timeout(60):
        await stage.look()
        assert [await shown(port) for port in ports] == [first, first]
        stage.now += 300 * DAY
        await stage.look()
        new = stage.certificate.pair.certificate
        assert new != first and stage.told == [first.not_valid_after_utc, new.not_valid_after_utc]
        assert [await shown(port) for port in ports] == [new, new]
    task.cancel()
    http.close()
    await ads.stop()


async def test_one_of_the_future_is_made_anew(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    open_data_dir(tmp_path, (), now=now)
    (tmp_path / "server.crt").unlink()
    stage = Stage(open_data_dir(tmp_path, (), now=now + 40 * DAY))
    task = asyncio.create_task(stage.certificate.run())
    async with asyncio.timeout(60):
        await stage.look()
    certificate = stage.certificate.pair.certificate
    assert certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
    task.cancel()


async def test_what_cannot_be_renewed_stays_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = open_data_dir(tmp_path / "data", (), now=datetime.now(UTC))
    stage = Stage(directory)
    task = asyncio.create_task(stage.certificate.run())
    (tmp_path / "data").rename(tmp_path / "away")
    stage.now += 300 * DAY
    async with asyncio.timeout(60):
        await stage.look()
        assert stage.certificate.pair is directory.server and "cannot renew" in caplog.text
        (tmp_path / "away").rename(tmp_path / "data")
        await stage.look()
        assert stage.certificate.pair is not directory.server
    task.cancel()
