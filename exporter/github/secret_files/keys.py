"""Reads the private key of a GitHub App from a PEM file, and signs JWTs with it.

cryptography is imported when the first key is read: exporters without keys save 9 MB and a tenth of a second.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.github.secret_files import LARGEST_FILE
from exporter.github.secret_files.encodings import Block, der_of, kind_of_pem, pem_blocks, text_of
from exporter.github.secret_files.tokens import is_client_id, is_github_token, is_placeholder, token_in

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SMALLEST_KEY = 2048
_CLIENT_SECRET = re.compile(r"[0-9a-f]{40}")
# https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/managing-private-keys-for-github-apps
_NONE = "holds no private key in PEM"
_WHERE = "GitHub gives the private key as a .pem file, in the App's settings under Private keys"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. `identity` is its public key (DER), which is not secret and differs for every key."""

    private: "RSAPrivateKey" = field(repr=False, compare=False)
    identity: bytes = field(repr=False)


def signing_key(raw: bytes) -> SigningKey | str:
    """The RSA key in PEM or DER (PKCS#1, as GitHub gives it, or PKCS#8), or what is wrong with it. Never raises."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - see above
        Encoding,
        PublicFormat,
        load_der_private_key,
        load_pem_private_key,
    )

    if len(raw) > LARGEST_FILE:
        return "is too large for a key"
    block, der = _private_block(raw), der_of(raw)
    if isinstance(block, str) and der is None:
        return block
    try:
        if isinstance(block, str):
            key = load_der_private_key(der or b"", password=None)
        else:
            key = load_pem_private_key(block.text.encode(), password=None)
    except TypeError:
        return "is encrypted; GitHub's keys have no password, `openssl rsa -in OLD -out NEW` takes one away"
    except (ValueError, UnsupportedAlgorithm):
        return f"{_NONE} that can be read: a part of it is missing or was changed; copy the whole file again. {_WHERE}"
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        return f"holds no RSA key of {_SMALLEST_KEY} bits, as GitHub's are. {_WHERE}"
    return SigningKey(key, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _private_block(raw: bytes) -> Block | str:
    """The only private key in a PEM file, or what is wrong with the file."""
    blocks = pem_blocks(raw)
    private = list(dict.fromkeys(block for block in blocks if block.label.endswith("PRIVATE KEY")))
    if len(private) > 1:
        return f"holds {len(private)} private keys; keep the one that belongs to app_client_id"
    if private and private[0].label != "OPENSSH PRIVATE KEY":
        return private[0]
    return f"{_NONE}{_other_content(raw, blocks)}. {_WHERE}"


def _other_content(raw: bytes, blocks: Sequence[Block]) -> str:
    """What a file without a private key holds, and what to do; the end of a sentence."""
    text = text_of(raw)
    if text is None:
        return ", and no text"
    if kind := kind_of_pem("".join(block.text for block in blocks)):
        return f" but {kind}"
    if kind := kind_of_pem(text):
        return f" that is complete: {kind} begins, but its END line is missing; copy the whole file again"
    token = token_in(text)
    word = text if isinstance(token, str) else token.get_secret_value()
    others = (
        (is_github_token(word), "a token: name the file as token_file, without app_client_id"),
        (is_client_id(word), "a client id, which belongs in app_client_id"),
        (_CLIENT_SECRET.fullmatch(word), "what looks like a client secret, which is another thing and not needed"),
        (text.startswith(("ssh-", "ecdsa-")), "an SSH public key"),
        (is_placeholder(text), "a placeholder that nothing has filled in"),
    )
    other = next((f" but {words}" for applies, words in others if applies), None)
    return other or ", which begins with -----BEGIN RSA PRIVATE KEY-----"


def signed(key: SigningKey, claims: Mapping[str, str | int]) -> str:
    """A JWT (RS256) with these claims."""
    import jwt  # noqa: PLC0415 - see above

    return jwt.encode(dict(claims), key.private, algorithm="RS256")
