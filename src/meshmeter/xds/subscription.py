"""Subscription: what one stream asked for of one type, and what it has been given.

All rules of delta xDS about a single type live here (Envoy docs, "Incremental xDS"):

* The first request of a type that names nothing, or one that names `*`, subscribes to everything.
* A name that is subscribed again is answered again, even if nothing changed: Envoy may have forgotten it when the
  listener that uses it was replaced.
* A wildcard subscription is answered once even when there is nothing, a named one only when the resource exists.
* What Envoy refused does not count as given. It is not sent again until it changes or `retry` is called.
* `initial_resource_versions` says what a reconnecting client still has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshmeter.xds.snapshot import XdsResource

WILDCARD = "*"


class Subscription:
    """State of one type on one stream."""

    def __init__(self) -> None:
        self.wildcard = False
        self.names: set[str] = set()
        self.given: dict[str, str] = {}
        """Name to version of what the client has, or is being sent."""
        self.refused: dict[str, str] = {}
        """Name to version of what the client did not accept."""
        self._asked = False
        self._answered = False

    def ask(self, subscribe: Iterable[str], unsubscribe: Iterable[str], initial: Mapping[str, str]) -> None:
        """Take over the subscription part of a request."""
        subscribe, unsubscribe = set(subscribe), set(unsubscribe)
        if not self._asked:
            self.given.update(initial)
            if not subscribe:
                self.wildcard = True
        self._asked = True
        if WILDCARD in subscribe:
            self.wildcard = True
            subscribe.discard(WILDCARD)
        if WILDCARD in unsubscribe:
            self.wildcard = False
            unsubscribe.discard(WILDCARD)
        for name in subscribe:
            self.names.add(name)
            if name not in initial:
                self.given.pop(name, None)
            self.refused.pop(name, None)
        for name in unsubscribe:
            self.names.discard(name)
            if not self.wildcard:
                self.given.pop(name, None)
                self.refused.pop(name, None)

    def changed(self, resources: Mapping[str, XdsResource]) -> list[XdsResource]:
        """What the client wants, does not have in this version, and has not refused."""
        return [
            resource
            for name, resource in resources.items()
            if (self.wildcard or name in self.names)
            and self.given.get(name) != resource.version
            and self.refused.get(name) != resource.version
        ]

    def removed(self, resources: Mapping[str, XdsResource]) -> list[str]:
        """What the client has and no longer should."""
        return sorted(name for name in self.given if name not in resources)

    def must_answer(self) -> bool:
        """Whether a wildcard subscription still waits for its first answer."""
        return self._asked and self.wildcard and not self._answered

    def give(self, resources: Iterable[XdsResource], removed: Iterable[str]) -> None:
        """These are being sent."""
        self._answered = True
        for resource in resources:
            self.given[resource.name] = resource.version
        for name in removed:
            self.given.pop(name, None)
            self.refused.pop(name, None)

    def refuse(self, versions: Mapping[str, str]) -> None:
        """The client did not accept these."""
        for name, version in versions.items():
            if self.given.get(name) == version:
                del self.given[name]
                self.refused[name] = version

    def accept(self, versions: Mapping[str, str]) -> None:
        """The client took these over."""
        for name in versions:
            self.refused.pop(name, None)

    def retry(self) -> bool:
        """Count what was refused as never sent; whether there was anything."""
        refused, self.refused = bool(self.refused), {}
        return refused
