"""Who reads the targets of a mesh, and to whom a change is news."""

from __future__ import annotations

from dataclasses import replace

from meshmeter.controlplane.reconcile.targets import Targets
from meshmeter.effective.targets import MetricsTarget
from meshmeter.effective.view import MeshView
from meshmeter.pipeline import compile_proxy
from meshmeter.resources.dataplane import MetricsProxy, Networking
from support.resources import dataplane, metered

READER, ONE, OTHER = (("default", name) for name in ("reader", "one", "other"))


def target(name: str, port: int = 5670) -> MetricsTarget:
    made = dataplane(name, conf={"port": port})
    found = compile_proxy(MeshView(metered(), {name: made}), made, None).target
    assert found is not None
    return found


def targets() -> Targets:
    made = dataplane("reader")
    assert isinstance(made.spec.networking, Networking)
    networking = made.spec.networking.model_copy(update={"metrics_proxy": MetricsProxy(port=15100)})
    reader = replace(made, spec=made.spec.model_copy(update={"networking": networking}))
    view = MeshView(metered(), {"reader": reader, "one": dataplane("one")})
    found = Targets()
    assert found.find_readers({"default": view}, {READER, ONE}) == {READER}
    return found


def test_a_new_target_is_news_to_the_readers_of_its_mesh() -> None:
    known = targets()
    assert known.take(ONE, target("one")) == {READER}
    assert known.take(ONE, target("one")) == set()
    assert known.take(ONE, target("one", 1234)) == {READER}
    assert known.take(("elsewhere", "one"), target("one")) == set()
    assert known.take(ONE, None) == {READER}
    assert known.take(ONE, None) == set()


def test_a_reader_reads_all_others_and_its_own_is_no_news_to_it() -> None:
    known = targets()
    one, other = target("one"), target("other")
    known.take(ONE, one)
    known.take(OTHER, other)
    assert known.take(READER, target("reader")) == set()
    assert known.of_others(READER) == (one, other)
    assert known.of_others(ONE) == ()


def test_who_is_a_metrics_proxy_no_longer_reads_nothing() -> None:
    known = targets()
    view = MeshView(metered(), {"reader": dataplane("reader")})
    assert known.find_readers({"default": view}, {READER}) == set()
    assert known.take(ONE, target("one")) == set()
    assert known.of_others(READER) == ()
