"""The trusted certificate authorities: those of the machine's store, and those in the files of the settings."""

import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from exporter.errors import Unavailable
from exporter.github.network import Network
from exporter.github.network.system_store import SystemStore
from exporter.github.secret_files.encodings import der_of, kind_of_pem, pem_blocks, text_of
from exporter.regular_files import read_regular, unreadable

LARGEST_BUNDLE = 8 * 1024 * 1024
"""Bytes; the complete bundle of a machine has a quarter of a MiB."""

_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")


def trusted_by(network: Network) -> ssl.SSLContext:
    """The machine's authorities and those of the network's files; raises `Unavailable` for a file without any."""
    for path in network.ca_files:
        if problem := _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path):
            raise Unavailable(f"ca_file {path} {problem}")
    return _context(network.store, network.ca_files, network.changed)


def trust(context: ssl.SSLContext, raw: bytes) -> str:
    """Let a context trust the certificates in the content of a file; returns what is wrong, empty if nothing is."""
    if len(raw) > LARGEST_BUNDLE:
        return f"is larger than {LARGEST_BUNDLE >> 20} MiB"
    certificates = [block.text for block in pem_blocks(raw) if block.label in _LABELS]
    if not certificates and (der := der_of(raw)):
        certificates = [ssl.DER_cert_to_PEM_cert(der)]
    if not certificates:
        return "holds no PEM certificate" + _other_content(raw)
    try:
        context.load_verify_locations(cadata="".join(certificates))
    except (ssl.SSLError, TypeError):  # TypeError: a character that is not ASCII
        return "holds no PEM certificate that can be read: a part of one is missing or was changed; copy the file again"
    return ""


@lru_cache(maxsize=8)
def _context(store: SystemStore | None, ca_files: tuple[Path, ...], _changed: tuple[int, ...]) -> ssl.SSLContext:
    """A cached context, shared by equal networks: each takes 20 ms and 0.7 MB, and an App has many installations.

    With authorities of a company, in its machines' store or in a file, certificates are checked as OpenSSL does by
    default. Python 3.13 would also refuse an authority whose basicConstraints are not critical, and a certificate
    without authorityKeyIdentifier. Many companies have those and cannot renew them. A listed authority is trusted even
    if it is not self-signed, as in Python 3.13 and curl.
    https://docs.python.org/3/library/ssl.html#ssl.VERIFY_X509_STRICT
    """
    context = _of_machine(store) if store else httpx.create_ssl_context(trust_env=False)  # certifi's authorities
    for path in ca_files:
        _load(context, path)
    if store or ca_files:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _of_machine(store: SystemStore) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=store.file, capath=store.folder)
    except (ssl.SSLError, OSError):
        text = f"{store.file}, this machine's certificate store, holds no certificate that can be read; repair it"
    raise Unavailable(f"{text} (update-ca-certificates, update-ca-trust), or let SSL_CERT_FILE name another one")


def _load(context: ssl.SSLContext, path: Path) -> str:
    """Let a context trust the authorities in a file; returns why they cannot be used, empty if they can."""
    try:
        return trust(context, read_regular(path, LARGEST_BUNDLE + 1))
    except OSError as error:
        return unreadable(error)


def _other_content(raw: bytes) -> str:
    """What a file without a certificate holds, and what to do; the end of a sentence."""
    blocks = pem_blocks(raw)
    if blocks and blocks[0].label == "TRUSTED CERTIFICATE":
        return " but one in OpenSSL's own form; `openssl x509 -in OLD -out NEW` makes one in the usual form"
    if kind := kind_of_pem("".join(block.text for block in blocks)):
        return f" but {kind}; name the file with the certificate of the authority"
    if kind := kind_of_pem(text_of(raw) or ""):
        return f" that is complete: {kind} begins, but its END line is missing; copy the file again"
    return ", which begins with -----BEGIN CERTIFICATE-----"
