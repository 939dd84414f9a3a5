r"""Decodes text, PEM and DER in files as editors, shells and templates write them. Pure; nothing raises.

Supported are UTF-8 and UTF-16, with and without a byte order mark, any line ends, quotes, indentation, line ends
written as the two characters `\n`, and base64 of the complete file.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

_AROUND = " \t\r\n\v\f\0\u00a0\u200b\u200c\u200d\u2060\ufeff"  # white space, and invisible characters
_ESCAPED_LINE_END = re.compile(r"(?:\\+[rn])+")
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----((?:[^-]|-(?!----))*)-----END \1-----")
_LONG_SEQUENCE = re.compile(rb"\x30[\x81-\x83]")  # how the DER of a key or a certificate begins
_KINDS = {
    "PUBLIC KEY": "a public key",
    "RSA PUBLIC KEY": "a public key",
    "OPENSSH PRIVATE KEY": "an OpenSSH private key",
    "ENCRYPTED PRIVATE KEY": "an encrypted private key",
    "CERTIFICATE REQUEST": "a certificate request",
    "NEW CERTIFICATE REQUEST": "a certificate request",
    "PKCS7": "a PKCS #7 bundle",
    "X509 CRL": "a list of revoked certificates",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a PEM file: its label, such as `RSA PRIVATE KEY`, and the block in OpenSSL's layout."""

    label: str
    text: str = field(repr=False)


def decoded(raw: bytes) -> str | None:
    """The text of a file in UTF-8 or UTF-16, without a byte order mark; None if it is neither."""
    encoding = "utf-8-sig"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif raw and len(raw) % 2 == 0 and not any(raw[1::2]):
        encoding = "utf-16-le"
    elif raw and len(raw) % 2 == 0 and not any(raw[::2]):
        encoding = "utf-16-be"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def text_of(raw: bytes) -> str | None:
    """The text of a file, without quotes and white space around it; None if it is no text."""
    text = decoded(raw)
    return None if text is None else unescaped(text)


def unescaped(text: str) -> str:
    r"""A text with real line ends instead of the two characters `\n`, without quotes and white space around it."""
    return unquoted(_ESCAPED_LINE_END.sub("\n", text))


def unquoted(text: str) -> str:
    """A text without white space, and without a pair of quotes, around it."""
    text = text.strip(_AROUND)
    quote = text[:1]
    if len(text) > 1 and quote in "\"'`" and text.find(quote, 1) == len(text) - 1:
        text = text[1:-1].strip(_AROUND)
    return text


def base64_of(text: str) -> bytes | None:
    """The bytes of a base64 text with lines of any length; None if it is no base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def pem_blocks(raw: bytes) -> list[Block]:
    """The complete blocks of a PEM file."""
    text = text_of(raw) or ""
    if not _BEGIN.search(text):
        text = text_of(base64_of(text) or b"") or ""
    return [Block(label, _block(label, body)) for label, body in _BLOCK.findall(text)]


def der_of(raw: bytes) -> bytes | None:
    """The DER of a key or certificate, which is the file itself or its base64 content; None if there is none."""
    if _LONG_SEQUENCE.match(raw):
        return raw
    content = base64_of(text_of(raw) or "") or b""
    return content if _LONG_SEQUENCE.match(content) else None


def kind_of_pem(text: str) -> str:
    """The kind of the first PEM block in a text, in words; empty if there is none."""
    begin = _BEGIN.search(text)
    if begin is None:
        return ""
    label = begin[1]
    named = "a private key" if label.endswith("PRIVATE KEY") else "a certificate" if "CERTIFICATE" in label else "PEM"
    return _KINDS.get(label, named)


def _block(label: str, body: str) -> str:
    if ":" in body:  # the headers of a key that is encrypted in OpenSSL's old form
        lines = [line.strip() for line in body.strip().splitlines()]
    else:
        packed = "".join(body.split())
        lines = [packed[start : start + 64] for start in range(0, len(packed), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
