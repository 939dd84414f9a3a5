"""The client: what it sends where, what it follows, what it takes, and that its failures show no secret."""

import asyncio
import gzip
import logging
import ssl
import subprocess
import time
import traceback
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.errors import (
    CredentialRejected,
    Forbidden,
    GitHubError,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
    Retired,
    Unavailable,
)
from exporter.fetching import Reply
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.dates import http_date
from exporter.github.links import confined, next_link
from exporter.github.network import Network
from exporter.github.pacing import Pool
from exporter.github.sender import AnswerBounds
from exporter.github.server_clock import ServerClock
from tests.support.fake import Fake

DOTCOM = "https://api.github.com"
GHES = "https://ghes.example.com/api/v3"
TOKEN = "ghp_CANARYcanary0123456789"
QUERY = {"sig": "CANARY"}  # named, since tracebacks show source lines
NOW = 1_763_715_600.0
MIB = 1024 * 1024
EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def client(
    fake: Fake | None,
    root: str = DOTCOM,
    *,
    pool: Pool | None = None,
    clock: Clock | None = None,
    network: Network | None = None,
    **more: Any,
) -> GitHub:
    clock = clock or Clock()
    return GitHub(
        TokenCredential("classic", root, "2022-11-28", network, token_text=SecretStr(TOKEN)),
        pool or Pool("classic"),
        clock=clock,
        monotonic=clock,
        transport=httpx.MockTransport(fake) if fake else None,
        **more,
    )


def get(github: GitHub, path: str = "/orgs/acme/x", params: dict[str, Any] | None = None) -> Reply:
    async def ask() -> Reply:
        try:
            return await github.get(path, params)
        finally:
            await github.aclose()

    return asyncio.run(ask())


def failure(github: GitHub, path: str = "/orgs/acme/x", params: dict[str, Any] | None = None) -> GitHubError:
    with pytest.raises(GitHubError) as caught:
        get(github, path, params)
    assert_clean(caught.value)
    return caught.value


def walk(github: GitHub) -> list[Reply]:
    async def all_pages() -> list[Reply]:
        return [reply async for reply in github.pages("/orgs/acme/x", {"per_page": 100})]

    return asyncio.run(all_pages())


def assert_clean(error: BaseException) -> None:
    """Neither the error, nor what it comes from, suppressed or not, shows a token or a query."""
    seen: list[BaseException | None] = [error]
    while current := seen.pop():
        text = "".join(traceback.format_exception(current, chain=False)) + repr(current) + repr(current.__dict__)
        assert "CANARY" not in text
        seen += [each for each in (current.__cause__, current.__context__) if each] or [None]


def linked(url: str, body: bytes = b"[]") -> httpx.Response:
    return httpx.Response(200, headers={"Link": f'<{url}>; rel="next"'}, content=body)


# What is sent.


@pytest.mark.parametrize(("root", "url"), [(DOTCOM, f"{DOTCOM}/orgs/acme/x"), (GHES, f"{GHES}/orgs/acme/x")])
def test_a_request_goes_below_the_root_with_githubs_headers(root: str, url: str) -> None:
    fake = Fake(httpx.Response(200, json=[1], headers={"X-Thing": "a"}))
    reply = get(client(fake, root))
    assert (reply.status, reply.body, reply.headers["x-thing"]) == (200, b"[1]", "a")
    assert reply.path == httpx.URL(url).path
    (request,) = fake.asked
    assert str(request.url) == url
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/vnd.github+json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["x-github-api-version"] == "2022-11-28"
    assert request.headers["user-agent"].startswith("github-enterprise-exporter/")


def test_parameters_are_encoded_and_may_repeat() -> None:
    fake = Fake(httpx.Response(200))
    get(client(fake), params={"sort": ["a", "b"], "page": 2, "q": "x&y=z"})
    assert fake.asked[0].url.params.multi_items() == [("sort", "a"), ("sort", "b"), ("page", "2"), ("q", "x&y=z")]


@pytest.mark.parametrize(
    "path",
    ["orgs", "", "/a/../b", "/a/..", "/./a", "/%2e%2e/a", "/a%2Fb", "/a?b=CANARY", "/a#b", "/a b", "//evil/x", "/a\n",
     "/ü", "/a//b", "/a;b", "/a%5cb", "/a\\b", "@evil.example/", ":1@evil.example/"],
)  # fmt: skip
def test_a_path_that_is_not_plain_is_not_asked(path: str) -> None:
    """Names in paths come from the configuration and from GitHub's rows."""
    fake = Fake(httpx.Response(200))
    assert type(failure(client(fake), path)) is Invalid
    assert fake.asked == []


def test_a_parameter_that_is_no_text_is_refused() -> None:
    fake = Fake(httpx.Response(200))
    assert type(failure(client(fake), params={"a": "CANARY\ud800"})) is Invalid
    assert fake.asked == []


def test_cookies_are_not_kept() -> None:
    fake = Fake(httpx.Response(200, headers={"Set-Cookie": "a=b; Path=/"}))
    github = client(fake)

    async def twice() -> None:
        await github.get("/a")
        await github.get("/a")

    asyncio.run(twice())
    assert "cookie" not in fake.asked[1].headers


