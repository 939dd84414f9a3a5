"""Which organizations there are, as the simulated GitHub tells tokens.

/enterprises/ENTERPRISE/org-properties/values     all organizations of an enterprise
/graphql                                          the same, by pages of a cursor
/user/memberships/orgs                            those of the token's user

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/custom-properties-for-orgs
https://docs.github.com/rest/orgs/members
"""

import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from exporter.simulator.access import Caller, admit
from exporter.simulator.estate import Estate
from exporter.simulator.messages import LARGEST_PAGE, Refusal, Request, link_header, page_of

PAGE = "/enterprise-admin/custom-properties-for-orgs"

Content = tuple[int, Any, dict[str, str]]


def answer(estate: Estate, request: Request, path: str, caller: Caller) -> Content | None:
    """The answer to a path below the API's root; None if it is about something else."""
    match request.method, path.split("/")[1:]:
        case "GET", ["enterprises", name, "org-properties", "values"]:
            organizations = _organizations(estate, name, caller)
            admit(caller, path, name.lower())
            return _paged(request, [_properties(login) for login in organizations])
        case "GET", ["user", "memberships", "orgs"]:
            return _paged(request, _memberships(estate, request, caller))
        case "POST", ["graphql"]:
            return 200, _graphql(estate, request, caller), {"x-ratelimit-resource": "graphql"}
    return None


def _organizations(estate: Estate, name: str, caller: Caller) -> Sequence[str]:
    enterprise = estate.enterprise(name)
    allowed = caller.organizations is None or name.lower() in caller.organizations
    if enterprise is None or not allowed:
        raise Refusal(404, "Not Found", PAGE)
    return enterprise.organizations


def _properties(login: str) -> dict[str, Any]:
    return {
        "organization_id": crc32(login.encode()),
        "organization_login": login,
        "properties": [{"property_name": "environment", "value": "production"}],
    }


def _memberships(estate: Estate, request: Request, caller: Caller) -> list[dict[str, Any]]:
    everywhere = [name for enterprise in estate.enterprises for name in enterprise.organizations]
    enterprises = {enterprise.name for enterprise in estate.enterprises}
    own = sorted(everywhere if caller.organizations is None else caller.organizations - enterprises)
    state = request.query.get("state")
    rows = [_membership(login, *caller.roles.get(login, ("admin", "active"))) for login in own]
    return [row for row in rows if state in (None, row["state"])]


def _membership(login: str, role: str, state: str) -> dict[str, Any]:
    url = f"https://api.github.com/orgs/{login}"
    return {
        "url": f"{url}/memberships/monalisa",
        "state": state,
        "role": role,
        "organization_url": url,
        "organization": {"login": login, "id": crc32(login.encode()), "url": url, "description": None},
        "user": {"login": "monalisa", "id": 1, "type": "User"},
        "direct_membership": True,
    }


def _graphql(estate: Estate, request: Request, caller: Caller) -> dict[str, Any]:
    """The organizations of an enterprise; what GraphQL refuses it says with status 200."""
    try:
        variables = json.loads(request.body)["variables"]
        name, after = str(variables["slug"]), int(variables["after"] or 0)
    except (ValueError, KeyError, TypeError):
        return {"errors": [{"type": "BAD_REQUEST", "message": "A query attribute must be specified."}]}
    enterprise = estate.enterprise(name)
    is_reader = caller.unlimited or (caller.kind == "classic" and "read:enterprise" in caller.scopes)
    allowed = caller.organizations is None or name.lower() in caller.organizations
    if enterprise is None or not allowed or not is_reader:
        message = f"Could not resolve to a Business with the URL slug of '{name}'."
        error = {"type": "NOT_FOUND", "path": ["enterprise"], "message": message}
        return {"data": {"enterprise": None}, "errors": [error]}
    organizations = sorted(enterprise.organizations)
    end = after + LARGEST_PAGE
    nodes = [{"login": login, "databaseId": crc32(login.encode())} for login in organizations[after:end]]
    page = {"hasNextPage": end < len(organizations), "endCursor": str(min(end, len(organizations)))}
    connection = {"totalCount": len(organizations), "nodes": nodes, "pageInfo": page}
    return {"data": {"enterprise": {"organizations": connection}, "rateLimit": {"cost": 1, "remaining": 4999}}}


def _paged(request: Request, rows: list[dict[str, Any]]) -> Content:
    page = page_of(request.pairs)
    return 200, rows[page.rows], link_header(f"{request.origin}{request.path}", request.pairs, page, len(rows))
