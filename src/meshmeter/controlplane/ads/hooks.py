"""What ADS streams mean to the rest of the control plane: who may have one, and what is learnt from it."""

from __future__ import annotations

from meshmeter.certs.tokens import check_dataplane
from meshmeter.controlplane.admission.dataplane_access import check_stored
from meshmeter.controlplane.ads.server import Admit, StillGood
from meshmeter.controlplane.http.auth import Verifier
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.controlplane.self_metrics import SelfMetrics
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied


class AdsHooks:
    """The `Hooks` of an `AdsServer`."""

    def __init__(
        self, verifier: Verifier, registry: ProxyRegistry, reconciler: Reconciler, metrics: SelfMetrics
    ):
        self._verifier = verifier
        self._registry = registry
        self._reconciler = reconciler
        self._metrics = metrics

    def authenticate(self, token: str) -> Admit:
        claims = self._verifier.dataplane(token)

        def admit(mesh: str, name: str) -> StillGood:
            def still_good() -> None:
                self._verifier.check_again(claims)
                dataplane = self._reconciler.dataplane(mesh, name)
                if dataplane is not None:
                    check_stored(claims, dataplane)
                    return
                check_dataplane(claims, mesh, name)
                if claims.tags:
                    # Nobody waits here for a Dataplane whose tags are not known yet.
                    raise PermissionDenied(
                        f"dataplane {name} is not registered, so its tags cannot be checked"
                    )

            still_good()
            return still_good

        return admit

    def on_connected(self, proxy: ProxyInfo) -> None:
        self._registry.stream_opened(proxy.mesh, proxy.dataplane, proxy.agent_version, proxy.envoy_version)
        self._reconciler.proxy_connected(proxy)

    def on_disconnected(self, mesh: str, name: str) -> None:
        self._registry.stream_closed(mesh, name)
        if self._reconciler.compiled(mesh, name) is None:
            # There is no such Dataplane: whoever waited for it in vain leaves nothing behind.
            self._registry.forget((mesh, name))
            self._reconciler.proxy_gone(mesh, name)

    def on_ack(self, mesh: str, name: str, type_url: str, version: str) -> None:
        self._metrics.acks.labels(type_url.rpartition(".")[2]).inc()
        self._registry.acknowledged(mesh, name, type_url, version)

    def on_nack(self, mesh: str, name: str, type_url: str, message: str) -> None:
        self._metrics.nacks.labels(type_url.rpartition(".")[2]).inc()
        self._registry.refused(mesh, name, type_url, message)
