from datetime import UTC, datetime

from meshmeter.store.token_records import TokenRecord

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_a_record_covers_everything_and_is_valid_unless_it_says_otherwise() -> None:
    record = TokenRecord("id", "key", "meshmeter/admin", NOW, NOW)
    assert record.subject == {} and record.revoked_at is None
