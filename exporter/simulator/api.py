"""A simulated GitHub as a bare ASGI application: API Insights of organizations, and `/rate_limit`.

It sets the `date` header itself, from the clock that it was given, so a server must not add another one
(hypercorn: `include_date_header = False`, as `serve.py` has it).

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights
"""

import asyncio
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
from random import Random
from typing import Any

from exporter.simulator.facts import HOUR, Organization
from exporter.simulator.faults import Faults, deliver, disturbed
from exporter.simulator.insights import rows, shifted
from exporter.simulator.messages import (
    VERSIONS,
    Answer,
    Receive,
    Request,
    Send,
    compressed,
    fingerprint,
    link_header,
    request_of,
)
from exporter.simulator.parameters import Unprocessable, page_of, question, scope_of
from exporter.simulator.world import World

DOCS = "https://docs.github.com/rest"
INSIGHTS = re.compile(r"/(orgs|organizations)/([^/]+)/insights/api/(.+)")


@dataclass(slots=True)
class RequestRecord:
    """One request as it was seen. `started` and `ended` are places in one common order of starts and ends.

    Two requests overlapped if the later one started before the earlier one ended; `ended` is None while it runs.
    """

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    token: str  # a fingerprint, see `fingerprint`
    started: int
    ended: int | None = None
    status: int | None = None


class Refused(Exception):
    """An answer other than 200: its status, GitHub's message, a page of its documentation, further headers."""

    def __init__(
        self, status: int, message: str, page: str = "/orgs/api-insights", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.page, self.headers = status, message, page, headers or {}


class SimulatedGitHub:
    """The application.

    `clock` gives epoch seconds. `tokens` maps a token to the organizations it may read; None lets any token read all.
    `limit` is the hourly quota of each token; it may be changed at any time, as may `faults`. `log` keeps the newest
    requests. `root` is a path in front of all others, such as `/api/v3`.
    """

    def __init__(
        self,
        world: World,
        clock: Callable[[], float],
        *,
        tokens: Mapping[str, AbstractSet[str]] | None = None,
        faults: Faults | None = None,
        limit: int = 15_000,
        root: str = "",
        keep: int = 10_000,
    ) -> None:
        self.world, self.limit = world, limit
        self.faults = faults or Faults()
        self.log: deque[RequestRecord] = deque(maxlen=keep)
        self._clock, self._root = clock, root
        self._tokens = tokens
        self._order = count()
        self._hour = 0
        self._used: Counter[str] = Counter()
        self._lists = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = request_of(scope)
        record = RequestRecord(
            at=self._clock(),
            method=request.method,
            path=request.path,
            query=request.query,
            token=fingerprint(request.token),
            started=next(self._order),
        )
        self.log.append(record)

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        try:
            fault = self.faults.take(request)
            if fault and fault.delay:
                await asyncio.sleep(fault.delay)
            answer = self._answer(request, self._clock(), record.started)
            if fault:
                answer = disturbed(fault, request, answer)
            await deliver(compressed(answer, request), fault, receive, sending)
        finally:
            record.ended = next(self._order)

    def _answer(self, request: Request, now: float, number: int) -> Answer:
        headers = {
            "date": formatdate(now, usegmt=True),
            "content-type": "application/json; charset=utf-8",
            "x-github-request-id": f"5140:{number:06X}:{int(now):08X}",
            "x-github-api-version-selected": request.version,
            "x-github-media-type": "github.v3; format=json",
        }
        try:
            self._admit(request)
            quota = self._spend(request, now)
            headers |= {f"x-ratelimit-{name}": str(value) for name, value in quota.items()}
            if request.path == f"{self._root}/rate_limit":
                return Answer(200, headers, _json(_rate_limit(quota, request.version)))
            content, link = self._insights(request, now)
            return Answer(200, headers | link, _json(content))
        except Refused as refusal:
            headers |= refusal.headers
            problem = {
                "message": refusal.message,
                "documentation_url": DOCS + refusal.page,
                "status": str(refusal.status),
            }
            return Answer(refusal.status, headers, _json(problem))

    def _admit(self, request: Request) -> None:
        if "user-agent" not in request.headers:
            raise Refused(403, "Request forbidden by administrative rules. Please set a User-Agent header.")
        if request.version not in VERSIONS:
            raise Refused(400, f"{request.version} is not a supported API version.", "/about-the-rest-api/api-versions")
        if not request.token:
            raise Refused(401, "Requires authentication")
        if self._tokens is not None and request.token not in self._tokens:
            raise Refused(401, "Bad credentials", "")

    def _spend(self, request: Request, now: float) -> dict[str, int | str]:
        """Count a request against its token's hour; `/rate_limit` is free."""
        hour = int(now) // HOUR
        if hour != self._hour:
            self._hour = hour
            self._used.clear()
        free = request.path == f"{self._root}/rate_limit"
        refused = not free and self._used[request.token] >= self.limit
        self._used[request.token] += not free and not refused
        used = min(self._used[request.token], self.limit)
        quota: dict[str, int | str] = {
            "limit": self.limit,
            "remaining": self.limit - used,
            "used": used,
            "reset": (hour + 1) * HOUR,
            "resource": "core",
        }
        if refused:
            headers = {f"x-ratelimit-{name}": str(value) for name, value in quota.items()}
            page = "/using-the-rest-api/rate-limits-for-the-rest-api"
            raise Refused(403, f"API rate limit exceeded for {fingerprint(request.token)}.", page, headers)
        return quota

    def _insights(self, request: Request, now: float) -> tuple[Any, dict[str, str]]:
        """One page of an answer, and its `Link` header."""
        found = INSIGHTS.fullmatch(request.path.removeprefix(self._root))
        if found is None or request.method != "GET" or not request.path.startswith(self._root):
            raise Refused(404, "Not Found", "")
        org, asked = self._organization(found[1], found[2]), scope_of(found[3])
        if org is None or asked is None:
            raise Refused(404, "Not Found", "")
        if self._tokens is not None and org.name not in {name.lower() for name in self._tokens[request.token]}:
            raise Refused(403, "Resource not accessible by personal access token")
        try:
            query = question(asked, request.pairs, now)
        except Unprocessable as error:
            raise Refused(422, str(error)) from None
        answer = rows(self.world, org.name, query, now)
        if not isinstance(answer, list) or not asked.paged:
            return answer, {}
        if self.world.switches.shifting_pages:
            self._lists += 1
            answer = shifted(answer, Random(f"{self.world.seed}:{self._lists}"))
        page = page_of(request.pairs)
        url = f"{request.origin}{self._root}/organizations/{org.id}/insights/api/{found[3]}"
        return answer[page.rows], link_header(url, request.pairs, page, len(answer))

    def _organization(self, by: str, word: str) -> Organization | None:
        if by == "orgs":
            return self.world.organization(word)
        return next((org for org in self.world.organizations if str(org.id) == word), None)


def _rate_limit(quota: Mapping[str, int | str], version: str) -> dict[str, Any]:
    core = {name: quota[name] for name in ("limit", "used", "remaining", "reset")}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": quota["reset"]}
    old = {"rate": core} if version == VERSIONS[0] else {}
    return {"resources": {"core": core, "search": search}, **old}


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
