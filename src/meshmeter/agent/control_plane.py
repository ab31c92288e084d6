"""Client of the dataplane API: one method per route, answers as typed values, failures as our own errors.

The token file is read for every request, so a renewed token is in use at once; the file of the authority is read again
after each answer of a server that is not trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from meshmeter.defaults import DATAPLANE_API_PORT
from meshmeter.errors import ApiError, PermissionDenied, SettingsError, Unauthenticated, Violation
from meshmeter.files import read_file
from meshmeter.scrape.config import ScrapeConfig

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""For everything but the long poll, which may take its waiting time longer."""

LARGEST_TOKEN = 64 << 10
"""Bytes of a token file."""

MAX_REPORT_BYTES = 64 << 10


class Untrusted(ApiError):
    """Who answered is not the control plane whose authority we were given."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registered proxy runs with."""

    mesh: str
    name: str
    bootstrap: dict[str, Any]
    config: ScrapeConfig

    def to_json(self) -> dict[str, Any]:
        return {
            "mesh": self.mesh,
            "name": self.name,
            "bootstrap": self.bootstrap,
            "agentConfig": self.config.to_json(),
        }

    @classmethod
    def from_json(cls, data: Any) -> Registration:
        """The inverse of `to_json`, which is also the control plane's answer. Raises ValueError."""
        try:
            mesh, name, bootstrap = str(data["mesh"]), str(data["name"]), data["bootstrap"]
            config = data["agentConfig"]
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a registration: {exc!r}") from exc
        if not isinstance(bootstrap, dict):
            raise ValueError("bootstrap is not an object")
        return cls(mesh, name, bootstrap, ScrapeConfig.from_json(config))


