"""Work for the unauthenticated, on the running control plane: it costs little, and nobody else waits for it."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from meshmeter.file_descriptors import raise_limit
from support.access import ask, stream
from support.processes import ControlPlane, eventually, get

SILENT = 1500
"""Connections."""


def resident(control_plane: ControlPlane) -> int:
    """Bytes of memory that the process holds."""
    pid = control_plane.process.popen.pid
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def port(control_plane: ControlPlane, endpoint: str) -> int:
    return int(control_plane.url(endpoint).rpartition(":")[2])


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    raise_limit()
    with ExitStack() as stack:
        yield stack


def open_many(stack: ExitStack, number: int, count: int) -> list[socket.socket]:
    found = []
    for _ in range(count):
        connection = stack.enter_context(socket.socket())
        connection.settimeout(10)
        connection.connect(("127.0.0.1", number))
        found.append(connection)
    return found


def everything_answers(control_plane: ControlPlane) -> bool:
    assert get(control_plane.url("diagnostics") + "/ready")[0] == 200
    assert get(control_plane.url("discovery") + "/v1/targets")[0] == 200
    assert get(control_plane.url("api") + "/meshes")[0] == 401
    return True


def metric(control_plane: ControlPlane, name: str, server: str) -> float:
    _, text = get(control_plane.url("diagnostics") + "/metrics")
    (line,) = [line for line in text.splitlines() if line.startswith(f'{name}{{server="{server}"}}')]
    return float(line.rpartition(" ")[2])


@pytest.mark.attack("B3: 1500 silent TLS connections cost little, and hold up no port")
def test_silent_connections_cost_little(control_plane: ControlPlane, connections: ExitStack) -> None:
    everything_answers(control_plane)
    before = resident(control_plane)
    open_many(connections, port(control_plane, "dataplane_api"), SILENT)
    refused = "meshmeter_control_plane_refused_connections_total"
    eventually(lambda: metric(control_plane, refused, "dataplane_api") >= SILENT - 512, "all to be looked at")
    assert everything_answers(control_plane)
    # Those from another client come in although this one has its fill.
    status, _ = ask(
        control_plane.url("dataplane_api") + "/v1/proxies/default/x/agent-config",
        "nonsense",
        ca=control_plane.data_dir / "ca.crt",
        source="127.0.0.2",
    )
    assert status == 401
    assert resident(control_plane) - before < 60 << 20


@pytest.mark.attack("B3: TLS connections that are opened and then silent cost no 360 KiB each")
def test_open_tls_connections_cost_less_than_their_buffers(
    control_plane: ControlPlane, connections: ExitStack
) -> None:
    everything_answers(control_plane)
    context = ssl.create_default_context(cafile=str(control_plane.data_dir / "ca.crt"))
    before = resident(control_plane)
    for plain in open_many(connections, port(control_plane, "dataplane_api"), 200):
        connections.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
    each = (resident(control_plane) - before) / 200
    assert everything_answers(control_plane)
    assert each < 200 << 10, f"{each:.0f} bytes"


@pytest.mark.attack("B3: when descriptors run out the log stays short, and the ports recover")
def test_running_out_of_descriptors_is_told_and_passes(
    control_plane: ControlPlane, connections: ExitStack
) -> None:
    everything_answers(control_plane)
    pid = control_plane.process.popen.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (60, limits[1]))
    for endpoint in ("dataplane_api", "discovery", "api", "diagnostics"):
        open_many(connections, port(control_plane, endpoint), 100)
    said = "cannot accept connections on the"
    eventually(lambda: said in control_plane.process.output(), "the line")
    before = len(control_plane.process.output())
    connections.close()
    eventually(lambda: everything_answers(control_plane), "the ports to recover", 60.0)
    output = control_plane.process.output()
    assert output.count(said) == 1 and "Traceback" not in output and len(output) - before < 2000


@pytest.mark.attack("B3: ADS calls of 4 MiB without a token are not decoded, and hold nobody up")
def test_ads_calls_without_a_token_cost_nothing(control_plane: ControlPlane) -> None:
    import grpc

    before = len(control_plane.process.output())
    for _ in range(40):
        code, _ = stream(control_plane, "default", "x" * (1 << 20), "nonsense")
        assert code is grpc.StatusCode.UNAUTHENTICATED
    assert everything_answers(control_plane)
    assert len(control_plane.process.output()) - before < 10_000


@pytest.mark.attack("B3: a client that leaves in the middle of its request is no traceback")
def test_who_leaves_in_the_middle_is_no_traceback(
    control_plane: ControlPlane, connections: ExitStack
) -> None:
    head = b"POST /v3/discovery:monitoringassignments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    for leaving in open_many(connections, port(control_plane, "discovery"), 20):
        leaving.sendall(head)
    eventually(
        lambda: metric(control_plane, "meshmeter_control_plane_http_connections", "discovery") >= 20, "all"
    )
    connections.close()
    eventually(
        lambda: metric(control_plane, "meshmeter_control_plane_http_connections", "discovery") == 0,
        "their end",
    )
    with contextlib.suppress(OSError):
        get(control_plane.url("discovery") + "/v1/targets")
    assert "Traceback" not in control_plane.process.output()


@pytest.mark.attack(
    "B8: a web page by way of a name for 127.0.0.1 reads neither targets nor metrics nor health"
)
def test_a_foreign_host_reads_nothing(control_plane: ControlPlane) -> None:
    foreign = {"Host": "attacker.example"}
    for server, path, status in (
        ("discovery", "/v1/targets", 401),
        ("diagnostics", "/metrics", 401),
        ("diagnostics", "/ready", 403),
        ("diagnostics", "/healthy", 403),
    ):
        url = control_plane.url(server) + path
        answered, text = get(url, headers=foreign)
        assert answered == status and "attacker.example" in text and "--names" in text
        assert get(url)[0] == 200
    token = control_plane.ok("token", "discovery").strip()
    targets = control_plane.url("discovery") + "/v1/targets"
    assert ask(targets, token, headers=foreign)[0] == 200
    for header in ("Via", "X-Forwarded-Host", "Forwarded"):
        status, text = get(targets, headers={header: "somebody"})
        assert status == 401 and header in text


@pytest.mark.attack("B7: a revoked token ends open long polls of the running control plane at once")
def test_a_revoked_token_ends_an_open_poll(control_plane: ControlPlane) -> None:
    import json
    import threading

    token = control_plane.ok("token", "discovery").strip()
    url = control_plane.url("discovery") + "/v3/discovery:monitoringassignments"
    asked = {
        "node": {"id": "prometheus"},
        "typeUrl": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment",
    }
    status, text = ask(url, token, method="POST", body=asked)
    assert status == 200
    asked["versionInfo"] = json.loads(text)["version_info"]
    answers: list[int] = []

    def poll() -> None:
        answers.append(ask(f"{url}?fetch-timeout=10m", token, method="POST", body=asked, timeout=60)[0])

    waiting = threading.Thread(target=poll)
    waiting.start()
    connections = "meshmeter_control_plane_http_connections"
    eventually(lambda: metric(control_plane, connections, "discovery") >= 1, "the poll")
    (known,) = json.loads(control_plane.ok("token", "list", "--json"))["items"][-1:]
    control_plane.ok("token", "revoke", known["id"])
    waiting.join(60)
    assert answers == [401]


@pytest.mark.attack(
    "B4: calls with a megabyte of metadata for Dataplanes that do not exist leave nothing behind"
)
def test_nothing_is_kept_of_calls_for_names_that_do_not_exist(control_plane: ControlPlane) -> None:
    import grpc

    token = control_plane.ok("token", "dataplane", "--mesh", "default").strip()

    def come_and_go(name: str) -> bool:
        code, _ = stream(control_plane, "default", name, token, padding="x" * (1 << 20), seconds=0.2)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        return f"default/{name} disconnected" in control_plane.process.output()

    for number in range(5):  # what gRPC and the decoder need once
        eventually(lambda: come_and_go(f"first-{number}"), "a call")  # noqa: B023
    before = resident(control_plane)
    for number in range(40):
        eventually(lambda: come_and_go(f"nobody-{number}"), "a call")  # noqa: B023
    assert everything_answers(control_plane)
    assert resident(control_plane) - before < 20 << 20
    assert len(control_plane.process.output()) < 40_000
