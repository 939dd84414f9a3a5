"""The private key of a GitHub App, out of a PEM file, and what it signs.

Cryptography is imported when the first key is read: who has tokens only saves 9 MB and a tenth of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.github.files import LARGEST_FILE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SMALLEST_KEY = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that can sign; `identity` tells it from others and is no secret (its public half, DER)."""

    private: "RSAPrivateKey" = field(repr=False)
    identity: bytes = field(repr=False)


def signing_key(raw: bytes) -> SigningKey | str:
    """The RSA key in a PEM text (PKCS#1, as GitHub gives it, or PKCS#8), or what is wrong with it. Never raises."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - see above
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

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


def signed(key: SigningKey, claims: Mapping[str, str | int]) -> str:
    """A JWT (RS256) with these claims."""
    import jwt  # noqa: PLC0415 - see above

    return jwt.encode(dict(claims), key.private, algorithm="RS256")
