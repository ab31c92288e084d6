"""The annotations of a Pod as the metrics of its Dataplane, and what then holds for the proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.origin import Layer, Origin
from meshmeter.effective.pod_annotations import PREFIX
from meshmeter.injector.annotations import pod_metrics
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.resource import Resource
from support.resources import dataplane, metered

POD = {"k8s.kuma.io/namespace": "shop", "k8s.kuma.io/name": "web-1"}


def annotated(suffixes: dict[str, str]) -> dict[str, str]:
    return {PREFIX + suffix: value for suffix, value in suffixes.items()}


def of_pod(suffixes: dict[str, str]) -> Resource[DataplaneSpec]:
    """The Dataplane of a Pod with these annotations."""
    found = pod_metrics(annotated(suffixes))
    bare = dataplane("web-1.shop", name_extensions=POD)
    return replace(
        bare,
        meta=replace(bare.meta, annotations=found.annotations),
        spec=bare.spec.model_copy(update={"metrics": found.metrics}),
    )


def held(suffixes: dict[str, str], **mesh_conf: Any) -> EffectiveMetrics:
    effective = effective_metrics(metered(**mesh_conf), of_pod(suffixes))
    assert effective is not None
    return effective


def from_annotation(suffix: str) -> Origin:
    return Origin(Layer.ANNOTATION, "Pod shop/web-1", f"metadata.annotations[{PREFIX}{suffix}]")


def test_the_dataplane_gets_exactly_what_the_annotations_say() -> None:
    found = pod_metrics(annotated({"port": "1234", "aggregate-b-port": "80", "aggregate-a-enabled": "false"}))
    assert found.metrics is not None
    assert found.metrics.model_dump(by_alias=True, exclude_none=True) == {
        "type": "prometheus",
        "conf": {
            "port": 1234,
            "aggregate": ({"name": "a", "enabled": False}, {"name": "b", "port": 80}),
        },
    }


def test_without_annotations_about_metrics_there_are_no_metrics() -> None:
    found = pod_metrics({"kuma.io/sidecar-injected": "true"})
    assert (found.metrics, found.annotations, found.findings) == (None, {}, ())


def test_annotations_override_the_mesh_field_by_field_and_are_named_as_the_origin() -> None:
    found = held(
        {"path": "/stats", "aggregate-app-port": "9090"},
        port=5680,
        aggregate=[{"name": "app", "port": 80, "path": "/app"}],
    )
    assert (found.path.value, found.path.origin) == ("/stats", from_annotation("path"))
    assert (found.port.value, found.port.origin.layer) == (5680, Layer.MESH)
    (app,) = found.aggregate
    assert (app.port.value, app.port.origin) == (9090, from_annotation("aggregate-app-port"))
    assert [below.value for below in app.port.overrode] == [80, None]
    assert (app.path.value, app.path.origin.layer) == ("/app", Layer.MESH)
    assert found.sources == (app,) and not found.findings


def test_what_somebody_else_wrote_over_an_annotation_is_the_dataplanes() -> None:
    subject = of_pod({"port": "1234"})
    changed = dataplane("web-1.shop", conf={"port": 4321}, name_extensions=POD).spec
    found = effective_metrics(metered(), replace(subject, spec=changed))
    assert found is not None
    assert (found.port.value, found.port.origin.layer) == (4321, Layer.DATAPLANE)


def test_an_entry_without_a_port_anywhere_is_a_finding_and_the_rest_works() -> None:
    found = held({"aggregate-app-path": "/stats", "aggregate-other-port": "123"})
    assert [(f.code, f.scope) for f in found.findings] == [("aggregate-port-missing", "source")]
    assert [source.name for source in found.sources] == ["other"] and found.serves


def test_an_entry_with_a_bad_annotation_is_not_scraped_even_if_the_mesh_has_all_it_needs() -> None:
    found = held(
        {"aggregate-app-port": "80a", "aggregate-other-port": "81"},
        aggregate=[{"name": "app", "port": 80}],
    )
    assert [source.name for source in found.sources] == ["other"] and found.serves
    (finding,) = found.findings
    assert finding.code == "pod-annotation-entry-invalid"
    assert f'failed to parse annotation "{PREFIX}aggregate-app-port"' in finding.message
    assert finding == pod_metrics(annotated({"aggregate-app-port": "80a"})).findings[0]


def test_a_bad_annotation_of_a_disabled_entry_is_told_once() -> None:
    found = held({"aggregate-app-port": "80a", "aggregate-app-enabled": "false"})
    assert [f.code for f in found.findings] == ["pod-annotation-entry-invalid"]
    assert found.aggregate[0].refused is None and not found.sources


def test_a_bad_annotation_about_the_endpoint_leaves_what_the_mesh_says() -> None:
    found = held({"port": "no", "path": "/stats"}, port=5680)
    assert (found.port.value, found.path.value, found.serves) == (5680, "/stats", True)
    assert [f.code for f in found.findings] == ["pod-annotation-invalid"]


def test_bad_and_unknown_annotations_alone_are_told_too() -> None:
    found = held({"port": "no", "prot": "1"})
    assert [f.code for f in found.findings] == ["pod-annotation-invalid", "pod-annotation-unknown"]


suffixes = st.sampled_from(
    [
        "port",
        "path",
        "prot",
        *(f"aggregate-{n}-{f}" for n in "ab" for f in ("port", "path", "enabled", "address")),
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.dictionaries(suffixes, st.one_of(st.text(), st.sampled_from(["80", "/x", "no", "127.0.0.1"]))))
def test_no_value_raises_and_every_finding_reaches_the_effective_metrics(said: dict[str, str]) -> None:
    findings = pod_metrics(annotated(said)).findings
    assert set(findings) <= set(held(said, aggregate=[{"name": "a", "port": 1}]).findings)
