"""A conversation between a proxy and a DeltaStream, written down in short words.

`Cluster +a +b -c` is a response with two resources and one removal, `Cluster` an empty one, `ack Cluster` and
`nack Cluster: words` are what the stream tells of the proxy's answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from meshmeter.xds import types
from meshmeter.xds.messages import Request, Response
from meshmeter.xds.snapshot import Resource, build, pack
from meshmeter.xds.stream import Acknowledged, DeltaStream, Output, Refused


def cluster(name: str, seconds: int = 1) -> Resource:
    """A cluster; `seconds` makes versions differ."""
    return pack({"@type": types.CLUSTER, "name": name, "connectTimeout": f"{seconds}s"})


def listener(name: str, port: int = 1) -> Resource:
    address = {"socketAddress": {"address": "127.0.0.1", "portValue": port}}
    return pack({"@type": types.LISTENER, "name": name, "address": address})


def endpoints(name: str, overprovisioning: int = 100) -> Resource:
    policy = {"overprovisioningFactor": overprovisioning}
    return pack({"@type": types.ENDPOINTS, "clusterName": name, "policy": policy})


def routes(name: str, host: str = "*") -> Resource:
    hosts = [{"name": "h", "domains": [host]}]
    return pack({"@type": types.ROUTES, "name": name, "virtualHosts": hosts})


def secret(name: str, words: str = "x") -> Resource:
    return pack({"@type": types.SECRET, "name": name, "genericSecret": {"secret": {"inlineString": words}}})


class Conversation:
    """Plays the proxy. Every method returns what the stream then does."""

    def __init__(self, linger: float = 0.0) -> None:
        """What the listeners use no more is kept for so long by the clock `now`."""
        self.now = 0.0
        self.stream = DeltaStream(clock=lambda: self.now, linger=linger)
        self._nonces: dict[str, str] = {}

    def subscribe(
        self, type_url: str, *names: str, has: Mapping[str, str] | None = None, answering: str = ""
    ) -> list[str]:
        request = Request(type_url, subscribe=names, initial_versions=has or {}, nonce=answering)
        return self._write(self.stream.receive(request))

    def unsubscribe(self, type_url: str, *names: str) -> list[str]:
        return self._write(self.stream.receive(Request(type_url, unsubscribe=names)))

    def ack(self, type_url: str, *, nonce: str | None = None) -> list[str]:
        """Take over the last response of the type, or the one with this nonce."""
        given = self._nonces[type_url] if nonce is None else nonce
        return self._write(self.stream.receive(Request(type_url, nonce=given)))

    def nack(self, type_url: str, words: str = "no") -> list[str]:
        """Refuse the last response of the type."""
        return self._write(self.stream.receive(Request(type_url, nonce=self._nonces[type_url], error=words)))

    def update(self, *resources: Resource) -> list[str]:
        """There is a new snapshot, of these."""
        return self._write(self.stream.update(build(resources)))

    def retry(self) -> list[str]:
        return self._write(self.stream.retry())

    def passes(self, seconds: float) -> list[str]:
        """Time passes, and what has lingered for long enough is taken away."""
        self.now += seconds
        return self._write(self.stream.tidy())

    def nonce(self, type_url: str) -> str:
        """Of the last response of the type."""
        return self._nonces[type_url]

    def _write(self, outputs: list[Output]) -> list[str]:
        return [self._word(output) for output in outputs]

    def _word(self, output: Output) -> str:
        kind = output.type_url.rpartition(".")[2]
        match output:
            case Response():
                self._nonces[output.type_url] = output.nonce
                added = [f"+{r.name}" for r in output.resources]
                return " ".join([kind, *added, *(f"-{name}" for name in output.removed)])
            case Acknowledged():
                return f"ack {kind}"
            case Refused():
                return f"nack {kind}: {output.message}"
