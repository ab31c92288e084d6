from __future__ import annotations

import os
from pathlib import Path

import pytest

from meshmeter.agent.coalescing import Room
from meshmeter.agent.settings import load
from meshmeter.errors import SettingsError
from meshmeter.exposition.kernel import PYTHON, choose


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, str | None]:
    """The required ones, with files that exist."""
    made: dict[str, str | None] = {"control_plane": "https://cp:5682/"}
    for key in ("ca_cert_file", "token_file", "dataplane_file"):
        path = tmp_path / key
        path.touch(0o600)
        made[key] = str(path)
    return made


def faults(flags: dict[str, str | None], *variables: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(flags, variables, environ)
    return str(caught.value).splitlines()


def test_the_required_options_are_enough(flags: dict[str, str | None]) -> None:
    settings = load(flags, (), {})
    assert settings.control_plane == "https://cp:5682"
    assert settings.token_file == Path(str(flags["token_file"]))
    assert (settings.drain_time, settings.connect_timeout) == (5.0, 0.0)
    assert (settings.log_format, settings.log_level, settings.envoy_log_level) == (
        "console",
        "info",
        "warning",
    )
    assert (settings.envoy, settings.work_dir, settings.concurrency) == (None, None, None)
    assert settings.warnings() == []


def test_flags_win_over_our_variables_and_those_over_kumas(flags: dict[str, str | None]) -> None:
    environ = {
        "KUMA_CONTROL_PLANE_URL": "https://kuma:1",
        "MESHMETER_DATAPLANE_CONTROL_PLANE": "https://ours:1",
    }
    assert load(flags, (), environ).control_plane == "https://cp:5682"
    flags["control_plane"] = None
    assert load(flags, (), environ).control_plane == "https://ours:1"
    assert (
        load(flags, (), {**environ, "MESHMETER_DATAPLANE_CONTROL_PLANE": ""}).control_plane
        == "https://kuma:1"
    )


def test_kumas_variables_are_enough(flags: dict[str, str | None]) -> None:
    environ = {
        "KUMA_CONTROL_PLANE_URL": "https://kuma:5682",
        "KUMA_CONTROL_PLANE_CA_CERT_FILE": str(flags["ca_cert_file"]),
        "KUMA_DATAPLANE_RUNTIME_TOKEN_PATH": str(flags["token_file"]),
        "KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH": str(flags["dataplane_file"]),
        "KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH": "/c.pem",
        "KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH": "/k.pem",
        "KUMA_DATAPLANE_DRAIN_TIME": "30s",
        "KUMA_DATAPLANE_RUNTIME_CONCURRENCY": "2",
    }
    settings = load({}, (), environ)
    assert settings.metrics_cert_path == Path("/c.pem")
    assert (settings.drain_time, settings.concurrency) == (30.0, 2)


def test_the_kernel_is_chosen_at_the_start(flags: dict[str, str | None]) -> None:
    assert load(flags, (), {}).kernel == choose()
    assert load(flags, (), {"MESHMETER_KERNEL": "python"}).kernel is PYTHON
    assert faults(flags, MESHMETER_KERNEL="fast") == [
        "MESHMETER_KERNEL: there is no kernel 'fast', only auto, python, native"
    ]


def test_every_missing_option_is_named_with_its_variables() -> None:
    found = faults({})
    assert len(found) == 4
    assert "--control-plane is missing" in found[0]
    assert "MESHMETER_DATAPLANE_CONTROL_PLANE or KUMA_CONTROL_PLANE_URL" in found[0]
    assert [line.split()[0] for line in found] == [
        "--control-plane",
        "--ca-cert-file",
        "--token-file",
        "--dataplane-file",
    ]


def test_a_fault_names_the_flag_or_variable_it_came_from(flags: dict[str, str | None]) -> None:
    def check(want: str, **changed: str) -> None:
        assert faults({**flags, **changed}) == [want]

    check("--token-file: /nowhere: no such file or directory", token_file="/nowhere")
    check("--token-file: /: it is a directory, not a regular file", token_file="/")
    check("--drain-time: '5' is not a duration such as 5s, 500ms or 1m", drain_time="5")
    check("--drain-time: '2h' is more than an hour", drain_time="2h")
    check("--kernel: there is no kernel 'rust', only auto, python, native", kernel="rust")
    check("--log-format: 'xml' is not one of console, json", log_format="xml")
    check("--concurrency: '0' is not a number from 1 to 1024", concurrency="0")
    check("--concurrency: '²' is not a number from 1 to 1024", concurrency="²")
    check("--max-scrapes: '0' is not a number from 1 to 1024", max_scrapes="0")
    size = "is not a size from 1MiB to 1TiB, such as 64MiB"
    for bad in ("x", "1MB", "-1", "1023KiB", "2TiB", "²MiB"):
        check(f"--max-scrape-bytes: {bad!r} {size}", max_scrape_bytes=bad)
    check("--work-dir: cannot be empty", work_dir="")
    check(
        "--metrics-cert-path and --metrics-key-path belong together: give both or neither",
        metrics_key_path="/k",
    )
    url = "is not a URL of the form https://HOST:PORT"
    check(f"--control-plane: 'cp:5682' {url}", control_plane="cp:5682")
    check(f"--control-plane: 'https://cp:x' {url}", control_plane="https://cp:x")
    check(f"--control-plane: 'https://cp/api' {url}", control_plane="https://cp/api")
    check(f"--control-plane: 'https://[::1' {url}", control_plane="https://[::1")
    check(
        "--control-plane: 'http://cp:5682' must begin with https://, the token would travel in the clear",
        control_plane="http://cp:5682",
    )
    assert faults({**flags, "token_file": None}, KUMA_DATAPLANE_RUNTIME_TOKEN_PATH="/nowhere") == [
        "KUMA_DATAPLANE_RUNTIME_TOKEN_PATH: /nowhere: no such file or directory"
    ]


def test_variables_of_the_dataplane_file(flags: dict[str, str | None]) -> None:
    environ = {"MESHMETER_DATAPLANE_VAR_name": "from-environment", "MESHMETER_DATAPLANE_VAR_port": "1"}
    settings = load(flags, ("name=flag", "empty=", "equals=a=b"), environ)
    assert settings.variables == {"name": "flag", "port": "1", "empty": "", "equals": "a=b"}
    assert faults(flags, "name", "1a=b") == [
        "--var: 'name' is not of the form name=value",
        "--var: '1a=b' is not of the form name=value",
    ]


def test_a_token_that_others_can_read_is_a_warning(flags: dict[str, str | None]) -> None:
    token_file = Path(str(flags["token_file"]))
    token_file.chmod(0o644)
    (warning,) = load(flags, (), {}).warnings()
    assert f"chmod 600 {token_file}" in warning


@pytest.mark.parametrize("option", ["token_file", "ca_cert_file", "dataplane_file"])
def test_a_pipe_is_not_waited_for(flags: dict[str, str | None], tmp_path: Path, option: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = faults({**flags, option: str(tmp_path / "pipe")})
    assert "a pipe, not a regular file" in fault


def test_directories_whose_files_entries_may_name(flags: dict[str, str | None], tmp_path: Path) -> None:
    assert load(flags, (), {}).allow_files == ()
    given = {**flags, "allow_files": ["/run/app/../other/", str(tmp_path)]}
    settings = load(given, (), {"MESHMETER_DATAPLANE_ALLOW_FILES": "/not/this"})
    assert settings.allow_files == (Path("/run/other"), tmp_path)
    assert settings.warnings() == ["--allow-files: /run/other is not a directory now"]
    by_variable = load(flags, (), {"MESHMETER_DATAPLANE_ALLOW_FILES": "/:/etc/app"})
    assert by_variable.allow_files == (Path("/"), Path("/etc/app"))
    assert "every file" in by_variable.warnings()[0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5s", 1.5), ("0s", 0), ("1h", 3600)]
)
def test_durations(flags: dict[str, str | None], text: str, seconds: float) -> None:
    assert load({**flags, "drain_time": text}, (), {}).drain_time == seconds


@pytest.mark.parametrize("bad", ["5", "s", "-5s", "5 s", "5d", "1m 30s", "inf", "1e3s", "\u0665s", "1h1s"])
def test_no_duration_of_an_hour_at_most(flags: dict[str, str | None], bad: str) -> None:
    with pytest.raises(SettingsError, match=f"^--drain-time: '{bad}' is "):
        load({**flags, "drain_time": bad}, (), {})


def test_what_scrapes_may_cost(flags: dict[str, str | None]) -> None:
    settings = load(flags, (), {})
    assert Room(settings.max_scrapes, settings.max_scrape_bytes) == Room()
    settings = load({**flags, "max_scrapes": "3", "max_scrape_bytes": "2GiB"}, (), {})
    assert (settings.max_scrapes, settings.max_scrape_bytes) == (3, 2 << 30)
    environ = {"MESHMETER_DATAPLANE_MAX_SCRAPE_BYTES": "1048576"}
    assert load(flags, (), environ).max_scrape_bytes == 1 << 20