def test_environment_and_netrc_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `.netrc` would replace our token, a proxy variable would send it elsewhere."""
    (tmp_path / ".netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    seen: list[bytes] = []

    async def scenario() -> None:
        async with loopback(answering(EMPTY_LIST, seen)) as root:
            await once(root)

    asyncio.run(scenario())
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in seen[0]


# A rejected token.


def rotating(path: Path, fake: Fake) -> GitHub:
    clock = Clock()
    credential = TokenCredential("classic", DOTCOM, "2022-11-28", token_file=path)
    bounds = AnswerBounds(fresh_waits=(0.0, 0.0))
    transport = httpx.MockTransport(fake)
    return GitHub(credential, Pool("classic"), clock=clock, monotonic=clock, bounds=bounds, transport=transport)


def test_a_token_that_was_rotated_on_the_way_is_asked_with_once_more(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ghp_CANARYold")

    def rotate(_request: httpx.Request) -> httpx.Response:
        path.with_suffix(".new").write_text(f"ghp_CANARYnew{len(fake.asked)}")
        path.with_suffix(".new").replace(path)
        return httpx.Response(401)

    fake = Fake(rotate, httpx.Response(200))
    assert get(rotating(path, fake)).status == 200
    assert [each.headers["authorization"] for each in fake.asked] == ["Bearer ghp_CANARYold", "Bearer ghp_CANARYnew1"]
    path.write_text("ghp_CANARYold")
    fake = Fake(rotate)
    assert type(failure(rotating(path, fake))) is CredentialRejected
    assert len({each.headers["authorization"] for each in fake.asked}) == 2
    assert len(fake.asked) == 4, "the new token is fresh, so that it is asked with again"


def test_a_token_that_was_just_rotated_may_be_unknown_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ghp_CANARYold")
    fake = Fake(httpx.Response(200), httpx.Response(401), httpx.Response(401), httpx.Response(200))
    github = rotating(path, fake)
    assert get(github).status == 200
    path.with_suffix(".new").write_text("ghp_CANARYnew")
    path.with_suffix(".new").replace(path)
    assert get(github).status == 200
    assert [each.headers["authorization"] for each in fake.asked[1:]] == ["Bearer ghp_CANARYnew"] * 3


def test_a_token_that_stays_is_not_asked_with_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    for github, fake in [
        (rotating(path, one := Fake(httpx.Response(401))), one),
        (client(two := Fake(httpx.Response(401))), two),
    ]:
        assert type(failure(github)) is CredentialRejected
        assert len(fake.asked) == 1


# When a token ends.

EXPIRY = "github-authentication-token-expiration"
SOON, LATER = {EXPIRY: "2026-12-31 23:59:59 UTC"}, {EXPIRY: "2027-06-30 12:00:00 +0200"}
SOON_AT, LATER_AT = 1_798_761_599.0, 1_814_349_600.0


def ends(github: GitHub, requests: int = 1) -> list[float | None]:
    """When the token ends, after each of so many requests, of which any may fail."""

    async def ask() -> list[float | None]:
        told = []
        for _ in range(requests):
            with suppress(GitHubError):
                await github.get("/orgs/acme/x")
            told.append(github.token_expiry)
        return told

    return asyncio.run(ask())


@pytest.mark.parametrize("status", [200, 204, 403, 404, 422, 429, 500])
def test_any_answer_of_the_api_root_says_when_the_token_ends(status: int) -> None:
    assert ends(client(Fake(httpx.Response(status, headers=SOON)))) == [SOON_AT]


def test_without_the_header_a_token_has_no_end() -> None:
    assert ends(client(Fake(httpx.Response(200)))) == [None]


@pytest.mark.parametrize("status", [200, 304, 401, 500, 503])
def test_an_answer_that_does_not_name_the_end_of_a_known_token_changes_nothing(status: int) -> None:
    """The 401 that comes after the end least of all."""
    fake = Fake(httpx.Response(200, headers=SOON), httpx.Response(status))
    assert ends(client(fake), 2) == [SOON_AT, SOON_AT]


def test_the_end_moves_with_the_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ghp_CANARYold")
    github = rotating(path, Fake(httpx.Response(200, headers=SOON), httpx.Response(200, headers=LATER)))
    assert ends(github) == [SOON_AT]
    github.forget_expiry(github.replaced_token())
    assert github.token_expiry == SOON_AT
    path.with_suffix(".new").write_text("ghp_CANARYnew")
    path.with_suffix(".new").replace(path)
    github.forget_expiry(github.replaced_token())
    assert github.token_expiry is None, "before anything was asked with the new one"
    assert ends(github) == [LATER_AT]


@pytest.mark.parametrize("status", [200, 401])
def test_a_new_token_without_an_end_has_not_the_old_ones(tmp_path: Path, status: int) -> None:
    path = tmp_path / "token"
    path.write_text("ghp_CANARYold")
    github = rotating(path, Fake(httpx.Response(200, headers=SOON), httpx.Response(status)))
    assert ends(github) == [SOON_AT]
    path.with_suffix(".new").write_text("ghp_CANARYnew")
    path.with_suffix(".new").replace(path)
    assert ends(github) == [None]


@pytest.mark.parametrize("token", ["ghs_CANARY", "ghu_CANARY"])
def test_the_tokens_of_apps_end_within_hours_and_tell_no_end(tmp_path: Path, token: str) -> None:
    path = tmp_path / "token"
    path.write_text(token)
    assert ends(rotating(path, Fake(httpx.Response(200, headers=SOON)))) == [None]


def test_what_a_redirect_leads_to_outside_the_root_tells_no_end() -> None:
    away = httpx.Response(302, headers={"Location": "https://evil.example/"})
    fake = Fake(away, httpx.Response(200, headers=SOON))
    assert ends(client(fake)) == [None]
    assert len(fake.asked) == 1


# What a credential asks on its own.


def exchange(github: GitHub, path: str = "/app", bearer: str = "eyJ.CANARY.jwt") -> Reply:
    return asyncio.run(github("POST", path, bearer))


def test_a_credential_asks_below_the_root_with_its_own_bearer() -> None:
    fake, pool = Fake(httpx.Response(201, content=b"{}", headers={"X-RateLimit-Remaining": "7"})), Pool("p")
    reply = exchange(client(fake, GHES, pool=pool))
    assert (reply.status, reply.path, pool.requests, pool.remaining) == (201, "/api/v3/app", {"201": 1}, None)
    (request,) = fake.asked
    assert (request.method, str(request.url)) == ("POST", f"{GHES}/app")
    assert request.headers["authorization"] == "Bearer eyJ.CANARY.jwt"
    assert request.headers["content-length"] == "0"


def test_what_a_credential_asks_is_confined_and_blocked_as_all_else() -> None:
    fake, pool = Fake(httpx.Response(200)), Pool("p", blocked_until=NOW + 60)
    for github, path, kind in [
        (client(fake), "//evil.example/x", Invalid),
        (client(fake, pool=pool), "/app", RateLimited),
    ]:
        with pytest.raises(kind) as caught:
            exchange(github, path)
        assert_clean(caught.value)
    assert fake.asked == []


# Where the root may be, and how it is trusted.


@pytest.mark.parametrize(
    "root",
    ["http://ghes.example.com/api/v3", "http://10.0.0.1", "http://localhost.evil.example", "ftp://127.0.0.1",
     "api.github.com", "https://user:CANARY@ghes.example.com", "https://ghes.example.com/?CANARY=1", "https://",
     "https://h/a/../b", ""],
)  # fmt: skip
def test_a_root_that_would_show_the_token_is_refused(root: str) -> None:
    with pytest.raises(Invalid, match="api_url of credential classic") as caught:
        client(Fake(httpx.Response(200)), root)
    assert_clean(caught.value)


@pytest.mark.parametrize(
    "root", ["http://127.0.0.1:8081", "http://localhost:1/api/v3", "http://[::1]:8081", "https://h:8443/"]
)
def test_plain_http_is_for_this_host_only(root: str) -> None:
    fake = Fake(httpx.Response(200))
    get(client(fake, root), "/a")
    assert fake.urls == [f"{root.rstrip('/')}/a"]


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot be read: No such file"), ("junk", "no PEM certificate")]
)
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "corp.pem"
    if content:
        path.write_text(content)
    with pytest.raises(Unavailable, match=f"ca_file {path} .*{problem}"):
        client(None, GHES, network=Network(ca_files=(path,)))


@pytest.mark.parametrize("proxy", ["socks5://h:1", "CANARY", "http://", "ftp://u:CANARY@h"])
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str) -> None:
    with pytest.raises(Invalid, match="proxy must be") as caught:
        client(None, network=Network(proxy=proxy))
    assert_clean(caught.value)


# Links and redirects.

REFUSED = [
    "https://evil.example/orgs/acme?sig=CANARY",
    "https://ghes.example.com.evil.example/api/v3/x",
    "https://ghes.example.com./api/v3/x",
    "https://ghes.example.com:8443/api/v3/x",
    "http://ghes.example.com/api/v3/x",
    "http://ghes.example.com:443/api/v3/x",
    "https://user@ghes.example.com/api/v3/x",
    "https://user:CANARY@ghes.example.com/api/v3/x",
    "https://ghes.example.com@evil.example/api/v3/x",
    "https://ghes.example.com\\@evil.example/api/v3/x",
    "https://evil.example#@ghes.example.com/api/v3/x",
    "https://169.254.169.254/api/v3/x",
    "https://[::1]/api/v3/x",
    "//evil.example/api/v3/x",
    "///evil.example/api/v3/x",
    "https:///api/v3/x",
    "https:/evil.example/api/v3/x",
    "https://ghes.example.com/",
    "https://ghes.example.com/api/v3x/y",
    "https://ghes.example.com/api/v3/../../x",
    "https://ghes.example.com/api/v3/../v3/x",
    "https://ghes.example.com/api/v3/..",
    "https://ghes.example.com/api/v3/./x",
    "https://ghes.example.com/api/v3%2f..%2f..%2fx",
    "https://ghes.example.com/api/v3/%2e%2e/%2E%2E/x",
    "https://ghes.example.com/api/v3/%252e%252e/x",
    "https://ghes.example.com/api/v3/..;/x",
    "https://ghes.example.com/api/v3/..%5cx",
    "https://ghes.example.com/api/v3//x",
    "https://ghes.example.com/api%2fv3/x",
    "https://ghes.example.com/API/V3/x",
    "/setup/api?x=CANARY",
    "../../../x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://[",
    "https://ghes.example.com:99999/api/v3/x",
    "https://ghes.example.com:x/api/v3/x",
    "https://xn--a/api/v3/x",
]


@pytest.mark.parametrize(
    "link", [*REFUSED, "https://ghes.example.com/api/v3/ x", "https://ghes.example.com/api/v3/\tx"]
)
@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308])
def test_what_leads_out_of_the_root_is_refused_and_never_asked(link: str, status: int) -> None:
    header = {"Link": f'<{link}>; rel="next"'} if status == 200 else {"Location": link}
    fake = Fake(httpx.Response(status, headers=header))
    with pytest.raises(Invalid, match=r"^refused a (next-link|redirect) ") as caught:
        walk(client(fake, GHES))
    assert_clean(caught.value)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("root", "link", "advice"),
    [
        (
            "https://git.example.com/api/v3",
            "https://ghes.example.com/api/v3/organizations/1/x?page=2&sig=CANARY",
            "write api_url: https://ghes.example.com/api/v3",
        ),
        (
            "https://ghes.example.com/api/v3",
            "https://ghes.example.com:8443/api/v3/organizations/1/x",
            "write api_url: https://ghes.example.com:8443/api/v3",
        ),
        (
            "https://proxy.example.com/ghes/api/v3",
            "https://ghes.example.com/api/v3/organizations/1/x",
            "write api_url: https://ghes.example.com/api/v3",
        ),
        (
            "https://api.example.com",
            "https://api.github.com/organizations/1/x",
            "write api_url: https://api.github.com",
        ),
        ("http://127.0.0.1:1", "http://localhost:1/organizations/1/x", "write api_url: http://localhost:1"),
        ("https://ghes.example.com/api/v3", "http://ghes.example.com/api/v3/organizations/1/x", "https:// links"),
    ],
)
def test_a_next_link_to_githubs_own_name_says_how_to_write_api_url(root: str, link: str, advice: str) -> None:
    fake = Fake(linked(link), httpx.Response(200, content=b"[]"))
    with pytest.raises(Invalid) as caught:
        walk(client(fake, root))
    assert len(fake.asked) == 1
    assert str(caught.value).endswith(advice) or advice in str(caught.value)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("root", "answer", "hint"),
    [
        ("https://api.example.com", httpx.Response(404, html="<html>"), "of an appliance, https://HOST/api/v3"),
        ("https://api.example.com", httpx.Response(404, json={"error": "Not Found"}), "https://HOST/api/v3"),
        ("https://api.example.com", httpx.Response(406), "https://HOST/api/v3"),
        ("https://api.example.com", httpx.Response(200, html="<html>"), "https://HOST/api/v3"),
        (
            "https://ghes.example.com/api/v3",
            httpx.Response(302, headers={"location": "https://ghes.example.com/login?return_to=CANARY"}),
            "a login page on the way answers",
        ),
        ("https://github.com", httpx.Response(404, json={"message": "Not Found"}), "https://api.github.com"),
        ("https://acme.ghe.com", httpx.Response(406), "https://api.acme.ghe.com"),
        ("https://ghes.example.com", httpx.Response(200, html="<html>"), "https://ghes.example.com/api/v3"),
        (
            "https://ghes.example.com",
            httpx.Response(302, headers={"location": "https://sso.example.com/?to=CANARY"}),
            "https://ghes.example.com/api/v3",
        ),
    ],
)
def test_an_answer_that_is_not_the_apis_says_what_api_url_must_be_like(
    root: str, answer: httpx.Response, hint: str
) -> None:
    error = failure(client(Fake(answer), root))
    assert hint in error.hint
    assert "CANARY" not in str(error)


def test_a_404_of_the_api_says_nothing_of_api_url() -> None:
    for root in (DOTCOM, GHES):
        assert "api_url" not in failure(client(Fake(httpx.Response(404, json={"message": "Not Found"})), root)).hint


def test_an_appliance_that_does_not_know_the_api_version_says_what_to_write() -> None:
    def asked(version: str, answer: httpx.Response, root: str = "https://ghes.example.com/api/v3") -> GitHubError:
        credential = TokenCredential("appliance", root, version, token_text=SecretStr(TOKEN))
        clock = Clock()
        transport = httpx.MockTransport(Fake(answer))
        return failure(GitHub(credential, Pool("p"), clock=clock, monotonic=clock, transport=transport))

    told = httpx.Response(400, json={"message": "The version you specified is not a supported version."})
    untold = httpx.Response(400, json={"message": "Bad Request"})
    right = 'write api_version: "2022-11-28"'
    assert right in asked("2026-03-10", told).hint
    assert right in asked("2026-03-10", untold).hint
    assert right not in asked("2022-11-28", untold).hint
    assert right not in asked("2026-03-10", untold, "https://api.github.com").hint


@pytest.mark.parametrize(("given", "seconds"), [("7", 7), ("604800", 3600)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_github_blocks_the_pool_for_as_long_as_it_says(status: int, given: str, seconds: int) -> None:
    clock, pool = Clock(), Pool("classic")
    github = client(Fake(httpx.Response(status, headers={"retry-after": given})), pool=pool, clock=clock)
    assert type(failure(github)) is Unavailable
    assert pool.blocked(clock.now) == clock.now + seconds
    assert type(failure(github)) is RateLimited


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (f"{GHES}/organizations/7/x?page=2&after=a%2F..b", f"{GHES}/organizations/7/x?page=2&after=a%2F..b"),
        ("https://GHES.example.com:443/api/v3/x", f"{GHES}/x"),
        ("/api/v3/organizations/7/x?page=2", f"{GHES}/organizations/7/x?page=2"),
        ("?page=2", f"{GHES}/orgs/acme/x?page=2"),
        (f"{GHES}/orgs/a...b/x%20y", f"{GHES}/orgs/a...b/x%20y"),
    ],
)
@pytest.mark.parametrize("status", [200, 302])
def test_what_stays_in_the_root_is_followed_with_the_token(link: str, url: str, status: int) -> None:
    first = linked(link) if status == 200 else httpx.Response(status, headers={"Location": link})
    fake = Fake(first, httpx.Response(200, content=b"[2]"))
    assert walk(client(fake, GHES))[-1].body == b"[2]"
    assert fake.urls[1] == url
    assert fake.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_pages_come_in_order_until_there_is_no_next() -> None:
    """GitHub's links for an organization's name lead to its number."""
    fake = Fake(
        linked(f"{DOTCOM}/organizations/7/x?page=2", b"[1]"),
        linked(f"{DOTCOM}/organizations/7/x?page=3", b"[2]"),
        httpx.Response(200, headers={"Link": f'<{DOTCOM}/organizations/7/x?page=1>; rel="first"'}, content=b"[3]"),
    )
    assert [reply.body for reply in walk(client(fake))] == [b"[1]", b"[2]", b"[3]"]
    assert fake.urls[0] == f"{DOTCOM}/orgs/acme/x?per_page=100"


def test_a_circle_of_links_ends_the_walk() -> None:
    fake = Fake(linked(f"{DOTCOM}/a?page=2"), linked(f"{DOTCOM}/a?page=3"), linked(f"{DOTCOM}/a?page=2"))
    with pytest.raises(Invalid, match="read already"):
        walk(client(fake))
    assert len(fake.asked) == 3


def test_endless_pages_end_at_the_cap() -> None:
    pages = (linked(f"{DOTCOM}/a?page={number}") for number in range(99))
    fake = Fake(lambda _request: next(pages))
    with pytest.raises(Invalid, match="more than 5 pages"):
        walk(client(fake, bounds=AnswerBounds(pages=5)))
    assert len(fake.asked) == 5


def test_exactly_the_cap_of_pages_is_a_whole_walk() -> None:
    fake = Fake(linked(f"{DOTCOM}/a?page=2"), httpx.Response(200))
    assert len(walk(client(fake, bounds=AnswerBounds(pages=2)))) == 2


def test_redirects_end_at_the_cap() -> None:
    fake = Fake(httpx.Response(302, headers={"Location": "/again"}))
    assert "more than 3 redirects" in str(failure(client(fake)))
    assert len(fake.asked) == 4


@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_redirect_to_nowhere_is_invalid(status: int) -> None:
    assert type(failure(client(Fake(httpx.Response(status))))) is Invalid


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ("", None),
        ('<https://h/a>; rel="next"', "https://h/a"),
        ("<https://h/a>; rel=next", "https://h/a"),
        ("<https://h/a>;rel=NEXT;type=x", "https://h/a"),
        ('<https://h/a?b=1,2;c=3&d="x">; title="a, b; c"; rel = "next"', 'https://h/a?b=1,2;c=3&d="x"'),
        ('<https://h/z>; rel="last", <https://h/a>; rel="prev next"', "https://h/a"),
        ('<https://h/z>; rel="last";,<https://h/a>; foo="b=c"; rel="next"', "https://h/a"),
        ('< https://h/a >; REL="next"', "https://h/a"),
        ('<https://h/a>; rel="nextish"', None),
        ('<https://h/a>; xrel="next"', None),
        ("https://h/a; rel=next", None),
        ('<https://h/a; rel="next"', None),
    ],
)
def test_the_next_link_is_found(header: str, link: str | None) -> None:
    assert next_link(header) == link


link_text = st.lists(
    st.sampled_from(["<", ">", ";", ",", " ", "rel", "=", '"', "next", "https://ghes.example.com/api/v3", "/", "..",
                     "%2e", "@", "?", "#", "\\", "\n", "[", "]", ":", "99999", "evil.example", "\u00e9", "\ud800"]),
    max_size=12,
).map("".join)  # fmt: skip


@given(link_text)
def test_no_link_header_makes_parsing_raise(header: str) -> None:
    next_link(header)


@given(link_text)
def test_a_link_is_refused_or_stays_below_the_root(link: str) -> None:
    root = httpx.URL(GHES)
    with suppress(Invalid):
        url = confined(root, httpx.URL(f"{GHES}/x"), link, "next-link")
        assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "ghes.example.com", None, b"")
        assert f"{url.path}/".startswith("/api/v3/")
        assert ".." not in url.path.split("/")


def test_a_long_junk_header_is_parsed_at_once() -> None:
    for junk in ("<" * 90_000, "<>;" * 30_000, "<a>" + "; " * 45_000, '<a>;rel="' * 9_000, "<a>;rel=" + " " * 90_000):
        next_link(junk)


# What comes back.


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (401, CredentialRejected), (403, Forbidden), (404, NotFound), (410, Retired), (422, Refused),
     (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_a_status_becomes_what_the_operator_does_about_it(status: int, kind: type[GitHubError]) -> None:
    pool = Pool("classic")
    error = failure(client(Fake(httpx.Response(status, json={"message": "No\nway"})), pool=pool), params=QUERY)
    assert type(error) is kind
    assert str(error) == f"/orgs/acme/x (credential classic): GitHub answers {status}; No way"
    assert pool.requests == {str(status): 1}


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_no_content_is_an_answer(headers: dict[str, str]) -> None:
    reply = get(client(Fake(httpx.Response(204, headers=headers))))
    assert (reply.status, reply.body) == (204, b"")


def test_a_limit_blocks_the_pool_for_all_its_clients_without_asking() -> None:
    pool, clock = Pool("classic"), Clock()
    fake = Fake(httpx.Response(403, headers={"Retry-After": "90"}), httpx.Response(200))
    one, other = client(fake, pool=pool, clock=clock), client(fake, pool=pool, clock=clock)
    for github in (one, other, one):
        error = failure(github)
        assert isinstance(error, RateLimited)
        assert error.until == NOW + 90
        assert "quota pool classic waits until 2025-11-21T09:01:30Z" in str(error)
    assert (len(fake.asked), pool.limited_in_row) == (1, 1)
    clock.now += 90
    assert get(other).status == 200
    assert pool.limited_in_row == 0


def test_a_block_does_not_outlive_a_clock_that_jumped_back() -> None:
    pool, clock = Pool("classic"), Clock()
    github = client(
        Fake(httpx.Response(403, headers={"Retry-After": "90"}), httpx.Response(200)), pool=pool, clock=clock
    )
    failure(github)
    clock.now -= 86400
    assert get(client(Fake(httpx.Response(200)), pool=pool, clock=clock)).status == 200


def test_quota_headers_reach_the_pool_and_may_be_missing() -> None:
    pool = Pool("classic")
    get(client(Fake(httpx.Response(200)), pool=pool))
    assert (pool.limit, pool.remaining, pool.reset) == (None, None, None)
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1763719200"}
    get(client(Fake(httpx.Response(200, headers=headers)), pool=pool))
    assert (pool.limit, pool.remaining, pool.reset) == (5000.0, 0.0, 1763719200.0)


def test_every_attempt_is_observed() -> None:
    seen: list[tuple[str, str, float]] = []
    pool, clock = Pool("p"), Clock()

    def slow(_request: httpx.Request) -> httpx.Response:
        clock.now += 2.5
        return httpx.Response(200)

    redirect = httpx.Response(302, headers={"Location": "/b"})
    fake = Fake(redirect, slow, httpx.ConnectError("refused"))
    github = client(fake, pool=pool, clock=clock, observe=lambda *what: seen.append(what))

    async def scenario() -> None:
        await github.get("/a")
        with pytest.raises(Unavailable):
            await github.get("/a")

    asyncio.run(scenario())
    assert seen == [("p", "302", 0.0), ("p", "200", 2.5), ("p", "error", 0.0)]
    assert pool.requests == {"302": 1, "200": 1, "error": 1}


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), Unavailable, "Name or service not known"),
        (
            httpx.ConnectError("certificate verify failed: unable to get local issuer certificate"),
            Unavailable,
            "issuer",
        ),
        (httpx.ConnectTimeout("CANARY"), Unavailable, "no connection to api.github.com in time"),
        (httpx.PoolTimeout("CANARY"), Unavailable, "PoolTimeout"),
        (httpx.ReadTimeout("CANARY"), Unavailable, "ReadTimeout"),
        (httpx.ReadError("CANARY"), Unavailable, "the connection broke"),
        (httpx.RemoteProtocolError("CANARY"), Unavailable, "something else than HTTP/1.1"),
        (httpx.RemoteProtocolError("Server disconnected CANARY"), Unavailable, "the connection broke"),
        (httpx.ProxyError("407 Proxy Authentication Required"), Unavailable, "407"),
        (httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'"), Invalid, "cannot be sent"),
        (httpx.InvalidURL("CANARY"), Invalid, "cannot be sent"),
        (httpx.UnsupportedProtocol("CANARY"), Unavailable, "UnsupportedProtocol"),
        (httpx.StreamClosed(), Unavailable, "StreamClosed"),
        (ssl.SSLError("CANARY"), Unavailable, "SSLError"),
        (ConnectionResetError("CANARY"), Unavailable, "ConnectionResetError"),
        (UnicodeEncodeError("utf-8", "CANARY", 0, 1, "CANARY"), Invalid, "UnicodeEncodeError"),
        (TimeoutError("CANARY"), Unavailable, "no complete answer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_foreign_exceptions_become_ours_without_their_text(
    raised: Exception, kind: type[GitHubError], text: str
) -> None:
    error = failure(client(Fake(raised)), params=QUERY)
    assert type(error) is kind
    assert text in str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def test_githubs_words_are_shown_without_what_it_echoes() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        text = f"{request.headers['authorization']} may not see {request.url}"
        return httpx.Response(403, json={"message": text}, headers={"X-GitHub-SSO": "required; url=https://x/?CANARY"})

    error = failure(client(Fake(echo)), params=QUERY)
    assert "Bearer <token> may not see https://api.github.com/orgs/acme/x; the token is not authorised" in str(error)


def test_no_text_form_of_the_client_shows_the_token() -> None:
    github = client(Fake(httpx.Response(200)))
    get(github)
    assert "CANARY" not in f"{github!r} {vars(github)!r}"


# GitHub's clock.


@pytest.mark.parametrize(
    ("dates", "skews"),
    [
        ([None], [0.0]),
        (["soon"], [0.0]),
        (["Fri, 99 Nov 2025 09:00:00 GMT"], [0.0]),
        ([NOW], [0.5]),
        ([NOW + 50], [50.5]),
        ([NOW + 50, NOW + 51, NOW + 49, None, "x"], [50.5] * 5),
        ([NOW + 50, NOW + 52], [50.5, 52.5]),
    ],
)
def test_the_skew_follows_the_date_header_without_jitter(
    dates: Sequence[float | str | None], skews: list[float]
) -> None:
    github = client(Fake(*map(dated, dates)))
    seen = []

    async def scenario() -> None:
        for _ in dates:
            await github.get("/a")
            seen.append(github.skew)

    assert github.skew == 0.0
    asyncio.run(scenario())
    assert seen == skews
    assert github.now() == NOW + skews[-1]


@pytest.mark.parametrize("heard_before", [False, True])
def test_a_clock_that_is_set_back_moves_the_skew_once_whoever_notices_first(heard_before: bool) -> None:
    """An answer may show the jump before it is noticed: added to that, the skew would be twice as large."""
    wall, monotonic = Clock(), Clock(5.0)
    credential = TokenCredential("classic", DOTCOM, "2022-11-28", None, token_text=SecretStr(TOKEN))
    transport = httpx.MockTransport(Fake(dated(NOW)))
    github = GitHub(credential, Pool("classic"), clock=wall, monotonic=monotonic, transport=transport)

    async def scenario() -> None:
        await github.get("/a")
        assert github.skew == 0.5
        wall.now -= 3600
        if heard_before:
            await github.get("/a")
            assert github.skew == pytest.approx(3600, abs=1)
        github.clock_was_set()
        assert github.skew == pytest.approx(3600, abs=1)
        github.clock_was_set()
        assert github.skew == pytest.approx(3600, abs=1)
        await github.get("/a")

    asyncio.run(scenario())
    assert github.skew == pytest.approx(3600, abs=1)


def dated(date: float | str | None, status: int = 200) -> httpx.Response:
    """An answer of GitHub's own."""
    text = formatdate(date, usegmt=True) if isinstance(date, float) else date
    headers = {"X-GitHub-Request-Id": "5140:1", **({"Date": text} if text is not None else {})}
    return httpx.Response(status, headers=headers)


