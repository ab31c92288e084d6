"""What `explain` answers about proxies of one compiled mesh, whose states a test says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.proxies.status import ProxyStatus
from meshmeter.effective.view import MeshView
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from support.compiled import CompiledMesh

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class Known(CompiledMesh):
    """One mesh and the states of its proxies."""

    def __init__(self, view: MeshView, **statuses: ProxyStatus):
        super().__init__(view)
        self._statuses = statuses

    def status(self, mesh: str, name: str) -> ProxyStatus:
        return self._statuses.get(name, ProxyStatus())


def explainer(known: Known) -> Explainer:
    return Explainer(known, known, now=lambda: NOW)


def explain(
    the_mesh: Any, subject: Resource[DataplaneSpec], *permissions: Any, status: ProxyStatus | None = None
) -> dict[str, Any]:
    view = MeshView(the_mesh, {subject.name: subject}, permissions)
    answer = explainer(Known(view, **{subject.name: status or ProxyStatus()})).dataplane(
        "default", subject.name
    )
    assert answer is not None
    json.dumps(answer)  # all of it is plain JSON
    return answer