class ControlPlane:
    """An async context manager. Every request raises

    ApiError with status 0: not reached, or no answer in time (`Untrusted`: its certificate is not the
    expected one); ApiError: refused, or failing, with the control plane's words; Unauthenticated,
    PermissionDenied: the token is not good, or not for this proxy.
    """

    def __init__(self, url: str, ca_cert_file: Path, token_file: Path):
        self.url = url
        self._ca_cert_file = ca_cert_file
        self._token_file = token_file
        self._tokens: deque[str] = deque(maxlen=8)

    async def __aenter__(self) -> Self:
        self._trusted = self._trust()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=8),
            headers={"Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    def _trust(self) -> ssl.SSLContext:
        try:
            authorities = read_file(self._ca_cert_file).decode("ascii", errors="ignore")
            if "-----BEGIN" not in authorities:
                raise ValueError("it has no certificate")  # none at all would mean those of the system
            return ssl.create_default_context(cadata=authorities)
        except (OSError, ValueError) as exc:
            raise SettingsError(
                f"--ca-cert-file: {self._ca_cert_file} has no usable PEM certificate"
            ) from exc

    def token(self) -> str:
        """The token as it is now. Raises Unauthenticated if there is none."""
        try:
            token = read_file(self._token_file, LARGEST_TOKEN).decode().strip()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not text"
            raise Unauthenticated(f"the token file {self._token_file} cannot be read: {reason}") from exc
        if not token:
            raise Unauthenticated(f"the token file {self._token_file} is empty")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Unauthenticated(f"the token file {self._token_file} does not hold a token")
        if token not in self._tokens:
            self._tokens.append(token)
        return token

    def redact(self, text: str) -> str:
        """`text` without the tokens that were used lately."""
        for token in self._tokens:
            text = text.replace(token, "<token>")
        return text

    def token_digest(self) -> str:
        """Changes when the token does; tells nothing about it. Empty if there is none."""
        try:
            return hashlib.sha256(self.token().encode()).hexdigest()
        except Unauthenticated:
            return ""

    async def register(self, dataplane: Mapping[str, Any], proxy: Mapping[str, Any]) -> Registration:
        """Register the Dataplane document and what runs it."""
        _, data = await self._request("POST", "/v1/proxies", {"dataplane": dataplane, "proxy": proxy})
        try:
            return Registration.from_json(data)
        except ValueError as exc:
            raise ApiError(200, f"{self.url} is not a dataplane API of meshmeter", str(exc)) from exc

    async def agent_config(self, mesh: str, name: str, version: str, wait: float) -> ScrapeConfig | None:
        """The configuration once it differs from `version`, or None after `wait` seconds."""
        path = f"{_proxy(mesh, name)}/agent-config?version={quote(version, safe='')}&wait={wait:g}"
        status, data = await self._request("GET", path, seconds=wait + 10.0)
        if status == 304:
            return None
        try:
            return ScrapeConfig.from_json(data)
        except ValueError as exc:
            raise ApiError(
                200, f"{self.url} sent an agent configuration that cannot be used", str(exc)
            ) from exc

    async def scrape_report(self, mesh: str, name: str, report: Mapping[str, Any]) -> None:
        """Tell what the last scrape was like; ValueError if that is over `MAX_REPORT_BYTES`."""
        await self._request("POST", f"{_proxy(mesh, name)}/scrape-report", report, limit=MAX_REPORT_BYTES)

    async def certificate(self, mesh: str, name: str, state: Mapping[str, Any]) -> None:
        """Tell what the provided certificate is worth."""
        await self._request("PUT", f"{_proxy(mesh, name)}/certificate", state, limit=MAX_REPORT_BYTES)

    async def deregister(self, mesh: str, name: str, instance: str) -> None:
        """This proxy stops for good."""
        await self._request("DELETE", f"{_proxy(mesh, name)}?instance={quote(instance, safe='')}")

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        limit: int | None = None,
    ) -> tuple[int, Any]:
        """Status (2xx or 304) and decoded JSON."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        content = None
        if body is not None:
            content = json.dumps(body, allow_nan=False).encode()
            if limit is not None and len(content) > limit:
                raise ValueError(f"{len(content)} bytes, more than {limit}")
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=content,
                headers=headers,
                ssl=self._trusted,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
            ) as response:
                text = await response.read()
                status = response.status
        except aiohttp.ClientConnectorCertificateError as exc:
            reason = getattr(exc.certificate_error, "verify_message", "") or "it cannot be verified"
            with contextlib.suppress(SettingsError):  # while it is being replaced the old one stays in use
                self._trusted = self._trust()
            raise Untrusted(
                0,
                f"the certificate of {self.url} is not trusted",
                f"{reason}; the authority is the one in {self._ca_cert_file}",
            ) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ApiError(0, f"the control plane {self.url} cannot be reached", _reason(exc)) from exc
        return status, _answer(self.url, status, text)


def _proxy(mesh: str, name: str) -> str:
    return f"/v1/proxies/{quote(mesh, safe='')}/{quote(name, safe='')}"


def _reason(exc: BaseException) -> str:
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return f"there is no host {exc.host!r}"
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, aiohttp.ClientConnectorSSLError):
        return f"it does not speak TLS; the dataplane API does, usually on port {DATAPLANE_API_PORT}"
    if isinstance(exc, aiohttp.ClientConnectorError):
        number = exc.os_error.errno
        return os.strerror(number).lower() if number else str(exc.os_error)
    return str(exc) or type(exc).__name__


def _answer(url: str, status: int, text: bytes) -> Any:
    """The decoded body of a good answer. Raises what the class's docstring says."""
    if status == 304 or (status < 300 and not text):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if status < 300 and data is not None:
        return data
    error = data if isinstance(data, dict) else {}
    title = str(error.get("title") or f"{url} answered {status}")
    detail = str(error.get("detail") or "")
    if status == 401:
        raise Unauthenticated(": ".join(filter(None, (title, detail))))
    if status == 403:
        raise PermissionDenied(": ".join(filter(None, (title, detail))))
    found = error.get("invalid_parameters")
    violations = [
        Violation(str(item.get("field", "")), str(item.get("reason", "")))
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, dict)
    ]
    raise ApiError(status, title, detail, violations)
