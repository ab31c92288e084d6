from __future__ import annotations

from support.explained import explain
from support.resources import dataplane, metered, permission


def test_tls_says_what_is_in_force_and_why() -> None:
    plain = explain(metered(), dataplane())["tls"]
    assert (plain["mode"], plain["transport"]) == ("activeMTLSBackend", "plain")
    assert "the Mesh has no mTLS" in plain["reason"]
    of_the_mesh = explain(metered(mtls=True), dataplane())
    assert of_the_mesh["tls"]["transport"] == "mtls"
    assert "HTTPS with the proxy's certificate of the mesh" in of_the_mesh["tls"]["reason"]
    assert of_the_mesh["urls"] == ["https://192.168.0.1:5670/metrics"]
    provided = explain(metered(tls={"mode": "providedTLS"}), dataplane())
    assert provided["tls"]["transport"] == "provided-tls"
    assert provided["urls"][0].startswith("https://")
    assert "disabled" in explain(metered(tls={"mode": "disabled"}), dataplane())["tls"]["reason"]


def test_access_names_the_permission_and_its_sources() -> None:
    prometheus = {"kuma.io/service": "prometheus"}
    allowed = permission("p", sources=[prometheus], destinations=[{"kuma.io/service": "dataplane-metrics"}])
    open_to_all = explain(metered(), dataplane(), allowed)["access"]
    assert open_to_all["restricted"] is False and "needs the mesh's mTLS" in open_to_all["reason"]
    for mode in ("providedTLS", "disabled"):
        reason = explain(metered(mtls=True, tls={"mode": mode}), dataplane(), allowed)["access"]["reason"]
        assert mode in reason and "no effect" in reason and "mTLS" not in reason
    access = explain(metered(mtls=True), dataplane(), allowed)["access"]
    assert (access["restricted"], access["permission"], access["sources"]) == (True, "p", [prometheus])
    refused = explain(metered(mtls=True), dataplane())
    assert refused["access"]["permission"] is None
    assert "nobody may scrape" in refused["access"]["reason"]
    assert "metrics-no-permission" in [found["code"] for found in refused["findings"]]
