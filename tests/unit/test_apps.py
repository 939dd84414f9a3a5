"""GitHub Apps: JWTs, installations, tokens and their renewal, and that a bad key is asked with once."""

import asyncio
import json
import logging
import os
import re
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exporter.errors import CredentialRejected, Forbidden, GitHubError, Invalid, OverBudget, RateLimited, Unavailable
from exporter.github.apps import App, AppRejected, NotInstalled, Suspended
from exporter.github.budget import Budget
from exporter.github.client import GitHub
from exporter.github.installations import Installation, installation_in, installation_token_in
from exporter.github.pacing import Pool
from exporter.github.secret_files import LARGEST_FILE
from exporter.github.secret_files.keys import SigningKey, signing_key
from exporter.github.sender import AnswerBounds

DOTCOM = "https://api.github.com"
ROOTS = [DOTCOM, "https://api.octo.ghe.com", "https://ghes.example.com/api/v3"]
NOW = 1_763_715_600.0
HOUR = 3600.0
CLIENT_ID = "Iv23canary0client"
TOKEN = "ghs_CANARYcanary"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def keys() -> list[rsa.RSAPrivateKey]:
    """Two keys; the first is the App's."""
    return [rsa.generate_private_key(65537, 2048) for _ in range(2)]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, pkcs8: bool = False, password: bytes = b"") -> bytes:
    shape = PrivateFormat.PKCS8 if pkcs8 else PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, shape, BestAvailableEncryption(password) if password else NoEncryption())


def replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


@pytest.fixture
def key_file(tmp_path: Path, keys: list[rsa.RSAPrivateKey]) -> Path:
    path = tmp_path / "app.pem"
    path.write_bytes(pem(keys[0]))
    return path


Answer = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class FakeGitHub:
    """GitHub with one App, by its own clock: checks JWTs as GitHub documents it and gives tokens for an hour.

    `odd` may answer first. `barrier`, if any, holds lookups until so many are there at once.
    """

    key: rsa.RSAPrivateKey
    clock: Clock
    root: str = DOTCOM
    date: bool = True
    odd: Answer = lambda _request: None
    barrier: asyncio.Barrier | None = None
    installed: dict[str, int] = field(default_factory=lambda: {"/orgs/acme": 7})
    asked: list[httpx.Request] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    minted: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            answer = self.odd(request) or await self._answer(request)
        finally:
            self.at_once -= 1
        if self.date:
            answer.headers["Date"] = formatdate(self.clock.now, usegmt=True)
            answer.headers["X-GitHub-Request-Id"] = "5140:1"
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url).startswith(f"{self.root}/")
        path = str(request.url).removeprefix(self.root)
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        if not path.startswith("/app/") and not path.endswith("/installation"):
            known = bearer in self.good
            return httpx.Response(200 if known else 401, json={"message": "fine" if known else "Bad credentials"})
        if not self._valid(bearer):
            return httpx.Response(401, json={"message": "A JSON web token could not be decoded"})
        if request.method == "GET":
            if self.barrier:
                await self.barrier.wait()
            number = self.installed.get(path.removesuffix("/installation"))
            body = {"id": number, "suspended_at": None} if number else {"message": "Not Found"}
            return httpx.Response(200 if number else 404, json=body)
        number = int(path.split("/")[3])
        if number not in self.installed.values():
            return httpx.Response(404, json={"message": "Not Found"})
        self.minted += 1
        token = f"{TOKEN}{number}x{self.minted}"
        self.good.add(token)
        return httpx.Response(201, json={"token": token, "expires_at": at(self.clock.now + HOUR)})

    def _valid(self, bearer: str) -> bool:
        """https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app"""
        try:
            claims = jwt.decode(
                bearer, self.key.public_key(), ["RS256"], options={"verify_iat": False, "verify_exp": False}
            )
        except jwt.InvalidTokenError:
            return False
        now = self.clock.now
        return bool(claims["iss"] == CLIENT_ID and claims["iat"] <= now < claims["exp"] <= now + 600)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {str(request.url).removeprefix(self.root)}" for request in self.asked]


