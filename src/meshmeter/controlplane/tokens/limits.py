"""What one token may make of the control plane's time and memory: how often, and how many.

Tokens are counted by their ids. Everything is in memory: after a start rates begin anew, and who holds which Dataplane
is learnt again from what agents say.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from meshmeter.errors import PermissionDenied, TooManyRequests
from meshmeter.resources.resource import ProxyKey

FORGET_ABOVE = 1024
"""Tokens that are remembered before those that have not been used lately are dropped."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimit:
    """So many requests of one token a minute, all of them at once or spread."""

    def __init__(self, per_minute: int, what: str, option: str, clock: Callable[[], float] = time.monotonic):
        """`what` is counted, in the plural; `option` sets the limit. `clock` is in seconds."""
        self._per_minute = per_minute
        self._what = what
        self._option = option
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, token_id: str) -> None:
        """Count one request. Raises TooManyRequests if it is one too many, which is then not counted."""
        now = self._clock()
        bucket = self._buckets.get(token_id)
        if bucket is None:
            if len(self._buckets) >= FORGET_ABOVE:
                self._forget(now)
            bucket = self._buckets[token_id] = _Bucket(float(self._per_minute), now)
        bucket.left, bucket.at = self._filled(bucket, now), now
        if bucket.left < 1:
            raise TooManyRequests(
                f"one token may make {self._per_minute} {self._what} a minute: try again later, use a token of its "
                f"own for each client, or raise {self._option} of the control plane",
                retry_after=(1 - bucket.left) * 60 / self._per_minute,
            )
        bucket.left -= 1

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._per_minute, bucket.left + (now - bucket.at) * self._per_minute / 60)

    def _forget(self, now: float) -> None:
        self._buckets = {
            token: bucket
            for token, bucket in self._buckets.items()
            if self._filled(bucket, now) < self._per_minute
        }


class Holdings:
    """Which token speaks for which Dataplane, and how many one token may speak for."""

    def __init__(self, most: int):
        self._most = most
        self._holders: dict[ProxyKey, str] = {}
        self._counts: Counter[str] = Counter()
        self._taking: Counter[ProxyKey] = Counter()

    def noticed(self, key: ProxyKey, token_id: str) -> None:
        """A token spoke for a Dataplane that is there."""
        self._set(key, token_id)

    @contextmanager
    def taking(self, key: ProxyKey, token_id: str) -> Iterator[None]:
        """While a token registers a Dataplane; it holds it from then on, unless that fails.

        Raises PermissionDenied if it holds as many as it may.
        """
        before = self._holders.get(key)
        if before != token_id and self._counts[token_id] >= self._most:
            raise PermissionDenied(
                f"the token has registered {self._most} Dataplanes, which is the most that one token may: give proxies "
                "tokens of their own (`meshmeter token dataplane --name NAME`), or raise --dataplanes-per-token of the "
                "control plane"
            )
        self._set(key, token_id)
        self._taking[key] += 1
        try:
            yield
        except BaseException:
            self._set(key, before)
            raise
        finally:
            self._taking[key] -= 1
            if not self._taking[key]:
                del self._taking[key]

    def keep(self, there: Set[ProxyKey]) -> None:
        """Forget all Dataplanes but these, and those that are being registered."""
        for key in [key for key in self._holders if key not in there and key not in self._taking]:
            self._set(key, None)

    def _set(self, key: ProxyKey, token_id: str | None) -> None:
        before = self._holders.get(key)
        if before == token_id:
            return
        if before is not None:
            del self._holders[key]
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if token_id is not None:
            self._holders[key] = token_id
            self._counts[token_id] += 1
