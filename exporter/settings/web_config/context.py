"""Builds Python's SSLContext from a web configuration; refuses what Python cannot do."""

import ssl
import warnings

from exporter.github.network.system_store import find_system_store
from exporter.settings.web_config.certificates import load
from exporter.settings.web_config.model import TlsServerConfig
from exporter.settings.web_config.words import (
    CIPHERS,
    CIPHERS_OF_TLS13,
    CLIENT_AUTH,
    CURVES,
    FOR_OLD_VERSIONS,
    STRONG,
    VERSIONS,
)


class UnsupportedTls(Exception):
    """The value of `key` is valid but cannot be applied; `str()` says why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


def context_of(tls: TlsServerConfig, chain: str, key: str, authorities: str | None) -> ssl.SSLContext:
    """One context for all connections; raises `UnusableFile` and `UnsupportedTls`.

    The policies that verify clients trust `authorities` (PEM), or the machine's own if that is None.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    _set_versions(context, tls)
    _set_ciphers(context, tls)
    _set_curve(context, tls)
    _set_clients(context, tls, authorities)
    load(context, chain, key)
    return context


def _is_old(version: str) -> bool:
    return VERSIONS[version] < ssl.TLSVersion.TLSv1_2


def _set_versions(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    if VERSIONS[tls.min_version] > VERSIONS[tls.max_version]:
        raise UnsupportedTls("min_version", f"{tls.min_version} is newer than max_version, {tls.max_version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1, if the operator asks for them
        context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]


def _set_ciphers(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    names = [CIPHERS[name] for name in tls.cipher_suites if name not in CIPHERS_OF_TLS13]
    if tls.cipher_suites and not names:
        if tls.max_version != "TLS13":
            raise UnsupportedTls("cipher_suites", f"has suites of TLS 1.3 only, and max_version is {tls.max_version}")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    text = ":".join(names) or (FOR_OLD_VERSIONS if _is_old(tls.min_version) else STRONG)
    if _is_old(tls.min_version):
        text += ":@SECLEVEL=0"  # OpenSSL 3 allows SHA-1, the hash of TLS 1.0 and 1.1, at level 0 only
    try:
        context.set_ciphers(text)
    except ssl.SSLError:
        raise UnsupportedTls("cipher_suites", "has no suite that the machine's OpenSSL has") from None


def _set_curve(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    """Restrict the curves to one. OpenSSL's default has all that can be named, so naming all changes nothing."""
    names = set(tls.curve_preferences)
    if len(names) == 1:
        context.set_ecdh_curve(CURVES[names.pop()])
    elif names and names != set(CURVES):
        raise UnsupportedTls("curve_preferences", "Python's TLS takes one curve, or all: name one, or remove the key")


def _set_clients(context: ssl.SSLContext, tls: TlsServerConfig, authorities: str | None) -> None:
    context.verify_mode = CLIENT_AUTH[tls.client_auth_type]
    if context.verify_mode == ssl.CERT_NONE:
        return
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a listed certificate is trusted, as in Go
    # With tickets a resumed session would not be checked again. Sessions of TLS 1.2: see `TlsConnection`.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if authorities is None:
        store = find_system_store()
        if store is None:
            raise UnsupportedTls("client_auth_type", "needs client_ca_file: this machine has no store of authorities")
        context.load_verify_locations(store.file, store.folder)
    else:
        context.load_verify_locations(cadata=authorities)
