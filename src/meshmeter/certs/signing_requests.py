"""Certificate signing requests: how a public key gets to the authority, without its private key ever travelling."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding


def make_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request (PEM) that proves possession of the key. It asks for no names: the authority decides about them."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def read_request(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a request. Raises ValueError unless it is a P-256 key and signed the request."""
    try:
        request = x509.load_pem_x509_csr(pem)
    except ValueError as exc:
        raise ValueError("it cannot be read") from exc
    try:
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("its key is not an ECDSA key on the curve P-256")
        if not request.is_signature_valid:
            raise ValueError("its signature does not fit its key")
    except UnsupportedAlgorithm as exc:
        raise ValueError("its algorithm is not supported") from exc
    except InvalidSignature as exc:
        raise ValueError("its signature does not fit its key") from exc
    return key
