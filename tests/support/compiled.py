"""What a reconciler has of one mesh, compiled at once and followed by nobody, for tests of what is said of it."""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials
from meshmeter.effective.findings import Finding
from meshmeter.effective.view import MeshView
from meshmeter.pipeline import CompiledProxy, compile_proxy
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource


class CompiledMesh:
    """No proxy has connected. `results` are by name of the Dataplane; a test may replace them."""

    def __init__(self, view: MeshView, credentials: Credentials = NO_CREDENTIALS):
        self._view = view
        self.results = {
            name: compile_proxy(view, dataplane, None, credentials=credentials)
            for name, dataplane in view.dataplanes.items()
        }

    def view(self, mesh: str) -> MeshView | None:
        return self._view if mesh == self._view.mesh.name else None

    def dataplane(self, mesh: str, name: str) -> Resource[DataplaneSpec] | None:
        view = self.view(mesh)
        return view.dataplanes.get(name) if view else None

    def outcome(self, dataplane: Resource[DataplaneSpec]) -> CompiledProxy | None:
        view = self.view(dataplane.mesh)
        return (self.results.get(dataplane.name) or compile_proxy(view, dataplane, None)) if view else None

    def mesh_findings(self, mesh: str) -> Iterator[Finding]:
        yield from ()
