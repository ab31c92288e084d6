"""The composition root of the control plane: everything is made, connected, started and stopped here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from ssl import SSLContext

from aiohttp import web

from meshmeter import logs
from meshmeter.addresses import in_url, is_loopback
from meshmeter.controlplane.ads.hooks import AdsHooks
from meshmeter.controlplane.ads.server import AdsServer
from meshmeter.controlplane.api.app import resource_app
from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.api.identities import IdentityApi, has_mtls
from meshmeter.controlplane.data_dir import DATABASE, DataDir, open_data_dir
from meshmeter.controlplane.diagnostics import Readiness, diagnostics_app
from meshmeter.controlplane.discovery.sd_api import discovery_app, discovery_runner
from meshmeter.controlplane.http.auth import (
    Verifier,
    bearer_token,
    discovery_access,
    metrics_access,
    require_admin,
)
from meshmeter.controlplane.http.limit_listener import LimitListener
from meshmeter.controlplane.http.limits import IDLE_SECONDS, Limits, fitting
from meshmeter.controlplane.http.local_clients import LocalClients
from meshmeter.controlplane.identity.mesh_trust import MeshTrust
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.controlplane.lifecycle import Background, until_told
from meshmeter.controlplane.proxies.dataplane_api import DataplaneApi
from meshmeter.controlplane.proxies.garbage_collector import GarbageCollector
from meshmeter.controlplane.proxies.registration import Registrar, Surroundings
from meshmeter.controlplane.proxies.registry import RETURN_SECONDS, ProxyRegistry
from meshmeter.controlplane.reconcile.mtls_switch import MtlsSwitch
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.controlplane.self_metrics import SelfMetrics
from meshmeter.controlplane.server_certificate import ServerCertificate
from meshmeter.controlplane.settings import Settings
from meshmeter.controlplane.store_watch import StoreWatch
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.controlplane.tokens.service import TokenService
from meshmeter.effective.own_ports import OwnPorts
from meshmeter.errors import StartupError, Unauthenticated
from meshmeter.file_descriptors import raise_limit
from meshmeter.host_addresses import host_addresses
from meshmeter.resources.defaults import allow_all_permission, default_mesh, with_defaults
from meshmeter.steady_clock import CautiousClock, SteadyClock
from meshmeter.store.base import Put
from meshmeter.store.lock import FileLock
from meshmeter.store.sqlite import SqliteStore
from meshmeter.xds.cache import SnapshotCache

log = logging.getLogger(__name__)

PORTS = 5
"""That share the descriptors: four of HTTP, and ADS."""

BACKLOG = 1024
"""Connections of one port that may wait to be accepted."""

SHUTDOWN_SECONDS = 2.0
"""How long requests in flight may take when the process is told to stop; the whole stop stays under 5 s."""


def run(settings: Settings, announce: Callable[[Mapping[str, str]], None]) -> None:
    """Run until SIGTERM or SIGINT. `announce` is told where the servers listen.

    Raises StartupError or StoreUnavailable if it cannot start or go on.
    """
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(until_told(_serve(settings, announce)))


async def _serve(settings: Settings, announce: Callable[[Mapping[str, str]], None]) -> None:
    async with control_plane(settings) as endpoints:
        announce(endpoints)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def control_plane(settings: Settings) -> AsyncIterator[Mapping[str, str]]:
    """A running control plane; the value says where its servers listen."""
    async with AsyncExitStack() as stack:
        if settings.plain_http and not is_loopback(settings.bind):
            log.warning(
                "--insecure-http: resource API, discovery and diagnostics speak plain HTTP on %s, where tokens can be "
                "read on the way",
                settings.bind,
            )
        metrics, readiness = SelfMetrics(), Readiness()
        limits = Limits(settings.max_connections, settings.max_connections_per_client)
        limits = fitting(limits, raise_limit(), ports=PORTS)
        sockets = _Sockets(stack, limits, metrics)
        api = sockets.bind(settings.bind, "api_port", settings.api_port)
        dataplane_api = sockets.bind(
            settings.bind_with_tls, "dataplane_api_port", settings.dataplane_api_port
        )
        discovery = sockets.bind(settings.bind, "discovery_port", settings.discovery_port)
        diagnostics = sockets.bind(settings.bind, "diagnostics_port", settings.diagnostics_port)
        own_ports = _own_ports(
            settings,
            {
                "the resource API": api,
                "the dataplane API": dataplane_api,
                "discovery": discovery,
                "diagnostics": diagnostics,
            },
        )
        # Before anything in the directory: the lock keeps others out.
        lock = FileLock.of(settings.data_dir / DATABASE)
        stack.callback(lock.release)
        directory = open_data_dir(settings.data_dir, _names(settings), now=datetime.now(UTC))
        certificate = ServerCertificate(
            directory, on_change=lambda expires: metrics.certificate_expiry.set(expires.timestamp())
        )
        with_tls = certificate.context
        maybe_tls = None if settings.plain_http else with_tls
        tokens: TokenService | None = None

        def is_revoked(token_id: str) -> bool:
            if tokens is None:
                raise Unauthenticated(
                    "the control plane is starting and does not know its tokens yet: ask again"
                )
            return tokens.is_revoked(token_id)

        verifier = Verifier(directory.signing_keys, is_revoked, CautiousClock())
        local = LocalClients(_names(settings))
        health = diagnostics_app(
            metrics.registry, readiness, metrics_access(verifier, local), local.check_host
        )
        await sockets.serve(diagnostics, "diagnostics", health, _runner(health), maybe_tls)

        readiness.starting("opening the store")
        store = await SqliteStore.open(
            settings.data_dir / DATABASE, lock=lock, on_error=metrics.store_errors.inc
        )
        stack.push_async_callback(store.close)
        tokens = await _tokens(store, directory, verifier.withdrawn)
        vault = await SecretVault.open(store, settings.data_dir)
        if settings.default_mesh and store.revision == 0:
            await store.commit([Put(with_defaults(default_mesh())), Put(allow_all_permission())])

        watch = StoreWatch(store, settings.data_dir / DATABASE, interval=settings.store_check_interval)
        registry = ProxyRegistry()
        cache = SnapshotCache()
        trust = MeshTrust(vault, steady=SteadyClock(), on_signed=metrics.identities_signed.inc)
        switch = MtlsSwitch()
        reconciler = Reconciler(
            store,
            cache,
            trust=trust,
            switch=switch,
            allowed_networks=settings.allowed_networks,
            own_ports=own_ports,
            on_compiled=metrics.reconciled,
        )
        metrics.watch(
            connected=registry.connected,
            revision=lambda: store.revision,
            snapshot_age=reconciler.following.age,
            targets=lambda: len(reconciler.assignments.value.assignments),
            unreadable=lambda: len(reconciler.following.unreadable),
            store_faulty=lambda: watch.reason() is not None,
        )
        metrics.watch_certificates(
            lambda: {
                # A proxy that is away replaces no certificate; what it had is nothing to alert about.
                key: expires
                for key, expires in reconciler.provided_certificates().items()
                if registry.absent_for(key) < RETURN_SECONDS
            },
            trust.authority_expiries,
        )
        readiness.check("store", lambda: watch.reason() or reconciler.away())
        readiness.remark(lambda: _unreadable(reconciler))
        tasks = await stack.enter_async_context(Background())
        tasks.start(reconciler.run(), "reconciler")
        tasks.start(watch.run(), "store watch")
        tasks.start(tokens.run(), "tokens")
        tasks.start(trust.run(reconciler), "mesh trust")
        tasks.start(certificate.run(), "server certificate")
        tasks.start(GarbageCollector(registry, reconciler).run(), "garbage collector")
        readiness.starting("compiling what the store holds")
        await reconciler.ready.wait()

        readiness.starting("opening the ports")
        ads = AdsServer(
            cache,
            AdsHooks(verifier, registry, reconciler, metrics),
            max_connections=limits.connections,
            max_calls_per_client=limits.per_client,
        )
        ads_port = await ads.start(
            settings.bind_with_tls,
            settings.ads_port,
            lambda: certificate.pair,
        )
        stack.push_async_callback(ads.stop)
        tasks.start(ads.run(), "ads: tokens")
        tasks.start(
            switch.run(lambda mesh: reconciler.in_step(mesh) and ads.in_step(mesh), reconciler.restage),
            "mTLS switch",
        )
        registrar = Registrar(
            store,
            reconciler,
            registry,
            Surroundings(
                ads_port=ads_port,
                ca_pem=directory.authority.certificate_pem.decode(),
                zone=settings.zone,
                deregistration_delay=settings.deregistration_delay,
                proxy_max_connections=settings.proxy_max_connections,
                dataplanes_per_token=settings.dataplanes_per_token,
                limits=settings.limits,
            ),
        )
        tasks.start(registrar.run(), "registrar")

        resources = resource_app(
            store,
            authenticate=require_admin(verifier),
            explainer=Explainer(reconciler, registry, limits=settings.limits),
            tokens=tokens,
            secrets=vault,
            identities=IdentityApi(
                trust,
                lambda request: verifier.identity(bearer_token(request)),
                rate=RateLimit(settings.identities_per_token, "certificates", "--identities-per-token"),
                wants_mtls=lambda mesh: has_mtls(store, mesh),
            ),
            zone=settings.zone,
            allowed_networks=settings.allowed_networks,
            limits=settings.limits,
        )
        rate = RateLimit(settings.registrations_per_token, "registrations", "--registrations-per-token")
        for_agents = DataplaneApi(
            registrar,
            reconciler,
            registry,
            verifier.dataplane,
            rate,
            verifier.check_again,
            settings.max_document_bytes,
        )
        verifier.watch(for_agents.reconsider)
        proxies = for_agents.app()
        targets = discovery_app(
            reconciler.assignments,
            default_fetch_timeout=settings.fetch_timeout,
            authorize=discovery_access(verifier, local),
            watch_tokens=verifier.watch,
        )
        await sockets.serve(api, "api", resources, _runner(resources), maybe_tls)
        await sockets.serve(dataplane_api, "dataplane_api", proxies, _runner(proxies), with_tls)
        await sockets.serve(discovery, "discovery", targets, discovery_runner(targets), maybe_tls)

        host, tls_host = _host_for_urls(settings.bind), _host_for_urls(settings.bind_with_tls)
        scheme = "http" if settings.plain_http else "https"
        endpoints = {
            "api": f"{scheme}://{host}:{api.getsockname()[1]}",
            "dataplane_api": f"https://{tls_host}:{dataplane_api.getsockname()[1]}",
            "ads": f"{tls_host}:{ads_port}",
            "discovery": f"{scheme}://{host}:{discovery.getsockname()[1]}",
            "diagnostics": f"{scheme}://{host}:{diagnostics.getsockname()[1]}",
        }
        directory.write_endpoints(endpoints)
        stack.callback(directory.remove_endpoints)
        readiness.started()
        yield endpoints


def _own_ports(settings: Settings, bound: Mapping[str, socket.socket]) -> OwnPorts:
    """Where the servers are. ADS is not bound yet; with port 0 nobody can have meant it."""
    servers = [(*at.getsockname()[:2], name) for name, at in bound.items()]
    return OwnPorts((*servers, (settings.bind_with_tls, settings.ads_port, "ADS")), _host_addresses())


def _host_addresses() -> frozenset[str]:
    """None where the kernel does not tell: then only loopback and the servers' own addresses are known as ours."""
    try:
        return frozenset(map(str, host_addresses()))
    except OSError as exc:
        log.warning("the addresses of this host cannot be seen (is AF_NETLINK forbidden?): %s", exc)
        return frozenset()


