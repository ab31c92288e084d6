"""The composed control plane, in this process, on free ports."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from meshmeter.controlplane.app import control_plane
from meshmeter.controlplane.settings import Settings
from meshmeter.errors import StartupError
from meshmeter.store.sqlite import SqliteStore


def settings(folder: Path, **changes: object) -> Settings:
    ports = dict.fromkeys(
        ("api_port", "dataplane_api_port", "ads_port", "discovery_port", "diagnostics_port"), 0
    )
    return Settings(data_dir=folder / "data", **{**ports, **changes})  # type: ignore[arg-type]


async def meshes(folder: Path) -> list[str]:
    store = await SqliteStore.open(folder / "data" / "meshmeter.db")
    try:
        return [mesh.name for mesh in await store.list("Mesh")]
    finally:
        await store.close()


async def test_every_server_answers_where_it_says(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path)) as endpoints, aiohttp.ClientSession() as session:
        written = json.loads((tmp_path / "data" / "endpoints.json").read_text())
        assert written == dict(endpoints)
        async with session.get(endpoints["diagnostics"] + "/ready") as ready:
            assert ready.status == 200, await ready.text()
        token = (tmp_path / "data" / "admin.token").read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        async with session.get(endpoints["api"] + "/meshes/default", headers=bearer) as mesh:
            assert (await mesh.json())["metrics"]["enabledBackend"] == "prometheus-1"
        async with session.get(endpoints["api"] + "/meshes") as refused:
            assert refused.status == 401
        async with session.get(endpoints["discovery"] + "/v1/targets") as targets:
            assert await targets.json() == []
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(endpoints["dataplane_api"] + "/v1/proxies")
        async with session.get(endpoints["diagnostics"] + "/metrics") as metrics:
            assert "meshmeter_control_plane_connected_proxies 0.0" in await metrics.text()
    assert not (tmp_path / "data" / "endpoints.json").exists()


async def test_the_default_mesh_is_made_once_and_only_if_it_is_wanted(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path, default_mesh=False)):
        pass
    assert await meshes(tmp_path) == []
    async with control_plane(settings(tmp_path)):
        pass
    assert await meshes(tmp_path) == ["default"]


async def test_a_default_mesh_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path)) as endpoints, aiohttp.ClientSession() as session:
        token = (tmp_path / "data" / "admin.token").read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        async with session.delete(endpoints["api"] + "/meshes/default", headers=bearer) as deleted:
            assert deleted.status == 200
    async with control_plane(settings(tmp_path)):
        pass
    assert await meshes(tmp_path) == []


@pytest.mark.parametrize(
    "option", ["api_port", "dataplane_api_port", "ads_port", "discovery_port", "diagnostics_port"]
)
async def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"{port}.*--{option.replace('_', '-')}"):
            async with control_plane(settings(tmp_path, **{option: port})):
                pass


async def test_two_control_planes_never_share_a_data_directory(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path)):
        with pytest.raises(StartupError, match="--data-dir"):
            async with control_plane(settings(tmp_path)):
                pass


async def test_a_second_control_plane_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with control_plane(settings(tmp_path)):
        before = {file.name: file.read_bytes() for file in data.iterdir() if file.suffix in (".crt", ".key")}
        with pytest.raises(StartupError, match=f"another control plane is using {data}"):
            async with control_plane(settings(tmp_path, names=("new.example",))):
                pass
        assert {name: (data / name).read_bytes() for name in before} == before


async def test_only_the_servers_with_tls_leave_loopback_if_told_so(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path, tls_bind="127.0.0.9")) as endpoints:
        with_tls = {name for name, address in endpoints.items() if "127.0.0.9" in address}
        assert with_tls == {"dataplane_api", "ads"}


async def test_requests_and_the_certificate_are_measured(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path)) as endpoints, aiohttp.ClientSession() as session:
        async with session.get(endpoints["api"] + "/meshes"):
            pass
        async with session.get(endpoints["diagnostics"] + "/metrics") as answer:
            text = await answer.text()
    assert 'http_requests_total{code="401",method="GET",server="api"} 1.0' in text
    assert "meshmeter_control_plane_certificate_expiry_timestamp_seconds 1" in text


async def test_beyond_loopback_everything_speaks_tls_and_demands_a_token(tmp_path: Path) -> None:
    wide = settings(tmp_path, bind="0.0.0.0")
    async with control_plane(wide) as endpoints:
        assert {name for name, address in endpoints.items() if not address.startswith("https://")} == {"ads"}
        trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "ca.crt"))
        token = (tmp_path / "data" / "admin.token").read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(endpoints["api"] + "/meshes", headers=bearer) as answer:
                assert answer.status == 200
            outside = {"X-Forwarded-For": "10.0.0.1"}
            for path in ("discovery", "/v1/targets"), ("diagnostics", "/metrics"), ("api", "/meshes"):
                async with session.get("".join((endpoints[path[0]], path[1])), headers=outside) as answer:
                    assert answer.status == 401, path
            async with session.get(endpoints["diagnostics"] + "/metrics", headers=outside | bearer) as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession() as untrusting:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await untrusting.get(endpoints["api"] + "/meshes", headers=bearer)
            plain = endpoints["api"].replace("https:", "http:")
            with pytest.raises(aiohttp.ClientError):
                await untrusting.get(plain + "/meshes")


async def test_plain_http_beyond_loopback_has_to_be_asked_for(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path, bind="0.0.0.0", insecure_http=True)) as endpoints:
        plain = {name for name, address in endpoints.items() if address.startswith("http://")}
        assert plain == {"api", "discovery", "diagnostics"}


async def test_a_mesh_without_mtls_has_no_identities(tmp_path: Path) -> None:
    async with control_plane(settings(tmp_path)) as endpoints, aiohttp.ClientSession() as session:
        token = (tmp_path / "data" / "admin.token").read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        async with session.get(endpoints["api"] + "/meshes/default/trust", headers=bearer) as answer:
            assert answer.status == 409 and "has no mTLS" in await answer.text()
