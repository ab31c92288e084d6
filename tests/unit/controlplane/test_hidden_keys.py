"""Keys in a Mesh: stored, not shown, and found again by their digests."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.controlplane.hidden_keys import hide, is_hidden, restore
from meshmeter.errors import InvalidResource
from meshmeter.resources import codec
from support.resources import dataplane, mesh

KEY = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"


def mtls(key: object) -> dict[str, Any]:
    conf = {"cert": {"inlineString": "cert"}, "key": key}
    return {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "provided", "conf": conf}]}


STORED = mesh("default", mtls=mtls({"inlineString": KEY}))


def test_a_key_is_shown_as_its_digest_in_both_forms() -> None:
    for document in (codec.to_universal(STORED), codec.to_kubernetes(STORED)):
        shown = hide(document)
        assert "SECRET" not in str(shown) and "SECRET" in str(document)
        assert "cert" in str(shown) and is_hidden(shown) and not is_hidden(document)


def test_what_was_shown_can_be_applied_again() -> None:
    for document in (codec.to_universal(STORED), codec.to_kubernetes(STORED)):
        assert restore(hide(document), STORED) == document


def test_equal_keys_have_equal_digests_and_others_others() -> None:
    other = mesh("default", mtls=mtls({"inlineString": KEY + "x"}))
    assert hide(codec.to_universal(STORED)) != hide(codec.to_universal(other))


@pytest.mark.parametrize("key", [{"secret": "name"}, {"file": "/tls/key"}, {}, None, "text", {"inline": 7}])
def test_what_is_no_written_key_is_left_alone(key: object) -> None:
    document = {"type": "Mesh", "name": "default", "mtls": mtls(key)}
    assert hide(document) is document and not is_hidden(document)


@pytest.mark.parametrize(
    "document", [{}, {"mtls": None}, {"mtls": {"backends": "x"}}, {"spec": 1}, {"mtls": {"backends": [1]}}]
)
def test_odd_documents_are_for_others_to_judge(document: dict[str, Any]) -> None:
    assert hide(document) is document and not is_hidden(document)


@pytest.mark.parametrize("stored", [None, mesh("default"), dataplane()])
def test_a_digest_of_nothing_is_refused_and_named(stored: Any) -> None:
    with pytest.raises(InvalidResource) as caught:
        restore(hide(codec.to_universal(STORED)), stored, where="documents[3].")
    (fault,) = caught.value.violations
    assert fault.field == "documents[3].mtls.backends[0].conf.key.inlineString"
    assert "write the key itself" in fault.reason
