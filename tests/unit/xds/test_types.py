"""The types and their order."""

from __future__ import annotations

from meshmeter.xds import types
from meshmeter.xds.protos import message


def test_every_type_is_a_message_that_is_packaged() -> None:
    for type_url in types.ORDER:
        assert message(type_url.removeprefix("type.googleapis.com/"))


def test_what_is_referred_to_is_sent_first() -> None:
    for type_url, referred in types.REFERRED.items():
        assert all(types.ORDER.index(r) < types.ORDER.index(type_url) for r in referred)


def test_every_type_says_who_refers_to_it_and_none_to_itself_in_a_circle() -> None:
    assert set(types.REFERRERS) == set(types.ORDER)

    def all_referrers(type_url: str) -> set[str]:
        direct = types.REFERRERS[type_url]
        return set(direct).union(*(all_referrers(r) for r in direct)) if direct else set()

    assert all(type_url not in all_referrers(type_url) for type_url in types.ORDER)
