"""A GitHub App's private key as people, shells and vaults write it: read, or named with what the file holds instead."""

import base64
import json
import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exporter.github.secret_files.keys import SigningKey, signing_key
from tests.support.pem import APP_KEY, PKCS1, PUBLIC

PKCS8 = APP_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
DER = APP_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
OPENSSH = APP_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
OTHER = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SSH = APP_KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
TEXT = PKCS1.decode()
BODY = "".join(TEXT.splitlines()[1:-1])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PKCS1, id="as GitHub gives it"),
        pytest.param(PKCS8, id="PKCS#8"),
        pytest.param(PKCS1.replace(b"\n", b"\\n"), id="literal line ends"),
        pytest.param(PKCS1.replace(b"\n", b"\\r\\n"), id="literal CR LF"),
        pytest.param(PKCS1.replace(b"\n", b"\\\\n"), id="literal line ends, escaped twice"),
        pytest.param(b'"' + PKCS1.replace(b"\n", b"\\n") + b'"\n', id="literal line ends in quotes"),
        pytest.param(PKCS1.replace(b"\n", b"\\n\n"), id="both"),
        pytest.param(PKCS1.replace(b"\n", b"\r\n"), id="CR LF"),
        pytest.param(PKCS1.replace(b"\n", b"\r"), id="CR"),
        pytest.param(b"\xef\xbb\xbf" + PKCS1, id="byte order mark"),
        pytest.param(TEXT.replace("\n", "\r\n").encode("utf-16"), id="UTF-16 of PowerShell"),
        pytest.param(f"'{TEXT}'".encode(), id="quotes"),
        pytest.param(f"\n\n  \n{TEXT}\n\n".encode(), id="blank lines"),
        pytest.param(textwrap.indent(TEXT, "    ").encode(), id="indentation"),
        pytest.param(TEXT.replace("\n", " ").encode(), id="one line with spaces"),
        pytest.param(TEXT.replace("\n", "").encode(), id="one line without any"),
        pytest.param(base64.b64encode(PKCS1), id="base64 of the whole"),
        pytest.param(base64.encodebytes(PKCS1), id="base64 of the whole, in lines"),
        pytest.param(base64.b64encode(PKCS1.replace(b"\n", b"\\n")), id="base64 of literal line ends"),
        pytest.param(b'PRIVATE_KEY="' + PKCS1.replace(b"\n", b"\\n") + b'"\n', id="assignment"),
        pytest.param(b"private_key: |\n" + textwrap.indent(TEXT, "  ").encode(), id="YAML"),
        pytest.param(json.dumps({"private_key": TEXT}).encode(), id="JSON"),
        pytest.param(PUBLIC + PKCS1, id="with the public key"),
        pytest.param(PKCS1 + PKCS1, id="the same key twice"),
        pytest.param(DER, id="DER"),
        pytest.param(base64.b64encode(DER), id="base64 of DER"),
        pytest.param(BODY.encode(), id="without the lines of PEM"),
    ],
)
def test_the_key_is_read_however_it_was_carried_over(content: bytes) -> None:
    key = signing_key(content)
    assert isinstance(key, SigningKey), key
    assert key.private.private_numbers() == APP_KEY.private_numbers()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (PUBLIC, "but a public key"),
        (b"-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n", "but a certificate."),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAA\n-----END CERTIFICATE REQUEST-----\n", "but a certificate request"),
        (OPENSSH, "but an OpenSSH private key"),
        (SSH, "but an SSH public key"),
        (APP_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "is encrypted"),
        (
            APP_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")),
            "encrypted",
        ),
        (PKCS8 + OTHER, "2 private keys; keep the one that belongs to app_client_id"),
        (PKCS1[:800], "its END line is missing; copy the whole file again"),
        (base64.b64encode(PKCS1[:800]), "no private key in PEM"),
        (PKCS1.replace(b"\nMII", b"\nAAA"), "a part of it is missing or was changed; copy the whole file again"),
        (PKCS1.replace(TEXT.splitlines()[4].encode(), b""), "a part of it is missing or was changed"),
        (b"ghp_CANARYcanary0123\n", "but a token: name the file as token_file, without app_client_id"),
        (b"GITHUB_TOKEN=ghp_CANARYcanary0123\n", "but a token"),
        (b"0123456789abcdef0123456789abcdef01234567\n", "looks like a client secret"),
        (b"Iv23liAbCdEfGhIjKlMn\n", "but a client id, which belongs in app_client_id"),
        (b"${CANARY}\n", "but a placeholder that nothing has filled in"),
        (b"{{ .Values.CANARY | nindent 4 }}", "but a placeholder"),
        (b"\xef\xbb\xbf\n", "no private key in PEM"),
        (b"\x89PNG\r\n\x1a\nCANARY\xff", "no private key in PEM, and no text"),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "holds no RSA key of 2048 bits",
        ),
    ],
)
def test_anything_else_is_named_and_not_shown(content: bytes, complaint: str) -> None:
    problem = signing_key(content)
    assert isinstance(problem, str)
    assert complaint in problem
    assert "make one" not in problem, "nobody needs a new key for that"
    assert "CANARY" not in problem
    assert "0123456789" not in problem
