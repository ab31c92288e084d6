"""Fixtures that start real processes: every address on loopback, every port free, all output kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kubernetes import Cluster, shared_cluster
from support.processes import ControlPlane, Processes, running, start_control_plane


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def control_plane(processes: Processes, tmp_path: Path) -> ControlPlane:
    """A control plane with the default mesh, which keeps departed proxies for as long as any test takes."""
    return start_control_plane(processes, tmp_path, "--deregistration-delay=1h")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes control plane, one for all tests of the run, so each works in a `namespace` of its own."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    with shared_cluster(folder / "kubernetes") as shared:
        yield shared
