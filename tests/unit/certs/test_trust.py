"""What a mesh trusts while its authority changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meshmeter.certs.trust import TrustRecord, advance

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
OVERLAP = timedelta(seconds=20)


def step(
    before: TrustRecord | None, authority: str, now: datetime = NOW, lifetime: timedelta = HOUR
) -> TrustRecord:
    return advance(before, authority, f"<{authority}>", now=now, lifetime=lifetime, overlap=OVERLAP)


def trusted(record: TrustRecord) -> list[str]:
    return [anchor.fingerprint for anchor in record.anchors]


def test_the_first_authority_is_in_force_at_once() -> None:
    first = step(None, "a")
    assert (first.signing, first.bundle_pem, first.switch_at) == ("a", "<a>", None)
    assert step(first, "a") == first and first.next_change() is None


def test_a_new_one_is_trusted_before_anybody_shows_a_certificate_of_it() -> None:
    changed = step(step(None, "a"), "b")
    assert trusted(changed) == ["a", "b"] and changed.bundle_pem == "<b><a>"
    assert changed.switch_at == changed.next_change() == NOW + OVERLAP
    switched = step(changed, "b", NOW + OVERLAP)
    assert switched.switch_at is None and trusted(switched) == ["a", "b"]


def test_the_old_one_is_trusted_until_its_last_certificate_has_expired() -> None:
    changed = step(step(None, "a"), "b")
    end = NOW + OVERLAP + HOUR
    assert trusted(step(changed, "b", end - timedelta(seconds=1))) == ["a", "b"]
    assert trusted(step(changed, "b", end)) == ["b"]


def test_a_shortened_lifetime_does_not_cut_off_certificates_of_before() -> None:
    shortened = step(step(None, "a", lifetime=24 * HOUR), "a", lifetime=HOUR)
    changed = step(shortened, "b", lifetime=HOUR)
    assert changed.anchors[0].until == NOW + OVERLAP + 24 * HOUR


def test_changes_that_overlap_keep_every_authority_that_is_still_shown() -> None:
    twice = step(step(step(None, "a"), "b"), "c", NOW + HOUR / 2)
    assert trusted(twice) == ["a", "b", "c"]


def test_the_way_back_to_the_authority_of_before() -> None:
    back = step(step(step(None, "a"), "b"), "a", NOW + HOUR / 2)
    assert trusted(back) == ["b", "a"] and back.signing == "a"


def test_there_and_back() -> None:
    record = step(step(None, "a"), "b")
    assert TrustRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"anchors": [], "lifetime": 1, "switchAt": null}',
        b'{"anchors": [{"fingerprint": "a", "bundle": "", "until": "2026-01-01"}], "lifetime": 1, "switchAt": null}',
    ],
)
def test_what_is_damaged_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        TrustRecord.from_json(data)


def test_a_change_begun_while_the_clock_was_ahead_takes_no_longer_than_another() -> None:
    ahead = NOW + timedelta(days=40)
    changed = TrustRecord.from_json(step(step(None, "a"), "b", ahead).to_json())
    back = step(changed, "b")
    assert back.switch_at == NOW + OVERLAP
    assert back.anchors[0].until == NOW + OVERLAP + HOUR and trusted(back) == ["a", "b"]
    assert step(back, "b", NOW + timedelta(seconds=1)).switch_at == NOW + OVERLAP


def test_a_record_of_before_is_readable() -> None:
    changed = step(step(None, "a"), "b")
    old = changed.to_json().replace(b'"keptFor"', b'"x"')
    read = TrustRecord.from_json(old)
    assert read.anchors[0].kept_for is None
    assert step(read, "b").anchors[0].until == changed.anchors[0].until
