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


@dataclass(frozen=True, slots=True)
class Anchor:
    """An authority that is trusted."""

    fingerprint: str
    bundle_pem: str
    until: datetime | None = None
    """None: for as long as it signs."""


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
                        "until": anchor.until.isoformat() if anchor.until else None,
                    }
                    for anchor in self.anchors
                ],
                "lifetime": self.lifetime.total_seconds(),
                "switchAt": self.switch_at.isoformat() if self.switch_at else None,
            }
        ).encode()

    @classmethod
    def from_json(cls, data: bytes) -> TrustRecord:
        """The inverse of `to_json`. Raises ValueError."""
        try:
            content = json.loads(data)
            anchors = tuple(
                Anchor(str(found["fingerprint"]), str(found["bundle"]), _time(found["until"]))
                for found in content["anchors"]
            )
            record = cls(anchors, timedelta(seconds=content["lifetime"]), _time(content["switchAt"]))
        except (KeyError, TypeError, OverflowError) as exc:
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

    `overlap` is how long a new authority is trusted before anybody shows a certificate of it.
    """
    newest = Anchor(fingerprint, bundle_pem)
    if before is None:
        return TrustRecord((newest,), lifetime)
    still = tuple(a for a in before.anchors if a.until is not None and now < a.until)
    if before.signing == fingerprint:
        switch_at = before.switch_at if before.switch_at and now < before.switch_at else None
        return TrustRecord((*still, newest), max(before.lifetime, lifetime), switch_at)
    switch_at = now + overlap
    retired = replace(before.anchors[-1], until=switch_at + before.lifetime)
    kept = tuple(anchor for anchor in (*still, retired) if anchor.fingerprint != fingerprint)
    return TrustRecord((*kept, newest), lifetime, switch_at)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time