def at(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def app_of(path: Path, root: str = DOTCOM) -> App:
    return App("app", root, "2022-11-28", CLIENT_ID, path)


def client(credential: Installation, fake: FakeGitHub, clock: Clock | None = None, pool: Pool | None = None) -> GitHub:
    """A client with its own clock, or GitHub's."""
    clock = clock or fake.clock
    return GitHub(
        credential,
        pool or Pool(credential.name),
        clock=clock,
        monotonic=clock,
        bounds=AnswerBounds(fresh_waits=(0.0, 0.0, 0.0, 0.0)),
        transport=httpx.MockTransport(fake),
    )


@dataclass
class World:
    """An App installed at acme, GitHub and a client."""

    fake: FakeGitHub
    clock: Clock
    path: Path
    app: App
    acme: Installation
    pool: Pool
    github: GitHub

    def revoke(self) -> None:
        """All tokens, once they are no longer fresh."""
        self.clock.now += 61
        self.fake.good.clear()

    def get(self) -> int:
        return asyncio.run(self.github.get("/orgs/acme/x")).status

    def fails(self, kind: type[GitHubError]) -> GitHubError:
        with pytest.raises(kind) as caught:
            self.get()
        assert_clean(caught.value, self.path)
        return caught.value


@pytest.fixture
def world(key_file: Path, keys: list[rsa.RSAPrivateKey]) -> World:
    clock, app, pool = Clock(), app_of(key_file), Pool("app/acme")
    acme, fake = Installation(app, "organization", "acme"), FakeGitHub(keys[0], clock)
    return World(fake, clock, key_file, app, acme, pool, client(acme, fake, pool=pool))


def secrets(path: Path) -> list[str]:
    """Lines of the key, and what JWTs and tokens begin with."""
    lines = path.read_text("latin-1").splitlines() if path.is_file() else []
    return ["eyJ", "CANARY", *[line for line in lines if len(line) == 64]]


def assert_clean(error: BaseException, path: Path) -> None:
    """Neither the error, nor what it comes from, nor a variable of a frame of ours shows key, JWT or token."""
    seen: list[BaseException] = [error]
    hidden = secrets(path)
    while seen:
        current = seen.pop()
        told = traceback.TracebackException.from_exception(current, capture_locals=True)
        told.stack = traceback.StackSummary.from_list(
            [frame for frame in told.stack if "/tests/" not in frame.filename]
        )
        text = "".join(told.format(chain=False)) + repr(current) + repr(current.__dict__)
        assert not [secret for secret in hidden if secret in text]
        seen += [each for each in (current.__cause__, current.__context__) if each]


# The way of a token.


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    ("kind", "owner", "lookup"),
    [("organization", "acme", "/orgs/acme"), ("enterprise", "acme-corp", "/enterprises/acme-corp")],
)
def test_a_token_is_minted_below_the_apps_own_root(
    key_file: Path, keys: list[rsa.RSAPrivateKey], root: str, *, kind: Any, owner: str, lookup: str
) -> None:
    fake = FakeGitHub(keys[0], Clock(), root, installed={lookup: 7})
    installation, pool = Installation(app_of(key_file, root), kind, owner), Pool("p")
    github = client(installation, fake, pool=pool)

    async def twice() -> None:
        await github.get("/a")
        await github.get("/b")

    asyncio.run(twice())
    assert installation.name == f"app/{owner}"
    assert fake.paths == [f"GET {lookup}/installation", "POST /app/installations/7/access_tokens", "GET /a", "GET /b"]
    assert fake.asked[1].headers["x-github-api-version"] == "2022-11-28"
    assert fake.asked[2].headers["authorization"] == f"Bearer {TOKEN}7x1"
    assert pool.requests == {"200": 3, "201": 1}


@pytest.mark.parametrize("owner", ["a/b", "../x", "a b/..", "a?b", ""])
def test_an_owner_that_is_no_name_is_not_asked_for(world: World, owner: str) -> None:
    github = client(Installation(world.app, "organization", owner), world.fake)
    with pytest.raises(GitHubError):
        asyncio.run(github.get("/a"))
    assert [path for path in world.fake.paths if not re.fullmatch(r"GET /orgs/[a-zA-Z0-9%]+/installation", path)] == []


@pytest.mark.parametrize("pkcs8", [False, True])
def test_both_forms_of_pem_sign(world: World, keys: list[rsa.RSAPrivateKey], pkcs8: bool) -> None:
    replace(world.path, b"\r\n" + pem(keys[0], pkcs8=pkcs8).replace(b"\n", b"\r\n"))
    assert world.get() == 200


