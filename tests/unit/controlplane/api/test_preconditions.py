from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import make_mocked_request

from meshmeter.controlplane.api.preconditions import etag, expected_version
from meshmeter.controlplane.http.errors import Refusal
from support.resources import mesh


def holds(version: int, **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    demanded = expected_version(make_mocked_request("PUT", "/", headers=named))
    assert demanded is not None
    return demanded(version)


def test_the_version_is_the_etag() -> None:
    subject = mesh()
    assert etag(replace(subject, meta=replace(subject.meta, version=7))) == '"7"'


def test_without_headers_nothing_is_demanded() -> None:
    assert expected_version(make_mocked_request("PUT", "/")) is None


def test_if_match_wants_one_of_the_versions() -> None:
    assert holds(3, If_Match='"3"') and holds(3, If_Match='"2", "3"')
    assert not holds(3, If_Match='"2"') and not holds(3, If_Match="3")
    assert holds(3, If_Match="*") and not holds(0, If_Match="*")
    assert not holds(0, If_Match='"0"')


def test_if_none_match_wants_that_nothing_is_there() -> None:
    assert holds(0, If_None_Match="*") and not holds(1, If_None_Match="*")
    assert not holds(0, If_None_Match="*", If_Match='"1"')
    with pytest.raises(Refusal):
        holds(1, If_None_Match='"1"')
