"""Which organizations and enterprises there are, as GitHub lists them.

A GitHub App lists where it is installed, a token the organizations that its user administers, or with an enterprise's
name all organizations of that enterprise. Nothing of a listing is trusted: a row whose name no path may hold is
refused and counted, and pages and rows are bounded.
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from exporter import worker
from exporter.errors import CredentialRejected, Forbidden, GitHubError, Invalid, NotFound, Refused
from exporter.fetching import Reply
from exporter.github.apps import AppRejected
from exporter.github.client import GitHub
from exporter.github.decoding import decode_json
from exporter.github.redaction import one_line

MOST_PAGES = 250
"""Pages of a listing; with a hundred rows each, more than any `max_targets`."""
MOST_ROWS = 1_000
"""Rows of a page; a hundred are asked for."""
PAGE: Mapping[str, str | int] = {"per_page": 100}

NAME = re.compile(r"[a-z0-9_-]{1,100}")
LEVELS = ("read", "write", "admin")
_NO_SUCH_ENTERPRISE = "check the enterprise's name, and that the token's user is an owner of it, with read:enterprise"
_QUERY = (
    "query($slug: String!, $after: String) { enterprise(slug: $slug) { organizations(first: 100, after: $after) "
    "{ nodes { login } pageInfo { hasNextPage endCursor } } } }"
)
_LONGEST_CURSOR = 1_000
_PARTIAL = "GitHub leaves out organizations with single sign-on for which the token is not authorised: authorise it"


@dataclass(frozen=True, slots=True)
class Account:
    """An organization or enterprise of a listing; its name is lower case, and safe in a path.

    `granted` has the permissions of a GitHub App's installation there by GitHub's names; None if they are not known.
    """

    kind: Literal["organization", "enterprise"]
    name: str
    suspended: bool = False
    granted: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing, each account once. `refused` rows name no target; `partial` says what GitHub left out."""

    accounts: tuple[Account, ...] = ()
    refused: int = 0
    partial: str = ""


Reader = Callable[[Mapping[str, Any]], Account | str | None]
"""Reads a row: an account, None for what is no target (a user, a mere member), or why the row is refused."""


class _Page(NamedTuple):
    """The accounts of a page, None for each row that is refused; and whether GitHub left something out."""

    accounts: list[Account | None]
    is_partial: bool = False


async def list_installations(github: GitHub, permissions: Collection[str]) -> Listing:
    """Where an App is installed; of what was granted there, only these permissions are kept.

    https://docs.github.com/rest/apps/apps#list-installations-for-the-authenticated-app
    """
    wanted = frozenset(permissions)
    try:
        return await _listing(_pages(github, "/app/installations", {}, lambda row: _installation(row, wanted)))
    except CredentialRejected as error:
        rejected = AppRejected(str(error))
    raise rejected


async def list_administered(github: GitHub) -> Listing:
    """The organizations that a token's user administers.

    https://docs.github.com/rest/orgs/members#list-organization-memberships-for-the-authenticated-user
    """
    return await _listing(_pages(github, "/user/memberships/orgs", {"state": "active"}, _membership))


async def list_enterprise(github: GitHub, enterprise: str) -> Listing:
    """All organizations of an enterprise, by the values of their properties, else by GraphQL.

    https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/custom-properties-for-orgs
    """
    path = f"/enterprises/{quote(enterprise, safe='')}/org-properties/values"
    first: GitHubError | None = None
    try:
        listing = await _listing(_pages(github, path, {}, _with_properties))
        if listing.accounts:
            return listing
    except (Forbidden, NotFound, Refused) as error:
        first = error
    # Whether the list has organizations without any value of a property is not documented.
    try:
        return await _listing(_graphql_pages(github, enterprise))
    except (Forbidden, NotFound, Invalid) as error:
        failure = type(error)(f"{first}; {error}" if first else str(error), error.hint)
    raise failure


async def _listing(pages: AsyncIterator[_Page]) -> Listing:
    """All pages of a listing, each account once."""
    accounts: dict[str, Account] = {}
    refused, number, partial = 0, 0, ""
    async for page in pages:
        number += 1
        if number > MOST_PAGES:
            raise Invalid(f"the listing has more than {MOST_PAGES} pages")
        partial = _PARTIAL if page.is_partial else partial
        for account in page.accounts:
            if account is None or str(account) in accounts:
                refused += 1
            else:
                accounts[str(account)] = account
    return Listing(tuple(accounts.values()), refused, partial)


async def _pages(github: GitHub, path: str, params: Mapping[str, str | int], read: Reader) -> AsyncIterator[_Page]:
    async for reply in github.pages(path, {**params, **PAGE}):
        accounts = await worker.run(_accounts_of, reply, read)
        yield _Page(accounts, "partial-results" in reply.headers.get("x-github-sso", ""))


