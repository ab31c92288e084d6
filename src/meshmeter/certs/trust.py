"""TrustRecord: what the proxies of one mesh trust, through a change of authority.

A change has three phases, so that at no moment a proxy meets a certificate that it does not trust:

 1. every proxy trusts the old and the new authority, and shows what the old one signed;
 2. from `switch_at` on they show what the new one signed;
 3. the old one is dropped when the last certificate that it signed has expired (`until`).

The record is kept with the mesh's secrets: a change goes on where it was after a restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmeter.times import read_rfc3339, rfc3339


@dataclass(frozen=True, slots=True)
class Anchor:
    """An authority that is trusted."""

    fingerprint: str
    bundle_pem: str
    until: datetime | None = None
    """None: for as long as it signs."""
    kept_for: timedelta | None = None
    """How long before `until` it was retired; None in records of before this was kept."""


@dataclass(frozen=True, slots=True)
class TrustRecord:
    """The newest authority comes last and is the only one without `until`."""

    anchors: tuple[Anchor, ...]
    lifetime: timedelta
    """The longest life of a certificate that the newest authority signed."""
    switch_at: datetime | None = None
    """When proxies begin to show certificates of the newest authority; None: they do."""

    @property
    def signing(self) -> str:
        """Fingerprint of the newest authority."""
        return self.anchors[-1].fingerprint

    @property
    def bundle_pem(self) -> str:
        """Everything that is trusted now; the newest first."""
        return "".join(anchor.bundle_pem for anchor in reversed(self.anchors))

    def next_change(self) -> datetime | None:
        """When `advance` would come out differently by itself."""
        times = [self.switch_at, *(anchor.until for anchor in self.anchors)]
        return min((time for time in times if time is not None), default=None)

    def to_json(self) -> bytes:
        return json.dumps(
            {
                "anchors": [
                    {
                        "fingerprint": anchor.fingerprint,
                        "bundle": anchor.bundle_pem,
                        "until": rfc3339(anchor.until, "auto") if anchor.until else None,
                        "keptFor": anchor.kept_for.total_seconds() if anchor.kept_for else None,
                    }
                    for anchor in self.anchors
                ],
                "lifetime": self.lifetime.total_seconds(),
                "switchAt": rfc3339(self.switch_at, "auto") if self.switch_at else None,
            }
        ).encode()

    @classmethod
    def from_json(cls, data: bytes) -> TrustRecord:
        """The inverse of `to_json`. Raises ValueError."""
        try:
            content = json.loads(data)
            anchors = tuple(
                Anchor(
                    str(found["fingerprint"]),
                    str(found["bundle"]),
                    _time(found["until"]),
                    timedelta(seconds=found["keptFor"]) if found.get("keptFor") is not None else None,
                )
                for found in content["anchors"]
            )
            record = cls(anchors, timedelta(seconds=content["lifetime"]), _time(content["switchAt"]))
        except (KeyError, TypeError, AttributeError, OverflowError) as exc:
            raise ValueError(f"not a trust record: {exc!r}") from exc
        if not anchors:
            raise ValueError("not a trust record: it trusts nobody")
        return record


def advance(
    before: TrustRecord | None,
    fingerprint: str,
    bundle_pem: str,
    *,
    now: datetime,
    lifetime: timedelta,
    overlap: timedelta,
) -> TrustRecord:
    """The record now that this authority is the one in force and its certificates live for `lifetime`.

    `overlap` is how long a new authority is trusted before anybody shows a certificate of it. A change that was begun
    while the clock was ahead takes no longer than one that begins now.
    """
    newest = Anchor(fingerprint, bundle_pem)
    if before is None:
        return TrustRecord((newest,), lifetime)
    still = tuple(_not_longer(a, now) for a in before.anchors if a.until is not None and now < a.until)
    if before.signing == fingerprint:
        switch_at = before.switch_at if before.switch_at and now < before.switch_at else None
        if switch_at is not None:
            switch_at = min(switch_at, now + overlap)
        return TrustRecord((*still, newest), max(before.lifetime, lifetime), switch_at)
    switch_at = now + overlap
    kept_for = overlap + before.lifetime
    retired = replace(before.anchors[-1], until=now + kept_for, kept_for=kept_for)
    kept = tuple(anchor for anchor in (*still, retired) if anchor.fingerprint != fingerprint)
    return TrustRecord((*kept, newest), lifetime, switch_at)


def _not_longer(anchor: Anchor, now: datetime) -> Anchor:
    if anchor.until is None or anchor.kept_for is None:
        return anchor
    return replace(anchor, until=min(anchor.until, now + anchor.kept_for))


def _time(text: str | None) -> datetime | None:
    return read_rfc3339(text) if text is not None else None
