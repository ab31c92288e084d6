"""One mesh, real Envoys, real metrics: what a client sees of the running system."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path

import yaml

from support.processes import (
    ControlPlane,
    Processes,
    document,
    eventually,
    free_port,
    get,
    meshmeter,
    samples,
    start_control_plane,
)
from support.proxies import Proxy, application, dataplane_document, start_proxy

FRONTEND, BACKEND = "127.0.0.2", "127.0.0.3"


def a_backend(control_plane: ControlPlane, **options: object) -> Proxy:
    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port, **options)  # type: ignore[arg-type]
    return start_proxy(control_plane, made).wait()


def test_two_services_with_traffic_show_proxy_and_application_metrics(control_plane: ControlPlane) -> None:
    backend = a_backend(control_plane)
    outbound = free_port()
    service_port = application(control_plane, "frontend", f"http://127.0.0.1:{outbound}/")
    made = dataplane_document("frontend", FRONTEND, service_port=service_port, outbound={"backend": outbound})
    frontend = start_proxy(control_plane, made).wait()

    def through_both() -> bool:
        status, body = get(frontend.url)
        return status == 200 and json.loads(body) == {"service": "frontend", "behind": "backend"}

    eventually(through_both, "a request through both sidecars")

    body = frontend.metrics()
    to_backend = samples(body, "envoy_cluster_upstream_rq_total", envoy_cluster_name="backend")
    assert sum(to_backend.values()) >= 1
    assert all('kuma_io_mesh_traffic="true"' in series for series in to_backend)
    local = samples(body, "envoy_cluster_upstream_rq_total", envoy_cluster_name=f"localhost_{service_port}")
    assert sum(local.values()) >= 1
    prefix = {"envoy_http_conn_manager_prefix": f"localhost_{service_port}"}
    assert sum(samples(body, "envoy_http_downstream_rq_total", **prefix).values()) >= 1
    assert sum(samples(body, "demo_requests_total", service="frontend").values()) >= 1
    assert samples(body, "meshmeter_source_up") == {
        'meshmeter_source_up{source="envoy"}': 1,
        'meshmeter_source_up{source="app"}': 1,
    }
    assert sum(samples(backend.metrics(), "demo_requests_total", service="backend").values()) >= 1

    targets = json.loads(get(control_plane.url("discovery") + "/v1/targets")[1])
    assert {t["targets"][0] for t in targets} == {
        f"{FRONTEND}:{frontend.metrics_port}",
        f"{BACKEND}:{backend.metrics_port}",
    }
    listed = json.loads(control_plane.ok("get", "dataplanes", "-o", "json"))
    assert [item["name"] for item in listed["items"]] == ["backend", "frontend"]
    assert control_plane.ok("get", "dataplanes").count("online") == 2


def test_only_the_exact_path_answers_and_only_to_reads(control_plane: ControlPlane) -> None:
    backend = a_backend(control_plane)
    base = f"http://{BACKEND}:{backend.metrics_port}"
    assert get(f"{base}/metrics")[0] == 200
    assert get(f"{base}/metricsfoo")[0] == 404
    assert get(f"{base}/metrics/x")[0] == 404
    assert get(f"{base}/")[0] == 404


def test_every_metrics_setting_changes_live(control_plane: ControlPlane) -> None:
    backend = a_backend(control_plane)
    agent_pid = backend.process.popen.pid
    other_app = application(control_plane, "other")
    changed = deepcopy(backend.document)
    conf = changed["metrics"]["conf"]
    conf["port"], conf["path"] = free_port(BACKEND), "/stats/prometheus"
    conf["aggregate"] = [{"name": "other", "port": other_app, "address": "127.0.0.1"}]
    conf["envoy"] = {"filterRegex": "^server\\.(live|uptime)$", "usedOnly": True}
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))

    def is_as_changed() -> bool:
        status, body = get(f"http://{BACKEND}:{conf['port']}/stats/prometheus")
        families = {line.split()[2] for line in body.splitlines() if line.startswith("# TYPE envoy_")}
        return (
            status == 200
            and families == {"envoy_server_live", "envoy_server_uptime"}
            and bool(samples(body, "meshmeter_source_up", source="other"))
            and not samples(body, "meshmeter_source_up", source="app")
        )

    eventually(is_as_changed, "port, path, aggregate list and filter to change")

    def old_port_is_closed() -> bool:
        try:
            get(backend.metrics_url, timeout=2)
        except OSError:
            return True
        return False

    eventually(old_port_is_closed, "the old port to close")
    assert backend.process.popen.poll() is None and backend.process.popen.pid == agent_pid


def test_a_dead_application_never_costs_envoys_metrics(control_plane: ControlPlane) -> None:
    service_port = application(control_plane, "backend")
    dead = free_port()
    aggregate = [
        {"name": "alive", "port": service_port, "address": "127.0.0.1"},
        {"name": "dead", "port": dead, "address": "127.0.0.1"},
    ]
    made = dataplane_document("backend", BACKEND, service_port=service_port, aggregate=aggregate)
    body = start_proxy(control_plane, made).wait().metrics()
    assert samples(body, "envoy_server_live")
    assert samples(body, "meshmeter_source_up", source="dead") == {'meshmeter_source_up{source="dead"}': 0}
    assert samples(body, "meshmeter_source_up", source="alive") == {'meshmeter_source_up{source="alive"}': 1}


def test_proxies_outlive_a_killed_control_plane_and_take_changes_after_it(
    control_plane: ControlPlane,
) -> None:
    backend = a_backend(control_plane)
    control_plane.process.kill()
    for _ in range(3):
        assert samples(backend.metrics(), "envoy_server_live")
    assert get(backend.url)[0] == 200

    control_plane.restart()
    assert json.loads(control_plane.ok("get", "dataplane", "backend", "-o", "json"))["name"] == "backend"
    changed = deepcopy(backend.document)
    changed["metrics"]["conf"]["path"] = "/after"
    control_plane.ok("apply", "-f", "-", stdin=document(**changed))
    url = f"http://{BACKEND}:{backend.metrics_port}/after"
    eventually(lambda: get(url)[0] == 200, "the change after the restart to arrive")
    eventually(lambda: "online" in control_plane.ok("get", "dataplanes"), "the proxy to be online again")
    assert samples(get(url)[1], "envoy_server_live")


def test_a_departed_proxy_is_removed_and_one_that_was_applied_stays(
    processes: Processes, tmp_path: Path
) -> None:
    control_plane = start_control_plane(processes, tmp_path, "--deregistration-delay=2s")
    applied = dataplane_document("by-hand", "127.0.0.4", service_port=80)
    control_plane.ok("apply", "-f", "-", stdin=document(**applied))
    backend = a_backend(control_plane)
    backend.process.popen.kill()  # no goodbye
    backend.process.popen.wait(60)

    def names() -> set[str]:
        return {i["name"] for i in json.loads(control_plane.ok("get", "dataplanes", "-o", "json"))["items"]}

    eventually(lambda: names() == {"by-hand"}, "the departed proxy to be removed", seconds=15)
    try:
        answered = get(backend.metrics_url, timeout=1)[0]
    except OSError:
        answered = 0
    assert answered == 0, "Envoy must not outlive its agent"


def test_a_clean_stop_removes_the_dataplane_and_leaves_nothing(control_plane: ControlPlane) -> None:
    backend = a_backend(control_plane)
    assert backend.process.stop() == 0
    assert json.loads(control_plane.ok("get", "dataplanes", "-o", "json"))["items"] == []
    assert not list(backend.work_dir.glob("*.sock"))


def test_a_port_taken_on_the_host_is_shown_and_heals_by_itself(control_plane: ControlPlane) -> None:
    import socket

    service_port = application(control_plane, "backend")
    made = dataplane_document("backend", BACKEND, service_port=service_port)
    port = made["metrics"]["conf"]["port"]
    with socket.create_server((BACKEND, port)):
        proxy = start_proxy(control_plane, made)
        shown = eventually(
            lambda: "rejected" in (table := control_plane.ok("get", "dataplanes")) and table,
            "the refusal to be shown",
        )
        explained = control_plane.ok("explain", "dataplane", "backend")
        assert "Address already in use" in explained, explained
        assert "backend" in shown
    proxy.wait()
    eventually(lambda: "online" in control_plane.ok("get", "dataplanes"), "the refusal to be forgotten")


def test_the_admin_socket_is_for_the_agents_user_only(control_plane: ControlPlane) -> None:
    backend = a_backend(control_plane)
    sockets = list(backend.work_dir.glob("*.sock"))
    assert sockets
    for path in sockets:
        assert path.stat().st_mode & 0o077 == 0, path
    assert backend.work_dir.stat().st_mode & 0o077 == 0
    for secret in ("ca.key", "signing.key", "admin.token"):
        assert (control_plane.data_dir / secret).stat().st_mode & 0o777 == 0o600


def test_a_wrong_token_and_a_foreign_name_are_refused_clearly(control_plane: ControlPlane) -> None:
    other = control_plane.ok("token", "dataplane", "--mesh", "default", "--name", "other")
    made = dataplane_document("backend", BACKEND, service_port=80)
    proxy = start_proxy(control_plane, made, token=other)
    assert proxy.process.popen.wait(60) == 3
    assert "backend" in proxy.process.output() and "other" in proxy.process.output()
    assert "Traceback" not in proxy.process.output()

    garbage = start_proxy(control_plane, made, token="not-a-token")
    assert garbage.process.popen.wait(60) == 3
    assert "token" in garbage.process.output()
    assert "not-a-token" not in garbage.process.output()


def test_the_control_plane_stops_without_waiting_for_its_clients(control_plane: ControlPlane) -> None:
    """Envoy's stream never ends by itself, and the agent's poll only after a minute."""
    a_backend(control_plane)
    assert control_plane.process.stop(30.0) == 0


def test_one_bad_document_of_two_stores_nothing_and_shows_every_fault(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    good = {"type": "Mesh", "name": "shop"}
    bad = {
        "type": "Mesh",
        "name": "Bad_Name",
        "metrics": {"backends": [{"name": "p", "type": "prometheus", "conf": {"prot": 1, "port": 70000}}]},
    }
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump_all([good, bad]))
    refused = control_plane.run("apply", "-f", str(file))
    assert refused.returncode == 1
    for word in (
        "name",
        "conf.prot",
        'did you mean "port"',
        "conf.port: port must be in the range [1, 65535]",
    ):
        assert word in refused.stderr + refused.stdout, word
    assert "Traceback" not in refused.stderr
    assert control_plane.run("get", "mesh", "shop").returncode == 1


def test_a_port_of_the_control_plane_in_use_is_named(control_plane: ControlPlane, tmp_path: Path) -> None:
    port = control_plane.ports["api"]
    others = [f"--{n}-port=0" for n in ("dataplane-api", "ads", "discovery", "diagnostics")]
    done = meshmeter(
        "control-plane", "run", "--data-dir", str(tmp_path / "second"), f"--api-port={port}", *others
    )
    assert done.returncode == 3
    assert str(port) in done.stderr and "--api-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_envoy_on_the_machine_says_how_to_get_one(control_plane: ControlPlane, tmp_path: Path) -> None:
    made = dataplane_document("backend", BACKEND, service_port=80)
    proxy = start_proxy(control_plane, made, options=(f"--envoy={tmp_path / 'nowhere'}",))
    assert proxy.process.popen.wait(60) == 3
    assert "meshmeter[envoy]" in proxy.process.output()


def test_the_processes_do_not_depend_on_the_working_directory(control_plane: ControlPlane) -> None:
    listed = meshmeter("get", "meshes", env={"MESHMETER_DATA_DIR": os.fspath(control_plane.data_dir)})
    assert listed.returncode == 0 and "default" in listed.stdout
