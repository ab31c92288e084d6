"""Impact: how many proxies' metrics endpoints differ between two states of a mesh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from meshmeter.addresses import IPNetwork
from meshmeter.effective.access import admitted_sources, select_permission
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.transport import Transport
from meshmeter.effective.view import MeshView


class Aspect(StrEnum):
    """What of an endpoint can differ."""

    ENDPOINT = "endpoint"
    """There is one now, or no longer: metrics were switched, or the listener is refused."""
    PORT = "port"
    PATH = "path"
    TLS = "tls"
    ACCESS = "access"
    """Who may scrape, in a mesh with mTLS."""
    SOURCES = "sources"
    """Which applications are scraped, and where."""
    FILTER = "filter"
    """Which of Envoy's metrics are returned."""


@dataclass(frozen=True, slots=True)
class Impact:
    """Numbers of Dataplanes that exist both before and after, and whose endpoint differs."""

    proxies: int = 0
    """In any aspect."""
    aspects: tuple[tuple[Aspect, int], ...] = tuple((aspect, 0) for aspect in Aspect)

    def __add__(self, other: Impact) -> Impact:
        more = dict(other.aspects)
        return Impact(self.proxies + other.proxies, tuple((a, n + more[a]) for a, n in self.aspects))

    def to_json(self) -> dict[str, int]:
        return {"proxies": self.proxies, **{str(aspect): count for aspect, count in self.aspects}}


def impact(
    before: MeshView | None, after: MeshView | None, *, allowed_networks: Sequence[IPNetwork] = ()
) -> Impact:
    """What a change of one mesh does to its proxies. None stands for a mesh that does not exist.

    A Dataplane that is added or removed is no changed proxy: the change itself names it.
    """
    if before is None or after is None:
        return Impact()
    proxies = 0
    counts = dict.fromkeys(Aspect, 0)
    for name in before.dataplanes.keys() & after.dataplanes.keys():
        old, new = before.dataplanes[name], after.dataplanes[name]
        differing = set(
            differences(
                before,
                effective_metrics(before.mesh, old, allowed_networks=allowed_networks),
                after,
                effective_metrics(after.mesh, new, allowed_networks=allowed_networks),
            )
        )
        proxies += bool(differing)
        for aspect in differing:
            counts[aspect] += 1
    return Impact(proxies, tuple(counts.items()))


def differences(
    before: MeshView, old: EffectiveMetrics | None, after: MeshView, new: EffectiveMetrics | None
) -> Iterator[Aspect]:
    """The aspects in which the endpoint of one Dataplane differs."""
    if old is None or new is None:
        if old is not new:
            yield Aspect.ENDPOINT
        return
    if old.serves != new.serves:
        yield Aspect.ENDPOINT
    if old.port.value != new.port.value:
        yield Aspect.PORT
    if old.path.value != new.path.value:
        yield Aspect.PATH
    if old.transport != new.transport or old.tls_mode.value != new.tls_mode.value:
        yield Aspect.TLS
    if new.transport is Transport.MTLS and _admitted(before, old) != _admitted(after, new):
        yield Aspect.ACCESS
    if _sources(old) != _sources(new):
        yield Aspect.SOURCES
    if _filter(old) != _filter(new):
        yield Aspect.FILTER


def _admitted(view: MeshView, effective: EffectiveMetrics) -> tuple[dict[str, str], ...]:
    permission = select_permission(view.permissions, effective.tags.value)
    return tuple(dict(selector) for selector in admitted_sources(permission))


def _sources(effective: EffectiveMetrics) -> tuple[str, bool, list[tuple[object, ...]]]:
    entries: list[tuple[object, ...]] = [
        (e.name, e.address.value, e.port.value, e.path.value, {k: v.value for k, v in e.options.items()})
        for e in effective.sources
    ]
    return effective.application_label.value or "", effective.agent_metrics.value, entries


def _filter(effective: EffectiveMetrics) -> tuple[str, bool]:
    return effective.filter_regex.value or "", effective.used_only.value
