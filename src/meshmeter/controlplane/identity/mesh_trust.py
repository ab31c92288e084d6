"""MeshTrust: the authority of every mesh with mTLS, and the identities that it signs.

The reconciler asks: `prepare` before it compiles a mesh, `credentials` for each proxy. What changes by time alone is
found by `run`, which has the proxies concerned compiled again:

  - an identity is renewed when half of its life is over, and at once when tags, addresses or lifetime change;
  - a change of authority passes through the phases of `certs.trust`;
  - files and secrets of a provided authority are read again every few seconds;
  - an authority of our own is replaced when two thirds of its life are over.

What is in force stays in force: an authority that cannot be read any more goes on signing until the control plane
restarts, with a warning. One that never could be read signs nothing, and everything that needs it stays closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meshmeter.certs.identity import sign_identity
from meshmeter.certs.mesh_ca import MeshAuthority
from meshmeter.certs.mesh_ca import renew_at as authority_renewal
from meshmeter.certs.trust import TrustRecord, advance
from meshmeter.controlplane.identity.ca_sources import AuthoritySource, is_external
from meshmeter.controlplane.identity.identities import Identities, Signer
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.effective.certificate_lifetime import certificate_lifetime
from meshmeter.effective.credentials import Credentials
from meshmeter.effective.transport import mtls_enabled
from meshmeter.errors import MeshAuthorityUnusable, StoreUnavailable
from meshmeter.resources.dataplane import SERVICE_TAG, DataplaneSpec
from meshmeter.resources.mesh import MeshSpec, Mtls
from meshmeter.resources.resource import ProxyKey, Resource
from meshmeter.resources.validation.authority import BUILTIN
from meshmeter.steady_clock import utc_now

log = logging.getLogger(__name__)

OVERLAP = timedelta(seconds=20)
"""How long a new authority is trusted before anybody shows a certificate of it: enough for every proxy, and for
programs that ask for the bundle every few seconds, to hear of it."""

LOOK = 0.5
"""Seconds between two looks for what is due."""

RELOAD = timedelta(seconds=5)
"""Between two reads of what is kept outside the Mesh, and between two attempts after a failure."""

LOAD_SECONDS = 10.0
"""How long reading or making an authority may take; a file on a dead network drive must not hold up everything."""


NOT_YET = "it is not ready yet; try again in a second"


class Recompiler(Protocol):
    """Who has proxies compiled again; the reconciler is one."""

    def recompile(self, proxies: set[ProxyKey]) -> None: ...

    def recompile_mesh(self, mesh: str) -> None: ...


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate for somebody else's key."""

    certificate_pem: str
    """With the intermediate authorities, if there are any."""
    bundle_pem: str
    not_before: datetime
    not_after: datetime


@dataclass(slots=True)
class _Mesh:
    """What is known of one mesh with mTLS."""

    mtls: Mtls
    check_at: datetime
    authority: MeshAuthority | None = None
    previous: MeshAuthority | None = None
    """Who signs through the first phase of a change, if this process still knows its key."""
    record: TrustRecord | None = None
    fault: str = ""

    @property
    def lifetime(self) -> timedelta:
        return certificate_lifetime(self.mtls)

    def signer(self, now: datetime) -> MeshAuthority | None:
        return (self.previous or self.authority) if self.in_overlap(now) else self.authority

    def is_of_the_future(self, now: datetime) -> bool:
        """Whether the authority was made while the clock was ahead, and nobody has looked at it since."""
        return (
            not self.fault
            and self.authority is not None
            and now < self.authority.certificate.not_valid_before_utc
        )

    def in_overlap(self, now: datetime) -> bool:
        """Whether the newest authority is not shown yet."""
        switch_at = self.record.switch_at if self.record else None
        return switch_at is not None and now < switch_at


