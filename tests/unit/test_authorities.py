"""A `ca_file` as people, shells and browsers write it: trusted, or named with what it holds instead."""

import base64
import ssl
import textwrap
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from exporter.github.network.authorities import trust
from tests.support.pem import AUTHORITY_KEY, FIRST, certificate

SECOND = certificate("second").public_bytes(Encoding.PEM)
DER = certificate("first").public_bytes(Encoding.DER)
PRIVATE = AUTHORITY_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = AUTHORITY_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trusted(content: bytes) -> tuple[str, list[str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    problem = trust(context, content)
    subjects: list[Any] = [each["subject"] for each in context.get_ca_certs()]
    return problem, sorted(dict(pair for part in subject for pair in part)["commonName"] for subject in subjects)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        pytest.param(FIRST, ["first"], id="as OpenSSL writes it"),
        pytest.param(b"\xef\xbb\xbf" + FIRST + SECOND, ["first", "second"], id="byte order mark"),
        pytest.param((FIRST + SECOND).decode().encode("utf-16"), ["first", "second"], id="UTF-16 of PowerShell"),
        pytest.param(FIRST.replace(b"\n", b"\r\n"), ["first"], id="CR LF"),
        pytest.param(FIRST.replace(b"\n", b"\\n"), ["first"], id="literal line ends"),
        pytest.param(textwrap.indent(FIRST.decode(), "  ").encode(), ["first"], id="indentation"),
        pytest.param(b"# Corp Root\n" + FIRST + b"# Corp Issuing\n" + SECOND, ["first", "second"], id="comments"),
        pytest.param(base64.b64encode(FIRST), ["first"], id="base64 of the whole"),
        pytest.param(DER, ["first"], id="DER"),
        pytest.param(FIRST.rstrip() + SECOND, ["first", "second"], id="no line end between two"),
        pytest.param(PRIVATE + FIRST, ["first"], id="with a key"),
    ],
)
def test_every_certificate_is_trusted_however_it_was_carried_over(content: bytes, names: list[str]) -> None:
    assert trusted(content) == ("", names)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no PEM certificate"),
        (b"CANARY", "holds no PEM certificate, which begins with -----BEGIN CERTIFICATE-----"),
        (PRIVATE, "but a private key; name the file with the certificate of the authority"),
        (PUBLIC, "but a public key"),
        (FIRST[:200], "its END line is missing; copy the file again"),
        (FIRST.replace(b"\nMII", b"\nAAA"), "a part of one is missing or was changed"),
        (FIRST.replace(b"\nMII", "\nЖII".encode()), "a part of one is missing or was changed"),
        (FIRST.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "openssl x509 -in OLD -out NEW"),
        (b"-----BEGIN PKCS7-----\nCANARY\n-----END PKCS7-----", "but a PKCS #7 bundle"),
        (b"\x30\x82CANARY", "a part of one is missing or was changed"),
        (b" " * (8 * 1024 * 1024 + 1), "is larger than 8 MiB"),
    ],
)
def test_anything_else_is_named(content: bytes, complaint: str) -> None:
    problem, names = trusted(content)
    assert complaint in problem
    assert "CANARY" not in problem
    assert names == []


def test_a_file_of_beginnings_without_ends_is_looked_through_once() -> None:
    content = b"-----BEGIN CERTIFICATE-----\n" * 200_000
    began = time.process_time()
    assert "END line is missing" in trusted(content)[0]
    assert time.process_time() - began < 5
