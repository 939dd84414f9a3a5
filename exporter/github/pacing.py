"""When GitHub may be asked again: what an answer means, and one queue and one pause per quota pool.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
"""

import asyncio
import heapq
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from exporter.github.budget import Budget, Spending
from exporter.github.dates import OPEN, Closing, http_date
from exporter.github.errors import (
    CredentialRejected,
    Forbidden,
    GitHubError,
    Invalid,
    NotFound,
    Refused,
    Retired,
    Unavailable,
)

FIRST_WAIT = 60.0
LONGEST_WAIT = 3600.0
LONGEST_WINDOW = LONGEST_WAIT + 60.0
"""GitHub's primary windows last an hour; the rest is for clocks that differ."""
LONGEST_BLOCK = 3700.0
"""A block further ahead is no wait of GitHub's but a wall clock that jumped."""

_MESSAGE_LENGTH = 200
_BODY_READ = 64 * 1024
_SAYS_LIMIT = re.compile(rb"secondary[ -]rate[ -]limit|api rate limit exceeded|abuse detection", re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?#]*)[?#]\S*")
_TOKEN = re.compile(r"\b(gh[a-z]|github_pat)_\w+")


@dataclass(frozen=True, slots=True)
class Ok:
    """The answer gives data."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """A limit: ask nothing of this pool before `at` (epoch seconds, GitHub's clock)."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No data, and asking again soon would not help. `error` says what an operator does about it."""

    error: GitHubError


Verdict = Ok | WaitUntil | GiveUp


def verdict(
    status: int, headers: Mapping[str, str], body: bytes, now: float, repeated: int, *, quoted: bool = True
) -> Verdict:
    """Say what an answer means. Never raises, whatever GitHub or a proxy on the way sent.

    `headers` have lower-case names and may lack all of GitHub's (an appliance without limits sends none); `now` is
    GitHub's clock in epoch seconds; `repeated` is how many limited answers of the pool came in a row before. Unless
    `quoted`, GitHub's own message, which may name a person, is left out.
    """
    if 200 <= status < 300:
        return Ok()
    if status in (403, 429):
        limit = _limit(status, headers, body, now, repeated)
        if limit:
            return limit
    kind: type[GitHubError]
    match status:
        case 401:
            kind = CredentialRejected
        case 403:
            kind = Forbidden
        case 404:
            kind = NotFound
        case 410:
            kind = Retired
        case 400 | 422:
            kind = Refused
        case _ if 500 <= status < 600:
            kind = Unavailable
        case _:
            kind = Invalid
    needs = _needs(headers) if status in (403, 404) else []
    said = [text for text in (_message(body) if quoted else "", *needs) if text]
    return GiveUp(kind("; ".join([f"GitHub answers {status}", *said])))


def _limit(status: int, headers: Mapping[str, str], body: bytes, now: float, repeated: int) -> WaitUntil | None:
    doubled = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(max(repeated, 0), 6))
    retry_after = headers.get("retry-after")
    if retry_after is not None and (seconds := _retry_seconds(retry_after, now)) is not None:
        return WaitUntil(now + seconds, "GitHub asks to wait (Retry-After)")
    if headers.get("x-ratelimit-remaining", "").strip() == "0":
        return WaitUntil(_reset(headers, now), "the hourly limit is used up")
    if _SAYS_LIMIT.search(body[:_BODY_READ]):
        return WaitUntil(now + doubled, "a rate limit that names no time")
    if status == 429 or retry_after is not None:
        return WaitUntil(now + doubled, "too many requests")
    return None


def _retry_seconds(text: str, now: float) -> float | None:
    """Seconds to wait, of a number or an HTTP date; None for anything that is no time ahead."""
    text = text.strip()
    number = _number(text)
    if number is None:
        instant = http_date(text)
        number = None if instant is None else instant - now
    return min(number, LONGEST_WAIT) if number is not None and number > 0 else None


def _reset(headers: Mapping[str, str], now: float) -> float:
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if reset is None or reset < now:
        return now + FIRST_WAIT
    return min(reset + 1, now + LONGEST_WINDOW)


def _number(text: str) -> float | None:
    """A whole number of seconds; more than 12 digits are a number, but no instant of ours."""
    text = text.strip()
    return float(text[:12]) if text.isascii() and text.isdigit() else None


def one_line(text: str) -> str:
    """Foreign text for a message: short, printable, without queries of URLs and without what looks like a token."""
    text = _TOKEN.sub("<token>", _QUERY.sub(r"\1", text[: 4 * _MESSAGE_LENGTH]))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def _message(body: bytes) -> str:
    """GitHub's own words, if the body has them."""
    try:
        answer = json.loads(body) if len(body) <= _BODY_READ else None
    except (ValueError, RecursionError):
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    return one_line(message) if isinstance(message, str) else ""


def _needs(headers: Mapping[str, str]) -> list[str]:
    """What GitHub's headers say is missing. The SSO header's link holds a secret and is left out."""
    sso = "the token is not authorised for the organization's single sign-on (SSO)" if "x-github-sso" in headers else ""
    permission = one_line(headers.get("x-accepted-github-permissions", ""))
    scopes = one_line(headers.get("x-accepted-oauth-scopes", ""))
    return [
        sso,
        f"needs permission: {permission}" if permission else "",
        f"a classic token needs one of the scopes: {scopes}" if scopes else "",
    ]


@dataclass(slots=True)
class Pool:
    """What GitHub counts requests against: a token's user, or one App installation.

    `limit`, `remaining` and `reset` (epoch seconds) are as GitHub last told; `blocked_until` is by GitHub's clock,
    0 if free. `requests` counts attempts by status, or `error`. Without a `budget`, or a limit, as much is sent as is
    asked for. `in_turn` counts the requests of whoever has the turn, `closing` is when GitHub told it that the endpoint
    ends.
    """

    name: str
    budget: Budget | None = None
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    blocked_until: float = 0.0
    limited_in_row: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    spending: Spending = field(default_factory=Spending)
    in_turn: int = 0
    closing: Closing = OPEN
    _holder: str = field(default="", init=False, repr=False)
    _taken: bool = field(default=False, init=False, repr=False)
    _arrivals: Iterator[int] = field(default_factory=count, init=False, repr=False)
    _waiting: list[tuple[int, int, asyncio.Future[None]]] = field(default_factory=list, init=False, repr=False)

    @asynccontextmanager
    async def turn(self, priority: int, job: str = "") -> AsyncIterator[None]:
        """Hold the pool alone; of those who wait the lowest priority is next, then who came first."""
        await self._take(priority)
        self._holder, self.in_turn, self.closing = job, 0, OPEN
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, priority: int) -> None:
        if not self._taken:
            self._taken = True
            return
        called = asyncio.get_running_loop().create_future()
        place = (priority, next(self._arrivals), called)
        heapq.heappush(self._waiting, place)
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():  # called and cancelled in the same moment: the turn is ours to pass on
                self._pass_on()
            elif place in self._waiting:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            called = heapq.heappop(self._waiting)[2]
            if not called.done():
                called.set_result(None)
                return
        self._taken = False

    def blocked(self, now: float) -> float:
        """Until when GitHub wants nothing to be asked (its clock); 0 if it may."""
        return self.blocked_until if 0 < self.blocked_until - now <= LONGEST_BLOCK else 0.0

    def reserved(self, now: float) -> float:
        """Until when the rest of the quota is left to others (GitHub's clock); 0 if there is enough."""
        if self.budget is None or self.limit is None or self.remaining is None or self.reset is None:
            return 0.0
        if self.remaining >= self.budget.untouched(self.limit):
            return 0.0
        return self.reset + 1 if 0 <= self.reset - now <= LONGEST_WINDOW else 0.0

    @property
    def hourly(self) -> int | None:
        """How many requests may be sent per hour; None if that is not limited, or not known yet."""
        return None if self.budget is None or self.limit is None else self.budget.hourly(self.limit)

    def spent(self, now: float) -> float:
        """Seconds (of a clock that never jumps) until the budget allows one more request."""
        return 0.0 if self.hourly is None else self.spending.full(self.hourly, now)

    def sending(self, now: float) -> None:
        """Note that a request goes out (seconds of a clock that never jumps)."""
        self.in_turn += 1
        self.spending.add(self._holder, now)

    def learn(self, found: Verdict, status: int, headers: Mapping[str, str], now: float) -> None:
        """Keep what an answer tells about the quota, and of the endpoint's end."""
        told = Closing.of(headers)
        self.closing = told if told != OPEN else self.closing
        if isinstance(found, Ok):
            self.limited_in_row = 0
        elif isinstance(found, WaitUntil):
            self.limited_in_row += 1
            self.blocked_until = max(self.blocked(now), found.at)
        # An answer to a rejected token tells the quota of the address; other resources have quotas of their own.
        if status == 401 or headers.get("x-ratelimit-resource", "core") != "core":
            return
        self.limit = _number_or(headers.get("x-ratelimit-limit"), self.limit)
        self.remaining = _number_or(headers.get("x-ratelimit-remaining"), self.remaining)
        self.reset = _number_or(headers.get("x-ratelimit-reset"), self.reset)


def _number_or(text: str | None, otherwise: float | None) -> float | None:
    number = _number(text or "")
    return otherwise if number is None else number
