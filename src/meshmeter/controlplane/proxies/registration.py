"""Registration: Dataplanes that agents bring themselves, from their first word to some time after their last.

An agent sends its Dataplane document; it is stored, marked as brought by an agent, and answered with everything the
agent needs to run. Marked Dataplanes are removed when their proxy said goodbye, or has been away for a configurable
time. A Dataplane that an operator applied carries no mark and is never removed.

What an operator applies to a marked Dataplane is laid over what the agent sends, and stays when the proxy goes: the
Dataplane is then put away, not deleted, until an agent brings it again (decision 0003).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.certs.tokens import Claims
from meshmeter.controlplane.admission.dataplane_access import check_document, check_stored
from meshmeter.controlplane.admission.documents import joint_violations, without_own_annotations
from meshmeter.controlplane.admission.token_tags import check_labels, token_marks
from meshmeter.controlplane.admission.written_by import (
    AGENT,
    AWAY,
    BROUGHT,
    REGISTERED,
    document_hash,
    is_brought,
    marked,
    marks_of,
    operator_layer,
    removed_entries,
    together,
)
from meshmeter.controlplane.admission.zone import with_zone
from meshmeter.controlplane.proxies.certificate_reports import read_certificate
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.controlplane.tokens.limits import Holdings
from meshmeter.envoy.bootstrap import MAX_CONNECTIONS, build_bootstrap
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import (
    InvalidResource,
    MeshNotFound,
    NotFound,
    StoreUnavailable,
    VersionConflict,
    Violation,
)
from meshmeter.quoting import NAME
from meshmeter.resources import codec
from meshmeter.resources.dataplane import KIND, DataplaneSpec
from meshmeter.resources.defaults import with_defaults
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, check_sizes
from meshmeter.resources.resource import AnyResource, Key, ProxyKey, Resource
from meshmeter.store.base import Change, Delete, Put, Store

log = logging.getLogger(__name__)

SWEEP = 0.5
"""Seconds between two looks for proxies that have gone."""

ATTEMPTS = 2
"""How often a registration is judged and written, because what is stored changed in between."""

REGISTER_TIMEOUT = 10.0
"""Seconds to wait until the first configuration of a new proxy is compiled."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a bootstrap needs to know of this control plane."""

    ads_port: int
    ca_pem: str
    zone: str
    deregistration_delay: float
    """Seconds."""
    dataplanes_per_token: int = 5000
    proxy_max_connections: int = MAX_CONNECTIONS
    limits: Limits = DEFAULT_LIMITS


