"""Reads certificates and keys from PEM, and loads them into OpenSSL."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.github.secret_files.encodings import kind_of_pem, pem_blocks, text_of

_CERTIFICATE = ("CERTIFICATE", "X509 CERTIFICATE")
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


class UnusableFile(Exception):
    """A certificate or a key that cannot be used: `part` is `cert` or `key`, `str()` says why."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


def chain_in(raw: bytes) -> str:
    """The certificates in a PEM file, the server's own one first; raises `UnusableFile`."""
    certificates = [block.text for block in pem_blocks(raw) if block.label in _CERTIFICATE]
    if not certificates:
        raise UnusableFile("cert", f"holds no PEM certificate{_instead(raw)}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="".join(certificates))
    except (ssl.SSLError, TypeError):  # TypeError: a character that is not ASCII
        raise UnusableFile(
            "cert", "holds no certificate that can be read: a part of it is missing or was changed"
        ) from None
    return "".join(certificates)


def key_in(raw: bytes) -> str:
    """The private key in a PEM file; raises `UnusableFile`."""
    keys = [block for block in pem_blocks(raw) if block.label.endswith("PRIVATE KEY")]
    if not keys:
        raise UnusableFile("key", f"holds no PEM private key{_instead(raw)}")
    if keys[0].label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in keys[0].text.partition("\n")[2][:200]:
        raise UnusableFile(
            "key", "is encrypted, and nobody can type its password: `openssl pkey -in OLD -out NEW` decrypts"
        )
    if keys[0].label == "OPENSSH PRIVATE KEY":
        raise UnusableFile("key", "is OpenSSH's: `ssh-keygen -p -m PEM -f FILE` rewrites it")
    return keys[0].text


def load(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Load a server's certificate and key into a context; raises `UnusableFile`."""
    try:
        with _file((chain + key).encode()) as name:
            context.load_cert_chain(name, password="")
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            raise UnusableFile("key", "does not fit the certificate") from None
        if error.reason and ("TOO_SMALL" in error.reason or "TOO_WEAK" in error.reason):
            why = error.reason.lower().replace("_", " ")
            raise UnusableFile("cert", f"is too weak for OpenSSL ({why}): make a key of 2048 bits or more") from None
        raise UnusableFile(
            "key", "holds no private key that can be read: a part of it is missing or was changed"
        ) from None


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """The name of a file with this content, because OpenSSL loads certificates from files only.

    The file is in memory where the system supports that: a key should not be on a disk, which may also be read-only.
    """
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("certificate"), "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name


def _instead(raw: bytes) -> str:
    """What a file contains in place of the PEM block; the end of a sentence."""
    if not raw.strip():
        return ": it is empty"
    kind = kind_of_pem(text_of(raw) or "")
    return f" but {kind}" if kind else ""