@pytest.mark.parametrize(
    ("life", "after", "minted"),
    [(3600, 0, 1), (3600, 3299, 1), (3600, 3300, 1), (3600, 3301, 2), (3600, 3599, 2), (3600, 3601, 2),
     (3000, 2700, 1), (3000, 2701, 2), (600, 540, 1), (600, 541, 2), (10, 9, 1), (10, 9.5, 2),
     (28_800, 28_499, 1), (28_800, 28_501, 2), (3600, -7200, 1)],
)  # fmt: skip
def test_a_token_is_renewed_before_its_end(world: World, life: float, after: float, minted: int) -> None:
    """By GitHub's clock, five minutes or a tenth of its life before; answers without a date keep the clock exact."""
    world.fake.date = False

    def odd(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            return httpx.Response(200, json={"id": 7})
        world.fake.minted += 1
        return httpx.Response(201, json={"token": "ghs_a", "expires_at": at(world.clock.now + life)})

    world.fake.odd = odd
    world.get()
    world.clock.now += after
    world.get()
    assert world.fake.minted == minted


def test_a_token_that_still_lives_is_used_while_no_other_can_be_had(world: World) -> None:
    world.get()
    world.fake.odd = lambda request: httpx.Response(502) if request.method == "POST" else None
    world.clock.now += HOUR - 200
    assert world.get() == 200
    world.clock.now += 200
    world.fails(Unavailable)


def test_only_one_token_is_minted_at_a_time(world: World) -> None:
    async def at_once() -> list[int]:
        replies = await asyncio.gather(*[world.github.get(f"/{number}") for number in range(10)])
        return [reply.status for reply in replies]

    assert asyncio.run(at_once()) == [200] * 10
    assert world.fake.minted == 1


# Tokens and keys that GitHub rejects.


def test_a_rejected_token_is_made_anew_once(world: World) -> None:
    world.get()
    world.revoke()
    assert world.get() == 200
    assert world.fake.paths[3:] == ["GET /orgs/acme/x", "POST /app/installations/7/access_tokens", "GET /orgs/acme/x"]


def test_a_second_rejection_is_the_error(world: World) -> None:
    world.fake.odd = lambda request: httpx.Response(401) if request.url.path == "/orgs/acme/x" else None
    world.fails(CredentialRejected)
    assert world.fake.paths.count("GET /orgs/acme/x") == 2 * (1 + len(AnswerBounds().fresh_waits))
    assert world.fake.minted == 2


# Tokens that GitHub does not know everywhere yet.


def test_a_fresh_token_is_asked_with_again_after_1_2_4_and_8_seconds() -> None:
    assert tuple(AnswerBounds().fresh_waits) == (1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize("refusals", [1, 4])
@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(401, json={"message": "Bad credentials"}),
        httpx.Response(403, json={"message": "Resource not accessible by integration"}),
    ],
)
def test_a_token_that_github_does_not_know_yet_is_asked_with_again(
    world: World, refusals: int, refusal: httpx.Response
) -> None:
    left = refusals

    def odd(request: httpx.Request) -> httpx.Response | None:
        nonlocal left
        if request.url.path != "/orgs/acme/x" or not left:
            return None
        left -= 1
        return refusal

    world.fake.odd = odd
    assert world.get() == 200
    assert world.fake.minted == 1
    asked = [each.headers["authorization"] for each in world.fake.asked if each.url.path == "/orgs/acme/x"]
    assert asked == [asked[0]] * (refusals + 1)
    assert world.pool.requests[str(refusal.status_code)] == refusals, "each is counted"


def test_a_token_older_than_a_minute_is_made_anew_at_once(world: World) -> None:
    world.get()
    world.clock.now += 60
    world.fake.good.clear()
    assert world.get() == 200
    assert world.fake.paths.count("GET /orgs/acme/x") == 3
    assert world.fake.minted == 2


def test_what_a_fresh_token_may_not_do_is_found_out_once(world: World) -> None:
    def odd(request: httpx.Request) -> httpx.Response | None:
        forbidden = request.url.path == "/orgs/acme/x"
        return httpx.Response(403, json={"message": "Resource not accessible by integration"}) if forbidden else None

    world.fake.odd = odd
    world.fails(Forbidden)
    assert world.fake.paths.count("GET /orgs/acme/x") == 1 + len(AnswerBounds().fresh_waits)
    world.fails(Forbidden)
    assert world.fake.paths.count("GET /orgs/acme/x") == 2 + len(AnswerBounds().fresh_waits)


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "Not Found"), (403, "the `acme` organization has an IP allow list enabled"), (422, "Validation Failed")],
)
def test_other_refusals_of_a_fresh_token_count_at_once(world: World, status: int, message: str) -> None:
    refusal = httpx.Response(status, json={"message": message})
    world.fake.odd = lambda request: refusal if request.url.path == "/orgs/acme/x" else None
    world.fails(GitHubError)
    assert world.fake.paths.count("GET /orgs/acme/x") == 1


