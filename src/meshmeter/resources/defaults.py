"""The defaults that a stored resource gets, and the resources of a new control plane (kuma-facts 2.1,
2.3)."""

from __future__ import annotations

from meshmeter.resources.dataplane import SERVICE_TAG
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.mesh import MeshMetrics, MeshSpec, MetricsBackend
from meshmeter.resources.metrics import PROMETHEUS, MetricsTls, PrometheusConf, TlsMode
from meshmeter.resources.resource import AnyResource, Meta, Resource
from meshmeter.resources.traffic_permission import KIND as TRAFFIC_PERMISSION
from meshmeter.resources.traffic_permission import Selector, TrafficPermissionSpec

DEFAULT_PORT = 5670
DEFAULT_PATH = "/metrics"
DEFAULT_TAGS = {SERVICE_TAG: "dataplane-metrics"}


def with_defaults(resource: AnyResource) -> AnyResource:
    """The resource as it is stored: every prometheus backend of a Mesh complete, enabled or not.

    Nothing that is set is changed, and a second time changes nothing. An aggregate entry gets no path
    (deviations D3), and a Dataplane nothing at all: what it leaves out comes from its Mesh.
    """
    spec = resource.spec
    if not isinstance(spec, MeshSpec) or spec.metrics is None or spec.metrics.backends is None:
        return resource
    backends = tuple(_backend(backend) for backend in spec.metrics.backends)
    if backends == spec.metrics.backends:
        return resource
    metrics = spec.metrics.model_copy(update={"backends": backends})
    return Resource(resource.kind, resource.meta, spec.model_copy(update={"metrics": metrics}))


def default_mesh(name: str = "default") -> Resource[MeshSpec]:
    """The first Mesh: metrics in the short form of the documentation, before `with_defaults`."""
    backend = MetricsBackend(name="prometheus-1", type=PROMETHEUS)
    metrics = MeshMetrics(enabled_backend=backend.name, backends=(backend,))
    return Resource(MESH, Meta(name), MeshSpec(metrics=metrics))


def allow_all_permission(mesh: str = "default") -> Resource[TrafficPermissionSpec]:
    """The first TrafficPermission of a Mesh: every service may call every other."""
    everything = (Selector(match={SERVICE_TAG: "*"}),)
    spec = TrafficPermissionSpec(sources=everything, destinations=everything)
    return Resource(TRAFFIC_PERMISSION, Meta(f"allow-all-{mesh}", mesh), spec)


def _backend(backend: MetricsBackend) -> MetricsBackend:
    if backend.type != PROMETHEUS:
        return backend
    conf = backend.conf or PrometheusConf()
    missing = {
        "port": conf.port or DEFAULT_PORT,
        "path": conf.path or DEFAULT_PATH,
        "tags": conf.tags or dict(DEFAULT_TAGS),
        "tls": _tls(conf),
    }
    return backend.model_copy(update={"conf": conf.model_copy(update=missing)})


def _tls(conf: PrometheusConf) -> MetricsTls:
    """The mode that is written, else what `skipMTLS` means, else that of the mesh."""
    if conf.tls is not None:
        return conf.tls if conf.tls.mode is not None else MetricsTls(mode=TlsMode.ACTIVE_MTLS_BACKEND)
    return MetricsTls(mode=TlsMode.DISABLED if conf.skip_mtls else TlsMode.ACTIVE_MTLS_BACKEND)
