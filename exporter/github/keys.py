"""The private key of a GitHub App, out of a PEM file."""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from exporter.github.files import LARGEST_FILE

_SMALLEST_KEY = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that can sign; `identity` tells it from others and is no secret (its public half, DER)."""

    private: RSAPrivateKey = field(repr=False)
    identity: bytes = field(repr=False)


def signing_key(raw: bytes) -> SigningKey | str:
    """The RSA key in a PEM text (PKCS#1, as GitHub gives it, or PKCS#8), or what is wrong with it. Never raises."""
    if len(raw) > LARGEST_FILE:
        return "is too large for a key"
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError:
        return "is encrypted; GitHub's keys have no password, `openssl rsa -in OLD -out NEW` takes one away"
    except (ValueError, UnsupportedAlgorithm):
        return "holds no private key in PEM; make one in the App's settings under Private keys"
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        return f"holds no RSA key of {_SMALLEST_KEY} bits; make one in the App's settings under Private keys"
    return SigningKey(key, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
