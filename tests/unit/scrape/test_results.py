"""Results are plain data."""

from __future__ import annotations

from meshmeter.scrape.results import FetchError, FetchResult


def test_reasons_are_words_for_a_label() -> None:
    assert all(error.value.replace("_", "").isalpha() and error.value.islower() for error in FetchError)
    assert FetchResult("app", 0.1).error is None