@pytest.mark.parametrize(
    ("answers", "skew", "asked"),
    [
        pytest.param([dated(NOW - 3600), dated(NOW - 3600)], -3599.5, 2, id="a second answer agrees"),
        pytest.param([dated(NOW + 3600), dated(NOW)], 0.5, 2, id="it does not"),
        pytest.param([dated(NOW + 3600), httpx.ConnectError("no")], 0.0, 2, id="there is none"),
        pytest.param([dated(NOW + 3600), dated(NOW + 3600, 404)], 3600.5, 2, id="no rate limits, but a clock"),
        pytest.param([dated(NOW + 3600, 429)], 0.0, 1, id="no second request while GitHub wants none"),
        pytest.param([dated(NOW + 3600, 502)], 0.0, 1, id="a gateway's page tells nothing"),
        pytest.param(
            [httpx.Response(200, headers={"Date": formatdate(NOW + 3600, usegmt=True)})], 0.0, 1, id="nor a proxy's"
        ),
    ],
)
def test_a_date_far_from_the_clock_is_asked_for_a_second_time(
    answers: list[httpx.Response | Exception], skew: float, asked: int
) -> None:
    fake = Fake(*answers)
    github = client(fake)

    async def scenario() -> None:
        with suppress(GitHubError):
            await github.get("/a")

    asyncio.run(scenario())
    assert github.skew == skew
    assert [request.url.path for request in fake.asked] == ["/a", "/rate_limit"][:asked]


