"""The control plane of Kubernetes that tests run: the real parts answer the real kubectl, and leave nothing behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes import Cluster, end_cluster, start_cluster
from support.processes import Processes, eventually

ROOT = Path(__file__).resolve().parents[2]


def manifest(kind: str, name: str, api_version: str = "v1", **fields: Any) -> str:
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields})


def deployment(name: str, replicas: int) -> str:
    labels = {"app": name}
    return manifest(
        "Deployment",
        name,
        "apps/v1",
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": "example.test/backend:1"}]},
            },
        },
    )


def test_it_is_ready_and_says_its_version(cluster: Cluster) -> None:
    assert cluster.ok("get", "--raw=/readyz") == "ok"
    said = json.loads(cluster.ok("version", "-o", "json"))
    # A server built without its version has a placeholder, which kubectl cannot read.
    assert re.fullmatch(r"v1\.\d+\.\d+", said["serverVersion"]["gitVersion"])
    assert said["serverVersion"]["gitVersion"] == said["clientVersion"]["gitVersion"]


def test_who_has_no_token_of_it_is_refused(cluster: Cluster) -> None:
    done = cluster.run("--token=of-another-cluster", "get", "namespaces")
    assert (done.returncode, "You must be logged in" in done.stderr) == (1, True), done.stderr


def test_what_kubectl_applies_is_read_back_until_its_namespace_is_deleted(cluster: Cluster) -> None:
    with cluster.namespace() as namespace:
        settings = manifest("ConfigMap", "settings", data={"path": "/metrics"})
        assert (
            cluster.ok("apply", "-n", namespace, "-f", "-", stdin=settings) == "configmap/settings created\n"
        )
        assert cluster.get("-n", namespace, "configmap/settings")["data"] == {"path": "/metrics"}
        again = cluster.ok("apply", "-n", namespace, "-f", "-", stdin=settings)
        assert again == "configmap/settings unchanged\n"
        cluster.ok("delete", "namespace", namespace, "--timeout=100s")
        assert "NotFound" in cluster.run("get", "-n", namespace, "configmap/settings").stderr
        assert "NotFound" in cluster.run("get", f"namespace/{namespace}").stderr


def test_a_deployment_has_its_pods_from_the_controllers_and_takes_them_along(cluster: Cluster) -> None:
    with cluster.namespace() as namespace:
        cluster.ok("apply", "-n", namespace, "-f", "-", stdin=deployment("backend", 2))

        def pods() -> list[Any]:
            found: list[Any] = cluster.get("-n", namespace, "pods", "-l", "app=backend")["items"]
            return found

        eventually(lambda: len(pods()) == 2, "the Deployment's two Pods")
        for pod in pods():
            # No scheduler and no kubelet runs, and the default ServiceAccount's token is mounted by admission.
            assert pod["status"]["phase"] == "Pending"
            assert "nodeName" not in pod["spec"]
            assert pod["spec"]["serviceAccountName"] == "default"
            assert [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]] == [
                volume["name"] for volume in pod["spec"]["volumes"]
            ]
            owner = pod["metadata"]["ownerReferences"][0]
            assert (owner["kind"], owner["name"].rpartition("-")[0]) == ("ReplicaSet", "backend")
        cluster.ok("delete", "-n", namespace, "deployment/backend")
        eventually(lambda: not pods(), "the Pods to be collected with their Deployment")


def test_its_account_tokens_are_real_ones(cluster: Cluster) -> None:
    with cluster.namespace() as namespace:
        token = cluster.ok("create", "token", "default", "-n", namespace, "--audience=meshmeter").strip()
        for audience, known in (("meshmeter", True), ("another", False)):
            spec = {"token": token, "audiences": [audience]}
            review = manifest("TokenReview", "", "authentication.k8s.io/v1", spec=spec)
            status = json.loads(cluster.ok("create", "-o", "json", "-f", "-", stdin=review))["status"]
            assert status.get("authenticated", False) is known, status
            if known:
                assert status["user"]["username"] == f"system:serviceaccount:{namespace}:default"


def test_nothing_of_it_runs_on_when_it_is_ended(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        cluster = start_cluster(processes, tmp_path / "cluster")
        assert [each.name for each in processes.all] == ["etcd", "kube-apiserver", "kube-controller-manager"]
        assert cluster.ok("get", "--raw=/readyz") == "ok"
    finally:
        end_cluster(processes)
    assert all(each.popen.poll() is not None for each in processes.all)
    refused = cluster.run("get", "--raw=/readyz")
    assert refused.returncode == 1
    assert "connection refused" in refused.stderr or "was refused" in refused.stderr


def test_the_assets_are_told_where_they_are_without_being_built(tmp_path: Path) -> None:
    done = _assets(tmp_path, "--where")
    assert (done.returncode, done.stderr) == (0, "")
    folder = Path(done.stdout.strip())
    assert folder.parent == tmp_path / "meshmeter" / "kubernetes"
    assert not folder.parent.exists()
    folder.mkdir(parents=True)
    assert _assets(tmp_path).stdout == done.stdout, "what is there is not built again"


def test_without_go_the_assets_name_it_and_the_other_way(tmp_path: Path) -> None:
    done = _assets(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "kubernetes-assets: go is not here" in done.stderr
    assert "KUBEBUILDER_ASSETS" in done.stderr


def _assets(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`scripts/kubernetes-assets` where Go is not on the `$PATH`."""
    programs = cache / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("bash", "cat", "cut", "dirname", "env", "sed", "sha256sum"):
        found = shutil.which(name)
        assert found is not None
        if not (programs / name).exists():
            (programs / name).symlink_to(found)
    return subprocess.run(
        [ROOT / "scripts" / "kubernetes-assets", *arguments],
        env={"PATH": str(programs), "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_tests_without_the_assets_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(
        pytest.skip.Exception, match=f"Kubernetes.*there is no etcd in {re.escape(str(tmp_path))}"
    ):
        start_cluster(Processes(tmp_path), tmp_path / "cluster")
    assert not (tmp_path / "cluster").exists()
