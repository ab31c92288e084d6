from __future__ import annotations

import pytest

from meshmeter.resources.mesh import MeshMetrics, MetricsBackend, Mtls, MtlsBackend

BACKENDS = (MetricsBackend(name="a"), MetricsBackend(name="b"))


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        (MeshMetrics(enabled_backend="b", backends=BACKENDS), "b"),
        (MeshMetrics(enabled_backend="", backends=BACKENDS), None),
        (MeshMetrics(backends=BACKENDS), None),
        (MeshMetrics(enabled_backend="c", backends=BACKENDS), None),
        (MeshMetrics(enabled_backend="a"), None),
    ],
)
def test_the_metrics_backend_in_force(metrics: MeshMetrics, name: str | None) -> None:
    backend = metrics.enabled()

    assert (backend and backend.name) == name


def test_the_authority_in_force() -> None:
    backend = MtlsBackend(name="ca-1", type="builtin")

    assert Mtls(enabled_backend="ca-1", backends=(backend,)).enabled() == backend
    assert Mtls(backends=(backend,)).enabled() is None
    assert Mtls(enabled_backend="ca-2", backends=(backend,)).enabled() is None


def test_a_key_of_an_authority_is_not_printed() -> None:
    assert "secret!" not in repr(MtlsBackend(name="ca-1", conf={"key": {"inlineString": "secret!"}}))
