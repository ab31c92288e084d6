"""AdsWatchdog: whether Envoy follows the control plane, and another Envoy when this one cannot find it any more.

Envoy dials where its bootstrap says, with the token and the authority it was started with. When the control plane
comes back at another port, under another authority, or no longer takes that token, Envoy would dial in vain for ever
while the agent, which speaks to the API, is well. Then the bootstrap is asked for again, and an Envoy whose own differs
is replaced after a drain.

A new Envoy has no configuration before it has reached the control plane, so an old one is left alone as long as it
follows, as long as the API does not answer, and as long as nobody listens where the new bootstrap leads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.agent.backoff import Backoff
from meshmeter.agent.envoy_process import EnvoyProcess

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""Between two looks while Envoy follows."""

CLOSER_SECONDS = 0.5
"""The same while it does not."""

CONNECT_SECONDS = 2.0
"""How long connecting to the control plane may take before an Envoy is replaced."""


@dataclass(frozen=True, slots=True)
class GracePeriods:
    """Seconds that Envoy may be without a stream, before"""

    ask: float = 5.0
    """the bootstrap is asked for again; Envoy may be about to connect,"""
    moved: float = 2.0
    """an Envoy is replaced whose control plane is elsewhere now,"""
    token: float = 20.0
    """an Envoy is replaced that only has another token: while that is good, Envoy comes back by itself."""


class AdsWatchdog:
    """`run` is a task. `api_answers` tells whether the control plane's API does, `ask_again` has the bootstrap asked
    for once more; what is set on `envoy` as its bootstrap is compared."""

    def __init__(
        self,
        envoy: EnvoyProcess,
        *,
        api_answers: Callable[[], bool],
        ask_again: Callable[[], None],
        look: float = LOOK_SECONDS,
        closer: float = CLOSER_SECONDS,
        grace: GracePeriods | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`backoff` spaces both questions and replacements, in seconds."""
        self._envoy = envoy
        self._api_answers = api_answers
        self._ask_again = ask_again
        self._look, self._closer = look, closer
        self._grace = grace or GracePeriods()
        self._backoff = backoff or Backoff(10.0, 300.0, jitter=0.25)
        self._clock = clock
        self._not_before = clock()
        self._soon = asyncio.Event()
        self._warned = ""
        self._lost_since: float | None = None
        self._follows = False

    @property
    def follows(self) -> bool:
        """Whether Envoy had a stream to the control plane when it answered last; also where it is to have none."""
        return self._follows

    def bootstrap_changed(self) -> None:
        """Another one was set: look at once. Until then an Envoy that leads elsewhere does not count as following."""
        if _leads_elsewhere(*self._envoy.bootstraps):
            self._follows = False
        self._soon.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._soon.clear()
            await self._look_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look if self._follows else self._closer):
                    await self._soon.wait()

    async def _look_once(self) -> None:
        follows = await self._envoy.admin.follows_control_plane()
        if follows is None:
            return  # it is about to start or to end
        self._follows = follows
        if follows:
            self._lost_since, self._warned = None, ""
            self._backoff.reset()
            return
        now = self._clock()
        if self._lost_since is None:
            self._lost_since = now
        if not self._api_answers() or now < self._not_before:
            return
        running, wanted = self._envoy.bootstraps
        lost_for, grace = now - self._lost_since, self._grace
        if running == wanted:
            if lost_for >= grace.ask:
                self._pause()
                self._ask_again()
        elif lost_for >= (grace.moved if _leads_elsewhere(running, wanted) else grace.token):
            self._pause()
            await self._replace(wanted)

    def _pause(self) -> None:
        self._not_before = self._clock() + self._backoff.next()

    async def _replace(self, wanted: Mapping[str, Any]) -> None:
        where = _ads_address(wanted)
        if where is not None and not await _listens(*where):
            told = f"{where[0]}:{where[1]}"
            if told != self._warned:
                log.error(
                    "Envoy has lost the control plane, which is at %s now, where nobody listens; it is not replaced",
                    told,
                )
            self._warned = told
            return
        log.warning("Envoy has lost the control plane and has an outdated bootstrap: replacing it")
        await self._envoy.renew()
        self._lost_since = None


def _leads_elsewhere(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether two bootstraps differ in more than the token."""
    return one is None or _without_token(one) != _without_token(other)


def _without_token(bootstrap: Mapping[str, Any]) -> object:
    copy = json.loads(json.dumps(bootstrap))
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        for service in copy["dynamicResources"]["adsConfig"]["grpcServices"]:
            service.pop("initialMetadata", None)
    return copy


def _ads_address(bootstrap: Mapping[str, Any]) -> tuple[str, int] | None:
    """Host and port of the control plane in a bootstrap, whose one static cluster it is; None if it is made
    otherwise."""
    try:
        (cluster,) = bootstrap["staticResources"]["clusters"]
        endpoint = cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]
        address = endpoint["address"]["socketAddress"]
        return str(address["address"]), int(address["portValue"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
