"""Keys in a Mesh: stored, not shown, and found again by their digests."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from meshmeter.controlplane.api.hidden_keys import hide, is_hidden, redacted, restore
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


# Beyond the key of an authority

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nopen\n-----END CERTIFICATE-----\n"


def bundle(**cert: str) -> Any:
    conf = {"cert": cert, "key": {"secret": "k"}}
    return mesh("default", mtls={"backends": [{"name": "ca", "type": "provided", "conf": conf}]})


def with_entries(*entries: dict[str, Any]) -> Any:
    return dataplane(conf={"aggregate": list(entries)})


APPLICATION = {
    "name": "app",
    "port": 1,
    "path": "/m?auth_token=SECRET",
    "params": {"token": "SECRET", "format": "prometheus", "url": "http://me:SECRET@host/"},
}


@pytest.mark.parametrize(
    "stored",
    [
        bundle(inlineString=CERTIFICATE + KEY),
        bundle(inline=base64.b64encode((CERTIFICATE + KEY).encode()).decode()),
        with_entries(APPLICATION),
    ],
)
def test_what_is_secret_is_hidden_in_both_forms_and_found_again(stored: Any) -> None:
    for document in (codec.to_universal(stored), codec.to_kubernetes(stored)):
        shown = hide(document)
        encoded = base64.b64encode(KEY.encode()).decode()[8:-8]
        assert "SECRET" not in str(shown) and encoded not in str(shown)
        assert is_hidden(shown) and restore(shown, stored) == document


def test_what_is_no_secret_is_shown() -> None:
    shown = str(hide(codec.to_universal(with_entries(APPLICATION))))
    assert "'format': 'prometheus'" in shown and "'token': '(hidden)'" in shown


def test_entries_are_found_by_their_names_and_other_changes_stay() -> None:
    stored = with_entries({"name": "other", "port": 2, "params": {"token": "OTHER"}}, APPLICATION)
    shown = hide(codec.to_universal(stored))
    entries = shown["metrics"]["conf"]["aggregate"]
    entries.reverse()
    entries[0]["port"] = 7
    back = restore(shown, stored)["metrics"]["conf"]["aggregate"]
    assert [(e["port"], e["params"]["token"]) for e in back] == [(7, "SECRET"), (2, "OTHER")]
    entries[0]["name"] = "renamed"
    with pytest.raises(InvalidResource) as caught:
        restore(shown, stored)
    (fault,) = caught.value.violations
    assert "aggregate[0]" in fault.field and "write the value itself" in fault.reason


def test_of_an_answer_only_the_secret_part_is_hidden() -> None:
    answer = {
        "settings": {"params": {"value": {"token": "SECRET"}, "overrode": [{"value": {"token": "SECRET"}}]}},
        "findings": [{"message": "cannot reach http://me:SECRET@host/m"}],
    }
    shown = redacted(answer)
    assert "SECRET" not in str(shown) and "cannot reach http://(hidden)@host/m" in str(shown)
