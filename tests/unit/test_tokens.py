"""Tokens as people, shells and templates write them: read, or named with what to write instead; never shown."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from exporter.github.secret_files.tokens import token_in, token_in_file

TOKEN = "ghp_CANARYcanary0123456789ABCDEFGHIJKLMNOPQR"
OLD = "0123456789abcdef0123456789abcdef01234567"
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TOKEN.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(f"{TOKEN}\r\n".encode("utf-16"), id="UTF-16 of PowerShell"),
        pytest.param(f"\ufeff{TOKEN}\r\n".encode("utf-16-be"), id="UTF-16, big end first"),
        pytest.param(f"{TOKEN}\n".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(f"{TOKEN}\n".encode("utf-16-be"), id="UTF-16 without a mark, big end first"),
        pytest.param(f"\r\n\r\n \t{TOKEN}\u00a0\r\n\r\n".encode(), id="blank lines, indentation"),
        pytest.param(f"\u200b{TOKEN}\u200b".encode(), id="characters that nobody sees"),
        pytest.param(f"{TOKEN}\0\0".encode(), id="NULs behind it"),
        pytest.param(rf"{TOKEN}\n".encode(), id="a literal line end"),
        pytest.param(rf"{TOKEN}\r\n".encode(), id="two literal line ends"),
        pytest.param(f'"{TOKEN}"\n'.encode(), id="quotes"),
        pytest.param(f"'{TOKEN}'\n".encode(), id="other quotes"),
        pytest.param(f"# of the robot\n{TOKEN}\n".encode(), id="a comment above"),
        pytest.param(f"GITHUB_TOKEN={TOKEN}\n".encode(), id="assignment"),
        pytest.param(f"export GITHUB_TOKEN='{TOKEN}'\n".encode(), id="export"),
        pytest.param(f'export GH_PAT="{TOKEN}";\n'.encode(), id="export with a semicolon"),
        pytest.param(f'$env:GITHUB_TOKEN = "{TOKEN}"\r\n'.encode("utf-16"), id="PowerShell's assignment"),
        pytest.param(f"set GITHUB_TOKEN={TOKEN}\r\n".encode(), id="cmd's assignment"),
        pytest.param(f"token: {TOKEN}\n".encode(), id="YAML"),
        pytest.param(f'oauth_token: "{TOKEN}"\n'.encode(), id="YAML with quotes"),
        pytest.param(f"anything={TOKEN}\n".encode(), id="any name with what is surely a token"),
        pytest.param(f"Bearer {TOKEN}\n".encode(), id="Bearer"),
        pytest.param(f"bearer  {TOKEN}".encode(), id="bearer"),
        pytest.param(f"token {TOKEN}".encode(), id="GitHub's other scheme"),
        pytest.param(f"Authorization: Bearer {TOKEN}\n".encode(), id="a whole header"),
        pytest.param(f"GITHUB_TOKEN='Bearer {TOKEN}'".encode(), id="all of it"),
        pytest.param(base64.b64encode(TOKEN.encode()), id="base64"),
        pytest.param(base64.b64encode(f"{TOKEN}\n".encode()) + b"\n", id="base64 with the line end"),
    ],
)
def test_harmless_wrapping_is_taken_off(content: bytes) -> None:
    token = token_in_file(content)
    assert isinstance(token, SecretStr)
    assert token.get_secret_value() == TOKEN


@pytest.mark.parametrize(
    "token", [TOKEN, OLD, "ghs_12345_eyJhbGciOi.eyJpc3M-x_y.sig", "github_pat_11AA_bb", "any", "a.b~c+d/e==", "v9.x"]
)
def test_a_token_alone_is_what_it_is(token: str) -> None:
    """Also one of a form that nobody knows yet."""
    found = token_in(token)
    assert isinstance(found, SecretStr)
    assert found.get_secret_value() == token


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (PEM, "a private key, not a token; a GitHub App's key belongs in private_key_file"),
        (PEM.replace(b"\n", b"\\n"), "a private key, not a token"),
        (PUBLIC, "a public key, not a token"),
        (b"-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n", "a certificate, not a token"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY", "an OpenSSH private key, not a token"),
        (b"first_CANARY\nsecond_CANARY\n", "more than one plain word: 2 lines"),
        (b"GITHUB_TOKEN=ghp_CANARY\nPROXY=CANARY\n", "more than one plain word: 2 lines"),
        (b"machine github.com login CANARY password ghp_CANARY", "more than one plain word"),
        (b"PASSWORD=CANARY", "a name with a value, not a token"),
        (b"CLIENT_SECRET=0123456789abcdef0123456789abcdef01234567", "a name with a value, not a token"),
        (b"GITHUB_TOKEN=\n", "names a token and does not hold it"),
        (b'GITHUB_TOKEN=""\n', "names a token and does not hold it"),
        (b"${GITHUB_TOKEN}\n", "a placeholder that nothing has filled in"),
        (b"$CANARY\n", "a placeholder"),
        (b"{{ .Values.CANARY }}\n", "a placeholder"),
        (b"<CANARY>\n", "a placeholder"),
        (b"GITHUB_TOKEN=${CANARY}\n", "a placeholder"),
        (b'{"token": "ghp_CANARY"}\n', "JSON"),
        (b"Iv1.8a61f9b3a7aba766\n", "client id, which belongs in app_client_id"),
        (b"Iv23liAbCdEfGhIjKlMn\n", "client id, which belongs in app_client_id"),
        (b"ghr_CANARYcanary\n", "a refresh token"),
        (b"/run/secrets/CANARY\n", "a path or an address"),
        (b"https://CANARY:ghp_CANARY@github.com\n", "a path or an address"),
        (b"ssh-ed25519 AAAACANARY me@host\n", "more than one plain word"),
        (b"# only a comment, CANARY\n", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"ghp_CAN\xe2\x80\x8bARY", "perhaps an invisible one: copy the token again"),
        (b"ghp_CANARY***", "a character that no token has"),
        (b"\x89PNG\r\n\x1a\nCANARY\xff", "no text"),
    ],
)
def test_anything_else_is_named_and_not_shown(content: bytes, complaint: str) -> None:
    problem = token_in_file(content)
    assert isinstance(problem, str)
    assert complaint in problem
    assert "CANARY" not in problem
    assert "\n" not in problem
