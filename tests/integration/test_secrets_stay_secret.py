"""Everything that the processes write and answer, searched for tokens and keys, also where something went wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.authority import issue_server, make_authority
from meshmeter.certs.tokens import SigningKey
from support.access import agent_config, ask, register, stream
from support.mesh_tls import Authority, Client, scrape
from support.needles import Needles, command_lines, files_with
from support.processes import MESHMETER, Processes, document, eventually, start_control_plane
from support.proxies import Proxy, application, dataplane_document, start_proxy

BACKEND, FRONTEND = "127.0.0.3", "127.0.0.2"
SERVICE = "kuma.io/service"

MAY_HOLD_SECRETS = {
    # the control plane's data directory
    "ca.key", "server.key", "signing.key", "secrets.key", "admin.token",
    # a key written into a Mesh is stored with it
    "meshmeter.db", "meshmeter.db-wal",
    # an agent's work directory
    "bootstrap.json", "state.json", "sds.json",
    # an issued identity
    "tls.key",
}  # fmt: skip
"""Names of files that are made to hold a secret, beside those that the test itself wrote into `given`."""


TOKEN_FILES = {f"default-{name}.token" for name in ("backend", "frontend", "else")}
"""What `start_proxy` hands to the proxies."""


class System:
    """A mesh with mTLS, everything that it wrote, and the secrets that must not be in it."""

    def __init__(self, processes: Processes, folder: Path):
        self.folder = folder
        self.given = folder / "given"
        """What a user has in files."""
        self.given.mkdir()
        self.needles = Needles()
        self.written: dict[str, str] = {}
        """What commands printed and servers answered, by where it came from."""
        self.control_plane = start_control_plane(
            processes, folder, "--log-level=debug", "--deregistration-delay=1h"
        )
        self.authority = Authority(self.given / "authority")
        self.needles.add("the key of the provided authority", self.authority.key_pem)

    def run(self, *arguments: str, stdin: str | None = None, prints_a_token: bool = False) -> str:
        """A command; what it printed is kept, whether it worked or not."""
        done = self.control_plane.run(*arguments, stdin=stdin)
        kept = done.stderr if prints_a_token else done.stdout + done.stderr
        self.written[f"{' '.join(arguments)} #{len(self.written)}"] = kept
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if done.returncode == 0 else ""

    def token(self, *arguments: str) -> str:
        made = self.run("token", *arguments, prints_a_token=True)
        assert made, self.written
        return self.needles.add(f"a token ({' '.join(arguments)})", made)

    def write(self, name: str, secret: str) -> Path:
        """A secret of the user's, in a file."""
        file = self.given / name
        file.touch(0o600)
        file.write_text(self.needles.add(name, secret) + "\n")
        return file

    def mesh(self, key: str | None = None, **conf: Any) -> str:
        backend = self.authority.backend()
        backend["conf"]["key"] = {"inlineString": key if key is not None else self.authority.key_pem} | conf
        return document(
            type="Mesh",
            name="default",
            mtls={"enabledBackend": "ca-1", "backends": [backend]},
            metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
        )

    def learn_the_keys(self) -> None:
        """Of the data directory."""
        for file in sorted(self.control_plane.data_dir.glob("*.key")):
            self.needles.add(file.name, file.read_text())
        self.needles.add("the admin token", (self.control_plane.data_dir / "admin.token").read_text())


def stranger_key() -> str:
    return SigningKey.of(ec.generate_private_key(ec.SECP256R1())).to_pem().decode()


@pytest.fixture
def system(processes: Processes, tmp_path: Path) -> System:
    processes.warm = False  # the list of processes is searched too
    return System(processes, tmp_path)


def test_no_secret_is_in_anything_that_was_written_or_answered(system: System) -> None:
    control_plane = system.control_plane
    system.learn_the_keys()
    assert system.run("apply", "-f", "-", stdin=system.mesh())
    backend = start_backend(system)
    provided = start_with_provided_certificate(system)
    identity = run_identity(system)
    client = Client(identity / "tls.crt", identity / "tls.key", identity / "ca.crt")
    for each, trusted in ((backend, client.trusts), (provided, system.given / "provided.crt")):
        url = each.metrics_url.replace("http:", "https:")
        scraper = replace(client, trusts=trusted)
        eventually(partial(scrape, url, scraper), f"a scrape of {each.name}")
        system.written[f"metrics of {each.name}"] = scrape(url, scraper)[1]

    ask_for_everything(system)
    do_what_commands_do(system)
    do_everything_wrong(system)
    answer_every_get(system)
    # Secrets outlive a kill, and nothing is told of them then.
    control_plane.process.kill()
    system.run("get", "meshes")
    control_plane.restart()
    system.learn_the_keys()
    answer_every_get(system)
    # A proxy that loses its right, and one that stops.
    eventually(
        lambda: "default/backend connected" in control_plane.process.output(), "Envoy to be back", 40.0
    )
    system.run("token", "rotate-key", "--no-overlap")
    eventually(lambda: "default/backend has to leave" in control_plane.process.output(), "its stream to end")
    system.learn_the_keys()
    backend.process.stop()

    for place, text in system.written.items():
        assert system.needles.found(text) == [], place
    for line in command_lines():
        assert system.needles.found(line) == [], line.split()[:4]
    for file, found in files_with(system.needles, system.folder):
        if file.is_relative_to(system.given) or file.name in TOKEN_FILES:
            continue
        assert file.name in MAY_HOLD_SECRETS, f"{file} has {found}"
        assert file.stat().st_mode & 0o077 == 0, f"{file} has {found} and is open to others"
    # The search does find what it is for.
    assert any(file.name == "bootstrap.json" for file, _ in files_with(system.needles, system.folder))
    assert any(file.name == "admin.token" for file, _ in files_with(system.needles, system.folder))


