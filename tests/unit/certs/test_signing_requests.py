from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from meshmeter.certs.signing_requests import make_request, read_request

KEY = ec.generate_private_key(ec.SECP256R1())


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def test_the_public_key_comes_back_and_nothing_of_the_private_one() -> None:
    pem = make_request(KEY)
    assert read_request(pem) == KEY.public_key()
    assert b"PRIVATE" not in pem


@pytest.mark.parametrize(
    "pem",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"],
)
def test_garbage_is_no_request(pem: bytes) -> None:
    with pytest.raises(ValueError, match="it cannot be read"):
        read_request(pem)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "RSA", "Ed25519"],
)
def test_only_p256_keys_are_taken(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(ValueError, match="not an ECDSA key on the curve P-256"):
        read_request(request(key))


def test_who_does_not_have_the_key_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(make_request(KEY)).public_bytes(Encoding.DER))
    der[-1] ^= 1
    text = base64.encodebytes(bytes(der)).decode()
    forged = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(ValueError, match="signature does not fit"):
        read_request(forged.encode())