class _Sockets:
    """The sockets of the HTTP servers.

    They are bound before anything else is done, so that a port in use is told at once, and listen only when somebody
    answers: until then a connection is refused, and does not wait for nothing.
    """

    def __init__(self, stack: AsyncExitStack, limits: Limits, metrics: SelfMetrics):
        self._stack = stack
        self._limits = limits
        self._metrics = metrics
        self._options: dict[socket.socket, str] = {}

    def bind(self, bind: str, option: str, port: int) -> socket.socket:
        """Raises StartupError naming the option."""
        bound = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET)
        self._stack.callback(bound.close)
        self._options[bound] = "--" + option.replace("_", "-")
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((bind, port))
        except OSError as exc:
            raise self._taken(f"{bind}:{port}", bound, exc) from exc
        return bound

    async def serve(
        self,
        bound: socket.socket,
        name: str,
        app: web.Application,
        runner: web.AppRunner,
        tls: SSLContext | None,
    ) -> None:
        """Listen and answer from now on. Raises StartupError naming the option."""
        refused = self._metrics.refused_connections.labels(name).inc
        listener = LimitListener(bound, self._limits, name=name, tls=tls, on_refused=refused)
        app.middlewares.insert(0, listener.middleware)
        self._metrics.count_requests(app, name)
        self._metrics.watch_connections(name, lambda: listener.connections)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        try:
            bound.listen(BACKLOG)
            listener.open(runner.server)
            self._stack.push_async_callback(listener.close)
        except OSError as exc:
            # Two that start at once may both bind a port; only one of them may listen on it.
            raise self._taken(":".join(map(str, bound.getsockname()[:2])), bound, exc) from exc

    def _taken(self, address: str, bound: socket.socket, exc: OSError) -> StartupError:
        return StartupError(
            f"cannot listen on {address}: {exc.strerror}; free the port or choose another with {self._options[bound]}"
        )


async def _tokens(store: SqliteStore, directory: DataDir, on_withdrawn: Callable[[], None]) -> TokenService:
    try:
        return await TokenService.open(
            store, directory.signing_keys, directory.admin_token, on_withdrawn=on_withdrawn
        )
    except OSError as exc:
        raise StartupError(f"cannot use {exc.filename or directory.admin_token}: {exc.strerror}") from exc


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handler_cancellation=True,
    )


def _unreadable(reconciler: Reconciler) -> Iterator[str]:
    for found in reconciler.following.unreadable_resources():
        yield f"{found.code}: {found.message}"


def _names(settings: Settings) -> tuple[str, ...]:
    everywhere = ("0.0.0.0", "::", "localhost")
    bound = (bind for bind in (settings.bind, settings.bind_with_tls) if bind not in everywhere)
    return (*bound, *settings.names)


def _host_for_urls(bind: str) -> str:
    """The address that a client on this host uses."""
    return in_url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind))
