"""Classifies responses: data, a rate limit, or a failure. Pure.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.errors import CredentialRejected, Forbidden, GitHubError, Invalid, NotFound, Refused, Retired, Unavailable
from exporter.github.dates import http_date, whole_number
from exporter.github.hour import LONGEST_WINDOW
from exporter.github.redaction import one_line
from exporter.github.refusals import BODY_READ, NOT_THE_API, SIGN_ON, cause_of, is_web_page, message_of
from exporter.instants import HOUR

FIRST_WAIT = 60.0
LONGEST_WAIT = HOUR

_SAYS_LIMIT = re.compile(rb"secondary[ -]rate[ -]limit|api rate limit exceeded|abuse detection", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Success:
    """The response holds data."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit was hit: send no requests of this pool before `until` (epoch seconds, GitHub's clock)."""

    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """No data, and an immediate retry would not help. `error` says what an operator does about it.

    `retry_at` is GitHub's `Retry-After` as an instant (epoch seconds, GitHub's clock), 0 if it sent none.
    """

    error: GitHubError
    retry_at: float = 0.0


Meaning = Success | RateLimit | RequestFailure

_KINDS: Mapping[int, type[GitHubError]] = {
    400: Refused,
    401: CredentialRejected,
    403: Forbidden,
    404: NotFound,
    410: Retired,
    422: Refused,
}


def meaning_of(
    status: int, headers: Mapping[str, str], body: bytes, now: float, repeated: int, *, quoted: bool = True
) -> Meaning:
    """What a response means. Never raises, whatever GitHub or a proxy sent.

    `headers` have lower-case names and may lack all of GitHub's own (an appliance without limits sends none); `now` is
    GitHub's clock in epoch seconds; `repeated` is how many rate limits in a row the pool has hit before. Unless
    `quoted`, GitHub's message, which may name a person, is left out.
    """
    if 200 <= status < 300:
        if not is_web_page(body):
            return Success()
        return RequestFailure(Invalid(f"GitHub answers {status}; {NOT_THE_API.what}", NOT_THE_API.hint))
    if status in (403, 429):
        limit = _rate_limit(status, headers, body, now, repeated)
        if limit:
            return limit
    return _failure(status, headers, body, now, quoted=quoted)


def _failure(status: int, headers: Mapping[str, str], body: bytes, now: float, *, quoted: bool) -> RequestFailure:
    is_server_error = 500 <= status < 600
    kind = Unavailable if is_server_error else _KINDS.get(status, Invalid)
    cause = cause_of(status, headers, body)
    message = one_line(message_of(body)) if quoted else ""
    needs = _needs(headers) if status in (403, 404) else []
    details = [text for text in (message or (cause.what if cause else ""), *needs) if text]
    error = kind("; ".join(dict.fromkeys([f"GitHub answers {status}", *details])), cause.hint if cause else "")
    wait = _retry_seconds(headers.get("retry-after", ""), now) if is_server_error else None
    return RequestFailure(error, 0.0 if wait is None else now + wait)


def _rate_limit(status: int, headers: Mapping[str, str], body: bytes, now: float, repeated: int) -> RateLimit | None:
    doubled = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(max(repeated, 0), 6))
    retry_after = headers.get("retry-after")
    if retry_after is not None and (seconds := _retry_seconds(retry_after, now)) is not None:
        return RateLimit(now + seconds, "GitHub asks to wait (Retry-After)")
    if headers.get("x-ratelimit-remaining", "").strip() == "0":
        return RateLimit(_reset(headers, now), "the hourly limit is used up")
    if _SAYS_LIMIT.search(body[:BODY_READ]):
        return RateLimit(now + doubled, "a rate limit that names no time")
    if status == 429 or retry_after is not None:
        return RateLimit(now + doubled, "too many requests")
    return None


def _retry_seconds(text: str, now: float) -> float | None:
    """Seconds to wait, from a number or an HTTP date; None unless it is in the future."""
    seconds = whole_number(text)
    if seconds is None:
        instant = http_date(text.strip())
        seconds = None if instant is None else instant - now
    return min(seconds, LONGEST_WAIT) if seconds is not None and seconds > 0 else None


def _reset(headers: Mapping[str, str], now: float) -> float:
    reset = whole_number(headers.get("x-ratelimit-reset", ""))
    if reset is None or reset < now:
        return now + FIRST_WAIT
    return min(reset + 1, now + LONGEST_WINDOW)


def _needs(headers: Mapping[str, str]) -> list[str]:
    """What the credential lacks, by GitHub's headers. The link in the SSO header is a secret and is left out."""
    permission = one_line(headers.get("x-accepted-github-permissions", ""))
    scopes = one_line(headers.get("x-accepted-oauth-scopes", ""))
    return [
        SIGN_ON.what if "x-github-sso" in headers else "",
        f"needs permission: {permission}" if permission else "",
        f"a classic token needs one of the scopes: {scopes}" if scopes else "",
    ]