def test_a_slow_answer_is_dated_in_the_middle_and_blurs_the_clock() -> None:
    clock = Clock()

    def slow(_request: httpx.Request) -> httpx.Response:
        clock.now += 10
        return dated(clock.now - 5)

    github = client(Fake(dated(NOW + 3), slow), clock=clock)

    async def scenario() -> None:
        await github.get("/a")
        await github.get("/a")

    asyncio.run(scenario())
    assert github.skew == 3.5


@given(st.one_of(st.text("0123456789 :,-+GMTFriNov\u00b2", max_size=40), st.binary(max_size=30).map(repr)))
def test_no_date_header_raises(text: str) -> None:
    ServerClock().heard(http_date(text), NOW, NOW)


# Bodies.


def streamed(*chunks: bytes, encoding: str = "gzip") -> httpx.Response:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return httpx.Response(200, headers={"Content-Encoding": encoding}, content=stream())


def in_pieces(data: bytes, size: int = 7) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


TEXT = b'[{"a": 1}]' * 50


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", " gzip "])
def test_gzip_is_unpacked(encoding: str) -> None:
    assert get(client(Fake(streamed(*in_pieces(gzip.compress(TEXT)), encoding=encoding)))).body == TEXT


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_gzip_of_several_members_is_unpacked_whole(size: int) -> None:
    data = gzip.compress(TEXT[:50]) + gzip.compress(b"") + gzip.compress(TEXT[50:]) + bytes(3)
    assert get(client(Fake(streamed(*in_pieces(data, size))))).body == TEXT


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_identity_is_taken_as_it_is(encoding: str) -> None:
    assert get(client(Fake(streamed(*in_pieces(TEXT), encoding=encoding)))).body == TEXT


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "compress", "x"])
def test_other_encodings_are_refused(encoding: str) -> None:
    error = failure(client(Fake(streamed(TEXT, encoding=encoding))))
    assert type(error) is Invalid
    assert encoding in str(error)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"no gzip", Invalid),
        (zlib.compress(TEXT), Invalid),
        (gzip.compress(TEXT)[:-12] + b"XXXX" + gzip.compress(TEXT)[-8:], Invalid),
        (gzip.compress(TEXT)[:-9], Unavailable),
        (gzip.compress(TEXT)[:5], Unavailable),
        (gzip.compress(TEXT) + b"more", Invalid),
        (gzip.compress(TEXT) * 2 + b"more", Invalid),
        (gzip.compress(TEXT) + gzip.compress(TEXT)[:-1], Unavailable),
    ],
    ids=[
        "no gzip",
        "zlib",
        "damaged",
        "without its end",
        "half a header",
        "more behind it",
        "more behind two",
        "half of the second",
    ],
)
@pytest.mark.parametrize("size", [7, 10_000])
def test_broken_gzip_is_never_half_an_answer(data: bytes, kind: type[GitHubError], size: int) -> None:
    error = failure(client(Fake(streamed(*in_pieces(data, size)))))
    assert type(error) is kind
    assert error.__context__ is None


