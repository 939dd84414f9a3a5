"""What GitHub's answers mean, and how a quota pool queues and waits."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import CredentialRejected, Forbidden, GitHubError, Invalid, NotFound, Refused, Retired, Unavailable
from exporter.github.budget import Budget
from exporter.github.dates import OPEN
from exporter.github.hour import LONGEST_BLOCK
from exporter.github.pacing import Pool
from exporter.github.redaction import one_line
from exporter.github.responses import RateLimit, RequestFailure, Success, meaning_of

NOW = 1_763_715_600.0  # 2025-11-21T09:00:00Z
HOUR = 3600.0

SECONDARY = b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
ABUSE = b'{"message": "You have triggered an abuse detection mechanism. Please wait."}'
PRIMARY = b'{"message": "API rate limit exceeded for user ID 1."}'
PLAIN = b'{"message": "Resource not accessible by personal access token"}'

WAITS: list[tuple[str, int, Mapping[str, str], bytes, int, float]] = [
    # name, status, headers, body, limited answers before -> seconds to wait
    ("retry-after in seconds", 403, {"retry-after": "30"}, b"", 0, 30),
    ("retry-after with spaces", 429, {"retry-after": " 30 "}, b"", 0, 30),
    ("retry-after is not doubled", 403, {"retry-after": "30"}, SECONDARY, 5, 30),
    ("retry-after as a date", 429, {"retry-after": "Fri, 21 Nov 2025 09:10:00 GMT"}, b"", 0, 600),
    ("retry-after of a week", 403, {"retry-after": "604800"}, b"", 0, HOUR),
    ("retry-after beyond all numbers", 403, {"retry-after": "9" * 5000}, b"", 0, HOUR),
    ("retry-after far in the future", 403, {"retry-after": "Fri, 21 Nov 2098 09:10:00 GMT"}, b"", 0, HOUR),
    ("retry-after in the past", 403, {"retry-after": "Fri, 21 Nov 2014 09:10:00 GMT"}, b"", 0, 60),
    ("retry-after of nothing", 403, {"retry-after": "0"}, b"", 0, 60),
    ("retry-after negative", 403, {"retry-after": "-5"}, b"", 0, 60),
    ("retry-after garbage", 403, {"retry-after": "soon"}, b"", 0, 60),
    ("retry-after garbage, again", 403, {"retry-after": "soon"}, b"", 2, 240),
    ("retry-after empty", 403, {"retry-after": ""}, b"", 0, 60),
    ("retry-after in other digits", 403, {"retry-after": "٣٠"}, b"", 0, 60),
    (
        "retry-after garbage, but a reset",
        403,
        {"retry-after": "x", "x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 90:.0f}"},
        b"",
        0,
        91,
    ),
    (
        "retry-after goes before the reset",
        403,
        {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 90:.0f}"},
        b"",
        0,
        7,
    ),
    (
        "primary limit, 403",
        403,
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 1800:.0f}"},
        PRIMARY,
        3,
        1801,
    ),
    ("primary limit, 429", 429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW:.0f}"}, b"", 0, 1),
    ("reset in the past", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW - 9:.0f}"}, b"", 0, 60),
    ("reset garbage", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "tomorrow"}, b"", 0, 60),
    ("reset missing", 403, {"x-ratelimit-remaining": "0"}, b"", 0, 60),
    ("reset tomorrow", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 86400:.0f}"}, b"", 0, 3660),
    ("reset in milliseconds", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW:.0f}000"}, b"", 0, 3660),
    ("secondary limit", 403, {}, SECONDARY, 0, 60),
    ("secondary limit, requests left", 403, {"x-ratelimit-remaining": "4999"}, SECONDARY, 0, 60),
    ("secondary limit, second time", 403, {}, SECONDARY, 1, 120),
    ("secondary limit, sixth time", 403, {}, SECONDARY, 5, 1920),
    ("secondary limit, seventh time", 403, {}, SECONDARY, 6, HOUR),
    ("secondary limit, for ever", 403, {}, SECONDARY, 10**9, HOUR),
    ("abuse detection", 403, {}, ABUSE, 0, 60),
    ("primary limit without headers (GHES)", 403, {}, PRIMARY, 0, 60),
    ("plain 429", 429, {}, b"", 0, 60),
    ("plain 429, again", 429, {}, b"<html>slow down</html>", 1, 120),
]


@pytest.mark.parametrize(
    ("status", "headers", "body", "repeated", "wait"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS]
)
def test_limits(status: int, headers: Mapping[str, str], body: bytes, repeated: int, wait: float) -> None:
    found = meaning_of(status, headers, body, NOW, repeated)
    assert isinstance(found, RateLimit)
    assert found.until - NOW == wait


GIVES_UP: list[tuple[int, Mapping[str, str], bytes, type[GitHubError], str]] = [
    (401, {}, b'{"message": "Bad credentials"}', CredentialRejected, "GitHub answers 401; Bad credentials"),
    (401, {"x-ratelimit-remaining": "0"}, b"", CredentialRejected, "GitHub answers 401"),
    (403, {}, PLAIN, Forbidden, "GitHub answers 403; Resource not accessible by personal access token"),
    (403, {"x-ratelimit-remaining": "4999"}, b"", Forbidden, "GitHub answers 403"),
    (
        403,
        {"x-accepted-github-permissions": "organization_administration=read"},
        b"",
        Forbidden,
        "GitHub answers 403; needs permission: organization_administration=read",
    ),
    (
        403,
        {"x-accepted-oauth-scopes": "admin:org, read:org"},
        b"",
        Forbidden,
        "GitHub answers 403; a classic token needs one of the scopes: admin:org, read:org",
    ),
    (
        403,
        {"x-github-sso": "required; url=https://github.com/orgs/acme/sso?authorization_request=CANARY"},
        b"",
        Forbidden,
        "GitHub answers 403; the token is not authorised for the organization's single sign-on (SSO)",
    ),
    (404, {}, b'{"message": "Not Found"}', NotFound, "GitHub answers 404; Not Found"),
    (404, {"retry-after": "9"}, SECONDARY[:20], NotFound, "GitHub answers 404"),
    (410, {}, b"", Retired, "GitHub answers 410"),
    (400, {}, b"", Refused, "GitHub answers 400"),
    (422, {}, b'{"message": ["a", "list"]}', Refused, "GitHub answers 422"),
    (418, {}, b'"a text"', Invalid, "GitHub answers 418"),
    (304, {}, b"", Invalid, "GitHub answers 304"),
    (500, {}, b"<html>", Unavailable, "GitHub answers 500"),
    (502, {"retry-after": "9"}, b"", Unavailable, "GitHub answers 502"),
    (503, {"x-ratelimit-remaining": "0"}, SECONDARY, Unavailable, "GitHub answers 503; You have exceeded"),
    (999, {}, b"", Invalid, "GitHub answers 999"),
]


@pytest.mark.parametrize(("status", "headers", "body", "kind", "text"), GIVES_UP)
def test_what_is_no_limit(
    status: int, headers: Mapping[str, str], body: bytes, kind: type[GitHubError], text: str
) -> None:
    found = meaning_of(status, headers, body, NOW, 0)
    assert isinstance(found, RequestFailure)
    assert type(found.error) is kind
    assert str(found.error).startswith(text)
    assert "CANARY" not in str(found.error)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_answer_that_used_up_the_limit_is_an_answer(status: int) -> None:
    assert meaning_of(status, {"x-ratelimit-remaining": "0", "retry-after": "9"}, SECONDARY, NOW, 0) == Success()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\x00d\u202ee", "a b c d e"),
        ("see https://github.com/x?sig=CANARY&a=b now", "see https://github.com/x now"),
        ("bad token ghp_CANARY and github_pat_CANARY_x", "bad token <token> and <token>"),
        ("x" * 500, "x" * 199 + "…"),
        ("\ud800", ""),
    ],
)
def test_foreign_text_becomes_one_short_clean_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


latin = st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
header_text = st.one_of(latin, st.integers().map(str), st.datetimes().map(str), st.just("-0"))
junk_headers = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-ratelimit-limit",
            "x-github-sso",
            "x-accepted-github-permissions",
            "x-ratelimit-resource",
        ]
    ),
    header_text,
)
junk_body = st.one_of(
    st.binary(max_size=300), st.just(b"[" * 60_000), st.just(b'{"message":' * 5_000), st.just(b"9" * 5_000)
)


@given(st.integers(-1, 1100), junk_headers, junk_body, st.integers(-3, 10**6))
def test_no_answer_makes_it_raise_and_no_wait_is_longer_than_a_window(
    status: int, headers: Mapping[str, str], body: bytes, repeated: int
) -> None:
    found = meaning_of(status, headers, body, NOW, repeated)
    pool = Pool("p")
    pool.learn(found, status, headers, NOW)
    if isinstance(found, RateLimit):
        assert 0 < found.until - NOW < LONGEST_BLOCK
        assert pool.blocked(NOW) == found.until
    if isinstance(found, RequestFailure):
        text = str(found.error)
        assert text.isprintable()
        assert len(text) < 900


def test_a_pool_counts_limited_answers_in_a_row_until_one_gives_data() -> None:
    pool = Pool("p")
    waits = []
    for status, body in [
        (403, SECONDARY),
        (403, SECONDARY),
        (500, b""),
        (403, SECONDARY),
        (200, b""),
        (403, SECONDARY),
    ]:
        found = meaning_of(status, {}, body, NOW, pool.limited_in_row)
        pool.learn(found, status, {}, NOW)
        if isinstance(found, RateLimit):
            waits.append(found.until - NOW)
    assert waits == [60, 120, 240, 60]


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    pool = Pool("p")
    pool.learn(RateLimit(NOW + 600, ""), 403, {}, NOW)
    pool.learn(RateLimit(NOW + 60, ""), 403, {}, NOW)
    assert pool.blocked(NOW) == NOW + 600
    assert pool.blocked(NOW + 600) == 0.0


def test_a_block_that_a_clock_jump_made_endless_is_ignored_and_replaced() -> None:
    pool = Pool("p")
    pool.learn(RateLimit(NOW + 600, ""), 403, {}, NOW)
    jumped = NOW - 86400
    assert pool.blocked(jumped) == 0.0
    pool.learn(RateLimit(jumped + 60, ""), 403, {}, jumped)
    assert pool.blocked(jumped) == jumped + 60


def test_a_pool_keeps_what_the_headers_tell_of_its_own_quota() -> None:
    """A 401 tells the quota of our address, and other resources have quotas of their own: both are left out."""
    pool = Pool("p")
    told = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999", "x-ratelimit-reset": f"{NOW:.0f}"}
    pool.learn(Success(), 200, told, NOW)
    pool.learn(
        RequestFailure(CredentialRejected("")), 401, {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0"}, NOW
    )
    pool.learn(Success(), 200, {"x-ratelimit-resource": "search", "x-ratelimit-limit": "30"}, NOW)
    pool.learn(Success(), 200, {"x-ratelimit-remaining": "many"}, NOW)
    pool.learn(Success(), 200, {}, NOW)
    assert (pool.limit, pool.remaining, pool.reset) == (5000, 4999, NOW)
    pool.learn(RateLimit(NOW + 1, ""), 403, {"x-ratelimit-remaining": "0"}, NOW)
    assert pool.remaining == 0


@pytest.mark.parametrize("reset", [NOW * 1000, NOW + 41 * 86_400, 10**30])
def test_a_reset_that_nobody_can_wait_for_is_none(reset: float) -> None:
    pool = Pool("p", Budget(0.3, 500))
    pool.learn(Success(), 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{reset:.0f}"}, NOW)
    assert (pool.reset, pool.reserved(NOW)) == (None, 0.0)


def test_a_gateways_page_announces_no_end_of_an_endpoint() -> None:
    pool, told = Pool("p"), {"sunset": "Wed, 11 Nov 2026 00:00:00 GMT"}
    pool.learn(RequestFailure(Unavailable("")), 502, told, NOW)
    assert pool.closing == OPEN
    pool.learn(Success(), 200, told, NOW)
    assert pool.closing.sunset == 1_794_355_200


async def settle() -> None:
    """Let every task come to rest."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_turns_go_by_priority_then_arrival_and_never_overlap() -> None:
    async def scenario() -> list[str]:
        pool, order, inside = Pool("p"), [], 0

        async def job(name: str, priority: int) -> None:
            nonlocal inside
            async with pool.turn(priority):
                inside += 1
                assert inside == 1
                order.append(name)
                await settle()
                inside -= 1

        async with pool.turn(9):
            tasks = [asyncio.create_task(job(*who)) for who in [("c", 2), ("a", 1), ("d", 2), ("b", 1)]]
            await settle()
            assert order == []
        await asyncio.gather(*tasks)
        async with asyncio.timeout(1), pool.turn(5):
            return order

    assert asyncio.run(scenario()) == ["a", "b", "c", "d"]


