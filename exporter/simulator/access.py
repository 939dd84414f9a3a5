"""The callers of the simulated GitHub: who they are, what they may read, and their hourly quota.

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

from exporter.instants import HOUR
from exporter.simulator.apps import UNDECODABLE, Apps, SimulatedApp, allows
from exporter.simulator.messages import Refusal, fingerprint

USUAL_LIMIT = 15_000

Limit = int | None | Mapping[str, int | None] | Callable[[str], int | None]
"""Requests per hour of each pool, of the pools by name (others: 15,000), or by a function; None counts nothing."""


class Need(NamedTuple):
    """What a path below the API's root requires: one of the permissions or scopes."""

    path: re.Pattern[str]
    permissions: tuple[str, ...]  # of Apps and fine-grained tokens; without any they are refused
    scopes: tuple[str, ...] = ()  # of classic tokens; without any they need none
    level: str = "read"
    hidden: bool = False  # without it the response is 404


NEEDS = (
    Need(re.compile(r"/(orgs|organizations)/[^/]+/insights/api/.+"), ("organization_api_insights",)),
    Need(re.compile(r"/orgs/[^/]+/copilot/metrics/reports/.+"), ("organization_copilot_metrics",), ("read:org",)),
    Need(
        re.compile(r"/enterprises/[^/]+/copilot/metrics/reports/.+"),
        ("enterprise_copilot_metrics",),
        ("manage_billing:copilot", "read:enterprise"),
    ),
    Need(
        re.compile(r"/orgs/[^/]+/copilot/(billing|billing/seats|metrics)"),
        ("organization_copilot_seat_management", "organization_administration"),
        ("manage_billing:copilot", "read:org"),
    ),
    Need(
        re.compile(r"/enterprises/[^/]+/copilot/billing/seats"),
        (),
        ("manage_billing:copilot", "read:enterprise"),
    ),
    Need(re.compile(r"/enterprises/[^/]+/settings/billing/advanced-security"), (), ("read:enterprise",)),
    Need(
        re.compile(r"/orgs/[^/]+/settings/billing/advanced-security"),
        ("organization_administration",),
        ("read:org", "admin:org"),
    ),
    Need(
        re.compile(r"/enterprises/[^/]+/settings/billing/.+"),
        ("enterprise_billing",),
        ("manage_billing:enterprise",),
        hidden=True,
    ),
    Need(re.compile(r"/organizations/[^/]+/settings/billing/.+"), ("organization_administration",), ("admin:org",)),
    Need(
        re.compile(r"/enterprises/[^/]+/(server-statistics|consumed-licenses|license-sync-status)"),
        (),
        ("read:enterprise",),
    ),
    Need(
        re.compile(r"/enterprises/[^/]+/org-properties/values"),
        ("enterprise_custom_properties_for_organizations",),
        ("read:enterprise",),
    ),
    Need(re.compile(r"/orgs/[^/]+/server-statistics"), (), ("read:org",)),
)
"""Other paths require nothing. GitHub has server statistics of both kinds of account under one path."""


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
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # role and state where not an active admin


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `organizations` are lower case, None is all; `app` is set for an App's own requests.

    Enterprises are listed among the organizations.
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
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)


ANYBODY = TokenFacts(kind="fine_grained", site_admin=True, unlimited=True)


