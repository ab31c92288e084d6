"""DeltaStream: one delta ADS stream as a state machine without I/O.

Feed it what happens and perform what it returns, in order:

    receive(request)     a message of the proxy arrived
    update(snapshot)     the proxy is to have this now
    retry()              some time has passed since `Refused`
    tidy()               it is `removal_due`

Rules:

 1. Nothing is sent before the first snapshot, and nothing of a type before the proxy asked for that type.
 2. The first response of a wildcard type is sent even if it is empty: Envoy waits for it before it is ready.
    A name that does not exist gets no answer until it does.
 3. Order of sending: clusters, endpoints, listeners, routes, secrets. Listeners and routes wait while a
    cluster that they may refer to cannot be sent yet.
 4. Make before break: a resource is taken away only when all types that may refer to it are acknowledged as
    they are to be (`types.REFERRERS`). A refused listener thus keeps the clusters it uses.
 5. One response per type is under way. Its answer is recognised by the nonce; other nonces are stale and say
    nothing.
 6. A name that is subscribed to is answered, also when the proxy had it: after a listener changes, Envoy asks
    again for a secret it already has and holds the listener back until it comes.
 7. A refused version does not count as delivered. It is not repeated by itself, because Envoy would refuse it
    at once; `retry` repeats it, and so does an update that changes it.
 8. On reconnect the proxy reports what it has (initial_resource_versions); it gets the difference.
 9. After a response the resources that what it contains cannot do without are sent again (`types.NEEDED`): Envoy
    lets a changed cluster wait for endpoints, and does not ask for a name that it is subscribed to already.
10. What may be taken away lingers for a while all the same (`types.LINGERING`): a listener that was replaced or removed
    goes on with the requests of its open connections until Envoy has drained it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meshmeter.xds.messages import Request, Response
from meshmeter.xds.snapshot import ResourceKey, Snapshot
from meshmeter.xds.subscription import Subscription
from meshmeter.xds.types import LINGERING, NEEDED, ORDER, REFERRED, REFERRERS, WILDCARD


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The proxy has taken over a response of this type."""

    type_url: str
    version: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The proxy has refused a response of this type: call `retry` after a while."""

    type_url: str
    message: str
    """In the proxy's own words."""


Output = Response | Acknowledged | Refused


class DeltaStream:
    """State of one stream. Not thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = lambda: 0.0, linger: float = 0.0) -> None:
        """`linger` is how long, by the clock, what is of no use any more stays (rule 10)."""
        self._clock = clock
        self._linger = linger
        self._unused_since: dict[ResourceKey, float] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._snapshot: Snapshot | None = None
        self._responses = 0
        self._needed: dict[str, set[str]] = {}
        """By type that the proxy has not asked for yet: names that it needs even if it says that it has them."""

    @property
    def refusing(self) -> bool:
        """Whether something is held back that the proxy refused."""
        return any(subscription.refused for subscription in self._subscriptions.values())

    @property
    def settled(self) -> bool:
        """Whether the proxy has acknowledged all that it asked for and is to have; something else may linger."""
        return self._snapshot is None or all(
            not subscription.under_way
            and not subscription.missing(resources)
            and (type_url in LINGERING or not subscription.superfluous(resources))
            for type_url, subscription in self._subscriptions.items()
            for resources in (self._snapshot.of(type_url),)
        )

    @property
    def removal_due(self) -> float | None:
        """When, by the clock, the next of what lingers is to be taken away; None while nothing does."""
        return min(self._unused_since.values()) + self._linger if self._unused_since else None

    def receive(self, request: Request) -> list[Output]:
        """A message of the proxy. Raises ProtocolError if the stream cannot go on.

        Types that this server does not have are ignored.
        """
        if request.type_url not in ORDER:
            return []
        outputs: list[Output] = []
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            new = self._subscriptions[request.type_url] = Subscription.begin(
                subscribe=request.subscribe,
                initial_versions=request.initial_versions,
                may_be_implicit=request.type_url in WILDCARD,
            )
            for name in self._needed.pop(request.type_url, ()):
                new.doubt(name)
        else:
            answered = subscription.answer(request.nonce, refused=request.error is not None)
            if answered is not None:
                outputs.append(
                    Acknowledged(request.type_url, answered.version)
                    if request.error is None
                    else Refused(request.type_url, request.error)
                )
            subscription.change(subscribe=request.subscribe, unsubscribe=request.unsubscribe)
        return outputs + self._send()

    def update(self, snapshot: Snapshot) -> list[Output]:
        """What the proxy is to have from now on."""
        self._snapshot = snapshot
        return self._send()

    def retry(self) -> list[Output]:
        """Offer what was refused once more."""
        for subscription in self._subscriptions.values():
            subscription.forgive()
        return self._send()

    def tidy(self) -> list[Output]:
        """Take away what has lingered for long enough."""
        return self._send()

    def _send(self) -> list[Output]:
        if self._snapshot is None:
            return []
        responses: list[Output] = []
        for type_url in ORDER:
            subscription = self._subscriptions.get(type_url)
            if subscription is None or subscription.under_way or self._has_to_wait(type_url):
                continue
            resources = self._snapshot.of(type_url)
            additions = subscription.additions(resources)
            removals = self._lingered(type_url, subscription.removals(resources))
            awaited = subscription.wildcard and not subscription.answered
            if additions or removals or awaited:
                self._responses += 1
                response = Response(
                    type_url, str(self._responses), self._snapshot.versions[type_url], additions, removals
                )
                subscription.sent(response)
                self._send_needed_again(response)
                responses.append(response)
        return responses

    def _send_needed_again(self, response: Response) -> None:
        """Have what the content of a response cannot do without follow it (rule 9)."""
        needed = NEEDED.get(response.type_url)
        if needed is None:
            return
        names = {resource.name for resource in response.resources}
        subscription = self._subscriptions.get(needed)
        if subscription is None:
            self._needed.setdefault(needed, set()).update(names)
            return
        for name in names:
            subscription.doubt(name)

    def _has_to_wait(self, type_url: str) -> bool:
        """Whether something that this type may refer to cannot be sent yet (rule 3)."""
        assert self._snapshot is not None
        return any(
            subscription.under_way and subscription.unsent(self._snapshot.of(referred))
            for referred in REFERRED.get(type_url, ())
            if (subscription := self._subscriptions.get(referred)) is not None
        )

    def _lingered(self, type_url: str, removals: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the removals that may be sent now (rules 4 and 10)."""
        keys = {ResourceKey(type_url, name) for name in removals}
        for key in [key for key in self._unused_since if key.type_url == type_url and key not in keys]:
            del self._unused_since[key]
        if not self._may_remove(type_url):
            return ()
        if type_url not in LINGERING:
            return removals
        now = self._clock()
        for key in keys:
            self._unused_since.setdefault(key, now)
        due = tuple(
            name for name in removals if now - self._unused_since[ResourceKey(type_url, name)] >= self._linger
        )
        for name in due:
            del self._unused_since[ResourceKey(type_url, name)]
        return due

    def _may_remove(self, type_url: str) -> bool:
        """Whether nothing that the proxy has can refer to resources of this type that are to go (rule 4)."""
        assert self._snapshot is not None
        return all(
            subscription.settled(self._snapshot.of(referrer))
            for referrer in REFERRERS[type_url]
            if (subscription := self._subscriptions.get(referrer)) is not None
        )
