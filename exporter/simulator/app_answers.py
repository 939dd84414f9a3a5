"""What the simulated GitHub answers to Apps: about themselves, their installations, and with tokens.

https://docs.github.com/enterprise-cloud@latest/rest/apps/apps
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from exporter.simulator.apps import PAGE, Apps, PlacedInstallation, SimulatedApp
from exporter.simulator.insights import timestamp
from exporter.simulator.messages import Refusal, Request, link_header, page_of

SINCE = timestamp(1_700_000_000)

Content = tuple[int, Any, dict[str, str]]
"""Status, content and further headers."""


def is_for_apps(path: str) -> bool:
    """Whether a path takes a JSON web token and nothing else."""
    match path.split("/")[1:]:
        case ["app", *_]:
            return True
        case ["orgs" | "enterprises", _, "installation"]:
            return True
    return False


def answer(apps: Apps, app: SimulatedApp, request: Request, root: str, now: float) -> Content:
    """Answer an App's request for itself; raises `Refusal`."""
    path = request.path.removeprefix(root)
    base = request.origin + root
    places = list(apps.installed(app))
    match request.method, path.split("/")[1:]:
        case "GET", ["app"]:
            return 200, _app(app, len(places)), {}
        case "GET", ["app", "installations"]:
            page = page_of(request.pairs)
            entries = [_installation(place, base) for place in places[page.rows]]
            return 200, entries, link_header(base + path, request.pairs, page, len(places))
        case "GET", ["app", "installations", number]:
            return (
                200,
                _installation(_first(place for place in places if str(place.installation.id) == number), base),
                {},
            )
        case "GET", [kind, name, "installation"]:
            place = _first(place for place in places if (place.kind, place.account) == (kind, name.lower()))
            return 200, _installation(place, base), {}
        case "POST", ["app", "installations", number, "access_tokens"]:
            place = _first(place for place in places if str(place.installation.id) == number)
            issued = apps.issue(place, request.body, now)
            content = {
                "token": issued.token,
                "expires_at": timestamp(issued.expires_at),
                "permissions": dict(issued.permissions),
                "repository_selection": "all",
            }
            return 201, content, {}
    raise Refusal(404, "Not Found", PAGE)


def _first(places: Any) -> PlacedInstallation:
    place: PlacedInstallation | None = next(iter(places), None)
    if place is None:
        raise Refusal(404, "Not Found", PAGE)
    return place


def _app(app: SimulatedApp, installations: int) -> Mapping[str, Any]:
    return {
        "id": app.id,
        "slug": f"app-{app.id}",
        "client_id": app.client_id,
        "node_id": f"A_{app.id}",
        "owner": _account("owner", "Organization"),
        "name": f"App {app.id}",
        "description": None,
        "external_url": "https://app.invalid",
        "html_url": f"https://github.com/apps/app-{app.id}",
        "created_at": SINCE,
        "updated_at": SINCE,
        "permissions": {"organization_api_insights": "read"},
        "events": [],
        "installations_count": installations,
    }


def _installation(place: PlacedInstallation, base: str) -> Mapping[str, Any]:
    app, kind, name, installation = place
    enterprise = kind == "enterprises"
    account = _enterprise(name) if enterprise else _account(name, "Organization")
    suspended = installation.suspended
    return {
        "id": installation.id,
        "account": account,
        "repository_selection": "all",
        "access_tokens_url": f"{base}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{base}/installation/repositories",
        "html_url": f"https://github.com/{kind}/{name}/settings/installations/{installation.id}",
        "app_id": app.id,
        "client_id": app.client_id,
        "app_slug": f"app-{app.id}",
        "target_id": account["id"],
        "target_type": "Enterprise" if enterprise else "Organization",
        "permissions": dict(installation.permissions),
        "events": [],
        "created_at": SINCE,
        "updated_at": SINCE,
        "single_file_name": None,
        "suspended_by": _account("ada", "User") if suspended else None,
        "suspended_at": SINCE if suspended else None,
    }


def _account(login: str, kind: str) -> dict[str, Any]:
    number, url = crc32(login.encode()), f"https://api.github.com/users/{login}"
    links = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")
    return {
        "login": login,
        "id": number,
        "node_id": f"O_{number}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.com/{login}",
        **{f"{link}_url": f"{url}/{link}" for link in links},
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "site_admin": False,
    }


def _enterprise(slug: str) -> dict[str, Any]:
    number = crc32(slug.encode())
    return {
        "id": number,
        "node_id": f"E_{number}",
        "slug": slug,
        "name": slug,
        "html_url": f"https://github.com/enterprises/{slug}",
        "avatar_url": f"https://avatars.githubusercontent.com/b/{number}",
        "created_at": SINCE,
        "updated_at": SINCE,
    }
