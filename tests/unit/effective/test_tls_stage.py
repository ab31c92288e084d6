"""The ladder of mTLS."""

from __future__ import annotations

import pytest

from meshmeter.effective.tls_stage import TlsStage, tls_stage
from support.resources import mesh


def mtls(mode: str | None, enabled: str = "ca") -> dict[str, object]:
    backend = {"name": "ca", "type": "builtin"} | ({"mode": mode} if mode else {})
    return {"enabledBackend": enabled, "backends": [backend]}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, TlsStage.OFF),
        (mtls("PERMISSIVE", enabled=""), TlsStage.OFF),
        (mtls("PERMISSIVE"), TlsStage.CALLING),
        (mtls("STRICT"), TlsStage.STRICT),
        (mtls(None), TlsStage.STRICT),
        (mtls("PERMISSIVE", enabled="gone"), TlsStage.STRICT),
    ],
)
def test_what_a_mesh_asks_for(written: dict[str, object] | None, expected: TlsStage) -> None:
    assert tls_stage(mesh("default", mtls=written).spec) is expected


@pytest.mark.parametrize("lower", [TlsStage.OFF, TlsStage.ACCEPTING, TlsStage.CALLING])
def test_neighbours_understand_each_other(lower: TlsStage) -> None:
    """Whichever of two proxies is one rung ahead, the other accepts how it calls."""
    upper = TlsStage(lower + 1)
    for caller, called in ((lower, upper), (upper, lower), (lower, lower), (upper, upper)):
        assert called.accepts_mtls if caller.calls_by_mtls else called.accepts_plain


def test_the_way_goes_rung_by_rung() -> None:
    assert TlsStage.OFF.towards(TlsStage.STRICT) is TlsStage.ACCEPTING
    assert TlsStage.STRICT.towards(TlsStage.OFF) is TlsStage.CALLING
    assert TlsStage.CALLING.towards(TlsStage.CALLING) is TlsStage.CALLING
