"""Which kernel is chosen (what kernels do is in test_merge)."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from types import ModuleType

import pytest

from meshmeter.errors import SettingsError
from meshmeter.exposition.kernel import NAMES, PYTHON, choose
from support import require

ADAPTER = "meshmeter.exposition.merge_native"


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, ADAPTER, None
    )  # how Python itself marks a module that cannot be imported


@pytest.fixture
def of_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("meshmeter_native")
    module.CONTRACT = 99  # type: ignore[attr-defined]  # a module made by hand
    monkeypatch.setitem(sys.modules, "meshmeter_native", module)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)


def test_the_compiled_kernel_is_taken_where_it_is_installed() -> None:
    native = require.native_kernel()
    assert native.name == "native" != PYTHON.name
    assert choose() == choose("auto") == native


def test_python_can_be_forced() -> None:
    assert choose("python") is PYTHON
    assert str(PYTHON) == "python"


@pytest.mark.usefixtures("not_installed")
def test_everything_works_without_the_compiled_kernel() -> None:
    chosen = choose()
    assert (chosen.name, chosen.begin) == ("python", PYTHON.begin)
    assert str(chosen).startswith("python, the compiled kernel cannot be loaded")
    with pytest.raises(
        SettingsError, match="build it with `make native`, or choose the kernel python or auto"
    ):
        choose("native")


@pytest.mark.usefixtures("of_another_time")
def test_a_compiled_kernel_of_another_version_is_not_used() -> None:
    assert "meshmeter-native has interface 99" in choose().why
    with pytest.raises(SettingsError, match=r"interface 99, not \d+: make native"):
        choose("native")


def test_applications_are_merged_at_once_only_if_they_are_small() -> None:
    assert PYTHON.is_quick(envoy=100 << 10, others=8 << 10)
    assert not PYTHON.is_quick(envoy=200 << 10, others=0)
    assert not PYTHON.is_quick(envoy=0, others=9 << 10)
    assert require.native_kernel().is_quick(envoy=1 << 20, others=200 << 10)


def test_names() -> None:
    assert NAMES == ("auto", "python", "native")
    with pytest.raises(SettingsError, match="there is no kernel 'rust', only auto, python, native"):
        choose("rust")


def test_the_extra_asks_for_the_compiled_kernel_of_this_contract() -> None:
    require.native_kernel()
    adapter = importlib.import_module(ADAPTER)
    required = [r.partition(";") for r in metadata.requires("meshmeter") or ()]
    wanted = [name.strip() for name, _, when in required if "native" in when]
    assert wanted == [f"meshmeter-native==0.{adapter.CONTRACT}.*"]
    assert metadata.version("meshmeter-native").startswith(f"0.{adapter.CONTRACT}.")
