"""The agent as a whole: settings, work directory, registration, then Envoy, metrics server, watch.

Composition only. Stopping: the control plane is told first, so that nobody looks for this proxy any more;
then Envoy lets its connections end; then everything goes down. Each step has a limit, so the whole stop has
one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from meshmeter.agent import document, envoy_binary, variables
from meshmeter.agent.ads_watchdog import AdsWatchdog
from meshmeter.agent.allowed_files import NO_FILES, AllowedFiles
from meshmeter.agent.backoff import Backoff
from meshmeter.agent.certificate_watch import CertificateWatch
from meshmeter.agent.coalescing import Room
from meshmeter.agent.config_watch import ConfigWatch
from meshmeter.agent.control_plane import ControlPlane, Registration
from meshmeter.agent.envoy_process import EnvoyOptions, EnvoyProcess
from meshmeter.agent.metrics_server import MetricsServer
from meshmeter.agent.registration import ProxyFacts, RegistrationClient, register_at_start
from meshmeter.agent.registration_cache import RegistrationCache
from meshmeter.agent.reports import ReportSender
from meshmeter.agent.self_metrics import SelfMetrics
from meshmeter.agent.self_server import SelfServer
from meshmeter.agent.settings import Settings
from meshmeter.agent.signals import StopSignals
from meshmeter.agent.work_dir import WorkDir, default_path, locked, shared_folders
from meshmeter.documents.encoding import decode
from meshmeter.documents.reader import Document
from meshmeter.errors import ApiError, MeshmeterError, SettingsError, StartupError, TokenError
from meshmeter.exposition.kernel import Kernel
from meshmeter.file_descriptors import raise_limit, tell_seldom
from meshmeter.files import read_file

log = logging.getLogger(__name__)

FAREWELL_SECONDS = 2.0
"""How long telling the control plane that we stop may take."""


async def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run one data plane until SIGTERM or SIGINT.

    Raises SettingsError, StartupError, and InvalidResource if the Dataplane is refused.
    """
    raise_limit()
    tell_seldom(asyncio.get_running_loop())
    os.umask(0o077)  # sockets and files of ours, and of Envoy, are for our user only
    for warning in settings.warnings():
        log.warning("%s", warning)
    dataplane = read_dataplane(settings)
    with document.naming_lines(dataplane):
        await _run(settings, environ, dataplane.data)


async def _run(settings: Settings, environ: Mapping[str, str], dataplane: dict[str, Any]) -> None:
    mesh, name = document.identity(dataplane)
    program = envoy_binary.find(settings.envoy, environ)
    envoy_version = await envoy_binary.version(program)
    log.debug("merge kernel: %s", settings.kernel)
    with StopSignals() as signals, locked(settings.work_dir or default_path(mesh, name, environ)) as work_dir:
        log.info("data plane %s in mesh %s, Envoy %s, in %s", name, mesh, envoy_version, work_dir.path)
        async with ControlPlane(
            settings.control_plane, settings.ca_cert_file, settings.token_file
        ) as control_plane:
            options = EnvoyOptions(
                program, settings.drain_time, settings.concurrency, settings.envoy_log_level
            )
            certificates = _certificate_watch(settings, work_dir)
            facts = ProxyFacts(
                instance=str(uuid.uuid4()),
                agent_socket=work_dir.agent_socket,
                admin_socket=work_dir.admin_socket,
                envoy_version=envoy_version,
                metrics_cert_path=settings.metrics_cert_path,
                metrics_key_path=settings.metrics_key_path,
                metrics_sds_path=work_dir.certificate if certificates else None,
                certificate=lambda: certificates.finding.to_json() if certificates else None,
            )
            agent = Agent(
                control_plane,
                RegistrationClient(control_plane, dataplane, facts),
                RegistrationCache(work_dir.state, settings.control_plane),
                EnvoyProcess(options, work_dir, redact=control_plane.redact),
                work_dir,
                settings.kernel,
                SelfMetrics(kernel=settings.kernel.name, envoy_version=envoy_version),
                certificates,
                files=AllowedFiles(settings.allow_files, _own_files(settings, work_dir, environ)),
                room=Room(settings.max_scrapes, settings.max_scrape_bytes),
            )
            saved = agent.cache.load(mesh, name)
            await agent.run(signals, saved, settings.connect_timeout)


def _own_files(settings: Settings, work_dir: WorkDir, environ: Mapping[str, str]) -> list[Path]:
    """What no aggregate entry may name, whatever the operator allowed: our secrets, our sockets, and those of other
    agents of our user."""
    own = [settings.token_file, work_dir.path, *shared_folders(environ)]
    return [*own, settings.metrics_key_path] if settings.metrics_key_path else own


def _certificate_watch(settings: Settings, work_dir: WorkDir) -> CertificateWatch | None:
    """The watch over the provided certificate, which has looked once; None if there is none. Raises StartupError."""
    certificate, key = settings.metrics_cert_path, settings.metrics_key_path
    if certificate is None or key is None:
        return None
    watch = CertificateWatch(certificate, key, work_dir.certificate)
    try:
        watch.start()
    except OSError as exc:
        raise StartupError(f"{work_dir.certificate} cannot be written: {exc.strerror}") from exc
    return watch


