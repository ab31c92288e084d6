from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshmeter.cli.connection import DEFAULT_ADDRESS, Connection, find_connection, local_endpoint, read_token
from meshmeter.errors import SettingsError

LOCAL = "http://127.0.0.1:4711"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Of a control plane that runs."""
    (tmp_path / "endpoints.json").write_text(json.dumps({"api": f"{LOCAL}/"}))
    (tmp_path / "admin.token").write_text("local-token\n")
    return tmp_path


def test_the_data_directory_is_enough(data_dir: Path) -> None:
    assert find_connection(None, None, data_dir, {}) == Connection(LOCAL, "local-token")
    assert find_connection(None, None, None, {"MESHMETER_DATA_DIR": str(data_dir)}) == Connection(
        LOCAL, "local-token"
    )


def test_the_default_data_directory_is_found(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir.rename(data_dir.parent / "meshmeter-data")
    monkeypatch.chdir(data_dir.parent)
    assert find_connection(None, None, None, {}).address == LOCAL


def test_flags_win_over_variables_over_the_directory(data_dir: Path, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("  file-token \n")
    environ = {"MESHMETER_API_ADDRESS": "https://env:1", "MESHMETER_TOKEN": "env-token"}
    assert find_connection(None, None, data_dir, environ) == Connection("https://env:1", "env-token")
    assert find_connection("https://flag:2/", token_file, data_dir, environ) == Connection(
        "https://flag:2", "file-token"
    )
    named = {"MESHMETER_TOKEN_FILE": str(token_file)}
    assert find_connection(None, None, data_dir, named).token == "file-token"


def test_the_local_token_is_not_sent_elsewhere(data_dir: Path) -> None:
    with pytest.raises(SettingsError, match="only sent to this host"):
        find_connection("https://elsewhere:5681", None, data_dir, {})
    for loopback in ("http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1"):
        assert find_connection(loopback, None, data_dir, {}).token == "local-token"


def test_a_token_leaves_this_host_in_plain_http_only_if_told_so(data_dir: Path) -> None:
    token = {"MESHMETER_TOKEN": "t"}
    for address in ("http://10.0.0.5:5681", "HTTP://cp.example:5681"):
        with pytest.raises(
            SettingsError, match=r"could be read on the way; use https://.*INSECURE_HTTP=true"
        ):
            find_connection(address, None, data_dir, token)
        insecure = token | {"MESHMETER_INSECURE_HTTP": "true"}
        assert find_connection(address, None, data_dir, insecure).token == "t"
    # The directory's own control plane is on this host, and whoever started it said so.
    (data_dir / "endpoints.json").write_text(json.dumps({"api": "http://10.0.0.5:5681"}))
    assert find_connection(None, None, data_dir, {}).token == "local-token"


@pytest.mark.parametrize("address", ["", "host:1", "ftp://x", "http://", "http://x:99999", "http://[x"])
def test_an_address_that_is_none_is_named(data_dir: Path, address: str) -> None:
    if not address:
        assert find_connection(address, None, data_dir, {}).address == LOCAL
        return
    with pytest.raises(SettingsError, match="--api-address"):
        find_connection(address, None, data_dir, {})


def test_a_control_plane_that_does_not_run(data_dir: Path) -> None:
    (data_dir / "endpoints.json").unlink()
    with pytest.raises(SettingsError, match="no control plane runs on"):
        find_connection(None, None, data_dir, {})


def test_without_anything_the_usual_address_is_tried_with_a_token(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert find_connection(None, None, nowhere, {"MESHMETER_TOKEN": "t"}) == Connection(DEFAULT_ADDRESS, "t")
    with pytest.raises(SettingsError, match="--token-file"):
        find_connection(None, None, nowhere, {})


def test_unusable_files_are_named_and_tokens_never_shown(data_dir: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("two secret words")
    with pytest.raises(SettingsError) as caught:
        find_connection(None, bad, data_dir, {})
    assert "secret" not in str(caught.value) and str(bad) in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        find_connection(None, None, data_dir, {"MESHMETER_TOKEN": "secret\x00"})
    assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="No such file"):
        find_connection(None, tmp_path / "missing", data_dir, {})
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not a token"):
        find_connection(None, bad, data_dir, {})
    (data_dir / "endpoints.json").write_text("[]")
    with pytest.raises(SettingsError, match=r"endpoints\.json"):
        find_connection(None, None, data_dir, {})


def test_a_connection_does_not_show_its_token() -> None:
    assert "hidden" not in repr(Connection("http://x", "hidden"))


# Trust


def test_an_https_address_is_trusted_by_flag_variable_or_directory(data_dir: Path, tmp_path: Path) -> None:
    flag, variable = tmp_path / "flag.crt", tmp_path / "variable.crt"
    token = {"MESHMETER_TOKEN": "t"}
    environ = token | {"MESHMETER_CA_CERT_FILE": str(variable)}
    address = "https://cp.example:5681"
    assert find_connection(address, None, data_dir, token).ca_cert_file is None
    (data_dir / "ca.crt").write_text("")
    assert find_connection(address, None, data_dir, token).ca_cert_file == data_dir / "ca.crt"
    assert find_connection(address, None, data_dir, environ).ca_cert_file == variable
    assert find_connection(address, None, data_dir, environ, flag).ca_cert_file == flag
    insecure = environ | {"MESHMETER_INSECURE_HTTP": "true"}
    assert find_connection("http://cp.example:5681", None, data_dir, insecure, flag).ca_cert_file is None


def test_the_other_servers_of_the_directory_are_found_too(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "endpoints.json").write_text(json.dumps({"discovery": "http://127.0.0.1:5676"}))
    assert local_endpoint(data_dir, "discovery") == "http://127.0.0.1:5676"
    assert local_endpoint(tmp_path / "nowhere", "discovery") is None
    with pytest.raises(SettingsError, match="is not readable"):
        local_endpoint(data_dir, "api")


def test_a_token_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" a.b.c \n")
    assert read_token(file, "--file") == "a.b.c"
    file.write_text("a secret with spaces")
    with pytest.raises(SettingsError) as refused:
        read_token(file, "--file")
    assert "a secret" not in str(refused.value) and "--file" in str(refused.value)
