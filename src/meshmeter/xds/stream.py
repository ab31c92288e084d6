"""DeltaStream: one ADS stream as a state machine, without any transport.

Two rules. Everything that decides what is sent lives here and in `subscription`; and nothing here knows what a
resource means.

`receive` takes a request, `update` a new snapshot, `retry` a moment to try refused resources again; each returns the
responses to send, in order. Clusters go before endpoints, secrets, listeners and routes, so that what is referred to is
there first; clusters that are no longer wanted are removed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from meshmeter.xds.snapshot import CLUSTER, TYPES, Snapshot, XdsResource
from meshmeter.xds.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Request:
    """What a DeltaDiscoveryRequest says, apart from the node."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] | None = None
    nonce: str = ""
    error: str | None = None
    """Message of a refusal (NACK)."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a DeltaDiscoveryResponse says."""

    type_url: str
    nonce: str
    version: str
    """Version of the whole type, for people."""
    resources: tuple[XdsResource, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    type_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Refused:
    type_url: str
    message: str


class DeltaStream:
    """The state of one stream. `outcome` tells what the last request said about an earlier response."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._in_flight: dict[str, Response] = {}
        self._snapshot: Snapshot | None = None
        self._nonces = count(1)
        self.outcome: Acknowledged | Refused | None = None

    def receive(self, request: Request) -> list[Response]:
        """Take a request; what to send now. A nonce that is not known says nothing and is ignored."""
        self.outcome = None
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            if request.type_url not in TYPES:
                return []
            subscription = self._subscriptions[request.type_url] = Subscription()
        about = self._in_flight.pop(request.nonce, None)
        if about is not None and about.type_url == request.type_url:
            versions = {resource.name: resource.version for resource in about.resources}
            if request.error is None:
                subscription.accept(versions)
                self.outcome = Acknowledged(request.type_url, about.version)
            else:
                subscription.refuse(versions)
                self.outcome = Refused(request.type_url, request.error)
        if not request.nonce or request.subscribe or request.unsubscribe:
            subscription.ask(request.subscribe, request.unsubscribe, request.initial_versions or {})
            return self._respond([request.type_url])
        return []

    def update(self, snapshot: Snapshot) -> list[Response]:
        """Take a new snapshot; what to send now."""
        self._snapshot = snapshot
        return self._respond(TYPES)

    def retry(self) -> list[Response]:
        """Send what was refused once more: what stood in its way may be gone."""
        again = [type_url for type_url, sub in self._subscriptions.items() if sub.retry()]
        return self._respond([type_url for type_url in TYPES if type_url in again])

    @property
    def has_refused(self) -> bool:
        """Whether the client lacks something because it refused it."""
        return any(subscription.refused for subscription in self._subscriptions.values())

    def _respond(self, type_urls: tuple[str, ...] | list[str]) -> list[Response]:
        if self._snapshot is None:
            return []
        responses = []
        late: list[Response] = []
        for type_url in type_urls:
            subscription = self._subscriptions.get(type_url)
            if subscription is None:
                continue
            wanted = self._snapshot.of_type(type_url)
            changed, removed = subscription.changed(wanted), subscription.removed(wanted)
            if type_url == CLUSTER and removed and len(type_urls) > 1:
                # A cluster must outlive the listeners and routes that point at it.
                late.append(self._send(type_url, subscription, [], removed))
                removed = []
            if changed or removed or (subscription.must_answer() and not late):
                responses.append(self._send(type_url, subscription, changed, removed))
        return responses + late

    def _send(
        self, type_url: str, subscription: Subscription, changed: list[XdsResource], removed: list[str]
    ) -> Response:
        assert self._snapshot is not None
        subscription.give(changed, removed)
        response = Response(
            type_url,
            str(next(self._nonces)),
            self._snapshot.version(type_url),
            tuple(changed),
            tuple(removed),
        )
        self._in_flight[response.nonce] = response
        return response