def test_a_deadline_ends_the_waits_for_a_fresh_token(world: World) -> None:
    world.fake.odd = lambda request: httpx.Response(401) if request.url.path == "/orgs/acme/x" else None
    patient = GitHub(
        world.acme,
        world.pool,
        clock=world.clock,
        monotonic=world.clock,
        bounds=AnswerBounds(fresh_waits=(600.0,)),
        transport=httpx.MockTransport(world.fake),
    )

    async def within(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await patient.get("/orgs/acme/x")

    with pytest.raises(TimeoutError):
        asyncio.run(within(2.0))
    assert world.fake.paths.count("GET /orgs/acme/x") == 1


def test_no_request_is_sent_with_a_fresh_token_once_the_budget_is_spent(world: World) -> None:
    world.pool.budget, world.pool.limit = Budget(0.3, 0), 10.0  # three an hour: two for the token, one to ask
    world.fake.odd = lambda request: httpx.Response(401) if request.url.path == "/orgs/acme/x" else None
    world.fails(OverBudget)
    assert len(world.fake.asked) == 3


def test_renewing_forgets_the_rejected_token_only(world: World) -> None:
    world.get()
    assert asyncio.run(world.acme.renew("ghs_older"))
    world.get()
    assert world.fake.minted == 1


@asynccontextmanager
async def forty(app: App, fake: FakeGitHub, clock: Clock | None = None) -> AsyncIterator[list[GitHub]]:
    """Clients of 40 installations, each with its own pool."""
    owners = [f"org{number}" for number in range(40)]
    fake.installed = {f"/orgs/{owner}": 100 + number for number, owner in enumerate(owners)}
    yield [client(Installation(app, "organization", owner), fake, clock) for owner in owners]


def outcomes(
    app: App, fake: FakeGitHub, clock: Clock | None = None, *, run: Callable[..., Any] = asyncio.run
) -> list[Any]:
    """What 40 requests at once lead to. `run` is that of one event loop where several calls share an App's lock."""

    async def all_at_once() -> list[Any]:
        async with forty(app, fake, clock) as clients:
            return await asyncio.gather(*[each.get("/x") for each in clients], return_exceptions=True)

    found: list[Any] = run(all_at_once())
    return found


def test_a_bad_key_costs_one_request_for_all_installations(world: World, keys: list[rsa.RSAPrivateKey]) -> None:
    replace(world.path, pem(keys[1]))
    found = outcomes(world.app, world.fake)
    assert {type(each) for each in found} == {AppRejected}
    assert len({str(each) for each in found}) == 1
    assert len(world.fake.asked) == 1
    assert isinstance(found[0], CredentialRejected)
    assert f"client_id {CLIENT_ID} and private key file {world.path}" in str(found[0])
    assert "GitHub answers 401; A JSON web token could not be decoded" in str(found[0])
    assert all(word in found[0].hint for word in ("client_id", "private_key_file", "clock"))
    assert "token" not in found[0].hint
    for each in found:
        assert_clean(each, world.path)


def test_a_client_id_that_github_does_not_know_costs_one_request(world: World) -> None:
    """GitHub answers 404, as to an owner without the App, but in other words."""
    world.fake.odd = lambda _request: httpx.Response(404, json={"message": "Integration not found"})
    assert {type(each) for each in outcomes(world.app, world.fake)} == {AppRejected}
    assert len(world.fake.asked) == 1


def test_a_rejected_key_is_tried_once_more_after_a_minute_then_when_it_changed_or_after_an_hour(
    world: World, keys: list[rsa.RSAPrivateKey]
) -> None:
    replace(world.path, pem(keys[1]))
    world.fails(AppRejected)
    world.clock.now += 50
    world.fails(AppRejected)
    assert len(world.fake.asked) == 1
    world.clock.now += 10
    world.fails(AppRejected)
    assert len(world.fake.asked) == 2
    world.fake.asked.pop()
    replace(world.path, pem(keys[1], pkcs8=True))  # another file, the same key
    world.clock.now += HOUR - 2
    world.fails(AppRejected)
    assert len(world.fake.asked) == 1
    world.clock.now += 3
    world.fails(AppRejected)
    assert len(world.fake.asked) == 2
    replace(world.path, pem(keys[0]))
    assert world.get() == 200


def test_a_key_that_github_takes_no_more_is_rejected_for_all(world: World, keys: list[rsa.RSAPrivateKey]) -> None:
    assert world.get() == 200
    world.fake.key = keys[1]
    before = len(world.fake.asked)
    with asyncio.Runner() as loop:
        assert {type(each) for each in outcomes(world.app, world.fake, run=loop.run)} == {AppRejected}
        # Those that were on their way together, each once; nobody after them.
        assert len(world.fake.asked) - before <= 40
        for later, more in [(0.0, 0), (HOUR + 1, 1), (0.0, 0)]:
            world.clock.now += later
            before = len(world.fake.asked)
            assert {type(each) for each in outcomes(world.app, world.fake, run=loop.run)} == {AppRejected}
            assert len(world.fake.asked) - before == more


def test_a_rotated_key_signs_without_a_restart(world: World, keys: list[rsa.RSAPrivateKey]) -> None:
    world.get()
    world.fake.key = keys[1]
    replace(world.path, pem(keys[1]))
    world.clock.now += HOUR
    assert world.get() == 200
    assert world.fake.minted == 2


def test_installations_work_in_parallel_after_the_first_success(world: World) -> None:
    """The first asks alone; then 39 lookups are on their way at once."""
    world.fake.barrier = asyncio.Barrier(39)
    first = iter([True])

    def alone(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET" and next(first, False):
            return httpx.Response(200, json={"id": 100})
        return None

    world.fake.odd = alone
    assert [each.status for each in outcomes(world.app, world.fake)] == [200] * 40
    assert world.fake.minted == 40
    assert len(world.fake.asked) == 120
    assert world.fake.most_at_once >= 39


def test_while_no_answer_comes_one_installation_asks_after_another(world: World) -> None:
    world.fake.odd = lambda _request: httpx.Response(502)
    assert {type(each) for each in outcomes(world.app, world.fake)} == {Unavailable}
    assert (len(world.fake.asked), world.fake.most_at_once) == (40, 1)


def test_an_installation_that_is_stopped_lets_the_others_on(world: World) -> None:
    async def scenario() -> int:
        asked, never = asyncio.Event(), asyncio.Event()

        async def hang(_request: httpx.Request) -> httpx.Response:
            asked.set()
            await never.wait()
            return httpx.Response(500)

        async with forty(world.app, world.fake) as (_one, two, *_rest):
            stuck = GitHub(
                Installation(world.app, "organization", "org0"),
                Pool("org0"),
                clock=world.clock,
                monotonic=world.clock,
                transport=httpx.MockTransport(hang),
            )
            first = asyncio.create_task(stuck.get("/x"))
            await asked.wait()
            second = asyncio.create_task(two.get("/x"))
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first
            return (await second).status

    assert asyncio.run(scenario()) == 200


# Clocks.


@pytest.mark.parametrize("ours", [-600.0, 600.0, -86_400.0, 61.5])
def test_a_clock_that_is_off_costs_one_jwt_more(world: World, ours: float) -> None:
    """The first request does not know GitHub's clock; its answer tells it, and a free one confirms that."""
    clock = Clock(NOW + ours)
    github = client(world.acme, world.fake, clock)
    assert asyncio.run(github.get("/x")).status == 200
    lookup = "GET /orgs/acme/installation"
    assert world.fake.paths[:3] == [lookup, "GET /rate_limit", lookup]
    assert len(world.fake.asked) == 5
    claims = jwt.decode(bearer_of(world.fake.asked[3]), options={"verify_signature": False})
    assert claims == {"iss": CLIENT_ID, "iat": NOW - 60, "exp": NOW + 540}


@pytest.mark.parametrize("ours", [-59.0, 0.0, 59.0])
def test_a_clock_that_is_off_by_less_than_a_minute_costs_nothing(world: World, ours: float) -> None:
    assert asyncio.run(client(world.acme, world.fake, Clock(NOW + ours)).get("/x")).status == 200
    assert len(world.fake.asked) == 3


@pytest.mark.parametrize("ours", [-600.0, 600.0, -86_400.0, 86_400.0])
def test_a_bad_key_and_a_clock_that_is_off_end_after_three_requests(
    world: World, keys: list[rsa.RSAPrivateKey], ours: float
) -> None:
    """The other clients do not know GitHub's clock, for they never asked."""
    replace(world.path, pem(keys[1]))
    assert {type(each) for each in outcomes(world.app, world.fake, Clock(NOW + ours))} == {AppRejected}
    assert [path for path in world.fake.paths if path == "GET /rate_limit"] == ["GET /rate_limit"]
    assert len(world.fake.asked) == 3


def test_a_clock_that_nobody_tells_is_told_to_the_operator(world: World) -> None:
    world.fake.date = False
    with pytest.raises(AppRejected) as caught:
        asyncio.run(client(world.acme, world.fake, Clock(NOW - 3600)).get("/x"))
    assert "clock" in caught.value.hint
    assert len(world.fake.asked) == 1


# Installations that are not there.


@pytest.mark.parametrize(
    ("root", "kind", "page"),
    [
        (ROOTS[0], "organization", "https://github.com/organizations/acme/settings/installations"),
        (ROOTS[1], "organization", "https://octo.ghe.com/organizations/acme/settings/installations"),
        (ROOTS[2], "organization", "https://ghes.example.com/organizations/acme/settings/installations"),
        (ROOTS[0], "enterprise", "https://github.com/enterprises/acme (Settings, GitHub Apps)"),
    ],
)
def test_an_owner_without_the_app_is_told_where_to_install_it(
    key_file: Path, keys: list[rsa.RSAPrivateKey], root: str, kind: Any, page: str
) -> None:
    fake = FakeGitHub(keys[0], Clock(), root, installed={})
    github = client(Installation(app_of(key_file, root), kind, "acme"), fake)
    with pytest.raises(NotInstalled) as caught:
        asyncio.run(github.get("/x"))
    assert str(caught.value) == (
        f"credential app: the GitHub App is not installed on {kind} acme: install it at {page} or take the target out"
    )
    assert_clean(caught.value, key_file)
    assert len(fake.asked) == 1


def test_an_owner_without_the_app_does_not_hold_the_others_up(world: World) -> None:
    """404 to a JWT is a success of the key."""
    fake = world.fake
    with pytest.raises(NotInstalled):
        asyncio.run(client(Installation(world.app, "organization", "other"), fake).get("/x"))
    fake.barrier = asyncio.Barrier(40)
    assert [each.status for each in outcomes(world.app, fake)] == [200] * 40


def test_an_installation_that_was_made_anew_is_found_again(world: World) -> None:
    world.get()
    world.fake.installed["/orgs/acme"] = 8
    world.revoke()
    assert world.get() == 200
    assert world.fake.paths[3:] == [
        "GET /orgs/acme/x",
        "POST /app/installations/7/access_tokens",
        "GET /orgs/acme/installation",
        "POST /app/installations/8/access_tokens",
        "GET /orgs/acme/x",
    ]


def test_an_installation_that_was_removed_is_told(world: World) -> None:
    world.get()
    world.fake.installed.clear()
    world.revoke()
    world.fails(NotInstalled)
    assert len(world.fake.asked) == 6


@pytest.mark.parametrize(
    "odd",
    [
        lambda request: (
            httpx.Response(200, json={"id": 7, "suspended_at": "2026-01-01T00:00:00Z"})
            if request.method == "GET"
            else None
        ),
        lambda request: (
            httpx.Response(403, json={"message": "This installation has been suspended"})
            if request.method == "POST"
            else None
        ),
    ],
)
def test_a_suspended_installation_is_told(world: World, odd: Answer) -> None:
    world.fake.odd = odd
    error = world.fails(Suspended)
    assert isinstance(error, Forbidden)
    assert "suspended on organization acme: unsuspend it at https://github.com/organizations/acme/" in str(error)
    assert "unsuspend" in error.hint
    world.fake.odd = lambda _request: None
    assert world.get() == 200


def test_another_403_stays_what_it_is(world: World) -> None:
    world.fake.odd = lambda request: httpx.Response(403, json={"message": "No"}) if request.method == "POST" else None
    error = world.fails(Forbidden)
    assert type(error) is Forbidden
    assert "GitHub answers 403; No" in str(error)


# Odd answers.


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"{}", b'{"id": null}', b'{"id": true}', b'{"id": "7"}', b'{"id": 7.0}', b'{"id": 0}',
     b'{"id": -7}', b'{"id": ' + b"9" * 5000 + b"}", b'{"id": 9223372036854775808}', b"[" * 100_000, b"\xff"],
    ids=lambda body: str(body[:20]),
)  # fmt: skip
def test_a_lookup_that_names_no_installation_is_invalid(world: World, body: bytes) -> None:
    world.fake.odd = lambda request: httpx.Response(200, content=body) if request.method == "GET" else None
    assert "names no installation" in str(world.fails(Invalid))
    assert len(world.fake.asked) == 1


