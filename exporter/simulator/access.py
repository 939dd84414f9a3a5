"""Who asks the simulated GitHub, what they may read, and how many requests an hour they have left.

https://docs.github.com/enterprise-cloud@latest/rest/authentication/authenticating-to-the-rest-api
https://docs.github.com/enterprise-cloud@latest/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from exporter.simulator.apps import UNDECODABLE, Apps, SimulatedApp, allows
from exporter.simulator.facts import HOUR
from exporter.simulator.messages import Refused, fingerprint

USUAL_LIMIT = 15_000

Limit = int | None | Mapping[str, int | None] | Callable[[str], int | None]
"""Requests per hour of each pool, of the pools by name (others: 15,000), or by a function; None counts nothing."""


class Need(NamedTuple):
    """What a path takes, below the API's root: one of each."""

    path: re.Pattern[str]
    permissions: tuple[str, ...]  # of Apps and fine-grained tokens; without any they are refused
    scopes: tuple[str, ...] = ()  # of classic tokens; without any they need none
    level: str = "read"
    hidden: bool = False  # whoever lacks it is told that there is no such page


NEEDS = (
    Need(re.compile(r"/(orgs|organizations)/[^/]+/insights/api/.+"), ("organization_api_insights",)),
    Need(re.compile(r"/orgs/[^/]+/copilot/metrics/reports/.+"), ("organization_copilot_metrics",), ("read:org",)),
    Need(
        re.compile(r"/enterprises/[^/]+/copilot/metrics/reports/.+"),
        ("enterprise_copilot_metrics",),
        ("manage_billing:copilot", "read:enterprise"),
    ),
    Need(
        re.compile(r"/orgs/[^/]+/copilot/(billing|metrics)"),
        ("organization_copilot_seat_management", "organization_administration"),
        ("manage_billing:copilot", "read:org"),
    ),
    Need(
        re.compile(r"/enterprises/[^/]+/settings/billing/.+"),
        ("enterprise_billing",),
        ("manage_billing:enterprise",),
        hidden=True,
    ),
    Need(re.compile(r"/organizations/[^/]+/settings/billing/.+"), ("organization_administration",), ("admin:org",)),
    Need(re.compile(r"/enterprises/[^/]+/server-statistics"), (), ("read:enterprise",)),
    Need(re.compile(r"/orgs/[^/]+/server-statistics"), (), ("read:org",)),
)
"""Paths that are not named here need none. GitHub has server statistics of both kinds of account under one path."""


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A user's token. Tokens of one `user` share a quota; one without a user has its own."""

    organizations: AbstractSet[str] | None = None  # None: all, and all enterprises
    enterprises: AbstractSet[str] = frozenset()
    user: str = ""
    kind: Literal["classic", "fine_grained"] = "classic"
    scopes: tuple[str, ...] = ()  # of classic tokens; API Insights need none
    permissions: Mapping[str, str] = field(default_factory=lambda: {"organization_api_insights": "read"})
    without_sso: AbstractSet[str] = frozenset()  # organizations for which a classic token is not authorised
    expires_at: float | None = None  # epoch seconds
    site_admin: bool = False  # of an appliance
    unlimited: bool = False  # may read whatever there is


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was recognised. `organizations` are lower case, None is all; an App that asks for itself is `app`.

    Enterprises stand among the organizations.
    """

    pool: str
    kind: Literal["classic", "fine_grained", "installation", "app"]
    organizations: AbstractSet[str] | None
    permissions: Mapping[str, str]
    without_sso: AbstractSet[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)  # of every answer
    app: SimulatedApp | None = None
    scopes: tuple[str, ...] = ()
    site_admin: bool = False
    unlimited: bool = False


ANYBODY = TokenFacts(kind="fine_grained", site_admin=True, unlimited=True)


class Access:
    """Recognises callers. `tokens` is read at every request; None lets any token read all."""

    def __init__(self, tokens: Mapping[str, AbstractSet[str] | TokenFacts] | None, apps: Apps) -> None:
        self.tokens, self._apps = tokens, apps

    def caller(self, token: str, now: float, *, for_apps: bool) -> Caller:
        """Whose a token is; `for_apps` is whether the path takes a JSON web token. Raises `Refused` (401, 403)."""
        if not token:
            raise Refused(401, "Requires authentication")
        if for_apps or (self._apps.apps and token.count(".") == 2):
            app = self._apps.authenticated(token, now)
            return Caller(f"app:{app.client_id}", "app", frozenset(), {}, app=app)
        if self._apps.apps and token.startswith("ghs_"):
            return self._installation(token, now)
        facts = ANYBODY if self.tokens is None else self.tokens.get(token)
        if facts is None:
            raise Refused(401, "Bad credentials", "")
        if not isinstance(facts, TokenFacts):
            facts = TokenFacts(facts, kind="fine_grained")
        if facts.expires_at is not None and now >= facts.expires_at:
            raise Refused(401, "Bad credentials", "")
        return Caller(
            pool=f"user:{facts.user or fingerprint(token)}",
            kind=facts.kind,
            organizations=None if facts.organizations is None else _lower(facts.organizations | facts.enterprises),
            permissions=facts.permissions,
            without_sso=_lower(facts.without_sso),
            headers=_headers(facts),
            scopes=facts.scopes,
            site_admin=facts.site_admin,
            unlimited=facts.unlimited,
        )

    def _installation(self, token: str, now: float) -> Caller:
        holder = self._apps.holder(token, now)
        if holder is None:
            raise Refused(401, "Bad credentials", "")
        issued, place = holder
        if place.installation.suspended:
            raise Refused(403, "This installation has been suspended", "")
        account = frozenset({place.account})
        return Caller(f"installation:{place.installation.id}", "installation", account, issued.permissions)


def admit(caller: Caller, path: str, org: str) -> None:
    """Raise `Refused` unless a caller may read a path of an organization or enterprise."""
    if caller.kind == "app":
        raise Refused(401, UNDECODABLE, "")
    if caller.unlimited:
        return
    need = next((need for need in NEEDS if need.path.fullmatch(path)), None)
    member = caller.organizations is None or org in caller.organizations
    if caller.kind == "classic":
        if not member:
            raise Refused(404, "Not Found", "")
        if org in caller.without_sso:
            message = (
                "Resource protected by organization SAML enforcement. "
                "You must grant your Personal Access token access to this organization."
            )
            url = f"https://github.com/orgs/{org}/sso?authorization_request={fingerprint(caller.pool)}"
            raise Refused(403, message, headers={"x-github-sso": f"required; url={url}"})
        if need and need.scopes and not set(need.scopes) & set(caller.scopes):
            if need.hidden:
                raise Refused(404, "Not Found", "")
            headers = {"x-accepted-oauth-scopes": ", ".join(need.scopes)}
            raise Refused(403, "Must have the required scopes.", headers=headers)
        return
    if need and not (member and any(allows(caller.permissions, one, need.level) for one in need.permissions)):
        whose = "integration" if caller.kind == "installation" else "personal access token"
        named = "; ".join(f"{permission}={need.level}" for permission in need.permissions)
        headers = {"x-accepted-github-permissions": named} if named else {}
        raise Refused(403, f"Resource not accessible by {whose}", headers=headers)


class Spent(NamedTuple):
    """A pool's hour after a request: `x-ratelimit-…` without the prefix, and whether the request was one too many."""

    quota: dict[str, int | str]
    refused: bool


