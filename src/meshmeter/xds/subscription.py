"""Subscription: what one proxy wants and has of one resource type, on one stream.

A name is wanted if it was subscribed to, or any name is (wildcard). A version counts as had once the proxy
has acknowledged it, and not before. At most one response is under way: what changes meanwhile is sent with
the next one, so a slow proxy costs no memory and always gets the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshmeter.xds.messages import ProtocolError, Response
from meshmeter.xds.snapshot import Resource

ANY = "*"
"""The name that subscribes to all resources of a type."""

UNKNOWN = ""
"""Version of what the proxy may have old, new, or not at all, such as the content of a refused response."""

MAX_NAMES = 100_000
"""Names that one proxy may subscribe to, or report as had, per type."""


@dataclass(slots=True)
class _UnderWay:
    response: Response
    outdated: set[str] = field(default_factory=set)
    """Names that were subscribed, unsubscribed or doubted after it was sent: its acknowledgement says nothing
    of them."""


@dataclass(slots=True)
class Subscription:
    """State of one type on one stream; mutable, owned by the stream."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    had: dict[str, str] = field(default_factory=dict)
    """Name to version, as acknowledged or as reported when the stream began; may be UNKNOWN."""
    refused: dict[str, str | None] = field(default_factory=dict)
    """Name to the version that the proxy refused, None for a removal; not sent again before `forgive`."""
    answered: bool = False
    """Whether any response was sent. A proxy waits for the first one of a wildcard type, even if it is
    empty."""
    _under_way: _UnderWay | None = None

    @classmethod
    def begin(
        cls, *, subscribe: Iterable[str], initial_versions: Mapping[str, str], may_be_implicit: bool
    ) -> Subscription:
        """The state after the first request of a type.

        `may_be_implicit`: subscribing to nothing subscribes to everything. A reported version is trusted,
        even of a name that is subscribed in the same request: that is how a proxy reconnects.
        """
        names = set(subscribe)
        new = cls(
            wildcard=ANY in names or (may_be_implicit and not names),
            names=names - {ANY},
            had=dict(initial_versions),
        )
        new._check_size()
        return new

    def change(self, *, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> None:
        """A later request. A name that is subscribed (again) has to be answered, whatever the proxy had
        before: with the resource, or with its removal if the proxy had it and it is gone. So has a name that is
        unsubscribed while the wildcard still covers it.
        """
        for name in unsubscribe:
            if name == ANY:
                self.wildcard = False
            else:
                self.names.discard(name)
                if self.wildcard:
                    self.had[name] = UNKNOWN
                else:
                    self.had.pop(name, None)
                self._outdate(name)
        for name in subscribe:
            if name == ANY:
                self.wildcard = True
            else:
                self.names.add(name)
                self.doubt(name)
        self._check_size()

    def doubt(self, name: str) -> None:
        """The proxy needs this resource (again), whatever it was sent before."""
        if name in self.had:
            self.had[name] = UNKNOWN
        self._outdate(name)

    def _outdate(self, name: str) -> None:
        self.refused.pop(name, None)
        if self._under_way is not None:
            self._under_way.outdated.add(name)

    def _check_size(self) -> None:
        if max(len(self.names), len(self.had)) > MAX_NAMES:
            raise ProtocolError(f"more than {MAX_NAMES} names of one type")

    # What there is to send

    @property
    def under_way(self) -> bool:
        """Whether a response waits for its answer."""
        return self._under_way is not None

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def missing(self, resources: Mapping[str, Resource]) -> tuple[Resource, ...]:
        """What the proxy wants and does not have in this version, including what it refused; by name."""
        return tuple(
            resource
            for name, resource in sorted(resources.items())
            if self.wants(name) and self.had.get(name) != resource.version
        )

    def superfluous(self, resources: Mapping[str, Resource]) -> tuple[str, ...]:
        """What the proxy wants and has and is not to have any more, including removals it refused; by
        name."""
        return tuple(sorted(name for name in self.had if self.wants(name) and name not in resources))

    def additions(self, resources: Mapping[str, Resource]) -> tuple[Resource, ...]:
        """What is missing and was not refused."""
        return tuple(r for r in self.missing(resources) if self.refused.get(r.name, "") != r.version)

    def unsent(self, resources: Mapping[str, Resource]) -> bool:
        """Whether some addition is not even part of the response under way."""
        sent = self._under_way.response.resources if self._under_way else ()
        versions = {resource.name: resource.version for resource in sent}
        return any(versions.get(r.name) != r.version for r in self.additions(resources))

    def removals(self, resources: Mapping[str, Resource]) -> tuple[str, ...]:
        """What is superfluous and whose removal was not refused."""
        return tuple(n for n in self.superfluous(resources) if self.refused.get(n, "") is not None)

    def settled(self, resources: Mapping[str, Resource]) -> bool:
        """Whether the proxy has acknowledged exactly these resources."""
        return not (self.under_way or self.missing(resources) or self.superfluous(resources))

    # What was sent

    def sent(self, response: Response) -> None:
        """The response is on its way. None other may be."""
        assert self._under_way is None
        self._under_way = _UnderWay(response)
        self.answered = True

    def answer(self, nonce: str, *, refused: bool) -> Response | None:
        """The proxy answers a response: that response, or None if the nonce is of no response under way.

        A refused response may have been applied in part. None of it counts as delivered, and all of it is sent
        again later: what the proxy did apply costs nothing then. What is no longer wanted by then is taken away.
        """
        under_way = self._under_way
        if under_way is None or under_way.response.nonce != nonce:
            return None
        self._under_way = None
        response = under_way.response
        sent: dict[str, str | None] = {r.name: r.version for r in response.resources}
        sent |= dict.fromkeys(response.removed)
        for name, version in sent.items():
            if name in under_way.outdated:
                if self.wants(name):
                    self.had[name] = UNKNOWN
                continue
            if refused:
                self.refused[name] = version
                self.had[name] = UNKNOWN
                continue
            self.refused.pop(name, None)
            if version is None:
                self.had.pop(name, None)
            else:
                self.had[name] = version
        return response

    def forgive(self) -> None:
        """Send what was refused once more: the reason may have gone, such as another process holding a
        port."""
        self.refused.clear()
