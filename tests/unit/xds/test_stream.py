"""Delta ADS, one conversation per test. Rules are those in the docstring of `xds.stream`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.xds.messages import ProtocolError, Request, Response
from meshmeter.xds.snapshot import Resource, Snapshot, build
from meshmeter.xds.stream import DeltaStream, Output
from meshmeter.xds.subscription import MAX_NAMES
from meshmeter.xds.types import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from support.conversation import Conversation, cluster, endpoints, listener, routes, secret


def test_a_first_conversation() -> None:
    proxy = Conversation()
    assert proxy.update(cluster("a"), endpoints("a"), listener("l")) == []
    assert proxy.subscribe(CLUSTER) == ["Cluster +a"]
    assert proxy.subscribe(LISTENER) == ["Listener +l"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.subscribe(ENDPOINTS, "a") == ["ClusterLoadAssignment +a"]
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment"]
    assert proxy.ack(LISTENER) == ["ack Listener"]
    assert proxy.update(cluster("a"), endpoints("a"), listener("l")) == [], "nothing has changed"


def test_nothing_is_said_before_the_first_snapshot() -> None:
    proxy = Conversation()
    assert proxy.subscribe(CLUSTER) == []
    assert proxy.subscribe(LISTENER, "*") == []
    assert proxy.update(cluster("a")) == ["Cluster +a", "Listener"]


def test_an_empty_wildcard_type_is_answered_once() -> None:
    proxy = Conversation()
    proxy.update()
    assert proxy.subscribe(LISTENER) == ["Listener"]
    assert proxy.ack(LISTENER) == ["ack Listener"]
    assert proxy.update() == []


@pytest.mark.parametrize("type_url", [ENDPOINTS, ROUTES, SECRET])
def test_a_name_that_does_not_exist_is_answered_when_it_does(type_url: str) -> None:
    proxy = Conversation()
    proxy.update()
    assert proxy.subscribe(type_url, "s") == []
    assert proxy.subscribe(type_url) == [], "subscribing to nothing is no wildcard here"
    if type_url == SECRET:
        assert proxy.update(secret("other")) == []
        assert proxy.update(secret("s")) == ["Secret +s"]


def test_order_is_clusters_endpoints_listeners_secrets() -> None:
    proxy = Conversation()
    for type_url in (SECRET, LISTENER, ENDPOINTS, CLUSTER):
        proxy.subscribe(type_url, *(() if type_url in (LISTENER, CLUSTER) else ("x",)))
    assert proxy.update(listener("x"), secret("x"), endpoints("x"), cluster("x")) == [
        "Cluster +x",
        "ClusterLoadAssignment +x",
        "Listener +x",
        "Secret +x",
    ]


def test_a_listener_waits_for_a_cluster_that_cannot_be_sent_yet() -> None:
    proxy = Conversation()
    proxy.update(cluster("a"))
    assert proxy.subscribe(CLUSTER) == ["Cluster +a"]
    assert proxy.subscribe(LISTENER) == ["Listener"]
    proxy.ack(LISTENER)
    assert proxy.update(cluster("a"), cluster("b"), listener("to-b")) == []
    assert proxy.ack(CLUSTER) == ["ack Cluster", "Cluster +b", "Listener +to-b"]


def test_make_before_break() -> None:
    proxy = Conversation()
    proxy.update(cluster("old"), endpoints("old"), listener("l", 1))
    proxy.subscribe(CLUSTER)
    proxy.subscribe(ENDPOINTS, "old")
    proxy.subscribe(LISTENER)
    for type_url in (CLUSTER, ENDPOINTS, LISTENER):
        proxy.ack(type_url)

    assert proxy.update(cluster("new"), endpoints("new"), listener("l", 2)) == ["Cluster +new", "Listener +l"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.subscribe(ENDPOINTS, "new") == ["ClusterLoadAssignment +new"]
    proxy.ack(ENDPOINTS)
    assert proxy.ack(LISTENER) == ["ack Listener", "Cluster -old"]
    assert proxy.unsubscribe(ENDPOINTS, "old") == []
    assert proxy.ack(CLUSTER) == ["ack Cluster"]


def test_what_a_replaced_listener_used_lingers_until_it_is_drained() -> None:
    proxy = Conversation(linger=10)
    proxy.update(cluster("old"), secret("old"), listener("l", 1))
    proxy.subscribe(CLUSTER)
    proxy.subscribe(SECRET, "old")
    proxy.subscribe(LISTENER)
    for type_url in (CLUSTER, SECRET, LISTENER):
        proxy.ack(type_url)
    assert proxy.update(listener("l", 2)) == ["Listener +l"]
    assert proxy.passes(20) == [], "the old one is in use until the new one is acknowledged"
    assert proxy.stream.removal_due is None and not proxy.stream.settled
    assert proxy.ack(LISTENER) == ["ack Listener"]
    assert proxy.stream.removal_due == 30 and proxy.stream.settled
    assert proxy.passes(9) == []
    assert proxy.passes(1) == ["Cluster -old"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.stream.removal_due == 40, "for secrets it begins when no cluster refers to them any more"
    assert proxy.passes(10) == ["Secret -old"]
    proxy.ack(SECRET)
    assert proxy.stream.removal_due is None


def test_what_is_wanted_again_while_it_lingers_stays_and_costs_nothing() -> None:
    proxy = Conversation(linger=10)
    proxy.update(cluster("a"))
    proxy.subscribe(CLUSTER)
    proxy.ack(CLUSTER)
    assert proxy.update() == []
    proxy.passes(9)
    assert proxy.update(cluster("a")) == []
    assert proxy.stream.removal_due is None
    assert proxy.passes(9) == []
    assert proxy.update() == []
    assert proxy.passes(9) == []
    assert proxy.passes(1) == ["Cluster -a"]


def test_a_listener_goes_together_with_what_may_take_its_port() -> None:
    proxy = Conversation()
    proxy.update(listener("inbound", 5670))
    proxy.subscribe(LISTENER)
    proxy.ack(LISTENER)
    assert proxy.update(listener("metrics", 5670)) == ["Listener +metrics -inbound"]


def test_one_response_per_type_is_under_way_and_the_latest_follows() -> None:
    proxy = Conversation()
    proxy.update(cluster("a", 1))
    proxy.subscribe(CLUSTER)
    assert proxy.update(cluster("a", 2)) == []
    assert proxy.update(cluster("a", 3)) == []
    assert proxy.ack(CLUSTER) == ["ack Cluster", "Cluster +a"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]


def test_an_answer_with_another_nonce_says_nothing() -> None:
    proxy = Conversation()
    proxy.update(cluster("a"))
    proxy.subscribe(CLUSTER)
    assert proxy.ack(CLUSTER, nonce="77") == []
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.ack(CLUSTER) == [], "answered already"


def test_a_name_that_is_subscribed_again_is_answered_again() -> None:
    """Envoy asks again for a secret it has when the listener that uses it changes."""
    proxy = Conversation()
    proxy.update(secret("s"))
    assert proxy.subscribe(SECRET, "s") == ["Secret +s"]
    proxy.ack(SECRET)
    assert proxy.subscribe(SECRET, "s") == ["Secret +s"]


def test_a_name_that_is_subscribed_while_it_is_under_way_is_answered_once_more() -> None:
    proxy = Conversation()
    proxy.update(secret("s"))
    assert proxy.subscribe(SECRET, "s") == ["Secret +s"]
    assert proxy.subscribe(SECRET, "s") == []
    assert proxy.ack(SECRET) == ["ack Secret", "Secret +s"]
    assert proxy.ack(SECRET) == ["ack Secret"]


def test_an_acknowledgement_may_subscribe_as_well() -> None:
    proxy = Conversation()
    proxy.update(secret("s"), secret("t"))
    proxy.subscribe(SECRET, "s")
    assert proxy.subscribe(SECRET, "t", answering=proxy.nonce(SECRET)) == ["ack Secret", "Secret +t"]


def test_what_was_refused_is_repeated_on_retry_and_not_before() -> None:
    proxy = Conversation()
    proxy.update(listener("l"))
    proxy.subscribe(LISTENER)
    assert proxy.nack(LISTENER, "Address already in use") == ["nack Listener: Address already in use"]
    assert proxy.stream.refusing
    assert proxy.update(listener("l")) == []
    assert proxy.retry() == ["Listener +l"]
    assert not proxy.stream.refusing
    assert proxy.nack(LISTENER) == ["nack Listener: no"]
    assert proxy.retry() == ["Listener +l"]
    assert proxy.ack(LISTENER) == ["ack Listener"]
    assert proxy.retry() == []


def test_a_change_of_what_was_refused_is_sent_at_once() -> None:
    proxy = Conversation()
    proxy.update(listener("bad", 1), listener("good"))
    proxy.subscribe(LISTENER)
    proxy.nack(LISTENER)
    assert proxy.update(listener("bad", 2), listener("good")) == ["Listener +bad"]
    proxy.ack(LISTENER)
    assert proxy.stream.refusing, "whether the other one was applied is not known"
    assert proxy.retry() == ["Listener +good"]


def test_a_refused_listener_keeps_the_clusters_it_may_use() -> None:
    proxy = Conversation()
    proxy.update(cluster("old"), listener("l", 1))
    proxy.subscribe(CLUSTER)
    proxy.subscribe(LISTENER)
    proxy.ack(CLUSTER)
    proxy.ack(LISTENER)
    assert proxy.update(listener("l", 2)) == ["Listener +l"]
    assert proxy.nack(LISTENER) == ["nack Listener: no"]
    assert proxy.retry() == ["Listener +l"]
    assert proxy.ack(LISTENER) == ["ack Listener", "Cluster -old"]


def test_a_refused_cluster_holds_no_listener_back() -> None:
    proxy = Conversation()
    proxy.update(cluster("bad"))
    proxy.subscribe(CLUSTER)
    proxy.subscribe(LISTENER)
    proxy.ack(LISTENER)
    proxy.nack(CLUSTER)
    assert proxy.update(cluster("bad"), listener("l")) == ["Listener +l"]


def test_a_refused_removal_is_repeated() -> None:
    """Envoy removes, but does not note it, when the same response has a bad resource."""
    proxy = Conversation()
    proxy.update(listener("gone"))
    proxy.subscribe(LISTENER)
    proxy.ack(LISTENER)
    assert proxy.update(listener("bad")) == ["Listener +bad -gone"]
    proxy.nack(LISTENER)
    assert proxy.update() == ["Listener -bad"]
    proxy.ack(LISTENER)
    assert proxy.retry() == ["Listener -gone"]


def test_what_was_refused_is_taken_away_when_it_is_not_wanted_any_more() -> None:
    """Envoy may have applied the good part of a response that it refused."""
    proxy = Conversation()
    proxy.update(listener("good"), listener("bad"))
    proxy.subscribe(LISTENER)
    proxy.nack(LISTENER)
    assert proxy.update() == ["Listener -bad -good"]


def test_going_back_after_a_refusal_is_sent() -> None:
    """Envoy may have applied the refused version, or the refused removal."""
    proxy = Conversation()
    proxy.update(listener("a", 1), listener("b"))
    proxy.subscribe(LISTENER)
    proxy.ack(LISTENER)
    assert proxy.update(listener("a", 2)) == ["Listener +a -b"]
    proxy.nack(LISTENER)
    assert proxy.update(listener("a", 1), listener("b")) == ["Listener +a +b"]


def test_on_reconnect_only_the_difference_is_sent() -> None:
    same, changed, new = cluster("same"), cluster("changed", 2), cluster("new")
    proxy = Conversation()
    proxy.update(same, changed, new)
    has = {"same": same.version, "changed": cluster("changed", 1).version, "gone": "1"}
    assert proxy.subscribe(CLUSTER, "*", has=has) == ["Cluster +changed +new -gone"]


def test_on_reconnect_a_named_resource_is_not_sent_again() -> None:
    proxy = Conversation()
    proxy.update(endpoints("a"), endpoints("b"))
    has = {"a": endpoints("a").version}
    assert proxy.subscribe(ENDPOINTS, "a", "b", has=has) == ["ClusterLoadAssignment +b"]


def with_endpoints(*clusters: Resource) -> Conversation:
    """A proxy that has these clusters and their endpoints."""
    proxy = Conversation()
    proxy.update(*clusters, *(endpoints(made.name) for made in clusters))
    proxy.subscribe(CLUSTER, "*")
    proxy.ack(CLUSTER)
    proxy.subscribe(ENDPOINTS, *(made.name for made in clusters))
    proxy.ack(ENDPOINTS)
    return proxy


def test_a_changed_cluster_gets_its_endpoints_again() -> None:
    """Envoy lets it wait for them, and does not ask again for what it is subscribed to."""
    proxy = with_endpoints(cluster("a", 1), cluster("b", 1))
    changed = [cluster("a", 2), cluster("b", 1), endpoints("a"), endpoints("b")]
    assert proxy.update(*changed) == ["Cluster +a", "ClusterLoadAssignment +a"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment"]
    assert proxy.update(*changed) == []


def test_a_stream_is_settled_when_the_proxy_has_acknowledged_what_it_is_to_have() -> None:
    proxy = with_endpoints(cluster("a", 1))
    assert proxy.stream.settled
    proxy.update(cluster("a", 2), endpoints("a"))
    assert not proxy.stream.settled
    proxy.ack(CLUSTER)
    assert not proxy.stream.settled, "it has not said yet that it has the endpoints"
    proxy.ack(ENDPOINTS)
    assert proxy.stream.settled
    proxy.update(cluster("a", 3), endpoints("a"))
    proxy.ack(ENDPOINTS)
    proxy.nack(CLUSTER)
    assert not proxy.stream.settled


def test_endpoints_that_are_under_way_follow_a_changed_cluster_once_more() -> None:
    """They may have arrived before it."""
    proxy = with_endpoints(cluster("a", 1))
    assert proxy.update(cluster("a", 1), endpoints("a", 200)) == ["ClusterLoadAssignment +a"]
    assert proxy.update(cluster("a", 2), endpoints("a", 200)) == ["Cluster +a"]
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment", "ClusterLoadAssignment +a"]
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment"]


def test_a_refused_cluster_that_is_repeated_gets_its_endpoints_again() -> None:
    proxy = with_endpoints(cluster("a", 1))
    assert proxy.update(cluster("a", 2), endpoints("a")) == ["Cluster +a", "ClusterLoadAssignment +a"]
    proxy.nack(CLUSTER)
    proxy.ack(ENDPOINTS)
    assert proxy.retry() == ["Cluster +a", "ClusterLoadAssignment +a"]


def test_a_cluster_that_changed_while_the_proxy_was_away_gets_its_endpoints_again() -> None:
    """The proxy reports them, and would wait for them all the same."""
    proxy = Conversation()
    same = cluster("same")
    proxy.update(same, cluster("a", 2), endpoints("same"), endpoints("a"))
    has = {"a": cluster("a", 1).version, "same": same.version}
    assert proxy.subscribe(CLUSTER, "*", has=has) == ["Cluster +a"]
    has = {name: endpoints(name).version for name in ("a", "same")}
    assert proxy.subscribe(ENDPOINTS, "a", "same", has=has) == ["ClusterLoadAssignment +a"]
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment"]


@pytest.mark.parametrize(("type_url", "make"), [(ROUTES, routes), (SECRET, secret)])
def test_a_listener_that_asks_again_is_answered_at_once(
    type_url: str, make: Callable[[str], Resource]
) -> None:
    """Envoy holds a new listener back until it has the routes and secrets that it asks for."""
    proxy = Conversation()
    proxy.update(listener("l", 1), make("x"))
    proxy.subscribe(LISTENER)
    proxy.ack(LISTENER)
    proxy.subscribe(type_url, "x")
    proxy.ack(type_url)
    assert proxy.update(listener("l", 2), make("x")) == ["Listener +l"]
    kind = type_url.rpartition(".")[2]
    assert proxy.subscribe(type_url, "x") == [f"{kind} +x"]


def test_a_wildcard_subscriber_that_unsubscribes_a_name_is_told_what_became_of_it() -> None:
    """Which of the two subscriptions held it, a proxy does not know."""
    proxy = Conversation()
    proxy.update(cluster("stays"), cluster("goes"))
    proxy.subscribe(CLUSTER, "*", "stays", "goes")
    proxy.ack(CLUSTER)
    proxy.update(cluster("stays"))
    proxy.ack(CLUSTER)
    assert proxy.unsubscribe(CLUSTER, "goes") == ["Cluster -goes"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.unsubscribe(CLUSTER, "stays") == ["Cluster +stays"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]
    assert proxy.update() == ["Cluster -stays"]


def test_what_is_subscribed_again_and_gone_is_taken_away() -> None:
    proxy = Conversation()
    proxy.update(cluster("a"), cluster("b"))
    proxy.subscribe(CLUSTER)
    proxy.ack(CLUSTER)
    assert proxy.update(cluster("b")) == ["Cluster -a"]
    assert proxy.subscribe(CLUSTER, "a") == []
    assert proxy.ack(CLUSTER) == ["ack Cluster", "Cluster -a"]
    assert proxy.ack(CLUSTER) == ["ack Cluster"]


def test_what_was_under_way_when_it_was_subscribed_again_is_taken_away_as_well() -> None:
    proxy = Conversation()
    proxy.update(secret("s"))
    proxy.subscribe(SECRET, "s")
    assert proxy.subscribe(SECRET, "s") == []
    assert proxy.update() == []
    assert proxy.ack(SECRET) == ["ack Secret", "Secret -s"]
    assert proxy.ack(SECRET) == ["ack Secret"]


def test_unsubscribed_names_are_not_sent() -> None:
    proxy = Conversation()
    proxy.update(endpoints("a", 100))
    proxy.subscribe(ENDPOINTS, "a")
    assert proxy.unsubscribe(ENDPOINTS, "a") == []
    assert proxy.ack(ENDPOINTS) == ["ack ClusterLoadAssignment"]
    assert proxy.update(endpoints("a", 200)) == []
    assert proxy.update() == []


def test_a_wildcard_can_be_given_up() -> None:
    proxy = Conversation()
    proxy.update(cluster("a"))
    proxy.subscribe(CLUSTER, "*")
    proxy.ack(CLUSTER)
    proxy.unsubscribe(CLUSTER, "*")
    assert proxy.update(cluster("a", 2), cluster("b")) == []
    assert proxy.subscribe(CLUSTER, "b") == ["Cluster +b"]
    proxy.ack(CLUSTER)
    assert proxy.subscribe(CLUSTER, "*") == ["Cluster +a"]


def test_other_types_are_ignored() -> None:
    proxy = Conversation()
    proxy.update()
    assert proxy.subscribe("type.googleapis.com/envoy.service.runtime.v3.Runtime", "x") == []


@pytest.mark.parametrize("first", [True, False])
def test_names_without_end_break_the_stream(first: bool) -> None:
    stream = DeltaStream()
    if not first:
        stream.receive(Request(SECRET, subscribe=("one",)))
    with pytest.raises(ProtocolError, match="more than"):
        stream.receive(Request(SECRET, subscribe=tuple(map(str, range(MAX_NAMES + 1)))))


@dataclass
class Proxy:
    """A proxy that takes responses over, or refuses them after applying all or nothing of them."""

    stream: DeltaStream
    has: dict[tuple[str, str], str] = field(default_factory=dict)
    waiting: list[Response] = field(default_factory=list)

    def take(self, outputs: list[Output]) -> None:
        self.waiting += [output for output in outputs if isinstance(output, Response)]

    def answer(self, *, refuse: bool, apply: bool) -> None:
        if not self.waiting:
            return
        response = self.waiting.pop(0)
        if apply or not refuse:
            self.has |= {(response.type_url, r.name): r.version for r in response.resources}
            for name in response.removed:
                self.has.pop((response.type_url, name), None)
        error = "no" if refuse else None
        self.take(self.stream.receive(Request(response.type_url, nonce=response.nonce, error=error)))

    def wants(self, snapshot: Snapshot) -> dict[tuple[str, str], str]:
        return {r.key: r.version for type_url in (CLUSTER, LISTENER) for r in snapshot.of(type_url).values()}


step = st.one_of(
    st.tuples(st.just("snapshot"), st.dictionaries(st.sampled_from("abc"), st.integers(1, 3))),
    st.tuples(st.just("answer"), st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("retry"), st.none()),
)


@given(st.lists(step, max_size=30))
def test_whatever_happens_a_willing_proxy_ends_up_with_the_snapshot(steps: list[tuple[str, Any]]) -> None:
    stream = DeltaStream()
    proxy = Proxy(stream)
    snapshot, refused = build(()), False
    proxy.take(stream.update(snapshot))
    for type_url in (CLUSTER, LISTENER):
        proxy.take(stream.receive(Request(type_url)))
    for kind, given_with in steps:
        match kind, given_with:
            case "snapshot", dict(versions):
                both = [make(n, v) for n, v in versions.items() for make in (cluster, listener)]
                snapshot = build(both)
                proxy.take(stream.update(snapshot))
            case "answer", (bool(refuse), bool(apply)):
                proxy.answer(refuse=refuse, apply=apply)
            case _:
                proxy.take(stream.retry())
        listeners = {name for type_url, name in proxy.has if type_url == LISTENER}
        refused = refused or (kind == "answer" and given_with[0])
        assert refused or all((CLUSTER, name) in proxy.has for name in listeners), "make before break"
        assert len(proxy.waiting) <= 2, "one response per type is under way"
    proxy.take(stream.retry())
    for _ in range(20):
        proxy.answer(refuse=False, apply=True)
    assert proxy.has == proxy.wants(snapshot)
    assert not stream.refusing
