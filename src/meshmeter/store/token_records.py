"""What is kept of every token that was issued: enough to list and to revoke it, never the token itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One issued token."""

    id: str
    """The `jti` claim."""
    key_id: str
    """Of the key that signed it."""
    audience: str
    issued_at: datetime
    expires_at: datetime
    subject: Mapping[str, str | Sequence[str] | Mapping[str, Sequence[str]]] = field(default_factory=dict)
    """The claims that say what it covers: mesh, name, tags, meshes, service."""
    revoked_at: datetime | None = None
