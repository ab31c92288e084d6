"""Tokens in the wrong hands, on the running control plane: each is refused, with a reason that one can act on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.access import agent_config, ask, refusal, register, stream
from support.processes import (
    MESHMETER,
    ControlPlane,
    Processes,
    document,
    eventually,
    get,
    meshmeter,
)
from support.proxies import Proxy, application, dataplane_document, start_proxy

ADDRESS = "127.0.0.3"
SERVICE = "kuma.io/service"


def a_dataplane(name: str, mesh: str = "default", **tags: str) -> dict[str, Any]:
    made = dataplane_document(name, ADDRESS, service_port=80, mesh=mesh)
    made["networking"]["inbound"][0]["tags"] |= tags
    return made


def token(control_plane: ControlPlane, *arguments: str) -> str:
    return control_plane.ok("token", *arguments).strip()


def token_id(control_plane: ControlPlane, **covers: Any) -> str:
    """The id of the one token that covers this."""
    items = json.loads(control_plane.ok("token", "list", "--json"))["items"]
    (found,) = [item["id"] for item in items if all(item.get(key) == value for key, value in covers.items())]
    return str(found)


@pytest.fixture
def two_meshes(control_plane: ControlPlane) -> ControlPlane:
    control_plane.ok("apply", "-f", "-", stdin=document(type="Mesh", name="shop"))
    return control_plane


def test_a_token_for_another_mesh_opens_nothing(two_meshes: ControlPlane) -> None:
    of_shop = token(two_meshes, "dataplane", "--mesh", "shop")
    reason = "mesh from requestor: default is different than in token: shop"
    assert refusal(register(two_meshes, a_dataplane("backend"), of_shop)) == (403, reason)
    # Nor is there a way around by what the path or the node says once such a proxy exists.
    of_default = token(two_meshes, "dataplane", "--mesh", "default")
    assert register(two_meshes, a_dataplane("backend"), of_default)[0] == 200
    assert refusal(agent_config(two_meshes, "default", "backend", of_shop)) == (403, reason)
    assert stream(two_meshes, "default", "backend", of_shop) == (grpc.StatusCode.PERMISSION_DENIED, reason)
    assert stream(two_meshes, "default", "backend", of_default)[0] is grpc.StatusCode.OK
    assert register(two_meshes, a_dataplane("backend", "shop"), of_shop)[0] == 200


def test_a_token_for_another_proxy_opens_nothing(control_plane: ControlPlane) -> None:
    of_x = token(control_plane, "dataplane", "--mesh", "default", "--name", "x")
    of_y = token(control_plane, "dataplane", "--mesh", "default", "--name", "y")
    assert register(control_plane, a_dataplane("y"), of_y)[0] == 200
    reason = "proxy name from requestor: y is different than in token: x"
    assert refusal(register(control_plane, a_dataplane("y"), of_x)) == (403, reason)
    assert refusal(agent_config(control_plane, "default", "y", of_x)) == (403, reason)
    assert stream(control_plane, "default", "y", of_x) == (grpc.StatusCode.PERMISSION_DENIED, reason)
    base = control_plane.url("dataplane_api") + "/v1/proxies/default/y"
    ca = control_plane.data_dir / "ca.crt"
    assert refusal(ask(base, of_x, method="DELETE", ca=ca)) == (403, reason)
    assert refusal(ask(f"{base}/scrape-report", of_x, method="POST", body={}, ca=ca)) == (403, reason)
    assert stream(control_plane, "default", "y", of_y)[0] is grpc.StatusCode.OK


def test_a_dataplane_may_claim_only_the_services_of_its_token(control_plane: ControlPlane) -> None:
    narrow = token(control_plane, "dataplane", "--mesh", "default", "--tag", f"{SERVICE}=backend,cache")
    status, reason = refusal(register(control_plane, a_dataplane("payments"), narrow))
    assert status == 403
    assert reason == (
        f'dataplane contains tag "{SERVICE}" with value "payments" which is not allowed with this token. '
        "Allowed values in token are backend, cache"
    )
    # One allowed service does not carry another in with it.
    both = a_dataplane("backend")
    second = json.loads(json.dumps(both["networking"]["inbound"][0]))
    second["port"] += 1
    second["tags"][SERVICE] = "payments"
    both["networking"]["inbound"].append(second)
    assert refusal(register(control_plane, both, narrow)) == (403, reason)
    assert register(control_plane, a_dataplane("backend"), narrow)[0] == 200
    assert stream(control_plane, "default", "backend", narrow)[0] is grpc.StatusCode.OK
    # What an operator makes of the Dataplane later counts for the token too.
    control_plane.ok("apply", "-f", "-", stdin=document(**both))
    eventually(
        lambda: (
            stream(control_plane, "default", "backend", narrow) == (grpc.StatusCode.PERMISSION_DENIED, reason)
        ),
        "the changed tags to count",
    )


def test_a_dataplane_without_the_tags_of_its_token_stays_out(control_plane: ControlPlane) -> None:
    narrow = token(control_plane, "dataplane", "--mesh", "default", "--tag", "team=payments")
    status, reason = refusal(register(control_plane, a_dataplane("backend"), narrow))
    assert (status, reason) == (403, 'dataplane has no tag "team" required by the token')
    assert register(control_plane, a_dataplane("backend", team="payments"), narrow)[0] == 200
    # One that is not there cannot be looked at, so it is not let in.
    status_of, words = stream(control_plane, "default", "unheard-of", narrow)
    assert status_of is grpc.StatusCode.PERMISSION_DENIED and "not registered" in words


DB = {SERVICE: "db"}


def take(control_plane: ControlPlane, name: str, given: str) -> list[tuple[object, str]]:
    """Everything that a client can say of a proxy which is there, and the reasons why it may not."""
    base = f"{control_plane.url('dataplane_api')}/v1/proxies/default/{name}"
    ca = control_plane.data_dir / "ca.crt"
    return [
        refusal(register(control_plane, a_dataplane(name, **{SERVICE: "web"}), given)),
        refusal(agent_config(control_plane, "default", name, given)),
        refusal(ask(f"{base}/scrape-report", given, method="POST", body={}, ca=ca)),
        refusal(ask(f"{base}/certificate", given, method="PUT", body={"state": "usable"}, ca=ca)),
        refusal(ask(f"{base}?instance=i", given, method="DELETE", ca=ca)),
        stream(control_plane, "default", name, given),
    ]


@pytest.mark.attack("B1: a token for one service takes over the proxy of another service")
def test_a_token_for_a_service_takes_over_no_proxy_of_another(control_plane: ControlPlane) -> None:
    own = token(control_plane, "dataplane", "--mesh", "default", "--name", "db-1")
    assert register(control_plane, a_dataplane("db-1", **DB), own)[0] == 200
    before = control_plane.ok("get", "dataplane", "db-1", "-o", "json")
    web = token(control_plane, "dataplane", "--mesh", "default", "--tag", f"{SERVICE}=web")
    for status, reason in take(control_plane, "db-1", web):
        assert status in (403, grpc.StatusCode.PERMISSION_DENIED) and '"db" which is not allowed' in reason
    assert control_plane.ok("get", "dataplane", "db-1", "-o", "json") == before
    assert agent_config(control_plane, "default", "db-1", own)[0] == 200


@pytest.mark.attack("B1: a token without the proxy's name takes over what an operator applied")
def test_what_an_operator_applied_is_taken_over_by_no_token_that_does_not_name_it(
    control_plane: ControlPlane,
) -> None:
    control_plane.ok("apply", "-f", "-", stdin=document(**a_dataplane("db-1", **{SERVICE: "web"})))
    before = control_plane.ok("get", "dataplane", "db-1", "-o", "json")
    for limits in (("--tag", f"{SERVICE}=web"), ()):
        given = token(control_plane, "dataplane", "--mesh", "default", *limits)
        eventually(
            lambda given=given: "operator applied" in stream(control_plane, "default", "db-1", given)[1],
            "the applied Dataplane to be known to ADS",
        )
        for status, reason in take(control_plane, "db-1", given):
            assert status in (403, grpc.StatusCode.PERMISSION_DENIED), reason
            assert "an operator applied" in reason and "--name db-1" in reason
    assert control_plane.ok("get", "dataplane", "db-1", "-o", "json") == before
    own = token(control_plane, "dataplane", "--mesh", "default", "--name", "db-1")
    assert register(control_plane, a_dataplane("db-1", **{SERVICE: "web"}), own)[0] == 200
    assert stream(control_plane, "default", "db-1", own)[0] is grpc.StatusCode.OK


@pytest.mark.attack("B1: a registration re-points the Envoy of another proxy to sockets of the attacker")
def test_a_refused_registration_re_points_no_envoy(control_plane: ControlPlane) -> None:
    made = dataplane_document("db-1", ADDRESS, service_port=application(control_plane, "db-1"))
    proxy = start_proxy(control_plane, made).wait()
    web = token(control_plane, "dataplane", "--mesh", "default", "--tag", f"{SERVICE}=web")
    for status, _ in take(control_plane, "db-1", web):
        assert status in (403, grpc.StatusCode.PERMISSION_DENIED)
    # A change that the control plane compiles after the attempt still leads to the victim's own agent.
    made["metrics"]["conf"]["path"] = "/moved"
    control_plane.ok("apply", "-f", "-", stdin=document(**made))
    eventually(lambda: get(proxy.metrics_url.replace("/metrics", "/moved"))[0] == 200, "the change to arrive")
    assert "envoy_server_live" in get(proxy.metrics_url.replace("/metrics", "/moved"))[1]


def test_what_is_no_token_of_ours_is_refused_and_never_repeated(control_plane: ControlPlane) -> None:
    discovery = token(control_plane, "discovery")
    admin = (control_plane.data_dir / "admin.token").read_text().strip()
    good = token(control_plane, "dataplane", "--mesh", "default")
    head, payload, signature = good.split(".")
    for bad, words in (
        ("garbage", "malformed"),
        (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", "signature is not valid"),
        (f"eyJhbGciOiJub25lIn0.{payload}.", "the token is"),
        (discovery, "this is a token for discovery, not for dataplane"),
        (admin, "this is a token for admin, not for dataplane"),
    ):
        for status, reason in (
            refusal(register(control_plane, a_dataplane("backend"), bad)),
            refusal(agent_config(control_plane, "default", "backend", bad)),
        ):
            assert status == 401 and words in reason and bad not in reason
        code, reason = stream(control_plane, "default", "backend", bad)
        assert code is grpc.StatusCode.UNAUTHENTICATED and words in reason and bad not in reason
    code, _ = stream(control_plane, "default", "backend", None)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    for other in (good, discovery):
        status, reason = refusal(ask(control_plane.url("api") + "/meshes", other))
        assert status == 401 and "not for admin; `meshmeter token admin` makes one" in reason


def test_a_revoked_token_ends_the_stream_of_a_real_envoy_and_opens_nothing_more(
    control_plane: ControlPlane,
) -> None:
    made = dataplane_document("backend", ADDRESS, service_port=application(control_plane, "backend"))
    stolen = token(control_plane, "dataplane", "--mesh", "default", "--name", "backend")
    proxy = start_proxy(control_plane, made, token=stolen).wait()
    eventually(lambda: is_online(control_plane), "the proxy to be online")

    control_plane.ok("token", "revoke", token_id(control_plane, name="backend"))
    # For the next request at once, for the stream that is open within seconds.
    reason = "the token is revoked; issue a new one"
    assert refusal(agent_config(control_plane, "default", "backend", stolen)) == (401, reason)
    assert refusal(register(control_plane, made, stolen)) == (401, reason)
    assert stream(control_plane, "default", "backend", stolen) == (
        grpc.StatusCode.UNAUTHENTICATED,
        reason,
    )
    eventually(lambda: not is_online(control_plane), "the stream of Envoy to be closed")
    log = control_plane.process.output()
    assert "default/backend has to leave: the token is revoked" in log and stolen not in log
    # The proxy goes on serving, says what is wrong, and is back once it has another token.
    eventually(lambda: "the token is revoked" in proxy.process.output(), "the proxy to say why")
    assert proxy.metrics() and stolen not in proxy.process.output()
    renew(control_plane, proxy)
    eventually(lambda: is_online(control_plane), "the proxy to come back with another token", 60.0)
    assert refusal(agent_config(control_plane, "default", "backend", stolen)) == (401, reason)


def is_online(control_plane: ControlPlane) -> bool:
    return "online" in control_plane.ok("get", "dataplanes")


def renew(control_plane: ControlPlane, proxy: Proxy) -> None:
    """Give the proxy another token, in the file that it was started with."""
    made = token(control_plane, "dataplane", "--mesh", "default", "--name", proxy.name)
    (control_plane.data_dir.parent / f"default-{proxy.name}.token").write_text(made)


def test_a_revocation_outlives_a_restart(control_plane: ControlPlane) -> None:
    stolen = token(control_plane, "dataplane", "--mesh", "default")
    folder = control_plane.data_dir.parent
    (folder / "stolen").write_text(stolen)
    control_plane.ok("token", "revoke", "--file", str(folder / "stolen"))
    control_plane.process.kill()
    control_plane.restart()
    status, reason = refusal(register(control_plane, a_dataplane("backend"), stolen))
    assert (status, reason) == (401, "the token is revoked; issue a new one")
    assert " revoked" in control_plane.ok("token", "list")


def test_a_discovery_token_shows_its_meshes_until_it_is_revoked(two_meshes: ControlPlane) -> None:
    of_shop = token(two_meshes, "discovery", "--mesh", "shop")
    for name, mesh in (("backend", "default"), ("cart", "shop")):
        made = a_dataplane(name, mesh)
        made["metrics"]["conf"]["port"] = 5670
        two_meshes.ok("apply", "-f", "-", stdin=document(**made))
    enabled = {"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]}
    two_meshes.ok("apply", "-f", "-", stdin=document(type="Mesh", name="shop", metrics=enabled))
    targets, mads = (
        two_meshes.url("discovery") + path for path in ("/v1/targets", "/v3/discovery:monitoringassignments")
    )

    def meshes(given: str) -> set[str]:
        status, text = ask(targets, given)
        assert status == 200, text
        return {group["labels"]["__meta_kuma_mesh"] for group in json.loads(text)}

    everything = token(two_meshes, "discovery")
    eventually(lambda: meshes(everything) == {"default", "shop"}, "both targets")
    assert meshes(of_shop) == {"shop"}
    asked = {
        "node": {"id": "prometheus"},
        "typeUrl": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment",
    }
    _, text = ask(mads, of_shop, method="POST", body=asked)
    assert [resource["mesh"] for resource in json.loads(text)["resources"]] == ["shop"]
    # A client that is not on this host has to have one.
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    assert refusal(ask(targets, headers=elsewhere))[0] == 401

    two_meshes.ok("token", "revoke", token_id(two_meshes, kind="discovery", meshes=["shop"]))
    revoked = (401, "the token is revoked; issue a new one")
    assert refusal(ask(targets, of_shop)) == revoked
    assert refusal(ask(mads, of_shop, method="POST", body=asked)) == revoked
    assert meshes(everything) == {"default", "shop"}


def test_an_expired_admin_token_is_told_apart_and_does_nothing(control_plane: ControlPlane) -> None:
    folder = control_plane.data_dir.parent
    file = folder / "operator.token"
    how = ("--api-address", control_plane.url("api"), "--token-file", str(file))

    def good_at_first(seconds: int) -> bool:
        file.write_text(token(control_plane, "admin", "--valid-for", f"{seconds}s"))
        return meshmeter("get", "meshes", *how).returncode == 0

    # Long enough for this machine to use it once.
    assert any(good_at_first(seconds) for seconds in (2, 8, 32))

    def expired() -> str:
        done = meshmeter("delete", "mesh", "default", *how)
        return done.stderr if done.returncode else ""

    control_plane.ok("apply", "-f", "-", stdin=document(**a_dataplane("keeps-the-mesh")))
    said = eventually(lambda: "expired" in (text := expired()) and text, "the token to expire", 60.0)
    assert "the token expired at" in said and "issue a new one" in said and file.read_text() not in said
    assert control_plane.ok("get", "mesh", "default")


def test_tokens_of_the_old_key_hold_during_the_overlap_and_not_after(control_plane: ControlPlane) -> None:
    old = token(control_plane, "dataplane", "--mesh", "default")
    brief = token(control_plane, "dataplane", "--mesh", "default", "--valid-for", "3s")
    made_at = time.monotonic()
    old_admin = (control_plane.data_dir / "admin.token").read_text().strip()
    assert register(control_plane, a_dataplane("backend"), old)[0] == 200

    control_plane.ok("token", "rotate-key")
    new = token(control_plane, "dataplane", "--mesh", "default")
    assert key_id(new) != key_id(old)
    for good in (old, new, *([brief] if time.monotonic() - made_at < 2 else [])):
        assert agent_config(control_plane, "default", "backend", good)[0] == 200
    assert ask(control_plane.url("api") + "/meshes", old_admin)[0] == 200

    def brief_is_over() -> bool:
        status, text = agent_config(control_plane, "default", "backend", brief)
        return status == 401 and "the token expired at" in text

    eventually(brief_is_over, "the brief token to expire during the overlap")
    # The overlap ends with the last token of the key, or when it is told to: here at once.
    control_plane.ok("token", "rotate-key", "--no-overlap")
    void = (401, "the token is signed by a key that is not known here")
    for bad in (old, new):
        status, reason = refusal(agent_config(control_plane, "default", "backend", bad))
        assert status == void[0] and void[1] in reason
    assert refusal(ask(control_plane.url("api") + "/meshes", old_admin))[0] == 401
    assert list(control_plane.data_dir.glob("signing-*.key")) == []
    # This host's own admin token followed, and a restart does not bring the old keys back.
    control_plane.process.kill()
    control_plane.restart()
    assert refusal(agent_config(control_plane, "default", "backend", old))[0] == 401
    newest = token(control_plane, "dataplane", "--mesh", "default")
    assert register(control_plane, a_dataplane("backend"), newest)[0] == 200


def key_id(given: str) -> str:
    import jwt

    return str(jwt.get_unverified_header(given)["kid"])


def test_a_key_without_overlap_closes_open_streams(control_plane: ControlPlane) -> None:
    made = dataplane_document("backend", ADDRESS, service_port=application(control_plane, "backend"))
    proxy = start_proxy(control_plane, made).wait()
    eventually(lambda: is_online(control_plane), "the proxy to be online")
    control_plane.ok("token", "rotate-key", "--no-overlap")
    eventually(lambda: not is_online(control_plane), "the stream to be closed")
    assert "signed by a key that is no longer known here; issue a new one" in control_plane.process.output()
    assert proxy.metrics()


def start_on_every_address(processes: Processes, folder: Path, *options: str) -> dict[str, str]:
    """A control plane beyond loopback; where it listens."""
    ports = [f"--{name}-port=0" for name in ("api", "dataplane-api", "ads", "discovery", "diagnostics")]
    command = ("control-plane", "run", "--data-dir", str(folder), "--bind", "0.0.0.0", *ports, *options)
    process = processes.start("control-plane", *MESHMETER, *command)

    def is_there() -> bool:
        assert process.popen.poll() is None, process.output()
        return (folder / "endpoints.json").exists()

    eventually(is_there, "the control plane to listen")
    return dict(json.loads((folder / "endpoints.json").read_text()))


def test_beyond_loopback_everything_is_tls_with_a_token(processes: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "cp"
    endpoints = start_on_every_address(processes, folder)
    ca = folder / "ca.crt"
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    for server, path in (("api", "/meshes"), ("discovery", "/v1/targets"), ("diagnostics", "/metrics")):
        url = endpoints[server] + path
        assert url.startswith("https://")
        with pytest.raises(OSError):  # plain HTTP gets no answer
            print(get(url.replace("https:", "http:")))
        with pytest.raises(OSError, match="certificate verify failed"):
            ask(url)  # the system's authorities are not ours
        status, reason = refusal(ask(url, ca=ca, headers=elsewhere))
        assert status == 401 and "token" in reason
    admin = (folder / "admin.token").read_text().strip()
    assert ask(endpoints["api"] + "/meshes", admin, ca=ca)[0] == 200
    assert meshmeter("get", "meshes", "--data-dir", str(folder)).returncode == 0
    issued = meshmeter("token", "discovery", "--data-dir", str(folder))
    assert ask(endpoints["discovery"] + "/v1/targets", issued.stdout.strip(), ca=ca)[0] == 200


def test_plain_http_beyond_loopback_has_to_be_asked_for(processes: Processes, tmp_path: Path) -> None:
    endpoints = start_on_every_address(processes, tmp_path / "cp", "--insecure-http")
    assert endpoints["api"].startswith("http://") and endpoints["dataplane_api"].startswith("https://")
    assert refusal(ask(endpoints["api"] + "/meshes"))[0] == 401
    assert "--insecure-http" in processes.all[-1].output()
