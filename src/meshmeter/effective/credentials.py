"""Credentials: what one proxy has at hand to protect what it serves, beside its resources.

The control plane issues the identity; the provided certificate is on the proxy's own host, and its agent says what it
is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from meshmeter.addresses import parse_ip


@dataclass(frozen=True, slots=True)
class Identity:
    """What one proxy shows to others of its mesh, and by what it verifies them."""

    mesh: str
    certificate_pem: str
    """The leaf, then the intermediate authorities, if there are any."""
    key_pem: str = field(repr=False)
    bundle_pem: str
    """The authorities whose certificates are accepted."""
    not_after: datetime
    version: str
    """Changes whenever anything else does."""


class CertificateState(StrEnum):
    """What the certificate for `providedTLS` is worth; the words travel from the agent to the control plane."""

    USABLE = "usable"
    NOT_CONFIGURED = "not-configured"
    """The proxy was started without the paths of certificate and key."""
    MISSING = "missing"
    UNREADABLE = "unreadable"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    MISMATCHED = "mismatched"
    """The key is another certificate's."""
    INVALID = "invalid"
    """Not what it has to be: no PEM, an encrypted key, a kind of key that Envoy cannot use."""


@dataclass(frozen=True, slots=True)
class ProvidedCertificate:
    """The certificate for `providedTLS`, as the agent of the proxy finds it."""

    state: CertificateState
    detail: str = ""
    """What is wrong, naming the file."""
    not_after: datetime | None = None
    """When it expires; None while it cannot be read."""
    names: tuple[str, ...] | None = None
    """The host names and addresses that it is for; None if that is not known, as from older agents."""

    def is_for(self, host: str) -> bool:
        """Whether a client that connects to this host name or address finds it among the names (RFC 6125)."""
        wanted = parse_ip(host)
        if wanted is not None:
            return any(parse_ip(name) == wanted for name in self.names or ())
        exact = host.lower().rstrip(".")
        first, _, domain = exact.partition(".")
        patterns = {exact, f"*.{domain}"} if first and domain else {exact}
        return any(name.lower().rstrip(".") in patterns for name in self.names or ())


@dataclass(frozen=True, slots=True)
class Credentials:
    """All of one proxy."""

    identity: Identity | None = None
    """None: there is no mTLS in the mesh, or the authority is unusable, or the proxy has never connected."""
    authority_fault: str = ""
    """Why the mesh's authority cannot sign; empty if it can, or there is no mTLS."""
    authority_warning: str = ""
    """Why the authority that is in force is not the one that the Mesh names now."""
    provided: ProvidedCertificate | None = None
    """None: nothing is known of it, so nothing is held against it."""


NO_CREDENTIALS = Credentials()
"""Of a proxy about which nothing is known: whatever needs an identity stays closed."""