GOOD = {"token": f"{TOKEN}1", "expires_at": at(NOW + HOUR)}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"token": GOOD["token"]}, "when the token expires"),
        (GOOD | {"expires_at": None}, "when the token expires"),
        (GOOD | {"expires_at": 1_763_719_200}, "when the token expires"),
        (GOOD | {"expires_at": "soon CANARY"}, "when the token expires"),
        (GOOD | {"expires_at": ""}, "when the token expires"),
        (GOOD | {"expires_at": at(NOW - 1)}, "has expired already"),
        ({"expires_at": GOOD["expires_at"]}, "no token that is one plain word"),
        (GOOD | {"token": None}, "no token that is one plain word"),
        (GOOD | {"token": 5}, "no token that is one plain word"),
        (GOOD | {"token": ""}, "no token that is one plain word"),
        (GOOD | {"token": "CANARY two"}, "no token that is one plain word"),
        (GOOD | {"token": "CANARY\r\nX: y"}, "no token that is one plain word"),
        (GOOD | {"token": "CANARY\n"}, "no token that is one plain word"),
        (GOOD | {"token": "CANARY\ud800ü"}, "no token that is one plain word"),
        (GOOD | {"token": "CANARY" * 2000}, "no token that is one plain word"),
        ([GOOD], "no token that is one plain word"),
    ],
)
def test_an_answer_that_holds_no_usable_token_is_invalid(world: World, body: Any, problem: str) -> None:
    content = json.dumps(body).encode()
    world.fake.odd = lambda request: httpx.Response(201, content=content) if request.method == "POST" else None
    assert problem in str(world.fails(Invalid))
    world.fake.odd = lambda _request: None
    assert world.get() == 200