@pytest.mark.parametrize("packed", [True, False])
def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(packed: bool) -> None:
    bounds = AnswerBounds(body_bytes=1000)
    for size in (1000, 1001):
        data = gzip.compress(b"x" * size) if packed else b"x" * size
        github = client(Fake(streamed(data, encoding="gzip" if packed else "")), bounds=bounds)
        if size == 1000:
            assert len(get(github).body) == size
        else:
            assert "larger than 1000 bytes" in str(failure(github))


def test_packed_bytes_count_too() -> None:
    """Empty deflate blocks unpack to nothing for ever."""
    empty_blocks = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 1000
    assert "larger than 1000 bytes" in str(
        failure(client(Fake(streamed(*in_pieces(empty_blocks, 100))), bounds=AnswerBounds(body_bytes=1000)))
    )


# Bodies that are too large to be held.


def stream(github: GitHub, most: int = 10 * MIB) -> tuple[list[Reply], list[bytes], list[int]]:
    """The replies, the pieces, and how many pieces there were before each reply."""
    replies: list[Reply] = []
    taken: list[bytes] = []
    before: list[int] = []

    async def take(piece: bytes) -> None:
        await asyncio.sleep(0)
        taken.append(piece)

    async def ask() -> None:
        try:
            async for reply in github.stream("/orgs/acme/x", {"per_page": 100}, take, most):
                replies.append(reply)
                before.append(len(taken))
        finally:
            await github.aclose()

    asyncio.run(ask())
    return replies, taken, before


