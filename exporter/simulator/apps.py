"""GitHub Apps of the simulated GitHub: how they prove who they are, and the tokens of their installations.

https://docs.github.com/enterprise-cloud@latest/rest/apps/apps
https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple

import jwt
from jwt.types import Options

from exporter.instants import HOUR
from exporter.simulator.messages import Refusal

PAGE = "/apps/apps"
CLOCK_DRIFT = 60  # seconds that a JSON web token may have been issued in the future
LONGEST_JWT = 600  # seconds from now until it expires, at most
LEVELS = ("read", "write", "admin")
TIMELESS: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""Times are checked by the simulator's clock instead."""

UNDECODABLE = "A JSON web token could not be decoded"


@dataclass(frozen=True, slots=True)
class SimulatedInstallation:
    """An App in one organization or enterprise; `permissions` are such as `{"organization_api_insights": "read"}`."""

    id: int
    permissions: Mapping[str, str] = field(default_factory=lambda: {"organization_api_insights": "read"})
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedApp:
    """A GitHub App. Its mappings are read at every request, so a test may change a dict at any time."""

    client_id: str
    public_key_pem: bytes | str
    installations: Mapping[str, SimulatedInstallation] = field(default_factory=dict)  # by organization
    enterprises: Mapping[str, SimulatedInstallation] = field(default_factory=dict)  # by enterprise
    id: int = 1


class PlacedInstallation(NamedTuple):
    """An installation and its account."""

    app: SimulatedApp
    kind: Literal["orgs", "enterprises"]
    account: str  # lower case
    installation: SimulatedInstallation


class IssuedToken(NamedTuple):
    """An installation token, valid before `expires_at`; unknown before `known_at`."""

    token: str
    app: SimulatedApp
    installation_id: int
    permissions: Mapping[str, str]
    expires_at: int
    known_at: float = 0.0


def allows(permissions: Mapping[str, str], name: str, level: str) -> bool:
    """Whether permissions hold one at a level or a higher one."""
    return permissions.get(name) in LEVELS[LEVELS.index(level) :]


class Apps:
    """All Apps and their installation tokens. These two may be changed at any time.

    `token_seconds` is from issue to expiry. `unknown_seconds` is how long a new token is refused, with 401 as if it
    did not exist: GitHub's servers learn of it one after another (https://github.com/octokit/auth-app.js/issues/65).
    """

    def __init__(self, apps: Iterable[SimulatedApp], seed: int | str) -> None:
        self.apps = list(apps)
        self.token_seconds: float = HOUR
        self.unknown_seconds: float = 0.0
        self._random = Random(f"{seed}:installation tokens")
        self._issued: dict[str, IssuedToken] = {}

    def authenticated(self, token: str, now: float) -> SimulatedApp:
        """The App that signed a JSON web token; raises `Refusal` (401)."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
            app = next(app for app in self.apps if issuer in (app.client_id, str(app.id)))
            claims = jwt.decode(token, app.public_key_pem, algorithms=["RS256"], options=TIMELESS)
        except (jwt.PyJWTError, StopIteration, ValueError):
            raise Refusal(401, UNDECODABLE, "") from None
        _check_times(claims, now)
        return app

    def installed(self, app: SimulatedApp) -> Iterator[PlacedInstallation]:
        """All installations of an App."""
        for account, installation in app.installations.items():
            yield PlacedInstallation(app, "orgs", account.lower(), installation)
        for account, installation in app.enterprises.items():
            yield PlacedInstallation(app, "enterprises", account.lower(), installation)

    def issue(self, place: PlacedInstallation, body: bytes, now: float) -> IssuedToken:
        """A new token, with all permissions of the installation or fewer; raises `Refusal` (403, 422)."""
        if place.installation.suspended:
            raise Refusal(403, "This installation has been suspended", PAGE)
        requested = _requested_permissions(body)
        granted = place.installation.permissions
        if requested and not all(level in LEVELS and allows(granted, name, level) for name, level in requested.items()):
            raise Refusal(422, "The permissions requested are not granted to this installation.", PAGE)
        token = "ghs_" + "".join(self._random.choices(string.ascii_letters + string.digits, k=36))
        expires, known_at = int(now + self.token_seconds), now + self.unknown_seconds
        issued = IssuedToken(token, place.app, place.installation.id, requested or granted, expires, known_at)
        self._issued[token] = issued
        return issued

    def holder(self, token: str, now: float) -> tuple[IssuedToken, PlacedInstallation] | None:
        """The token's entry and installation; None if it is not known yet, expired or revoked, or its App is gone."""
        issued = self._issued.get(token)
        if issued is None or not issued.known_at <= now < issued.expires_at:
            return None
        for place in self.installed(issued.app):
            if place.installation.id == issued.installation_id:
                return issued, place
        return None

    def revoke(self, org: str) -> int:
        """Make all tokens of an organization's installations invalid; returns how many there were."""
        places = (place for app in self.apps for place in self.installed(app))
        ids = {place.installation.id for place in places if place.kind == "orgs" and place.account == org.lower()}
        revoked = [token for token, issued in self._issued.items() if issued.installation_id in ids]
        for token in revoked:
            del self._issued[token]
        return len(revoked)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(expires, int | float) or expires <= now:
        problem = "must be a numeric value representing the future time at which the assertion expires"
        raise Refusal(401, f"'Expiration time' claim ('exp') {problem}", "")
    if expires > now + LONGEST_JWT:
        raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future", "")
    if not isinstance(issued, int | float) or issued > now + CLOCK_DRIFT:
        problem = "must be an Integer representing the time that the assertion was issued"
        raise Refusal(401, f"'Issued at' claim ('iat') {problem}", "")


def _requested_permissions(body: bytes) -> Mapping[str, str]:
    """The permissions that a body requests; empty means all."""
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        raise Refusal(400, "Problems parsing JSON", PAGE) from None
    if not isinstance(content, dict) or not isinstance(content.get("permissions", {}), dict):
        raise Refusal(422, "Invalid request.", PAGE)
    return {str(name): str(level) for name, level in content.get("permissions", {}).items()}