@pytest.mark.parametrize(
    "text", ["2025-11-21T10:00:00Z", "2025-11-21T10:00:00.5+00:00", "2025-11-21 11:00:00+01:00", "2025-11-21T10:00:00"]
)
def test_times_are_read_in_all_their_forms(text: str) -> None:
    minted = installation_token_in(json.dumps(GOOD | {"expires_at": text}).encode(), NOW)
    assert not isinstance(minted, str)
    assert int(minted.expires) == NOW + HOUR


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_ends_of_time_are_no_crash(text: str) -> None:
    installation_token_in(json.dumps(GOOD | {"expires_at": text}).encode(), NOW)


def test_an_answer_that_is_suspended_in_any_words_is_suspended() -> None:
    found = installation_in(b'{"id": 7, "suspended_at": "whenever"}')
    assert found is not None
    assert found.suspended


# Limits and the pool.


def test_the_apps_own_quota_is_not_the_pools(world: World) -> None:
    quota = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1763719200"}
    world.fake.odd = lambda request: (
        httpx.Response(200, json={"id": 7}, headers=quota) if request.url.path.endswith("/installation") else None
    )
    world.get()
    assert (world.pool.limit, world.pool.remaining, world.pool.reset) == (None, None, None)


def test_a_limit_hit_while_minting_blocks_the_pool(world: World) -> None:
    world.pool.limited_in_row = 2
    world.fake.odd = lambda request: (
        httpx.Response(429, headers={"Retry-After": "90"}) if request.method == "POST" else None
    )
    error = world.fails(RateLimited)
    assert isinstance(error, RateLimited)
    assert error.until == pytest.approx(NOW + 90, abs=1)
    assert world.pool.limited_in_row == 3
    world.fails(RateLimited)
    assert len(world.fake.asked) == 2


