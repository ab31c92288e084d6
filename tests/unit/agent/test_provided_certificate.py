"""What certificate files are worth, for every way in which they can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshmeter.agent import provided_certificate as pc

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: Key,
    *,
    start: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
    client: bool = False,
    names: Sequence[x509.GeneralName] = (),
) -> bytes:
    """A leaf of an authority that nobody here knows."""
    signer = new_key()
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    from cryptography.hazmat.primitives.hashes import SHA256

    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(signer, SHA256())
    return made.public_bytes(Encoding.PEM)


def pem(key: Key, password: bytes = b"") -> bytes:
    secret = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[bytes, bytes], pc.Finding]:
    folder = tmp_path / "work"
    folder.mkdir()

    def run(certificate_pem: bytes, key_pem: bytes) -> pc.Finding:
        files = pc.Files(certificate_pem, key_pem)
        found, start = pc.examine(files, Path("/tls/cert"), Path("/tls/key"), folder)
        assert os.listdir(folder) == []  # no copy of a key is left
        return pc.at(found, start, Path("/tls/cert"), NOW)

    return run


Judge = Callable[[bytes, bytes], pc.Finding]


@pytest.mark.parametrize("key", [new_key(), rsa.generate_private_key(65537, 2048)], ids=["ecdsa", "rsa"])
def test_a_good_pair_and_when_it_expires(judge: Judge, key: Key) -> None:
    assert judge(certificate(key), pem(key)) == pc.Finding(pc.USABLE, "", NOW + DAY, ())


def test_a_chain_with_words_around_it(judge: Judge) -> None:
    key = new_key()
    chain = "café\n".encode() + certificate(key) + b"issuer:\n" + certificate(new_key())
    assert judge(chain, pem(key)).state == pc.USABLE


def test_the_clock_decides(judge: Judge) -> None:
    key = new_key()
    expired = judge(certificate(key, end=NOW - timedelta(hours=1)), pem(key))
    assert (expired.state, expired.not_after) == (pc.EXPIRED, NOW - timedelta(hours=1))
    assert f"/tls/cert expired at {NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}" in expired.detail
    early = judge(certificate(key, start=NOW + timedelta(hours=1)), pem(key))
    assert early.state == pc.NOT_YET_VALID and "the clock here says" in early.detail
    assert judge(certificate(key, end=NOW), pem(key)).state == pc.EXPIRED


@pytest.mark.parametrize(
    "other", [new_key(), rsa.generate_private_key(65537, 2048)], ids=["same kind", "another"]
)
def test_the_key_of_another_certificate(judge: Judge, other: Key) -> None:
    found = judge(certificate(new_key()), pem(other))
    assert found == pc.Finding(pc.MISMATCHED, "/tls/key is not the key of /tls/cert")


KEY = new_key()
EDWARDS = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("certificate_pem", "key_pem", "detail"),
    [
        (b"", pem(KEY), "/tls/cert has no PEM certificate"),
        (b"\xff\x00", pem(KEY), "/tls/cert has no PEM certificate"),
        (certificate(KEY), b"", "/tls/key has no PEM private key"),
        (certificate(KEY)[:200], pem(KEY), "cannot be loaded"),
        (pem(KEY), certificate(KEY), "cannot be loaded"),
        (certificate(KEY), pem(KEY, b"word"), "/tls/key is encrypted"),
        (
            certificate(KEY, client=True),
            pem(KEY),
            "cannot be used by a server: unsuitable certificate purpose",
        ),
        (certificate(EDWARDS), pem(EDWARDS), "Envoy needs an ECDSA or RSA key"),
    ],
    ids=["empty", "garbage", "no key", "half", "exchanged", "encrypted", "for clients", "ed25519"],
)
def test_what_is_no_certificate_for_a_server(
    judge: Judge, certificate_pem: bytes, key_pem: bytes, detail: str
) -> None:
    found = judge(certificate_pem, key_pem)
    assert found.state == pc.INVALID and detail in found.detail
    assert "BEGIN" not in found.detail


def test_files_are_read_with_a_limit(tmp_path: Path) -> None:
    good, large = tmp_path / "good", tmp_path / "large"
    good.write_bytes(b"x")
    large.write_bytes(b"x" * (pc.LARGEST_FILE + 1))
    assert pc.read_files(good, good) == pc.Files(b"x", b"x")
    missing = pc.read_files(good, tmp_path / "no")
    assert missing == pc.Finding(pc.MISSING, f"{tmp_path / 'no'} does not exist")
    assert pc.read_files(tmp_path, good) == pc.Finding(
        pc.UNREADABLE, f"{tmp_path} cannot be read: it is a directory, not a regular file"
    )
    assert pc.read_files(large, good) == pc.Finding(
        pc.INVALID, f"{large} cannot be read: it is larger than 1048576 bytes"
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert pc.read_files(pipe, pipe) == pc.Finding(
        pc.UNREADABLE, f"{pipe} cannot be read: it is a pipe, not a regular file"
    )


def test_the_key_is_in_no_text() -> None:
    assert "SECRET" not in repr(pc.Files(b"cert", b"SECRET"))


def test_what_the_control_plane_is_told() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert pc.Finding(pc.EXPIRED, "why", moment).to_json() == {
        "state": "expired",
        "detail": "why",
        "notAfter": "2026-01-01T00:00:00Z",
        "names": None,
    }


def test_the_names_that_clients_compare_are_told(judge: Judge) -> None:
    names = [
        x509.DNSName("*.app.example"),
        x509.IPAddress(ip_address("10.0.0.7")),
        x509.IPAddress(ip_address("2001:db8::7")),
        x509.UniformResourceIdentifier("spiffe://x/y"),
    ]
    found = judge(certificate(KEY, names=names), pem(KEY))
    assert found.names == ("*.app.example", "10.0.0.7", "2001:db8::7")
    assert found.to_json()["names"] == ["*.app.example", "10.0.0.7", "2001:db8::7"]
    assert judge(certificate(KEY), pem(KEY)).names == (), "a common name is none"
    assert judge(b"", pem(KEY)).to_json()["names"] is None