class MeshTrust:
    """One event loop only."""

    def __init__(
        self,
        vault: SecretVault,
        *,
        now: Callable[[], datetime] = utc_now,
        steady: Callable[[], datetime] | None = None,
        source: AuthoritySource | None = None,
        overlap: timedelta = OVERLAP,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_signed: Callable[[], None] = lambda: None,
    ):
        """`now` is what certificates are valid by; `steady`, by default the same, what spans are measured by: the steps
        of a change of authority must not be cut short, or drag on, because the host's clock is set.
        `on_signed` is called for every certificate.
        """
        self._vault = vault
        self._now = now
        self._steady = steady or now
        self._source = source or AuthoritySource(vault, now=now)
        self._overlap = overlap
        self._sleep = sleep
        self._on_signed = on_signed
        self._meshes: dict[str, _Mesh] = {}
        self._identities = Identities(on_signed)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By mesh: what takes long for one holds up no other."""

    # What the reconciler asks

    async def prepare(self, mesh: Resource[MeshSpec]) -> None:
        """Have the authority that the Mesh names now, before proxies of it are compiled."""
        if not mtls_enabled(mesh.spec) or mesh.spec.mtls is None:
            self.forget_mesh(mesh.name)
            return
        known = self._meshes.get(mesh.name)
        if known is not None and known.mtls == mesh.spec.mtls:
            return
        if known is None:
            self._meshes[mesh.name] = _Mesh(mesh.spec.mtls, self._steady())
        else:
            known.mtls = mesh.spec.mtls
        await self._refresh(mesh.name)

    def credentials(self, mesh: Resource[MeshSpec], dataplane: Resource[DataplaneSpec]) -> Credentials:
        """The identity of a proxy, or why there is none. `prepare` has been called."""
        state = self._meshes.get(mesh.name)
        if state is None:
            return Credentials()
        now = self._now()
        steady = self._steady()
        authority = state.signer(steady)
        if authority is None or state.record is None:
            return Credentials(authority_fault=state.fault)
        signer = Signer(authority, state.record, state.lifetime, accepts_others=state.in_overlap(steady))
        try:
            identity = self._identities.identity(dataplane, signer, now)
        except Exception as exc:
            # Whatever is wrong with an authority or with the names of a proxy, it concerns this proxy.
            self._identities.forget((mesh.name, dataplane.name))
            if not isinstance(exc, ValueError):
                log.exception("cannot sign for %s/%s", mesh.name, dataplane.name)
            return Credentials(authority_fault=str(exc) or repr(exc))
        return Credentials(identity=identity, authority_warning=state.fault)

    def without_identity(self, mesh: str) -> Credentials:
        """What there is to say of the authority, for a proxy that never connected: nothing is signed for it."""
        state = self._meshes.get(mesh)
        if state is None or not state.fault:
            return Credentials()
        if state.authority is None:
            return Credentials(authority_fault=state.fault)
        return Credentials(authority_warning=state.fault)

    def forget_mesh(self, mesh: str) -> None:
        """The mesh is gone, or has no mTLS any more."""
        self._meshes.pop(mesh, None)
        self._identities.forget_mesh(mesh)
        if mesh in self._locks and not self._locks[mesh].locked():
            del self._locks[mesh]

    def forget_proxy(self, key: ProxyKey) -> None:
        """The proxy is gone."""
        self._identities.forget(key)

    # What programs without a proxy ask

    async def issue(
        self, mesh: str, service: str, public_key: ec.EllipticCurvePublicKey
    ) -> IssuedCertificate | None:
        """A certificate that says `spiffe://MESH/SERVICE`; None if the mesh has no mTLS.

        Raises MeshAuthorityUnusable.
        """
        state = await self._loaded(mesh)
        if state is None:
            return None
        now = self._now()
        signer = state.signer(self._steady())
        if signer is None or state.record is None:
            raise MeshAuthorityUnusable(mesh, state.fault or NOT_YET)
        try:
            certificate = sign_identity(
                signer,
                public_key,
                mesh=mesh,
                tags={SERVICE_TAG: [service]},
                serial=x509.random_serial_number(),
                now=now,
                valid_for=state.lifetime,
            )
        except Exception as exc:
            raise MeshAuthorityUnusable(mesh, str(exc) or repr(exc)) from exc
        self._on_signed()
        return IssuedCertificate(
            certificate.public_bytes(Encoding.PEM).decode() + signer.chain_pem,
            state.record.bundle_pem,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )

    async def bundle(self, mesh: str) -> str | None:
        """What peers of a mesh are verified by, PEM; None if it has no mTLS. Raises MeshAuthorityUnusable."""
        state = await self._loaded(mesh)
        if state is None:
            return None
        if state.record is None:
            raise MeshAuthorityUnusable(mesh, state.fault or NOT_YET)
        return state.record.bundle_pem

    async def _loaded(self, mesh: str) -> _Mesh | None:
        """What is known of a mesh, once an authority that is being read or made for the first time is there."""
        state = self._meshes.get(mesh)
        if state is not None and state.record is None and not state.fault:
            async with self._locks[mesh]:
                state = self._meshes.get(mesh)
        return state

    def authority_expiries(self) -> dict[str, datetime]:
        """When the authority of each mesh with mTLS expires."""
        return {
            mesh: state.authority.not_after
            for mesh, state in self._meshes.items()
            if state.authority is not None
        }

    # What time changes

    async def run(self, recompiler: Recompiler) -> None:
        """Have what is due compiled again, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            running: dict[str, asyncio.Task[None]] = {}
            while True:
                await self._sleep(LOOK)
                now = self._steady()
                running = {mesh: task for mesh, task in running.items() if not task.done()}
                for mesh, state in self._meshes.items():
                    due = now >= state.check_at or state.is_of_the_future(self._now())
                    if due and mesh not in running:
                        running[mesh] = tasks.create_task(
                            self._look(mesh, recompiler), name=f"trust of {mesh}"
                        )
                if running:
                    # Most are done at once; one that is not goes on by itself.
                    await asyncio.wait(running.values(), timeout=LOOK)
                if proxies := self._identities.due(self._now()):
                    recompiler.recompile(proxies)

    async def _look(self, mesh: str, recompiler: Recompiler) -> None:
        if await self._refresh(mesh):
            recompiler.recompile_mesh(mesh)

    async def _refresh(self, mesh: str) -> bool:
        """Read the authority of a mesh again; whether anything is other than before."""
        async with self._locks[mesh]:
            state = self._meshes.get(mesh)
            if state is None:
                return False
            before = (state.authority and state.authority.fingerprint, state.record, state.fault)
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    authority = await self._source.authority(mesh, state.mtls)
                    record = await self._advance(mesh, authority, state.lifetime)
            except MeshAuthorityUnusable as exc:
                self._fail(mesh, state, exc.reason)
            except StoreUnavailable as exc:
                self._fail(mesh, state, str(exc))
            except TimeoutError:
                self._fail(mesh, state, f"it could not be read within {LOAD_SECONDS:.0f} s")
            except Exception as exc:
                # Whatever a user's authority has in it, it is a fault of this mesh and of no other.
                if repr(exc) != state.fault:
                    log.exception("unexpected fault in the certificate authority of mesh %s", mesh)
                self._fail(mesh, state, repr(exc))
            else:
                self._take(mesh, state, authority, record)
            state.check_at = self._next_check(state)
            return before != (state.authority and state.authority.fingerprint, state.record, state.fault)

    async def _advance(self, mesh: str, authority: MeshAuthority, life: timedelta) -> TrustRecord:
        """The record that follows, which is kept before anybody hears of it. Raises as the vault."""
        name = f"{mesh}/trust"
        kept = await self._vault.get(name)
        try:
            before = TrustRecord.from_json(kept) if kept is not None else None
        except ValueError as exc:
            log.error("what mesh %s trusted before cannot be read and is dropped: %s", mesh, exc)
            before = None
        after = advance(
            before,
            authority.fingerprint,
            authority.bundle_pem,
            now=self._steady(),
            lifetime=life,
            overlap=self._overlap,
        )
        if after != before:
            await self._vault.put(name, after.to_json())
        return after

    def _take(self, mesh: str, state: _Mesh, authority: MeshAuthority, record: TrustRecord) -> None:
        before = state.authority
        if before is not None and before.fingerprint != authority.fingerprint:
            log.info("mesh %s has another certificate authority, valid to %s", mesh, authority.not_after)
            # One of the future cannot sign now.
            signs = before.certificate.not_valid_before_utc <= self._now() < before.not_after
            state.previous = before if signs else None
        if record.switch_at is None:
            state.previous = None
        if state.fault:
            log.info("the certificate authority of mesh %s can be used again", mesh)
        state.authority, state.record, state.fault = authority, record, ""

    def _fail(self, mesh: str, state: _Mesh, reason: str) -> None:
        if reason != state.fault:
            consequence = (
                "the one before stays in force" if state.authority else "what needs mTLS stays closed"
            )
            log.error(
                "the certificate authority of mesh %s cannot be used, %s: %s", mesh, consequence, reason
            )
        state.fault = reason

    def _next_check(self, state: _Mesh) -> datetime:
        now = self._steady()
        times: list[datetime] = [now + timedelta(hours=1)]
        backend = state.mtls.enabled()
        if state.fault or backend is None or is_external(backend):
            times.append(now + RELOAD)
        if state.record is not None and (change := state.record.next_change()) is not None:
            times.append(change)
        if state.authority is not None and backend is not None and backend.type == BUILTIN:
            certificate, wall = state.authority.certificate, self._now()
            times.append(now + (authority_renewal(certificate) - wall))
        return max(now, min(times))
