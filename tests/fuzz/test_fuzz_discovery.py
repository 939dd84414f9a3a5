"""Listings of GitHub, and what is saved of them: accounts whose names a path may hold, or an error."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from exporter.discovery import saved
from exporter.discovery.discoveries import discoveries_of
from exporter.discovery.memory import Failure, Known, Memory, after_failure, after_listing, corrected
from exporter.discovery.status import status_of
from exporter.errors import GitHubError, Unavailable
from exporter.github.client import GitHub
from exporter.github.listings import (
    NAME,
    Account,
    Listing,
    list_administered,
    list_enterprise,
    list_installations,
)
from exporter.serving.page.discovery import discovery_notes, discovery_rows
from exporter.settings.discover import DiscoverEntry
from tests.support.fuzzing import check_words, examples
from tests.support.jobs import NOW, client
from tests.support.mutations import damaged, mutated, text_of

ENTRY = DiscoverEntry(credential="app", include=("*",), max_targets=3)
LOGINS = ["acme", "Globex", "a-b_c", "İstanbul", "a/b", "../x", "", "x" * 200, "acme\n"]
INSTALLATIONS = [
    {
        "id": number,
        "account": {"login": login, "slug": login},
        "target_type": kind,
        "permissions": {"organization_administration": "read"},
        "suspended_at": None,
    }
    for number, login in enumerate(LOGINS)
    for kind in ("Organization", "Enterprise", "User")
]
MEMBERSHIPS = [{"state": "active", "role": "admin", "organization": {"login": login}} for login in LOGINS]
PROPERTIES = [{"organization_login": login, "properties": []} for login in LOGINS]
GRAPHQL = {
    "data": {
        "enterprise": {
            "organizations": {
                "nodes": [{"login": login} for login in LOGINS],
                "pageInfo": {"hasNextPage": False, "endCursor": "x"},
            }
        }
    }
}
REFUSED = {"errors": [{"type": "NOT_FOUND", "message": "Could not resolve"}], "data": None}
MEMORY = Memory(
    {"organization/acme": Known(Account("organization", "acme", granted={"members": "read"}), 60.0)},
    NOW,
    NOW - 60,
    1,
    "GitHub leaves out some",
    2,
    Failure("forbidden", "GitHub answers 403", "give it"),
)
List = Callable[[GitHub], Awaitable[Listing]]


def pages(tree: Any) -> st.SearchStrategy[list[bytes]]:
    """Pages of a listing: as GitHub has it, changed, or damaged."""
    whole = st.just(text_of(tree).encode())
    page = st.one_of(whole, mutated(tree).map(text_of).map(str.encode), whole.flatmap(damaged))
    return st.lists(page, min_size=1, max_size=3)


def listed(ask: List, bodies: Sequence[bytes]) -> Listing:
    """The listing that answers of these bodies are; of a failed one, nothing."""
    left = list(bodies)

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, content=left.pop(0) if left else text_of(GRAPHQL).encode())
        body = left.pop(0) if left else b"[]"
        link = {"link": f'<{request.url.copy_set_param("page", len(left))}>; rel="next"'} if left else {}
        return httpx.Response(200, content=body, headers=link)

    async def work() -> Listing:
        github = client(respond)
        try:
            return await ask(github)
        except GitHubError as error:
            check_words(error, "golden")
            return Listing()
        finally:
            await github.aclose()

    return asyncio.run(work())


def check(listing: Listing) -> None:
    """Its names are safe, it is saved and restored as it was, and all that is shown of it can be shown."""
    assert all(NAME.fullmatch(account.name) for account in listing.accounts)
    memory = after_listing(MEMORY, listing, ENTRY, NOW)
    assert saved.load(saved.dump(memory)) == memory
    show(memory)


def show(memory: Memory) -> None:
    for one in (memory, corrected(memory, ENTRY, NOW), after_failure(memory, Unavailable("x"), ENTRY, NOW)):
        found = discoveries_of([ENTRY], {ENTRY.key: one}, ())
        assert len(found.targets) <= ENTRY.max_targets
        status = status_of(ENTRY, one, found, [], is_app=True)
        assert discovery_rows([status], NOW)
        discovery_notes([status])


@examples(30)
@given(bodies=pages(INSTALLATIONS))
def test_fuzz_any_list_of_installations(bodies: list[bytes]) -> None:
    check(listed(lambda github: list_installations(github, {"organization_administration"}), bodies))


@examples(30)
@given(bodies=pages(MEMBERSHIPS))
def test_fuzz_any_list_of_memberships(bodies: list[bytes]) -> None:
    check(listed(list_administered, bodies))


@examples(30)
@given(bodies=st.one_of(pages(PROPERTIES), pages(GRAPHQL).map(lambda pages: [b"[]", *pages]), pages(REFUSED)))
def test_fuzz_any_list_of_an_enterprise(bodies: list[bytes]) -> None:
    check(listed(lambda github: list_enterprise(github, "acme-corp"), bodies))


@examples(60)
@given(text=mutated(json.loads(saved.dump(MEMORY))).map(text_of) | st.text(max_size=20))
def test_fuzz_any_saved_memory(text: str) -> None:
    memories = saved.load_all([(saved.PREFIX + ENTRY.key, text), ("other", text)])
    for memory in memories.values():
        assert math.isfinite(memory.due)
        assert saved.load(saved.dump(memory)) == memory
        show(memory)
