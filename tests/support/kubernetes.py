"""A real Kubernetes control plane for tests: etcd, API server and controller manager, on loopback, without any node.

Pods stay Pending, as no scheduler and no kubelet runs. The programs are those that `scripts/kubernetes-assets` builds.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support import require
from support.certificates import server_certificate
from support.processes import Process, Processes, eventually, free_port, get

SERVICE_ADDRESSES = "127.96.0.0/16"
"""The addresses of Services. A test that listens at one of them is reached by its Service without a kube-proxy."""


@dataclass(frozen=True)
class Cluster:
    """A running control plane, and the way to it as a member of `system:masters`."""

    programs: str
    folder: str
    url: str
    token: str

    @property
    def ca_file(self) -> Path:
        return Path(self.folder, "ca.pem")

    @property
    def kubeconfig(self) -> Path:
        return Path(self.folder, "admin.kubeconfig")

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """One command of the real kubectl."""
        return subprocess.run(
            [Path(self.programs, "kubectl"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": self.folder,
                "KUBECONFIG": str(self.kubeconfig),
            },
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """The same, for a command that must succeed; its output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """What `kubectl get ... -o json` says."""
        return json.loads(self.ok("get", "-o", "json", *arguments))

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """The name of a fresh namespace, in which Pods can be made; its deletion is asked for at the end."""
        name = f"test-{secrets.token_hex(6)}"
        self.ok("create", "namespace", name)
        try:
            # Pods that name no ServiceAccount have this one, which the controller manager makes.
            self.ok("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=60s")
            yield name
        finally:
            self.ok("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def start_cluster(processes: Processes, folder: Path) -> Cluster:
    """Start one whose parts are ready when this returns. Its data and all files are in `folder`."""
    programs = require.kubernetes()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    etcd = _start_etcd(processes, programs, folder)
    _, server_file = server_certificate(folder, "127.0.0.1", "localhost", "kubernetes.default.svc")
    _write_service_account_keys(folder)
    address = f"127.0.0.1:{free_port()}"
    cluster = Cluster(str(programs), str(folder), f"https://{address}", secrets.token_hex(16))
    controllers = secrets.token_hex(16)
    tokens = folder / "tokens.csv"
    tokens.write_text(
        f'{cluster.token},admin,admin,"system:masters"\n'
        f"{controllers},system:kube-controller-manager,controllers\n"
    )
    _write_kubeconfig(cluster.kubeconfig, cluster, cluster.token)
    _write_kubeconfig(folder / "controllers.kubeconfig", cluster, controllers)
    serving = (f"--tls-cert-file={server_file}", f"--tls-private-key-file={server_file}")
    host, port = address.split(":")
    server = processes.start(
        "kube-apiserver",
        str(programs / "kube-apiserver"),
        f"--etcd-servers={etcd}",
        f"--bind-address={host}",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={cluster.ca_file}",
        f"--token-auth-file={tokens}",
        *serving,
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.pub'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--allow-privileged=true",
        "--profiling=false",
    )
    _until_ready(server, f"{cluster.url}/readyz", cluster.ca_file)
    controllers_port = free_port()
    manager = processes.start(
        "kube-controller-manager",
        str(programs / "kube-controller-manager"),
        f"--kubeconfig={folder / 'controllers.kubeconfig'}",
        "--bind-address=127.0.0.1",
        f"--secure-port={controllers_port}",
        *serving,
        "--leader-elect=false",
        f"--service-account-private-key-file={folder / 'accounts.key'}",
        f"--root-ca-file={cluster.ca_file}",
        "--use-service-account-credentials=true",
    )
    _until_ready(manager, f"https://127.0.0.1:{controllers_port}/healthz", cluster.ca_file)
    return cluster


@contextlib.contextmanager
def shared_cluster(folder: Path) -> Iterator[Cluster]:
    """The cluster of `folder`, for all processes that test at the same time.

    The first that asks starts it. It ends it once no other uses it any more; who comes after that starts another.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    described = folder / "cluster.json"
    with (folder / "users").open("a") as users, contextlib.ExitStack() as at_the_end:
        with _locked(folder / "change"):
            if described.exists():
                cluster = Cluster(**json.loads(described.read_text()))
            else:
                run = folder / secrets.token_hex(4)
                run.mkdir(mode=0o700)
                processes = Processes(run)
                at_the_end.callback(end_cluster, processes)
                cluster = start_cluster(processes, run)
                described.write_text(json.dumps(asdict(cluster)))
                at_the_end.callback(_wait_for_other_users, folder, users.fileno())
            fcntl.flock(users, fcntl.LOCK_SH)
        yield cluster


def _wait_for_other_users(folder: Path, users: int) -> None:
    # From here on nobody joins: who asks has to wait for `change`, and finds no description then.
    with _locked(folder / "change"):
        (folder / "cluster.json").unlink()
        fcntl.flock(users, fcntl.LOCK_EX)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def end_cluster(processes: Processes) -> None:
    """Nothing of it is kept, so nobody waits until it has ended in good order, which takes over 10 s."""
    for process in reversed(processes.all):
        process.kill()
    processes.close()


def _start_etcd(processes: Processes, programs: Path, folder: Path) -> str:
    """Its URL."""
    clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    process = processes.start(
        "etcd",
        str(programs / "etcd"),
        "--name=test",
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=test={peers}",
    )

    def is_ready() -> bool:
        assert process.popen.poll() is None, process.output()
        return get(f"{clients}/health")[0] == 200

    eventually(is_ready, "etcd to be ready")
    return clients


def _until_ready(process: Process, url: str, ca_file: Path) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    parts = urlsplit(url)

    def is_ready() -> bool:
        assert process.popen.poll() is None, process.output()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=context)
        try:
            connection.request("GET", parts.path)
            return connection.getresponse().status == 200
        except http.client.HTTPException as exc:
            raise OSError(repr(exc)) from exc
        finally:
            connection.close()

    eventually(is_ready, f"{process.name} to be ready", 120)


def _write_service_account_keys(folder: Path) -> None:
    """The pair with which the API server signs the tokens of ServiceAccounts and knows them again."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "accounts.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    (folder / "accounts.pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def _write_kubeconfig(file: Path, cluster: Cluster, token: str) -> None:
    """JSON is YAML."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": cluster.url, "certificate-authority": str(cluster.ca_file)},
            }
        ],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    file.write_text(json.dumps(config))
