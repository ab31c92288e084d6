"""Every exception that crosses a package border.

    MeshmeterError
    ├── InvalidResource          a document is refused; carries every violation
    ├── InjectionRefused         a Pod cannot be given a sidecar; the message is for whoever makes it
    ├── StoreError
    │   ├── NotFound             no such resource
    │   ├── VersionConflict      the stored version is another than the caller expected
    │   ├── MeshNotFound         a resource names a Mesh that does not exist
    │   ├── MeshInUse            a Mesh still has Dataplanes
    │   ├── TokenNotFound        no token of that id was issued here, or it has expired
    │   ├── ResourceUnreadable   the stored resource is damaged or of another version of the program
    │   ├── WatchExpired         a watch asks for events that are no longer kept: read everything again
    │   └── StoreUnavailable     the database cannot be used now; the message says why
    ├── MeshAuthorityUnusable    the certificate authority of a mesh cannot sign
    ├── SettingsError            an option, variable or configuration key has an unusable value
    ├── StartupError             a process cannot start (exit code 3); the message says what to do
    ├── TokenError
    │   ├── Unauthenticated      no token, or one that is not valid (HTTP 401)
    │   └── PermissionDenied     a valid token that does not cover the request (HTTP 403)
    ├── TooManyRequests          a client asks more often than it may (HTTP 429)
    └── ApiError                 the control plane refused a request of the CLI or the agent

Messages name the field, the value and what to do, and never contain a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of a document: where it is and why it is one."""

    field: str
    """Path in Kuma's form, e.g. `metrics.backends[0].conf.aggregate[1].name`."""
    reason: str
    line: int = 0
    """In the text that the document came as; 0 where that is not known."""

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class MeshmeterError(Exception):
    """Base of all errors of this package."""


class InvalidResource(MeshmeterError):
    """A document, or several, are refused. `violations` names every fault at once."""

    def __init__(self, violations: Iterable[Violation], title: str = "Resource is not valid"):
        self.violations = tuple(violations)
        self.title = title
        super().__init__("; ".join([title, *map(str, self.violations)]))


class InjectionRefused(MeshmeterError):
    """A Pod cannot be given its sidecar; the message says to whoever makes the Pod what to change."""


class StoreError(MeshmeterError):
    """Base of the errors of a Store."""


class NotFound(StoreError):
    """The resource does not exist."""

    def __init__(self, kind: str, mesh: str, name: str):
        self.kind, self.mesh, self.name = kind, mesh, name
        where = f" in mesh {mesh!r}" if mesh else ""
        super().__init__(f"{kind} {name!r} not found{where}")


class VersionConflict(StoreError):
    """The resource changed, appeared or vanished since the caller read it. `current` is 0 if absent."""

    def __init__(self, kind: str, mesh: str, name: str, expected: int, current: int):
        self.kind, self.mesh, self.name = kind, mesh, name
        self.expected, self.current = expected, current
        super().__init__(
            f"{kind} {name!r} is at version {current}, not {expected}: read it again and repeat the change"
        )


class MeshNotFound(StoreError):
    """The Mesh that a resource belongs to does not exist."""

    def __init__(self, mesh: str):
        self.mesh = mesh
        super().__init__(f"mesh of name {mesh} is not found")


class MeshInUse(StoreError):
    """The Mesh cannot be deleted because Dataplanes belong to it."""

    def __init__(self, mesh: str, dataplanes: int):
        self.mesh, self.dataplanes = mesh, dataplanes
        super().__init__("unable to delete mesh, there are still some dataplanes attached")


class TokenNotFound(StoreError):
    """No token of this id was issued here, or it has expired. The id is not repeated: it may be a token, given in
    its place."""

    def __init__(self) -> None:
        super().__init__(
            "there is no valid token of that id; `meshmeter token list` shows those that there are"
        )


class ResourceUnreadable(StoreError):
    """What is stored cannot be read; it is kept as it is. `reason` says why."""

    def __init__(self, kind: str, mesh: str, name: str, reason: str):
        self.kind, self.mesh, self.name, self.reason = kind, mesh, name, reason
        where = f" of mesh {mesh}" if mesh else ""
        super().__init__(
            f"the stored {kind} {name}{where} cannot be read ({reason}): run the newer meshmeter that wrote it, "
            "restore a backup, or delete it"
        )


class WatchExpired(StoreError):
    """A watch starts before the oldest event that is kept; read `contents` and watch from there."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, read or written at the moment."""


class MeshAuthorityUnusable(MeshmeterError):
    """The certificate authority of a mesh cannot be read, made or used; `reason` says why and has nothing of a key."""

    def __init__(self, mesh: str, reason: str):
        self.mesh, self.reason = mesh, reason
        super().__init__(f"the certificate authority of mesh {mesh} cannot be used: {reason}")


class SettingsError(MeshmeterError):
    """A setting is unusable; the message names it as the user wrote it (flag, variable or key)."""


class StartupError(MeshmeterError):
    """A process cannot start or continue; the CLI prints the message and exits with 3."""


class TokenError(MeshmeterError):
    """Base of the refusals of a credential. The message never contains the token."""


class Unauthenticated(TokenError):
    """There is no token, or it is malformed, expired, revoked, or signed by another key."""


class PermissionDenied(TokenError):
    """The token is valid but does not cover what was asked for."""


class TooManyRequests(MeshmeterError):
    """A client asks more often than it may; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float):
        self.retry_after = retry_after
        super().__init__(message)


class ApiError(MeshmeterError):
    """The control plane answered with an error, or could not be reached (`status` 0)."""

    def __init__(self, status: int, title: str, detail: str = "", violations: Iterable[Violation] = ()):
        self.status, self.title, self.detail = status, title, detail
        self.violations = tuple(violations)
        super().__init__(": ".join(part for part in (title, detail) if part))