def _accounts_of(reply: Reply, read: Reader) -> list[Account | None]:
    rows = decode_json(reply.body)
    if not isinstance(rows, list):
        raise Invalid(f"{reply.path}: the answer is no list")
    return _read(rows, read, reply.path)


def _read(rows: Collection[object], read: Reader, path: str) -> list[Account | None]:
    if len(rows) > MOST_ROWS:
        raise Invalid(f"{path}: a page of {len(rows)} rows; at most {MOST_ROWS} are read")
    results: Iterable[Account | str | None] = (
        read(row) if isinstance(row, dict) else "it is no object" for row in rows
    )
    return [None if isinstance(result, str) else result for result in results if result is not None]


def _installation(row: Mapping[str, Any], wanted: frozenset[str]) -> Account | str | None:
    owner, kind = row.get("account"), row.get("target_type")
    if kind == "User":
        return None
    if not isinstance(owner, dict):
        return "it has no account"
    if kind == "Organization":
        account = _account("organization", owner.get("login"))
    elif kind == "Enterprise":
        account = _account("enterprise", owner.get("slug"))
    else:
        return "its kind is unknown"
    if isinstance(account, str):
        return account
    granted = _granted(row.get("permissions"), wanted)
    return Account(account.kind, account.name, row.get("suspended_at") is not None, granted)


def _granted(permissions: object, wanted: frozenset[str]) -> Mapping[str, str] | None:
    if not isinstance(permissions, dict):
        return None
    return {name: permissions[name] for name in sorted(wanted) if permissions.get(name) in LEVELS}


def _membership(row: Mapping[str, Any]) -> Account | str | None:
    if row.get("role") != "admin" or row.get("state") != "active":
        return None
    organization = row.get("organization")
    return _account("organization", organization.get("login") if isinstance(organization, dict) else None)


def _with_properties(row: Mapping[str, Any]) -> Account | str:
    return _account("organization", row.get("organization_login"))


def _account(kind: Literal["organization", "enterprise"], name: object) -> Account | str:
    """An account, or why its name is refused: it becomes part of paths, labels and keys of the state."""
    lower = name.lower() if isinstance(name, str) else ""
    return Account(kind, lower) if NAME.fullmatch(lower) else "no path may hold its name"


async def _graphql_pages(github: GitHub, enterprise: str) -> AsyncIterator[_Page]:
    """The pages of an enterprise's organizations by GraphQL.

    https://docs.github.com/graphql/reference/objects#enterprise
    """
    cursor: str | None = None
    visited: set[str | None] = set()
    while cursor not in visited:
        visited.add(cursor)
        variables = {"slug": enterprise, "after": cursor}
        reply = await github.post("/graphql", {"query": _QUERY, "variables": variables})
        accounts, cursor = await worker.run(_connection, reply, quoted=github.quoted)
        yield _Page(accounts, "partial-results" in reply.headers.get("x-github-sso", ""))
        if cursor is None:
            return
    raise Invalid("/graphql: the cursor leads to a page that was read already")


def _connection(reply: Reply, *, quoted: bool) -> tuple[list[Account | None], str | None]:
    """The accounts of a page, and the cursor of the next page; GraphQL answers 200 to what it refuses, too."""
    answer = decode_json(reply.body)
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if errors:
        raise _graphql_error(errors, quoted=quoted)
    try:
        connection = answer["data"]["enterprise"]["organizations"]
        nodes, page = connection["nodes"], connection["pageInfo"]
        cursor = page["endCursor"] if page["hasNextPage"] else None
    except (TypeError, KeyError):
        raise Invalid("/graphql: the answer has no organizations of the enterprise") from None
    is_cursor = cursor is None or (isinstance(cursor, str) and 0 < len(cursor) <= _LONGEST_CURSOR)
    if not isinstance(nodes, list) or not is_cursor:
        raise Invalid("/graphql: the answer has no list of organizations, or no cursor")
    return _read(nodes, lambda row: _account("organization", row.get("login")), "/graphql"), cursor


def _graphql_error(errors: object, *, quoted: bool) -> GitHubError:
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
    message = one_line(str(first.get("message", ""))) if quoted else ""
    text = "; ".join(filter(None, ("/graphql: GitHub answers with errors", message)))
    kind = {"NOT_FOUND": NotFound, "FORBIDDEN": Forbidden, "INSUFFICIENT_SCOPES": Forbidden}.get(str(first.get("type")))
    return kind(text, _NO_SUCH_ENTERPRISE) if kind else Invalid(text)
