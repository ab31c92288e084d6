from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from meshmeter.resources.mesh import MeshSpec, MtlsBackend
from meshmeter.resources.validation.authority import builtin_ca_violations, provided_ca_violations
from meshmeter.resources.validation.mesh import mesh_violations
from support.certificates import of_version_4


@cache
def pair(*, ca: bool = True, sign: bool | None = True, agree: bool = False) -> tuple[str, str]:
    """A certificate and its key, in PEM. `sign` None: without the extension."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if sign is not None:
        usage = x509.KeyUsage(False, False, False, False, agree, sign, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode()


def faults(conf: dict[str, Any], **options: Any) -> list[str]:
    return [str(violation) for violation in provided_ca_violations(conf, "conf", **options)]


def inline(cert: str, key: str) -> dict[str, Any]:
    return {"cert": {"inlineString": cert}, "key": {"inlineString": key}}


def test_a_good_authority() -> None:
    cert, key = pair()

    assert faults(inline(cert, key)) == []
    assert (
        faults({"cert": {"inline": base64.b64encode(cert.encode()).decode()}, "key": {"secret": "k"}}) == []
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ca": False}, "basic constraint 'CA' must be set to 'true'"),
        ({"sign": None}, "'keyCertSign' must be set"),
        ({"sign": False}, "'keyCertSign' must be set"),
        ({"agree": True}, "'keyAgreement' must NOT be set"),
    ],
)
def test_a_certificate_has_to_be_an_authority_s(options: dict[str, Any], reason: str) -> None:
    (fault,) = faults(inline(*pair(**options)))

    assert fault.startswith("conf.cert: ")
    assert reason in fault


def test_certificate_and_key_belong_together() -> None:
    cert, _ = pair()
    _, other = pair(agree=True)

    for key in (other, "no key", cert):
        (fault,) = faults(inline(cert, key))
        assert fault.startswith("conf.cert: not a valid TLS key pair: ")
        assert key not in fault
    assert faults(inline("no certificate", other)) == [
        "conf.cert: not a valid TLS key pair: no PEM certificate found in cert"
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "has to be defined"),
        ({}, "data source has to be chosen. Available sources: secret, file, inline"),
        ("x", "must be a mapping with one of secret, file, inline"),
        ({"file": "a", "secret": "b"}, "only one data source may be chosen, not secret and file"),
        ({"inline": "%"}, "could not load data: inline is not valid base64"),
        ({"inline": "\u00e9"}, "could not load data: inline is not valid base64"),
        ({"inline": 1}, "inline must be a string"),
    ],
)
def test_data_sources(source: Any, reason: str) -> None:
    assert faults({"cert": source, "key": {"secret": "x"}}) == [f"conf.cert: {reason}"]


def test_files_are_judged_by_whoever_can_read_them() -> None:
    conf = {"cert": {"file": "/ca.crt"}, "key": {"file": "/ca.key"}}
    cert, key = pair()
    files = {"/ca.crt": cert.encode(), "/ca.key": key.encode()}

    def missing(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", name)

    assert faults(conf) == []
    assert faults(conf, read_file=files.__getitem__) == []
    assert faults(conf, read_file=missing) == [
        "conf.cert: could not load data: open /ca.crt: No such file or directory",
        "conf.key: could not load data: open /ca.key: No such file or directory",
    ]


def test_an_unknown_field_is_refused() -> None:
    assert faults({"cert": {"secret": "a"}, "key": {"secret": "b"}, "crt": {}}) == ["conf.crt: unknown field"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ca-1", None),
        ("", '"" name must be valid dns name'),
        ("caA", '"caA" name must be valid dns name'),
        ("x" * 250, "Backend name is too long. Max length: 255"),
    ],
)
def test_names_of_built_in_authorities(name: str, reason: str | None) -> None:
    found = builtin_ca_violations("default", MtlsBackend(name=name), "mtls.backends[0]")

    assert [str(v) for v in found] == ([f"mtls.backends[0].name: {reason}"] if reason else [])


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("form", ["inline", "inlineString"])
def test_a_key_beside_the_certificate_is_refused(form: str, skip: bool) -> None:
    cert, key = pair()
    written = cert + key if form == "inlineString" else base64.b64encode((cert + key).encode()).decode()
    conf = {"cert": {form: written}, "key": {"inlineString": key}}
    spec = MeshSpec.model_validate(
        {"mtls": {"skipValidation": skip, "backends": [{"name": "c", "type": "provided", "conf": conf}]}}
    )
    (fault,) = mesh_violations("default", spec)
    assert fault.field == "mtls.backends[0].conf.cert" and "meshmeter secret put" in fault.reason
    assert key[30:60] not in fault.reason


def test_a_certificate_that_cannot_be_is_told() -> None:
    cert, key = pair()
    (fault,) = faults(inline(of_version_4(cert), key))
    assert "version that does not exist" in fault