def start_backend(system: System) -> Proxy:
    """With an application that wants credentials."""
    port = application(system.control_plane, "backend")
    bearer = system.write("application.token", "the-token-of-the-application-1f0a")
    basic = system.write("application.basic", "scraper:the-password-of-the-application-77")
    aggregate = [
        {"name": "app", "port": port, "address": "127.0.0.1", "bearerTokenFile": str(bearer)},
        {"name": "broken", "port": 1, "address": "127.0.0.1", "basicAuthFile": str(basic)},
    ]
    made = dataplane_document("backend", BACKEND, service_port=port, aggregate=aggregate)
    token = system.token("dataplane", "--mesh", "default", "--name", "backend")
    return start_proxy(
        system.control_plane, made, token=token, options=("--log-level=debug", "--envoy-log-level=debug")
    )


def start_with_provided_certificate(system: System) -> Proxy:
    now, day = datetime.now(UTC), timedelta(days=1)
    own, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = make_authority("provided", own, serial=1, now=now, valid_for=day)
    pair = issue_server(authority, (FRONTEND,), leaf, serial=2, now=now, valid_for=day)
    certificate = system.given / "server.crt"
    certificate.write_bytes(pair.certificate_pem)
    (system.given / "provided.crt").write_bytes(authority.certificate_pem)
    key = system.write("server.pem", pair.key_pem.decode())
    made = dataplane_document(
        "frontend", FRONTEND, service_port=application(system.control_plane, "frontend")
    )
    made["metrics"]["conf"]["tls"] = {"mode": "providedTLS"}
    return start_proxy(
        system.control_plane,
        made,
        token=system.token("dataplane", "--mesh", "default", "--name", "frontend"),
        options=(
            f"--metrics-cert-path={certificate}",
            f"--metrics-key-path={key}",
            "--log-level=debug",
            "--envoy-log-level=debug",
        ),
    )


def run_identity(system: System) -> Path:
    asked = ("--mesh", "default", "--service", "prometheus-server")
    token = system.write("identity.token", system.token("identity", *asked))
    out = system.folder / "identity"
    system.control_plane.processes.start(
        "identity",
        *MESHMETER,
        *("identity", "run", *asked, "--out", str(out)),
        *("--api-address", system.control_plane.url("api"), "--token-file", str(token)),
    )
    eventually(lambda: (out / "ca.crt").exists(), "the issued identity")
    system.needles.add("an issued key", (out / "tls.key").read_text())
    return out


def ask_for_everything(system: System) -> None:
    """The commands that show something, and those that make secrets."""
    system.token("discovery")
    system.token("admin", "--valid-for", "1h")
    kept = system.write("kept.key", stranger_key())
    system.run("secret", "put", "kept", "--file", str(kept))
    encoded = base64.b64encode(kept.read_bytes()).decode()
    secret = document(type="Secret", mesh="default", name="applied", data=encoded)
    system.run("apply", "-f", "-", stdin=secret)
    system.run("apply", "-f", "-", "--dry-run", stdin=secret)
    for command in (
        "secret list",
        "token list",
        "token list --json",
        "get meshes",
        "get dataplanes -A",
        "get mesh default -o yaml",
        "get mesh default -o json",
        "get mesh default -o yaml --format kubernetes",
        "get dataplane backend -o yaml",
        "explain mesh default",
        "explain mesh default -o json",
        "explain dataplane backend",
        "explain dataplane backend -o yaml",
        "explain dataplane frontend -o json",
        "prometheus config --mode direct",
    ):
        assert system.run(*command.split()), command


def do_what_commands_do(system: System) -> None:
    """Changes, with and without effect."""
    shown = system.run("get", "mesh", "default", "-o", "yaml")
    assert "(hidden, SHA-256" in shown
    assert system.run("apply", "-f", "-", stdin=shown)  # what was shown may be applied again
    both = f"{system.mesh()}\n---\n{document(type='Mesh', name='new')}"
    assert system.run("apply", "-f", "-", "--dry-run", stdin=both)
    asked = ("--mesh", "default", "--service", "other")
    assert system.run("identity", "issue", *asked, "--out", str(system.folder / "issued"))
    system.needles.add("another issued key", (system.folder / "issued" / "tls.key").read_text())
    stolen = system.write("stolen.token", system.token("dataplane", "--mesh", "default", "--name", "nobody"))
    assert system.run("token", "revoke", "--file", str(stolen))
    assert system.run("token", "rotate-key")
    system.learn_the_keys()