class Callers:
    """Authenticates callers. `tokens` is read at every request; None lets any token read all."""

    def __init__(self, tokens: Mapping[str, AbstractSet[str] | TokenFacts] | None, apps: Apps) -> None:
        self.tokens, self._apps = tokens, apps

    def caller(self, token: str, now: float, *, for_apps: bool) -> Caller:
        """The caller of a token; `for_apps`: the path takes a JSON web token. Raises `Refusal` (401, 403)."""
        if not token:
            raise Refusal(401, "Requires authentication")
        if for_apps or (self._apps.apps and token.count(".") == 2):
            app = self._apps.authenticated(token, now)
            return Caller(f"app:{app.client_id}", "app", frozenset(), {}, app=app)
        if self._apps.apps and token.startswith("ghs_"):
            return self._installation(token, now)
        facts = ANYBODY if self.tokens is None else self.tokens.get(token)
        if facts is None:
            raise Refusal(401, "Bad credentials", "")
        if not isinstance(facts, TokenFacts):
            facts = TokenFacts(facts, kind="fine_grained")
        if facts.expires_at is not None and now >= facts.expires_at:
            raise Refusal(401, "Bad credentials", "")
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
            roles=facts.roles,
        )

    def _installation(self, token: str, now: float) -> Caller:
        holder = self._apps.holder(token, now)
        if holder is None:
            raise Refusal(401, "Bad credentials", "")
        issued, place = holder
        if place.installation.suspended:
            raise Refusal(403, "This installation has been suspended", "")
        account = frozenset({place.account})
        pool = f"installation:{place.installation.id}"
        return Caller(pool, "installation", account, issued.permissions, headers=_expiry(issued.expires_at))


def admit(caller: Caller, path: str, org: str) -> None:
    """Raises `Refusal` unless a caller may read a path of an organization or enterprise."""
    if caller.kind == "app":
        raise Refusal(401, UNDECODABLE, "")
    if caller.unlimited:
        return
    need = next((need for need in NEEDS if need.path.fullmatch(path)), None)
    member = caller.organizations is None or org in caller.organizations
    if caller.kind == "classic":
        if not member:
            raise Refusal(404, "Not Found", "")
        if org in caller.without_sso:
            message = (
                "Resource protected by organization SAML enforcement. "
                "You must grant your Personal Access token access to this organization."
            )
            url = f"https://github.com/orgs/{org}/sso?authorization_request={fingerprint(caller.pool)}"
            raise Refusal(403, message, headers={"x-github-sso": f"required; url={url}"})
        if need and need.scopes and not set(need.scopes) & set(caller.scopes):
            if need.hidden:
                raise Refusal(404, "Not Found", "")
            headers = {"x-accepted-oauth-scopes": ", ".join(need.scopes)}
            raise Refusal(403, "Must have the required scopes.", headers=headers)
        return
    if need and not (member and any(allows(caller.permissions, one, need.level) for one in need.permissions)):
        whose = "integration" if caller.kind == "installation" else "personal access token"
        required = "; ".join(f"{permission}={need.level}" for permission in need.permissions)
        headers = {"x-accepted-github-permissions": required} if required else {}
        raise Refusal(403, f"Resource not accessible by {whose}", headers=headers)


class QuotaUse(NamedTuple):
    """A pool's quota after a request: `x-ratelimit-…` without the prefix, and whether the request exceeded it."""

    quota: dict[str, int | str]
    refused: bool


class Quotas:
    """Requests by pool in the current clock hour."""

    def __init__(self) -> None:
        self._hour = 0
        self._used: Counter[str] = Counter()

    def spend(self, pool: str, limit: int, now: float, *, free: bool, by_others: bool = False) -> QuotaUse:
        """Count a request, unless it is refused. `by_others`: other programs have used up the hour's quota."""
        hour = int(now) // HOUR
        if hour != self._hour:
            self._hour = hour
            self._used.clear()
        if by_others:
            self._used[pool] = limit
        refused = not free and self._used[pool] >= limit
        self._used[pool] += not free and not refused
        used = min(self._used[pool], limit)
        reset = (hour + 1) * HOUR
        quota: dict[str, int | str] = {"limit": limit, "remaining": limit - used, "used": used, "reset": reset}
        return QuotaUse({**quota, "resource": "core"}, refused)


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
    return headers if facts.expires_at is None else headers | _expiry(facts.expires_at)


def _expiry(at: float) -> dict[str, str]:
    """The header with a token's end, in UTC; GitHub may also use the user's own zone."""
    return {"github-authentication-token-expiration": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"}
