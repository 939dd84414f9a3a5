"""Makes foreign text safe for messages: one short line, without tokens and without queries of URLs. Pure."""

import re

TOKEN = re.compile(r"(?:gh[a-z]|github_pat)_\w{6,}")
"""The form of GitHub's tokens. With fewer characters after the prefix it may be a word, such as a file name."""

_LONGEST_LINE = 200
_QUERY = re.compile(r"(https?://[^\s?#]*)[?#]\S*")


def one_line(text: str) -> str:
    """The text as one printable line of at most 200 characters, tokens replaced, queries and fragments removed."""
    text = TOKEN.sub("<token>", _QUERY.sub(r"\1", text[: 4 * _LONGEST_LINE]))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"