def test_a_body_is_given_in_pieces_and_its_reply_is_without_it() -> None:
    text = b"0123456789" * 100_000
    packed = gzip.compress(text)
    more = {"link": f'<{DOTCOM}/organizations/7/x?page=2>; rel="next"'}
    fake = Fake(
        httpx.Response(302, headers={"location": "/moved"}, content=b"elsewhere"),
        httpx.Response(200, headers={**more, "content-encoding": "gzip"}, content=streamed(packed).stream),
        httpx.Response(200, content=b"[2]"),
    )
    replies, taken, before = stream(client(fake, bounds=AnswerBounds(body_bytes=1000)))
    assert b"".join(taken) == text + b"[2]"
    assert max(map(len, taken)) <= MIB // 4
    assert [reply.body for reply in replies] == [b"", b""]
    assert before == [len(taken) - 1, len(taken)]
    assert fake.urls == [f"{DOTCOM}/orgs/acme/x?per_page=100", f"{DOTCOM}/moved", f"{DOTCOM}/organizations/7/x?page=2"]
    assert {each.headers["authorization"] for each in fake.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("answer", [httpx.Response(500, content=b"no"), linked("https://elsewhere.example/x")])
def test_a_failure_or_a_link_out_of_the_root_is_the_same_for_a_stream(answer: httpx.Response) -> None:
    with pytest.raises(GitHubError) as caught:
        stream(client(fake := Fake(answer)))
    assert type(caught.value) is (Unavailable if answer.status_code == 500 else Invalid)
    assert len(fake.asked) == 1
    assert_clean(caught.value)


def test_a_rotated_token_is_asked_with_once_more_and_nothing_of_the_refusal_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ghp_CANARYold")

    def rotate(_request: httpx.Request) -> httpx.Response:
        path.with_suffix(".new").write_text("ghp_CANARYnew")
        path.with_suffix(".new").replace(path)
        return httpx.Response(401, content=b"Bad credentials")

    assert stream(rotating(path, Fake(rotate, httpx.Response(200, content=b"[]"))))[1] == [b"[]"]


@pytest.mark.parametrize("packed", [True, False])
def test_a_stream_has_a_limit_of_its_own(packed: bool) -> None:
    for size in (MIB, MIB + 1):
        data = gzip.compress(b"x" * size) if packed else b"x" * size
        github = client(Fake(streamed(data, encoding="gzip" if packed else "")), bounds=AnswerBounds(body_bytes=10))
        if size == MIB:
            assert sum(map(len, stream(github, MIB)[1])) == MIB
        else:
            with pytest.raises(Invalid, match=f"larger than {MIB} bytes"):
                stream(github, MIB)


def test_a_stream_that_is_cut_off_has_no_reply() -> None:
    with pytest.raises(Unavailable):
        stream(client(Fake(streamed(gzip.compress(TEXT)[:-9]))))


# Over real sockets.

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def loopback(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of one handler; gives its root."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


@asynccontextmanager
async def opened(root: str, **more: Any) -> AsyncIterator[GitHub]:
    github = client(None, root, **more)
    try:
        yield github
    finally:
        await github.aclose()


async def once(root: str, params: dict[str, Any] | None = None, **more: Any) -> Reply:
    async with opened(root, **more) as github:
        return await github.get("/a", params)


def answering(raw: bytes, seen: list[bytes] | None = None) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(raw)
        await writer.drain()

    return handler


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.transport.abort()


async def bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """200 MiB of zeros in 200 KiB."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + BOMB)
    await writer.drain()


def _bomb() -> bytes:
    pack = zlib.compressobj(9, wbits=31)
    zeros = bytes(MIB)
    return b"".join([*(pack.compress(zeros) for _ in range(200)), pack.flush()])


BOMB = _bomb()
QUICK = AnswerBounds(request_seconds=0.3)


@pytest.mark.parametrize(
    ("handler", "kind", "text"),
    [
        (drip, Unavailable, "no complete answer within 0.3 s"),
        (silent, Unavailable, "no answer from 127.0.0.1|no complete answer within 0.3 s"),
        (reset, Unavailable, "the connection broke"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Unavailable, "the connection broke"),
        (
            answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nha"),
            Unavailable,
            "the connection broke",
        ),
        (answering(b""), Unavailable, "the connection broke"),
        (answering(b"SSH-2.0-OpenSSH CANARY\r\n\r\n"), Unavailable, "something else than HTTP"),
        (answering(b"HTTP/1.1 200 OK\r\nX: " + b"CANARY" * 50_000), Unavailable, "something else than HTTP"),
        (bomb, Invalid, "larger than 8388608 bytes"),
    ],
    ids=["drip", "silent", "reset", "short", "chunked", "closed", "ssh", "huge-header", "bomb"],
)
def test_faults_of_the_network(handler: Handler, kind: type[GitHubError], text: str) -> None:
    seen: list[str] = []

    async def scenario() -> None:
        async with loopback(handler) as root:
            bounds, begun = QUICK if handler in (drip, silent) else AnswerBounds(), time.monotonic()
            with pytest.raises(kind, match=text) as caught:
                await once(root, QUERY, bounds=bounds, observe=lambda _pool, status, _seconds: seen.append(status))
            assert_clean(caught.value)
            assert caught.value.__context__ is None
            assert time.monotonic() - begun < 20

    asyncio.run(scenario())
    assert seen == ["error"]


def test_a_stream_that_never_ends_is_given_up() -> None:
    async def take(_piece: bytes) -> None:
        await asyncio.sleep(0)

    async def read() -> None:
        async with loopback(drip) as root, opened(root, bounds=AnswerBounds(stream_seconds=0.3)) as github:
            async for _reply in github.stream("/a", None, take, MIB):
                raise AssertionError("there is no whole answer")

    with pytest.raises(Unavailable, match=r"no complete answer within 0\.3 s"):
        asyncio.run(read())


def test_a_refused_connection_is_unavailable() -> None:
    async def scenario() -> None:
        async with loopback(silent) as root:
            pass
        with pytest.raises(Unavailable, match=r"no connection to 127\.0\.0\.1") as caught:
            await once(root, QUERY)
        assert_clean(caught.value)

    asyncio.run(scenario())


def test_a_bomb_takes_little_memory() -> None:
    """httpx' own unpacking took 1.3 GB for 600 MB; here the limit is the bound, a small multiple of it at most."""

    async def scenario() -> int:
        async with loopback(bomb) as root, opened(root, bounds=AnswerBounds(body_bytes=2 * MIB)) as github:
            tracemalloc.start()
            try:
                with pytest.raises(Invalid):
                    await github.get("/a")
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(scenario()) < 8 * MIB


def test_connections_are_usable_after_a_fault() -> None:
    """A broken answer costs its connection, not the client."""

    async def scenario() -> bytes:
        faults = iter([drip, reset, answering(EMPTY_LIST)])

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await next(faults)(reader, writer)

        async with loopback(handler) as root, opened(root, bounds=QUICK) as github:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await github.get("/a")
            return (await github.get("/a")).body

    assert asyncio.run(scenario()) == b"[]"


def test_a_cancelled_request_is_cancelled_and_observed() -> None:
    async def scenario() -> dict[str, int]:
        pool = Pool("p")
        async with loopback(silent) as root, opened(root, pool=pool) as github:
            task = asyncio.create_task(github.get("/a"))
            await asyncio.wait([task], timeout=0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return pool.requests

    assert asyncio.run(scenario()) == {"error": 1}


@pytest.mark.parametrize(
    "answer", [b"200 OK", b"403 Forbidden", b"500 Oh", b"302 Found\r\nLocation: https://evil.example/?CANARY"]
)
def test_no_log_line_at_any_level_shows_token_or_query(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs URLs at INFO, httpcore headers at DEBUG: both are silenced, also under a root logger at DEBUG."""
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        raw = (
            b"HTTP/1.1 "
            + answer
            + b'\r\nContent-Length: 2\r\nLink: <https://evil.example/?CANARY>; rel="next"\r\n\r\n[]'
        )
        async with loopback(answering(raw)) as root, opened(root) as github:
            try:
                async for _page in github.pages("/a", QUERY):
                    pass
            except GitHubError as error:
                assert_clean(error)

    asyncio.run(scenario())
    logging.getLogger("probe").debug("the capture works")
    assert "the capture works" in caplog.text
    assert "CANARY" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of "localhost", signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    try:
        subprocess.run(
            [*command.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{path}.key", "-out", str(path)],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return path


def tls_server(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    return context


def test_a_ca_file_is_trusted_and_without_it_nothing_is_sent(certificate: Path) -> None:
    seen: list[bytes] = []

    async def scenario() -> bytes:
        async with loopback(answering(EMPTY_LIST, seen), tls_server(certificate)) as root:
            with pytest.raises(Unavailable, match="certificate verify failed") as caught:
                await once(root, QUERY)
            assert_clean(caught.value)
            other_name = root.replace("localhost", "127.0.0.1")
            with pytest.raises(Unavailable, match=r"certificate verify failed.*not valid for '127\.0\.0\.1'"):
                await once(other_name, network=Network(ca_files=(certificate,)))
            assert seen == []
            return (await once(root, network=Network(ca_files=(certificate,)))).body

    assert asyncio.run(scenario()) == b"[]"
    assert len(seen) == 1


def test_a_plain_http_root_never_goes_through_a_proxy() -> None:
    """It is on this host; a proxy would read the token."""
    through: list[bytes] = []

    async def scenario() -> bytes:
        async with loopback(answering(EMPTY_LIST, through)) as proxy, loopback(answering(EMPTY_LIST)) as root:
            return (await once(root, network=Network(proxy=proxy))).body

    assert asyncio.run(scenario()) == b"[]"
    assert through == []


def test_a_proxy_sees_the_hosts_name_only() -> None:
    through: list[bytes] = []

    async def scenario() -> None:
        async with loopback(answering(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", through)) as proxy:
            with pytest.raises(Unavailable, match="502"):
                await once(GHES, QUERY, network=Network(proxy=proxy))

    asyncio.run(scenario())
    assert through[0].startswith(b"CONNECT ghes.example.com:443 ")
    assert b"CANARY" not in through[0]