class Quotas:
    """Requests by pool in the clock hour that runs."""

    def __init__(self) -> None:
        self._hour = 0
        self._used: Counter[str] = Counter()

    def spend(self, pool: str, limit: int, now: float, *, free: bool) -> Spent:
        """Count a request; a refused one is not counted."""
        hour = int(now) // HOUR
        if hour != self._hour:
            self._hour = hour
            self._used.clear()
        refused = not free and self._used[pool] >= limit
        self._used[pool] += not free and not refused
        used = min(self._used[pool], limit)
        reset = (hour + 1) * HOUR
        quota: dict[str, int | str] = {"limit": limit, "remaining": limit - used, "used": used, "reset": reset}
        return Spent({**quota, "resource": "core"}, refused)


def limit_of(limit: Limit, pool: str) -> int | None:
    """A pool's requests per hour."""
    if isinstance(limit, Mapping):
        return limit.get(pool, USUAL_LIMIT)
    return limit(pool) if callable(limit) else limit


def _lower(names: AbstractSet[str]) -> AbstractSet[str]:
    return {name.lower() for name in names}


def _headers(facts: TokenFacts) -> dict[str, str]:
    headers = {"x-oauth-scopes": ", ".join(facts.scopes), "x-accepted-oauth-scopes": ""}
    if facts.kind != "classic":
        headers = {}
    if facts.expires_at is not None:
        expiry = datetime.fromtimestamp(facts.expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        headers["github-authentication-token-expiration"] = expiry
    return headers