def test_who_is_less_important_has_every_fifth_turn_where_more_is_to_be_done_than_can_be() -> None:
    """Two totals that are due again as soon as they have run, and three details that would never have a turn."""

    async def scenario() -> str:
        pool, turns = Pool("p"), []

        async def job(name: str, priority: int, times: int) -> None:
            for _ in range(times):
                async with pool.turn(priority):
                    turns.append(name)
                    await asyncio.sleep(0)

        async with pool.turn(0):
            details = [asyncio.create_task(job(name, 2, 1)) for name in "xyz"]
            totals = [asyncio.create_task(job(name, 0, 40)) for name in "ab"]
            await settle()
        await asyncio.gather(*details, *totals)
        return "".join(turns)

    turns = asyncio.run(scenario())
    assert [turns.index(name) for name in "xyz"] == [4, 9, 14]


def test_a_failing_holder_frees_the_pool() -> None:
    async def scenario() -> None:
        pool = Pool("p")
        with pytest.raises(RuntimeError):
            async with pool.turn(1):
                raise RuntimeError
        async with asyncio.timeout(1), pool.turn(1):
            pass

    asyncio.run(scenario())


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["stay", "early", "called", "inside", "both"])), max_size=8)
)
def test_no_cancelled_waiter_or_holder_jams_the_queue(jobs: list[tuple[int, str]]) -> None:
    """Jobs are cancelled while they wait, in the moment they are called, while they hold, or together with the next."""

    async def scenario() -> None:
        pool, held = Pool("p"), 0

        async def job(priority: int) -> None:
            nonlocal held
            async with pool.turn(priority):
                held += 1
                assert held == 1
                try:
                    await settle()
                finally:
                    held -= 1

        async def hold(until: asyncio.Event) -> None:
            async with pool.turn(0):
                await until.wait()

        release = asyncio.Event()
        holder = asyncio.create_task(hold(release))
        await asyncio.sleep(0)
        tasks = [(asyncio.create_task(job(priority)), when) for priority, when in jobs]
        await settle()
        for task, when in tasks:
            if when in ("early", "both"):
                task.cancel()
        release.set()
        await asyncio.sleep(0)
        for task, when in tasks:
            if when in ("called", "both"):
                task.cancel()
        await asyncio.sleep(0)
        for task, when in tasks:
            if when == "inside":
                task.cancel()
        async with asyncio.timeout(5):
            results = await asyncio.gather(holder, *(task for task, _ in tasks), return_exceptions=True)
            async with pool.turn(0):
                assert held == 0
        assert not [error for error in results if isinstance(error, Exception)]

    asyncio.run(scenario())


def test_waiters_that_left_are_not_remembered() -> None:
    async def scenario() -> int:
        pool = Pool("p")
        async with pool.turn(0):
            tasks = [asyncio.create_task(pool._take(1)) for _ in range(50)]
            await settle()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return len(pool._waiting)

    assert asyncio.run(scenario()) == 0


def test_githubs_message_may_name_a_person_so_it_can_be_left_out() -> None:
    body = b'{"message": "User ada must have admin rights"}'
    headers = {"x-accepted-github-permissions": "organization_api_insights=read"}
    told = [str(meaning_of(403, headers, body, 0.0, 0, quoted=quoted).error) for quoted in (True, False)]  # type: ignore[union-attr] # a RequestFailure
    assert "ada" in told[0]
    assert "ada" not in told[1]
    assert "organization_api_insights=read" in told[1]