def read_dataplane(settings: Settings) -> Document:
    """The Dataplane document with its variables filled in. Raises SettingsError, InvalidResource."""
    file = settings.dataplane_file
    try:
        content = read_file(file)
    except OSError as exc:
        raise SettingsError(f"--dataplane-file: {file}: {exc.strerror}") from exc
    text = decode(content, origin=str(file))
    for name in variables.unused(text, settings.variables):
        log.warning("the Dataplane file does not use the variable %r", name)
    read, warnings = document.parse(variables.substitute(text, settings.variables), origin=str(file))
    for warning in warnings:
        log.warning("%s", warning)
    return read


class Agent:
    """One data plane from registration to farewell."""

    def __init__(
        self,
        control_plane: ControlPlane,
        registration_client: RegistrationClient,
        cache: RegistrationCache,
        envoy: EnvoyProcess,
        work_dir: WorkDir,
        kernel: Kernel,
        self_metrics: SelfMetrics,
        certificates: CertificateWatch | None = None,
        *,
        files: AllowedFiles = NO_FILES,
        room: Room | None = None,
    ):
        self._control_plane = control_plane
        self._registration_client = registration_client
        self.cache = cache
        self._envoy = envoy
        self._work_dir = work_dir
        self._kernel = kernel
        self._self_metrics = self_metrics
        self._certificates = certificates
        self._files = files
        self._room = room
        self._watch: ConfigWatch | None = None
        self._ads: AdsWatchdog | None = None
        self._watching: asyncio.Task[None] | None = None

    async def run(self, signals: StopSignals, saved: Registration | None, connect_timeout: float) -> None:
        """Until a signal. Raises as the module's `run` does."""
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._serve(saved, connect_timeout), name="agent: serve")
                await signals.stop.wait()
                log.info("stopping")
                await self._say_farewell()
                await _unless(signals.at_once, self._envoy.drain(), tasks)
                serving.cancel()
        except BaseExceptionGroup as group:
            await self._say_farewell()
            raise _cause(group) from None
        finally:
            self._work_dir.remove_sockets()
            if self._certificates is not None:
                self._certificates.close()
        log.info("stopped")

    async def _serve(self, saved: Registration | None, connect_timeout: float) -> None:
        registration, registered = await register_at_start(
            self._registration_client, saved, connect_timeout=connect_timeout, backoff=Backoff(jitter=0.25)
        )
        if registered:
            self.cache.save(registration)
            log.info("registered as %s in mesh %s", registration.name, registration.mesh)
        self._envoy.set_bootstrap(registration.bootstrap)
        watch = self._watch = ConfigWatch(
            self._control_plane,
            self._registration_client,
            registration,
            registered=registered,
            on_change=self._changed,
        )
        ads = self._ads = AdsWatchdog(
            self._envoy, api_answers=lambda: watch.connected, ask_again=watch.ask_again
        )
        self._self_metrics.watch(
            connected=lambda: watch.connected and ads.follows,
            envoy_restarts=lambda: self._envoy.restarts,
            certificate_expiry=lambda: self._certificates.finding.not_after if self._certificates else None,
        )
        self._self_metrics.took_config(watch.config().version)
        reports = ReportSender(
            lambda report: self._control_plane.scrape_report(registration.mesh, registration.name, report)
        )
        async with (
            MetricsServer(
                self._work_dir.agent_socket,
                self._work_dir.admin_socket,
                watch.config,
                reports.offer,
                self._kernel,
                self._self_metrics,
                files=self._files,
                room=self._room,
            ),
            SelfServer(self._work_dir.self_socket, self._self_metrics),
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._envoy.run(), name="agent: run Envoy")
            tasks.create_task(ads.run(), name="agent: watch Envoy's stream")
            tasks.create_task(reports.run(), name="agent: report scrapes")
            if self._certificates is not None:
                tell = partial(self._control_plane.certificate, registration.mesh, registration.name)
                tasks.create_task(self._certificates.run(tell), name="agent: watch the certificate")
            self._watching = tasks.create_task(watch.run(), name="agent: watch the configuration")

    def _changed(self, registration: Registration) -> None:
        self.cache.save(registration)
        self._envoy.set_bootstrap(registration.bootstrap)
        if self._ads is not None:
            self._ads.bootstrap_changed()
        self._self_metrics.took_config(registration.config.version)

    async def _say_farewell(self) -> None:
        """Tell the control plane that this proxy stops for good, if it knows of it and can be reached."""
        if self._watch is None or not self._watch.registered:
            return
        if self._watching is not None:
            self._watching.cancel()  # it would register again
        registration = self._watch.registration
        self._watch = None
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._control_plane.deregister(
                    registration.mesh, registration.name, self._registration_client.proxy.instance
                )
        except (ApiError, TokenError, TimeoutError) as exc:
            log.warning("the control plane could not be told that this proxy stops: %s", exc)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, None], tasks: asyncio.TaskGroup) -> None:
    """Do `work`, but leave it as soon as `event` is set."""
    working = tasks.create_task(work, name="agent: drain")
    interrupted = tasks.create_task(_wait(event), name="agent: wait for another signal")
    await asyncio.wait({working, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    working.cancel()
    interrupted.cancel()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of ours that ended everything, if it was one; else the group as it is."""
    for exc in group.exceptions:
        found = _cause(exc) if isinstance(exc, BaseExceptionGroup) else exc
        if isinstance(found, MeshmeterError):
            return found
    return group
