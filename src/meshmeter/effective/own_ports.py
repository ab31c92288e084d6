"""The control plane's own ports: what a Dataplane says is its own leads neither Prometheus, nor the metrics proxy, nor
an agent there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from meshmeter.addresses import is_loopback, is_wildcard, same


@dataclass(frozen=True, slots=True)
class OwnPorts:
    """Where the servers of the control plane listen."""

    servers: tuple[tuple[str, int, str], ...] = ()
    """Address, port and name of each."""
    host: Collection[str] = frozenset()
    """The addresses of the control plane's host."""

    def at(self, address: str, port: int) -> str | None:
        """The server that is reached at this address and port, seen from the control plane's host."""
        for bound, own, name in self.servers:
            if port == own and (self._here(address) if is_wildcard(bound) else same(bound, address)):
                return name
        return None

    def beside(self, address: str, port: int, proxy: str) -> str | None:
        """The same, seen from the host of a proxy with the address `proxy`: its loopback may be another one."""
        return self.at(address, port) if not is_loopback(address) or self._here(proxy) else None

    def _here(self, address: str) -> bool:
        return is_loopback(address) or any(same(address, own) for own in self.host)


NO_PORTS = OwnPorts()
"""Where nothing is known of a control plane."""
