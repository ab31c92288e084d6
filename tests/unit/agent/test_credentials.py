"""Tokens, passwords and trust from files on the proxy's host."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from meshmeter.agent.allowed_files import NO_FILES, AllowedFiles
from meshmeter.agent.credentials import CredentialsError, TlsContexts, authorization
from meshmeter.scrape.config import SourceOptions
from support.certificates import server_certificate

ALL = AllowedFiles([Path("/")])


def test_a_token_is_read_for_each_scrape(tmp_path: Path) -> None:
    file = tmp_path / "token"
    options = SourceOptions(bearer_token_file=str(file))
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        assert authorization(options, ALL) == {"Authorization": f"Bearer {token}"}


def test_user_and_password_are_sent_as_basic(tmp_path: Path) -> None:
    file = tmp_path / "pair"
    file.write_text("prometheus:pass:word\n")
    options = SourceOptions(basic_auth_file=str(file))
    assert authorization(options, ALL) == {"Authorization": "Basic cHJvbWV0aGV1czpwYXNzOndvcmQ="}


def test_without_files_nothing_is_sent() -> None:
    assert authorization(SourceOptions(), ALL) == {}


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff", b"a" * 100_000])
def test_a_file_that_cannot_be_used_is_named_but_never_quoted(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CredentialsError, match="token") as refused:
        authorization(SourceOptions(bearer_token_file=str(file)), ALL)
    assert "two" not in str(refused.value) and "aaa" not in str(refused.value)


def test_a_password_without_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pair"
    file.write_text("secret")
    with pytest.raises(CredentialsError, match="user:password") as refused:
        authorization(SourceOptions(basic_auth_file=str(file)), ALL)
    assert "secret" not in str(refused.value)


def test_a_context_is_kept_until_its_ca_file_changes(tmp_path: Path) -> None:
    authority, _server = server_certificate(tmp_path, "127.0.0.1")
    options = SourceOptions(ca_file=str(authority))
    contexts = TlsContexts(ALL)
    first = contexts.get(options)
    assert contexts.get(options) is first
    assert first.verify_mode is ssl.CERT_REQUIRED and first.check_hostname
    assert first.minimum_version is ssl.TLSVersion.TLSv1_2
    authority.write_bytes(authority.read_bytes() + b"\n# \xe4nother\n")
    assert contexts.get(options) is not first


def test_verification_is_off_only_where_it_is_asked_for() -> None:
    context = TlsContexts(ALL).get(SourceOptions(insecure_skip_verify=True))
    assert context.verify_mode is ssl.CERT_NONE and not context.check_hostname


def test_without_leave_of_the_agents_operator_nothing_is_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t")
    for options in (SourceOptions(bearer_token_file=str(file)), SourceOptions(basic_auth_file=str(file))):
        with pytest.raises(CredentialsError, match="--allow-files"):
            authorization(options, NO_FILES)
    with pytest.raises(CredentialsError, match="--allow-files"):
        TlsContexts(NO_FILES).get(SourceOptions(ca_file=str(file)))


@pytest.mark.parametrize("content", [None, "garbage", "", "-----BEGIN CERTIFICATE-----"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CredentialsError, match=r"ca\.pem"):
        TlsContexts(ALL).get(SourceOptions(ca_file=str(file)))
