"""Headers and bodies of answers: a reply or a `GitHubError`, and no request leaves the API root."""

import asyncio
import gzip
import math
from collections.abc import Coroutine
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import GitHubError, HostRefused, Invalid
from exporter.github.dates import Closing, http_date, token_expiry
from exporter.github.downloads import Downloads, allowed
from exporter.github.hour import LONGEST_BLOCK
from exporter.github.links import next_link, page_count, serves, wrong_api_url
from exporter.instants import utc_time
from tests.support.fuzzing import check_words, examples
from tests.support.jobs import NOW, client, public

ROOT = "https://api.github.com"
NUMBERS = st.sampled_from(["", "0", "-1", "60", "1e9", "99999999999999999999", "0x1f", "1.5", "²", " 7 ", "NaN"])
DATES = st.sampled_from(
    [
        "Sat, 21 Nov 2026 12:00:00 GMT",
        "Sat, 21 Nov 2026 13:00:00 +9999",
        "Mon, 31 Feb 0000 99:99:99 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "1 Jan 1 00:00:00 +2359",
        "@1795262400",
        "@999999999999;x",
        "2026-12-31 23:59:59 UTC",
        "9999-12-31 23:59:59 -2359",
        "0001-01-01 00:00:00 +2359",
        "2026-12-31T23:59:59.999999999Z",
    ]
)
JUNK = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40)
WORDS = NUMBERS | DATES | JUNK
URLS = st.one_of(
    st.sampled_from(
        [
            f"{ROOT}/x?page=2",
            f"{ROOT}/x?page=999999999999",
            f"{ROOT}@evil.example/x",
            f"{ROOT}.evil.example/x",
            f"{ROOT}:99999/x",
            f"{ROOT}/a/../../b",
            f"{ROOT}/%2e%2e/x",
            "//evil.example/x",
            "https://[::1/x",
            "https://[fe80::1%25eth0]/x",
            "https://xn--a/x",
            "https://\xfc.example/x",
            "/y",
            "?page=3",
            "",
            "javascript:alert(1)",
            "https://api.github.com\\@evil.example/",
            "https://user:pw@api.github.com/x",
        ]
    ),
    JUNK.map(lambda text: f"{ROOT}/{text}"),
    JUNK,
)
LINKS = st.lists(
    st.tuples(URLS, st.sampled_from(["next", '"next"', '"prev NEXT"', "last", '"last"', "", "ne xt", '"'])), max_size=3
).map(lambda links: ", ".join(f"<{url}>; rel={relation}" for url, relation in links))
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-ratelimit-resource",
            "x-github-request-id",
            "x-github-sso",
            "x-accepted-github-permissions",
            "x-accepted-oauth-scopes",
            "github-authentication-token-expiration",
            "date",
            "deprecation",
            "sunset",
            "content-type",
        ]
    ),
    WORDS,
    max_size=6,
)
PLACES = st.fixed_dictionaries({}, optional={"link": LINKS | JUNK, "location": URLS})
ENCODINGS = st.sampled_from(["", "", "gzip", "x-gzip", "identity", "br", "gzip, gzip", "\xff"])
STATUSES = st.sampled_from(
    [200, 201, 204, 301, 302, 304, 307, 308, 400, 401, 403, 404, 410, 418, 422, 429, 451, 500, 503]
) | (st.integers(200, 599))
BOMB = gzip.compress(bytes(64 * 1024 * 1024), 1)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"[]", b"{}", b'{"message": 5}', b'{"message": "\\ud800", "errors": [null]}', b"<html>", BOMB]),
    st.binary(max_size=60).map(gzip.compress),
    st.binary(min_size=20, max_size=60).map(lambda content: gzip.compress(content)[:-9]),
)


def response(status: int, headers: dict[str, str], encoding: str, body: bytes) -> httpx.Response:
    named = {**headers, **({"content-encoding": encoding} if encoding else {})}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    return httpx.Response(status, headers=pairs, stream=httpx.ByteStream(body))


ANSWERS = st.builds(response, STATUSES, st.builds(dict.__or__, HEADERS, PLACES), ENCODINGS, BODIES)


class GitHubOf:
    """GitHub, which gives these answers in turn, then empty lists; it refuses requests outside the API root."""

    def __init__(self, answers: list[httpx.Response]) -> None:
        self.left = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url).startswith(f"{ROOT}/")
        assert request.headers["host"] == "api.github.com"
        assert request.headers["authorization"] == "Bearer golden"
        return self.left.pop(0) if self.left else httpx.Response(200, json=[])


def run(work: Coroutine[Any, Any, object]) -> None:
    """Run it; if it fails, it is by an error for people, without token and query."""
    try:
        asyncio.run(work)
    except GitHubError as error:
        check_words(error, "golden", "secret")


@examples(60)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=4))
def test_fuzz_any_answer_of_the_api(answers: list[httpx.Response]) -> None:
    github = client(GitHubOf(answers))

    async def walk() -> None:
        try:
            async for reply in github.pages("/x", {"per_page": 100}):
                assert len(reply.body) <= 8 * 1024 * 1024
        finally:
            await github.aclose()

    run(walk())
    pool = github._pool
    assert pool.blocked(github.now()) - github.now() <= LONGEST_BLOCK
    assert math.isfinite(github.skew)
    for instant in (pool.blocked_until, pool.reset, github.token_expiry, *pool.closing):
        assert instant is None or utc_time(instant)


@examples(60)
@given(text=WORDS | LINKS | st.text(max_size=40), other=WORDS)
def test_fuzz_any_header(text: str, other: str) -> None:
    date = http_date(text)
    assert date is None or math.isfinite(date)
    next_link(text)
    assert page_count(text) >= 1
    for instant in (
        token_expiry({"github-authentication-token-expiration": text}, NOW),
        *Closing.from_headers({"deprecation": text, "sunset": other}),
    ):
        assert instant is None or utc_time(instant)
    serves(text)
    wrong_api_url(text)


@examples(60)
@given(link=URLS | st.text(max_size=40), answers=st.lists(ANSWERS, max_size=3))
def test_fuzz_any_link_to_a_file(link: str, answers: list[httpx.Response]) -> None:
    """Whatever redirects say, only hosts that are allowed are asked, without a credential."""
    hosts, left = ("*.blob.core.windows.net", "api.github.com"), list(answers)

    def storage(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        host = request.headers["host"]  # its address is in the URL, so that no other one is connected to
        assert host == "api.github.com" or host.endswith(".blob.core.windows.net")
        return left.pop(0) if left else httpx.Response(200, content=b"a,b\n")

    async def read() -> None:
        downloads = Downloads(transport=httpx.MockTransport(storage), resolve=public)
        size = 0
        try:
            async for piece in downloads.read(f"https://a.blob.core.windows.net/{link}?sig=secret", hosts, 1_000_000):
                size += len(piece)
        finally:
            await downloads.aclose()
        assert size <= 1_000_000

    run(read())
    try:
        allowed(link, hosts)
    except (HostRefused, Invalid) as error:
        check_words(error, "golden")
