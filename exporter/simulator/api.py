"""A simulated GitHub as a bare ASGI application.

It serves the nine paths of API Insights of organizations (by name and by id), `/rate_limit`, what `estate_answers.py`
says of GHES and Copilot, `billing_answers.py` of spend and `directory.py` of who belongs where, with the signed files
behind them, and what a GitHub App needs to get a token: `/app`, `/app/installations`,
`/app/installations/ID/access_tokens`, `/orgs/ORG/installation` and `/enterprises/ENTERPRISE/installation`. Other paths
get a stored answer (`stored.py`), or 404. It checks classic and fine-grained tokens, JSON web tokens and installation
tokens, counts requests by user, installation or App, and fails on demand (`faults.py`).

It sets the `date` header itself, from the clock that it was given, so a server must not add another one
(hypercorn: `include_date_header = False`, as `serve.py` has it).

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights
https://docs.github.com/enterprise-cloud@latest/rest/apps/apps
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from itertools import count
from random import Random
from typing import Any

from exporter.simulator.access import Caller, Callers, Limit, Quotas, TokenFacts, admit, limit_of
from exporter.simulator.app_answers import answer as answer_to_app
from exporter.simulator.app_answers import is_for_apps
from exporter.simulator.apps import Apps, SimulatedApp
from exporter.simulator.billing_answers import answer as answer_of_billing
from exporter.simulator.directory import answer as answer_of_directory
from exporter.simulator.estate import Estate
from exporter.simulator.estate_answers import Content, Context, appliance_of, of_appliance
from exporter.simulator.estate_answers import answer as answer_of_estate
from exporter.simulator.exports import Exports
from exporter.simulator.facts import Organization
from exporter.simulator.faults import Faults, deliver, disturbed
from exporter.simulator.insights import Item, Query, rows, shifted, ties_shuffled
from exporter.simulator.messages import (
    VERSIONS,
    Receive,
    Refusal,
    Request,
    Response,
    Send,
    body_of,
    compressed,
    fingerprint,
    link_header,
    page_of,
    request_of,
)
from exporter.simulator.parameters import InsightsPath, InvalidQuery, query_of, scope_of
from exporter.simulator.records import RequestRecord
from exporter.simulator.signed import FOLDER, SignedFiles
from exporter.simulator.stored import account_of, stored
from exporter.simulator.world import World

DOCS = "https://docs.github.com/rest"
INSIGHTS = re.compile(r"/(orgs|organizations)/([^/]+)/insights/api/(.+)")
REMEMBERED_ANSWERS = 4  # whole lists, of which the pages of a walk are parts


class SimulatedGitHub:
    """The application.

    `clock` gives epoch seconds. `tokens` maps a token to the organizations it may read, or to more about it; None lets
    any token read all. `apps` are GitHub Apps. `limit` is the hourly quota of each pool (see `Limit`); a pool without
    one is answered as by an appliance without rate limits. `limit`, `faults` and what the mappings hold may be changed
    at any time. `log` keeps the newest requests. `root` is a path in front of all others, such as `/api/v3`. `estate`
    has enterprises, their appliances and their days with Copilot. `spent_by_others` leaves nothing of any quota.
    """

    def __init__(
        self,
        world: World,
        clock: Callable[[], float],
        *,
        tokens: Mapping[str, AbstractSet[str] | TokenFacts] | None = None,
        apps: Sequence[SimulatedApp] = (),
        faults: Faults | None = None,
        estate: Estate | None = None,
        limit: Limit = 15_000,
        root: str = "",
        keep: int = 10_000,
    ) -> None:
        self.world, self.limit = world, limit
        self.spent_by_others = False
        self.faults = faults or Faults()
        self.log: deque[RequestRecord] = deque(maxlen=keep)
        self.apps = Apps(apps, world.seed)
        self.estate, self.files, self.exports = estate or Estate(), SignedFiles(world.seed), Exports(world.seed)
        self._clock, self._root = clock, root
        self._access = Callers(tokens, self.apps)
        self._quotas = Quotas()
        self._order = count()
        self._lists = 0
        self._answers = lru_cache(maxsize=REMEMBERED_ANSWERS)(self._whole_answer)

    def revoke_installation_tokens(self, org: str) -> int:
        """Make all tokens of an organization's installations invalid; returns how many there were."""
        return self.apps.revoke(org)

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
            pool=self._pool(request),
        )
        self.log.append(record)

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        try:
            if request.method == "POST":
                request = replace(request, body=await body_of(receive))
            fault = self.faults.take(request)
            if fault and fault.delay:
                await asyncio.sleep(fault.delay)
            answer = self._answer(request, self._clock(), record)
            if fault:
                answer = disturbed(fault, request, answer)
            await deliver(compressed(answer, request), fault, receive, sending)
        finally:
            record.ended = next(self._order)

    def _answer(self, request: Request, now: float, record: RequestRecord) -> Response:
        if request.path.startswith(FOLDER):
            return self.files.answer(request, now)
        headers = {
            "date": formatdate(now, usegmt=True),
            "content-type": "application/json; charset=utf-8",
            "x-github-request-id": f"5140:{record.started:06X}:{int(now):08X}",
            "x-github-api-version-selected": request.version,
            "x-github-media-type": "github.v3; format=json",
        }
        try:
            _well_formed(request)
            caller = self._caller(request, now)
            headers |= caller.headers
            if below := appliance_of(self.estate, request.path):
                status, content, more = of_appliance(self.estate, *below, caller, now)
            else:
                quota = self._spend(caller, request, now, record)
                headers |= _rate_limit_headers(quota)
                status, content, more = self._content(request, caller, quota, now)
            return Response(status, {**headers, **more}, b"" if content is None else _json(content))
        except Refusal as refusal:
            headers |= refusal.headers
            problem = {
                "message": refusal.message,
                "documentation_url": DOCS + refusal.page,
                "status": str(refusal.status),
            }
            return Response(refusal.status, headers, _json(problem))

    def _content(self, request: Request, caller: Caller, quota: Mapping[str, int | str], now: float) -> Content:
        path = request.path.removeprefix(self._root)
        if request.path == f"{self._root}/rate_limit":
            return 200, _rate_limit(quota, request.version), {}
        if caller.app and is_for_apps(path):
            return answer_to_app(self.apps, caller.app, request, self._root, now)
        context = Context(self.estate, self.files, self.exports, request, caller, now)
        inside = request.path.startswith(self._root)
        if inside and (directory := answer_of_directory(self.estate, request, path, caller)):
            return directory
        if inside and (content := answer_of_estate(context, path) or answer_of_billing(context, path)):
            return content
        if inside and request.method == "GET" and (body := stored(path)) is not None:
            admit(caller, path, account_of(path))
            return 200, body, {}
        content, link = self._insights(request, caller, now)
        return 200, content, link

    def _caller(self, request: Request, now: float) -> Caller:
        inside = request.path.startswith(self._root)
        for_apps = inside and is_for_apps(request.path.removeprefix(self._root))
        return self._access.caller(request.token, now, for_apps=for_apps)

    def _pool(self, request: Request) -> str:
        if request.path.startswith(FOLDER):
            return ""
        try:
            return self._caller(request, self._clock()).pool
        except Refusal:
            return ""

    def _spend(self, caller: Caller, request: Request, now: float, record: RequestRecord) -> dict[str, int | str]:
        """Count a request against its pool's hour; `/rate_limit` is free. Empty for a pool without a limit."""
        limit = limit_of(self.limit, caller.pool)
        free = request.path == f"{self._root}/rate_limit"
        if limit is None:
            if free:
                raise Refusal(404, "Rate limiting is not enabled.", "/rate-limit")
            return {}
        quota, refused = self._quotas.spend(caller.pool, limit, now, free=free, by_others=self.spent_by_others)
        if refused:
            page = "/using-the-rest-api/rate-limits-for-the-rest-api"
            whom = caller.pool.replace(":", " ID ")
            raise Refusal(403, f"API rate limit exceeded for {whom}.", page, _rate_limit_headers(quota))
        record.counted = not free
        return quota

    def _insights(self, request: Request, caller: Caller, now: float) -> tuple[Any, dict[str, str]]:
        """One page of an answer, and its `Link` header."""
        path = request.path.removeprefix(self._root)
        match = INSIGHTS.fullmatch(path)
        if match is None or request.method != "GET" or not request.path.startswith(self._root):
            raise Refusal(404, "Not Found", "")
        org, scope = self._organization(match[1], match[2]), scope_of(match[3])
        if org is None or scope is None:
            raise Refusal(404, "Not Found", "")
        admit(caller, path, org.name)
        try:
            query = query_of(scope, request.pairs, now)
        except InvalidQuery as error:
            raise Refusal(422, str(error)) from None
        self._check_known(org.name, scope, now)
        answer = self._answers(org.name, query, now, self.world, (self.world.version, self.world.switches))
        if not isinstance(answer, list) or not scope.paged:
            return answer, {}
        self._lists += 1
        rng, switches = Random(f"{self.world.seed}:{self._lists}"), self.world.switches
        if switches.shuffled_ties:
            answer = ties_shuffled(answer, query, rng)
        if switches.shifting_pages:
            answer = shifted(answer, rng)
        page = page_of(request.pairs)
        url = f"{request.origin}{self._root}/organizations/{org.id}/insights/api/{match[3]}"
        return answer[page.rows], link_header(url, request.pairs, page, len(answer))

    @staticmethod
    def _whole_answer(org: str, query: Query, now: float, world: World, _state: object) -> Item | list[Item]:
        """All pages, the same until the clock moves or the world changes."""
        return rows(world, org, query, now)

    def _check_known(self, org: str, scope: InsightsPath, now: float) -> None:
        """Raises `Refusal` (404) for a user or actor that the organization does not know, if the world is set so."""
        is_drill_down = scope.user is not None or scope.actor is not None
        if self.world.switches.unknown == 404 and is_drill_down:
            source = next(self.world.sources(org, now, user=scope.user, actor=scope.actor), None)
            if source is None:
                raise Refusal(404, "Not Found")

    def _organization(self, by: str, word: str) -> Organization | None:
        if by == "orgs":
            return self.world.organization(word)
        return next((org for org in self.world.organizations if str(org.id) == word), None)


def _well_formed(request: Request) -> None:
    if "user-agent" not in request.headers:
        raise Refusal(403, "Request forbidden by administrative rules. Please set a User-Agent header.")
    if request.version not in VERSIONS:
        raise Refusal(400, f"{request.version} is not a supported API version.", "/about-the-rest-api/api-versions")


def _rate_limit_headers(quota: Mapping[str, int | str]) -> dict[str, str]:
    return {f"x-ratelimit-{name}": str(value) for name, value in quota.items()}


def _rate_limit(quota: Mapping[str, int | str], version: str) -> dict[str, Any]:
    core = {name: quota[name] for name in ("limit", "used", "remaining", "reset")}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": quota["reset"]}
    old = {"rate": core} if version == VERSIONS[0] else {}
    return {"resources": {"core": core, "search": search}, **old}


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
