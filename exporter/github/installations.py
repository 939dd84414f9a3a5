"""What GitHub answers about an installation of an App: the installation, and its tokens. Nothing here raises.

https://docs.github.com/rest/apps/apps
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is made anew; a tenth of its life if that is less."""

_WORD = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True)
class Found:
    """An installation, by its number."""

    id: int
    suspended: bool


@dataclass(frozen=True, slots=True)
class Minted:
    """A token and when it should be renewed, when it ends: epoch seconds by GitHub's clock."""

    token: SecretStr
    renew_at: float
    expires: float

    def is_old(self, now: float) -> bool:
        """Whether it should be made anew."""
        return now > self.renew_at


def found_installation(body: bytes) -> Found | None:
    """The installation that an answer tells of; None if it tells of none."""
    answer = _object(body)
    number = answer.get("id")
    # JSON's true is an int of Python's.
    if type(number) is not int or not 0 < number < 2**63:
        return None
    return Found(number, answer.get("suspended_at") is not None)


def minted_token(body: bytes, now: float) -> Minted | str:
    """The token in an answer, or what is wrong with the answer, without its content."""
    answer = _object(body)
    token, expires = answer.get("token"), _instant(answer.get("expires_at"))
    if not isinstance(token, str) or not _WORD.fullmatch(token):
        return "the answer holds no token that is one plain word"
    if expires is None:
        return "the answer does not say when the token expires"
    if expires <= now:
        return "the answer's token has expired already"
    return Minted(SecretStr(token), expires - min(RENEW_BEFORE, (expires - now) / 10), expires)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _instant(value: object) -> float | None:
    """Epoch seconds of `2026-11-21T10:00:00Z`; a time without a zone is UTC."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if instant is None:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