def do_everything_wrong(system: System) -> None:
    """Secrets in wrong places: every refusal names the place and none the secret."""
    control_plane = system.control_plane
    foreign = system.needles.add("a key that does not fit", stranger_key())
    garbage = system.needles.add(
        "a key with a typing error", f"-----BEGIN PRIVATE KEY-----\n{'c2VjcmV0' * 8}\n"
    )
    good = system.token("dataplane", "--mesh", "default", "--name", "somebody")
    not_base64 = document(type="Secret", mesh="default", name="bad", data=foreign)
    encoded = base64.b64encode(foreign.encode()).decode()
    for bad in (
        system.mesh(foreign),
        system.mesh(garbage),
        system.mesh(foreign, inline="bm90IGEga2V5"),
        system.mesh(foreign, typo="x"),
        system.mesh(foreign).replace('"key"', '"kye"'),
        system.mesh(foreign).replace('"Mesh"', '["Mesh"]'),
        system.mesh(foreign) + "\n}{ not yaml",
        not_base64,
        not_base64.replace('"data"', '"dta"'),
        document(type="Secret", mesh="nowhere", name="bad", data=encoded),
        document(type="Dataplane", mesh="default", name=good, networking={"address": good}),
    ):
        assert not system.run("apply", "-f", "-", stdin=bad)
        system.run("apply", "-f", "-", "--dry-run", stdin=bad)
        system.run("validate", "-f", "-", stdin=bad)
    # Tokens where something else belongs, as people paste them. Only `revoke` expects to be given one by mistake; a
    # command that says "not found" may repeat its own argument, but the control plane's log must not.
    done = control_plane.run("token", "revoke", good)
    assert done.returncode == 2 and "that is a token and not its ID" in done.stderr
    system.written["revoke TOKEN"] = done.stdout + done.stderr
    for arguments in (("get", "dataplane"), ("get",), ("delete", "dataplane"), ("secret", "delete")):
        assert control_plane.run(*arguments, good).returncode != 0
    two = system.write("two.token", f"{good} {good}")
    system.run("get", "meshes", "--token-file", str(two))
    system.run("get", "meshes", "--token-file", str(system.write("wrong.token", good)))
    system.run("identity", "issue", "--service", "x", "--out", "/proc/nowhere")

    made = dataplane_document("somebody", "127.0.0.4", service_port=80)
    answers = {
        "a token for another": register(control_plane, made | {"name": "else"}, good),
        "a torn token": register(control_plane, made, good[:-9]),
        "a document with a token": register(control_plane, made | {"token": good, "name": "a"}, good[:-9]),
        "a poll": agent_config(control_plane, "default", "backend", good),
    }
    for place, (status, text) in answers.items():
        assert status >= 400, (place, text)
        system.written[place] = text
    system.written["ADS"] = str(stream(control_plane, "default", "backend", good))
    for path in ("/meshes", "/tokens", f"/meshes?name={good[:20]}"):
        system.written[f"refused {path[:7]}"] = ask(control_plane.url("api") + path, good)[1]
    # A proxy that is not let in, and says so.
    refused = start_proxy(control_plane, made | {"name": "else"}, token=good)
    assert refused.process.popen.wait(20) == 3


def answer_every_get(system: System) -> None:
    """Every path of every API that can be read, as its own description lists them."""
    control_plane = system.control_plane
    admin = (control_plane.data_dir / "admin.token").read_text().strip()
    api = control_plane.url("api")
    described = json.loads(ask(f"{api}/openapi.json")[1])["paths"]
    values = {"{mesh}": "default", "{kind}": "mesh"}
    names = {
        "dataplanes": ("backend", "frontend"),
        "secrets": ("kept",),
        "traffic-permissions": ("allow-all-default",),
    }
    paths = []
    for template, operations in described.items():
        if "get" not in operations:
            continue
        kind = next((kind for kind in names if f"/{kind}/" in template), "")
        for name in names.get(kind, ("default",)):
            path = template.replace("{name}", name)
            for variable, value in values.items():
                path = path.replace(variable, value)
            paths.append(path)
    assert len(paths) > 15 and not any("{" in path for path in paths), paths
    for path in paths:
        for query in ("", "?format=kubernetes"):
            status, text = ask(f"{api}{path}{query}", admin)
            assert status == 200 or (query and status == 400), (path, status, text)
            system.written[f"GET {path}{query}"] = text
    elsewhere = {
        "targets": control_plane.url("discovery") + "/v1/targets",
        "metrics": control_plane.url("diagnostics") + "/metrics",
        "ready": control_plane.url("diagnostics") + "/ready",
    }
    for place, url in elsewhere.items():
        status, system.written[place] = ask(url)
        assert status == 200, place
    asked = {
        "node": {"id": "prometheus"},
        "typeUrl": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment",
    }
    url = control_plane.url("discovery") + "/v3/discovery:monitoringassignments"
    status, system.written["assignments"] = ask(url, method="POST", body=asked)
    assert status == 200
