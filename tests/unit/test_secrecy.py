"""Keys and credentials in texts."""

from __future__ import annotations

import base64

import pytest

from meshmeter.secrecy import has_private_key, names_a_credential, redact

KEY = "-----BEGIN EC PRIVATE KEY-----\nSECRET\n-----END EC PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nopen\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CERTIFICATE}{KEY}end", f"{CERTIFICATE}(hidden)\nend"),
        ("-----BEGIN PRIVATE KEY-----\nSECRET", "(hidden)"),
        ("cannot reach http://me:SECRET@host/x?y=1", "cannot reach http://(hidden)@host/x?y=1"),
        (
            "GET /metrics?format=prometheus&api_key=SECRET&x=1",
            "GET /metrics?format=prometheus&api_key=(hidden)&x=1",
        ),
        ("sent Authorization: Bearer SECRETSECRETSECRET to", "sent Authorization: Bearer (hidden) to"),
        ("Authorization: Basic SECRETSECRETSECRET=", "Authorization: Basic (hidden)"),
        ("got eyJSECRETSE.eyJSECRETSE.SECRET, odd", "got (hidden), odd"),
    ],
)
def test_only_the_secret_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown and redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        CERTIFICATE,
        "spiffe://default/web is not let in: send the token as `Authorization: Bearer TOKEN`",
        "https://host:443/metrics?format=prometheus&match[]={job='x'}",
        "basic authentication failed for user=me",
        "the signing key of token=1 expired",
    ],
)
def test_everything_else_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_key_is_found_also_in_base64_and_beside_a_certificate() -> None:
    for text in (KEY, CERTIFICATE + KEY, base64.b64encode((CERTIFICATE + KEY).encode()).decode()):
        assert has_private_key(text)
    for text in (CERTIFICATE, base64.b64encode(CERTIFICATE.encode() * 3).decode(), "A" * 65, "", "text"):
        assert not has_private_key(text)


@pytest.mark.parametrize(
    "name", ["token", "X-Api-Key", "access_token", "password", "Authorization", "sig", "Cookie"]
)
def test_names_of_credentials(name: str) -> None:
    assert names_a_credential(name)


@pytest.mark.parametrize("name", ["format", "author", "match[]", "keyspace", "target", "passing"])
def test_other_names(name: str) -> None:
    assert not names_a_credential(name)