class Registrar:
    """Stores and removes what agents bring."""

    def __init__(
        self,
        store: Store,
        reconciler: Reconciler,
        registry: ProxyRegistry,
        surroundings: Surroundings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        """`sleep` passes the time between two looks for proxies that have gone."""
        self._sleep = sleep
        self._store = store
        self._reconciler = reconciler
        self._registry = registry
        self._surroundings = surroundings
        self._holdings = Holdings(surroundings.dataplanes_per_token)
        self._instances: dict[ProxyKey, str] = {}
        """Which run of the agent registered last; a late good-bye of an earlier run is not its successor's."""

    async def register(
        self, document: Mapping[str, Any], proxy: Mapping[str, Any], claims: Claims, token: str, host: str
    ) -> dict[str, Any]:
        """Store the Dataplane and answer with bootstrap and agent configuration.

        `host` is the name by which the agent reached us; Envoy reaches ADS by the same one. Raises InvalidResource,
        PermissionDenied, MeshNotFound.
        """
        check_sizes(document, self._surroundings.limits)
        decoded = await asyncio.to_thread(codec.decode, document)  # a large one takes long
        sent = with_zone(with_defaults(without_own_annotations(decoded)), self._surroundings.zone)
        if sent.kind != KIND:
            raise InvalidResource(
                [Violation("type", f"{sent.kind} cannot be registered, only a Dataplane can")]
            )
        check_document(claims, sent)
        check_labels(claims, sent.spec)
        told = proxy.get("certificate")
        certificate = read_certificate(told, "proxy.certificate") if told is not None else None
        info = proxy_info(sent, proxy)
        with self._holdings.taking((sent.mesh, sent.name), claims.id):
            stored = await self._keep(sent, claims)
        self._instances[stored.mesh, stored.name] = str(proxy.get("instance", ""))[:NAME]
        self._registry.registered(stored.mesh, stored.name)
        if certificate is not None:
            self._reconciler.certificate_reported(stored.mesh, stored.name, certificate)
        self._reconciler.proxy_connected(info)
        config = await self._first_config(stored)
        log.info("registered %s", stored.key)
        return {
            "mesh": stored.mesh,
            "name": stored.name,
            "bootstrap": build_bootstrap(
                info,
                ads_host=host,
                ads_port=self._surroundings.ads_port,
                ca_pem=self._surroundings.ca_pem,
                token=token,
                max_connections=self._surroundings.proxy_max_connections,
            ),
            "agentConfig": config,
        }

    def heard_of(self, key: ProxyKey, claims: Claims) -> None:
        """An agent spoke for its Dataplane: after a start of ours it need not register again."""
        self._holdings.noticed(key, claims.id)

    async def _keep(self, sent: AnyResource, claims: Claims) -> AnyResource:
        """What is stored once the agent's document is part of it.

        Raises PermissionDenied unless the token covers what was there and what comes of it, InvalidResource,
        MeshNotFound, and VersionConflict if it is changed again and again meanwhile.
        """
        attempt = 1
        while True:
            try:
                stored = await self._store.get(sent.key)
            except NotFound:
                stored = None
            new = self._joined(sent, stored, claims)
            version = stored.meta.version if stored is not None else 0
            try:
                (result,) = await self._store.commit([Put(new, expected_version=version)])
            except VersionConflict:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
                continue
            assert result is not None
            return result

    def _joined(self, sent: AnyResource, stored: AnyResource | None, claims: Claims) -> AnyResource:
        marks = {REGISTERED: document_hash(sent), **token_marks(claims, self._surroundings.zone)}
        if stored is None:
            return marked(sent, marks | {BROUGHT: AGENT})
        check_stored(claims, stored)
        if is_brought(stored):
            marks[BROUGHT] = AGENT
        applied = operator_layer(stored)
        removed = removed_entries(stored, sent)
        new = together(sent, applied, zone=self._surroundings.zone, removed=removed)
        check_document(claims, new)
        if applied is not None and (faults := joint_violations(sent, applied, removed)):
            raise InvalidResource(faults)
        return marked(new, marks)

    async def _first_config(self, stored: AnyResource) -> dict[str, Any]:
        published = self._reconciler.agent_config(stored.mesh, stored.name)
        try:
            async with asyncio.timeout(REGISTER_TIMEOUT):
                while published.value is None:
                    await published.next()
        except TimeoutError as exc:
            raise StoreUnavailable(f"{stored.key} is stored but not compiled yet: register again") from exc
        return published.value.to_json()

    async def deregister(self, mesh: str, name: str, instance: str) -> bool:
        """The agent stops for good: remove its Dataplane now.

        False if a user applied it, it is gone already, or another instance of the agent has registered since.
        """
        if self._instances.get((mesh, name), instance[:NAME]) != instance[:NAME]:
            return False
        return await self._remove((mesh, name), "its agent stopped")

    async def run(self) -> None:
        """Remove Dataplanes whose proxies have gone, until cancelled."""
        while True:
            await self._sleep(SWEEP)
            dataplanes = self._reconciler.dataplanes()
            self._holdings.keep({(dataplane.mesh, dataplane.name) for dataplane in dataplanes})
            for dataplane in dataplanes:
                if not is_brought(dataplane):
                    continue
                key = (dataplane.mesh, dataplane.name)
                if self._registry.absent_for(key) < self._surroundings.deregistration_delay:
                    continue
                try:
                    await self._remove(key, "its proxy has gone")
                except StoreUnavailable:
                    break  # the reconciler tells of it; the next round tries again

    async def _remove(self, key: ProxyKey, reason: str) -> bool:
        try:
            stored = await self._store.get(Key(KIND, *key))
            if not is_brought(stored):
                return False
            await self._store.commit([_farewell(stored)])
        except (NotFound, MeshNotFound, VersionConflict):
            return False
        self._instances.pop(key, None)
        self._registry.forget(key)
        self._reconciler.proxy_gone(*key)
        log.info("removed %s: %s", stored.key, reason)
        return True


def _farewell(stored: AnyResource) -> Change:
    """What becomes of a Dataplane whose proxy has gone: what an operator wrote is kept for when it comes back."""
    if operator_layer(stored) is None:
        return Delete(stored.key, expected_version=stored.meta.version)
    return Put(marked(stored, marks_of(stored) | {AWAY: "true"}), expected_version=stored.meta.version)


def proxy_info(dataplane: Resource[DataplaneSpec], sent: Mapping[str, Any]) -> ProxyInfo:
    """What the agent says of itself, checked. Raises InvalidResource."""
    faults = []

    def text(key: str, *, required: bool) -> str:
        value = sent.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value) or len(value) > 4096 or "\0" in value:
            faults.append(Violation(f"proxy.{key}", "must be a non-empty string"))
            return ""
        return value

    info = ProxyInfo(
        mesh=dataplane.mesh,
        dataplane=dataplane.name,
        agent_socket=text("agentSocket", required=True),
        admin_socket=text("adminSocket", required=True),
        metrics_cert_path=text("metricsCertPath", required=False) or None,
        metrics_key_path=text("metricsKeyPath", required=False) or None,
        metrics_sds_path=text("metricsSdsPath", required=False) or None,
        agent_version=text("agentVersion", required=False),
        envoy_version=text("envoyVersion", required=False),
    )
    if faults:
        raise InvalidResource(faults, "The registration is not valid")
    return info
