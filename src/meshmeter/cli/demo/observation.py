"""What a client sees of the running demo: targets, their metrics, Prometheus' opinion, and a verdict."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, replace

from aiohttp import ClientError, ClientSession, ClientTimeout

from meshmeter.cli.demo.mesh import RunningMesh

EXPECTED = ("backend", "frontend")
"""The proxies that the demo runs."""

_SAMPLE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^\n]*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of the target list and what scraping it gave."""

    name: str
    url: str
    error: str = ""
    """Empty if the scrape succeeded."""
    upstream_requests: float = 0.0
    """Sum of `envoy_cluster_upstream_rq_total` over the mesh's own traffic."""
    application_requests: float = 0.0
    """Sum of the application's `demo_requests_total`."""
    proxy_samples: int = 0
    application_samples: int = 0
    prometheus: str = ""
    """Health that Prometheus reports: up, down, unknown; empty without Prometheus."""
    is_open: bool = False
    """With mTLS: it answered a client without a certificate, which it must not."""

    def lacks(self, *, with_prometheus: bool) -> list[str]:
        """What is still missing for this target to be right, in words."""
        if self.error:
            return [f"{self.name}: {self.url}: {self.error}"]
        lacking = []
        if self.is_open:
            lacking.append(f"{self.name}: {self.url} answers without a certificate")
        if self.upstream_requests <= 0:
            lacking.append(f"{self.name}: envoy_cluster_upstream_rq_total is not above zero")
        if self.application_requests <= 0:
            lacking.append(f"{self.name}: the application's demo_requests_total is not above zero")
        if with_prometheus and self.prometheus != "up":
            lacking.append(f"{self.name}: Prometheus says {self.prometheus or 'nothing of it'}")
        return lacking


@dataclass(frozen=True, slots=True)
class Observation:
    targets: tuple[Target, ...]
    error: str = ""
    """Why the target list could not be read."""

    def lacks(self, *, with_prometheus: bool) -> list[str]:
        """What is still missing, in words; empty when everything the demo shows is there."""
        if self.error:
            return [self.error]
        names = {target.name for target in self.targets}
        lacking = [f"{name}: not in the target list" for name in EXPECTED if name not in names]
        for target in self.targets:
            lacking += target.lacks(with_prometheus=with_prometheus)
        return lacking


async def observe(session: ClientSession, mesh: RunningMesh) -> Observation:
    """Read the target list, scrape every target once, and ask Prometheus if it runs."""
    try:
        async with session.get(mesh.targets_url) as response:
            response.raise_for_status()
            groups = await response.json()
        health = await _health(session, mesh.prometheus_url)
    except (ClientError, TimeoutError) as exc:
        return Observation((), f"{mesh.targets_url}: {exc or type(exc).__name__}")
    trust = _trust(mesh)
    targets = await asyncio.gather(*(_scrape(session, group, health, trust) for group in groups))
    return Observation(tuple(sorted(targets, key=lambda t: t.name)))


def _trust(mesh: RunningMesh) -> ssl.SSLContext | None:
    """With mTLS, the certificate of the mesh and what it trusts, as they are now."""
    if mesh.identity is None:
        return None
    context = ssl.create_default_context(cafile=mesh.identity / "ca.crt")
    context.load_cert_chain(mesh.identity / "tls.crt", mesh.identity / "tls.key")
    return context


async def _answers_strangers(session: ClientSession, url: str) -> bool:
    """Whether somebody without a certificate gets an answer, over TLS or in plain."""
    for address in (url, url.replace("https://", "http://", 1)):
        try:
            async with session.get(address, ssl=False, timeout=ClientTimeout(total=5)) as response:
                await response.read()
        except (ClientError, TimeoutError):
            continue
        return True
    return False


async def _scrape(
    session: ClientSession, group: dict[str, object], health: dict[str, str], trust: ssl.SSLContext | None
) -> Target:
    labels, addresses = group["labels"], group["targets"]
    assert isinstance(labels, dict) and isinstance(addresses, list)
    url = f"{labels['__scheme__']}://{addresses[0]}{labels['__metrics_path__']}"
    name = str(labels["__meta_kuma_dataplane"])
    try:
        async with session.get(url, ssl=trust or True, timeout=ClientTimeout(total=5)) as response:
            body = await response.read()
            if response.status != 200:
                return Target(name, url, error=f"status {response.status}", prometheus=health.get(url, ""))
    except (ClientError, TimeoutError) as exc:
        return Target(name, url, error=str(exc) or type(exc).__name__, prometheus=health.get(url, ""))
    measured = measure(name, url, body, health.get(url, ""))
    if trust is not None:
        return replace(measured, is_open=await _answers_strangers(session, url))
    return measured


def measure(name: str, url: str, body: bytes, health: str) -> Target:
    """Count what a body of the metrics endpoint holds."""
    upstream = application = 0.0
    proxy_samples = application_samples = 0
    for match in _SAMPLE.finditer(body):
        family, labels, value = match.group(1), match.group(2) or b"", match.group(3)
        if family.startswith(b"envoy_"):
            proxy_samples += 1
            if family == b"envoy_cluster_upstream_rq_total" and b'kuma_io_mesh_traffic="true"' in labels:
                upstream += float(value)
        elif not family.startswith(b"meshmeter_"):
            application_samples += 1
            if family == b"demo_requests_total":
                application += float(value)
    return Target(
        name,
        url,
        upstream_requests=upstream,
        application_requests=application,
        proxy_samples=proxy_samples,
        application_samples=application_samples,
        prometheus=health,
    )


async def _health(session: ClientSession, prometheus_url: str | None) -> dict[str, str]:
    """Health by scrape URL, as Prometheus reports it; empty while it is still starting."""
    if prometheus_url is None:
        return {}
    try:
        async with session.get(f"{prometheus_url}/api/v1/targets", params={"state": "active"}) as response:
            response.raise_for_status()
            answer = await response.json()
    except ClientError:
        return {}
    return {target["scrapeUrl"]: target["health"] for target in answer["data"]["activeTargets"]}