# Redirects of what is posted.


@pytest.mark.parametrize("status", [307, 308])
def test_a_post_is_redirected_as_a_post_below_the_root(world: World, status: int) -> None:
    world.fake.odd = lambda request: (
        httpx.Response(status, headers={"Location": "/app/installations/7/access_tokens"})
        if request.method == "POST" and len(world.fake.asked) == 2
        else None
    )
    assert world.get() == 200
    assert world.fake.paths[1:3] == ["POST /app/installations/7/access_tokens"] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_is_never_redirected_as_a_get(world: World, status: int) -> None:
    world.fake.odd = lambda request: (
        httpx.Response(status, headers={"Location": "/elsewhere"}) if request.method == "POST" else None
    )
    assert f"refused a redirect ({status}) of a POST" in str(world.fails(Invalid))
    assert len(world.fake.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("part", ["/orgs/acme/installation", "/app/", "/orgs/acme/x"])
def test_neither_jwt_nor_token_goes_to_another_host(world: World, status: int, part: str) -> None:
    world.fake.odd = lambda request: (
        httpx.Response(status, headers={"Location": "https://evil.example/"})
        if request.url.path.startswith(part)
        else None
    )
    world.fails(Invalid)
    assert {request.url.host for request in world.fake.asked} == {"api.github.com"}


# Key files.


def bad_keys(key: rsa.RSAPrivateKey) -> Iterator[tuple[str, bytes | None, str]]:
    yield "missing", None, "cannot be read: No such file"
    yield "empty", b" \n", "is empty"
    yield "junk", b"CANARY", "holds no private key in PEM"
    yield "huge", pem(key) + b"\n" * LARGEST_FILE, "is too large"
    yield "cut", pem(key)[:800], "holds no private key in PEM"
    yield "spoiled", pem(key).replace(b"\nMII", b"\nAAA"), "holds no private key in PEM"
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "public", public, "holds no private key in PEM"
    yield "encrypted", pem(key, password=b"CANARY"), "is encrypted"
    yield "encrypted8", pem(key, pkcs8=True, password=b"CANARY"), "is encrypted"
    yield "elliptic", pem(ec.generate_private_key(ec.SECP256R1())), "holds no RSA key of 2048 bits"
    yield "short", pem(rsa.generate_private_key(65537, 1024)), "holds no RSA key of 2048 bits"


def test_a_bad_key_file_is_told_by_its_name_only(world: World, keys: list[rsa.RSAPrivateKey]) -> None:
    for name, content, complaint in bad_keys(keys[0]):
        path = world.path.with_name(name)
        if content is not None:
            path.write_bytes(content)
        github = client(Installation(app_of(path), "organization", "acme"), world.fake)
        with pytest.raises(AppRejected, match=complaint) as caught:
            asyncio.run(github.get("/x"))
        assert str(caught.value).startswith(f"credential app: private key file {path} ")
        assert_clean(caught.value, path)
    assert world.fake.asked == []


def test_the_last_good_key_stays_while_the_file_is_spoiled(
    world: World, keys: list[rsa.RSAPrivateKey], capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning says so, without the content; then the repaired file is read."""
    world.get()
    whole = world.app.fingerprint(b"salt")
    for name, content, _complaint in bad_keys(keys[0]):
        if content is not None and name != "huge":
            replace(world.path, content)
        world.clock.now += HOUR
        assert world.get() == 200
        assert world.get() == 200
    told = capsys.readouterr().out
    assert told.count("is encrypted") == 1
    assert not [secret for secret in secrets(world.path) if secret in told]
    assert world.app.fingerprint(b"salt") == whole
    replace(world.path, pem(keys[1]))
    assert world.app.fingerprint(b"salt") != whole


def test_a_key_of_a_device_or_fifo_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(AppRejected, match="no regular file"):
        app_of(fifo).fingerprint(b"")


def test_the_fingerprint_tells_client_id_and_key(world: World, keys: list[rsa.RSAPrivateKey]) -> None:
    first = world.acme.fingerprint(b"salt")
    assert len(first) == 16
    assert first == world.acme.fingerprint(b"salt") == app_of(world.path).fingerprint(b"salt")
    assert first != world.acme.fingerprint(b"pepper")
    assert first != App("app", DOTCOM, "2022-11-28", "Iv23other", world.path).fingerprint(b"salt")
    replace(world.path, pem(keys[1]))
    assert first != world.acme.fingerprint(b"salt")


def test_an_installation_has_no_end_though_its_tokens_have(world: World) -> None:
    answer = world.fake.odd

    def ending(request: httpx.Request) -> httpx.Response | None:
        if request.url.path != "/orgs/acme/x":
            return answer(request)
        return httpx.Response(200, headers={"github-authentication-token-expiration": "2027-01-01 00:00:00 UTC"})

    world.fake.odd = ending
    assert world.get() == 200
    assert world.github.token_expiry is None


def test_two_of_the_same_configuration_are_equal(world: World) -> None:
    """A reload keeps the credentials that did not change, with their tokens."""
    world.get()
    assert world.acme == Installation(app_of(world.path), "organization", "acme")
    assert world.acme != Installation(app_of(world.path), "enterprise", "acme")


# Nobody sees them.


def test_no_text_form_and_no_log_line_shows_a_secret(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.get()
    key = world.app._key()
    assert isinstance(key, SigningKey)
    text = f"{world.app!r} {world.acme!r} {vars(world.github)!r} {world.acme._minted!r} {world.app._file!r} {key!r}"
    told = capsys.readouterr()
    for secret in secrets(world.path):
        assert secret not in text + caplog.text + told.out + told.err


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
@pytest.mark.parametrize("part", ["/orgs/acme/installation", "/app/", "/orgs/acme/x"])
def test_an_echoed_secret_is_not_shown(world: World, status: int, part: str) -> None:
    """Also a JWT, and tokens in a form that nobody knows yet."""

    def echo(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.startswith(part):
            return httpx.Response(status, json={"message": f"{request.headers['authorization']} is odd"})
        if request.method == "POST":
            return httpx.Response(201, json={"token": "v9.CANARY.CANARY", "expires_at": GOOD["expires_at"]})
        return None

    world.fake.odd = echo
    error = world.fails(GitHubError)
    assert isinstance(error, NotInstalled) or "Bearer <token> is odd" in str(error)


@pytest.mark.parametrize(
    "raised", [httpx.ReadError("CANARY"), httpx.ConnectError("no"), httpx.LocalProtocolError("CANARY"), TimeoutError()]
)
@pytest.mark.parametrize("part", ["/orgs/acme/installation", "/app/", "/orgs/acme/x"])
def test_a_network_failure_is_an_ordinary_one(world: World, raised: Exception, part: str) -> None:
    def fail(request: httpx.Request) -> None:
        if request.url.path.startswith(part):
            raise raised

    world.fake.odd = fail
    kind = Invalid if isinstance(raised, httpx.LocalProtocolError) else Unavailable
    error = world.fails(kind)
    assert error.__context__ is None
    world.fake.odd = lambda _request: None
    assert world.get() == 200


def test_what_is_wrong_with_a_key_never_raises() -> None:
    for junk in (b"", b"\0" * 100, b"-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----", b"\xff" * 1000,
                 b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
                 b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"):  # fmt: skip
        assert isinstance(signing_key(junk), str)


def bearer_of(request: httpx.Request) -> str:
    return str(request.headers["authorization"]).removeprefix("Bearer ")
