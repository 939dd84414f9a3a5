"""Reads the token in a file or a variable, or says what that contains instead. Pure; messages never quote it."""

import re

from pydantic import SecretStr

from exporter.github.secret_files import LARGEST_FILE
from exporter.github.secret_files.encodings import base64_of, kind_of_pem, text_of, unescaped, unquoted

# https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
_OF_GITHUB = re.compile(r"(?:gh[opsu]_|github_pat_)[A-Za-z0-9._-]{4,}")
# What may stand behind `Bearer`: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_SCHEME = re.compile(r"(?:bearer|token)\s+", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"(?:export\s+|set\s+|\$env:)?(?P<name>[A-Za-z_][\w.-]*)\s*(?:=|:(?!//))\s*(?P<value>.*?)[;,]?", re.IGNORECASE
)
_NAME_OF_TOKEN = re.compile(r"token|(?:^|_)pat(?:_|$)|authorization", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$[A-Za-z_{(]|\{\{|<[^<>]+>|%\w+%")
# https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/about-authentication-with-a-github-app
_CLIENT_ID = re.compile(r"Iv1\.[0-9a-f]{16}|Iv23[A-Za-z0-9]{12,20}")
_PLACE = re.compile(r"\.{0,2}/|~/|\w+://")
_ALONE = "write the token alone, in one line"


def token_in_file(raw: bytes) -> SecretStr | str:
    """The token in the content of a file, or what is wrong with the content."""
    if len(raw) > LARGEST_FILE:
        return f"holds more than {LARGEST_FILE // 1024} KiB, which is no token; {_ALONE}"
    text = text_of(raw)
    return f"holds no text; {_ALONE}" if text is None else token_in(text)


def token_in(text: str) -> SecretStr | str:
    """The token in a text, or what is wrong with the text: the end of a sentence such as `token file PATH …`."""
    text = unescaped(text)
    if kind := kind_of_pem(text):
        where = "; a GitHub App's key belongs in private_key_file" if "private" in kind else ""
        return f"holds {kind}, not a token{where}"
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    if len(lines) != 1:
        return f"holds more than one plain word: {len(lines)} lines; {_ALONE}" if lines else "is empty"
    return _token_in_line(unquoted(lines[0]))


def is_github_token(text: str) -> bool:
    """Whether a text is a token in one of GitHub's documented forms."""
    return _OF_GITHUB.fullmatch(text) is not None


def is_client_id(text: str) -> bool:
    """Whether a text has the form of a GitHub App's client id."""
    return _CLIENT_ID.fullmatch(text) is not None


def is_placeholder(text: str) -> bool:
    """Whether a template or a shell should have replaced a part of the text."""
    return _PLACEHOLDER.search(text) is not None


def _token_in_line(line: str) -> SecretStr | str:
    if is_placeholder(line) and not line.lower().startswith("$env:"):
        return f"holds a placeholder that nothing has filled in; {_ALONE}"
    if line.startswith(("{", "[")):
        return f"holds JSON or a list, not a token; {_ALONE}"
    if not _BEARER.fullmatch(line) and (assignment := _ASSIGNMENT.fullmatch(line)):
        value = _SCHEME.sub("", unquoted(assignment["value"]), count=1)
        if not _NAME_OF_TOKEN.search(assignment["name"]) and not is_github_token(value):
            return f"holds a name with a value, not a token; {_ALONE}"
        line = value
    word = unquoted(_SCHEME.sub("", line, count=1))
    decoded = (base64_of(word) or b"").decode("latin-1").strip()
    word = decoded if is_github_token(decoded) else word
    return _no_token(word) or SecretStr(word)


def _no_token(word: str) -> str:
    """What is wrong with a word that should be a token; empty if nothing is."""
    names_only = not word or (word.endswith("=") and _NAME_OF_TOKEN.search(word))
    unseen = "a character that no token has, perhaps an invisible one: copy the token again"
    complaints = (
        (names_only, f"names a token and does not hold it; {_ALONE}"),
        (word.startswith("ghr_"), "holds a refresh token, which reads nothing; use a GitHub App, or an access token"),
        (is_client_id(word), "holds a client id, which belongs in app_client_id, with private_key_file"),
        (_PLACE.match(word), f"holds a path or an address, not a token; {_ALONE}"),
        (not word.isascii(), f"holds {unseen}; {_ALONE}"),
        (len(word.split()) > 1, f"holds more than one plain word; {_ALONE}"),
        (not _BEARER.fullmatch(word), f"holds a character that no token has; {_ALONE}"),
    )
    return next((text for applies, text in complaints if applies), "")
