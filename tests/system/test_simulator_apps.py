"""Who may read what of the simulated GitHub: Apps, their tokens, users' tokens, and what is counted against whom."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from githubkit_schemas.ghec_v2022_11_28 import models
from pydantic import TypeAdapter

from exporter.instants import HOUR
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.facts import Event, Switches
from exporter.simulator.faults import Fault
from exporter.simulator.insights import timestamp
from exporter.simulator.messages import fingerprint
from exporter.simulator.records import RequestRecord, counted_by_hour, overlapping
from exporter.simulator.serve import serving
from exporter.simulator.world import World

NOW = 1_763_700_000
RESET = NOW // HOUR * HOUR + HOUR
CLIENT = "Iv23liSimulated"
NEED = "organization_api_insights"
WINDOW = {"min_timestamp": timestamp(NOW - HOUR), "max_timestamp": timestamp(NOW)}
UNDECODABLE = "A JSON web token could not be decoded"


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@cache
def key(name: str = "app") -> rsa.RSAPrivateKey:
    """One key of each name; making one is slow."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str = "app") -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key(name).public_key().public_bytes(serialization.Encoding.PEM, form)


def signed(signer: str = "app", algorithm: str = "RS256", **claims: Any) -> str:
    given = {"iss": CLIENT, "iat": NOW - 60, "exp": NOW + 540, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key(signer), algorithm)


def world(switches: Switches | None = None) -> World:
    return World.of([Event(org, "user", 7, NOW - 100, 3) for org in ("acme", "globex")], switches)


def github(installations: dict[str, SimulatedInstallation] | None = None, **options: Any) -> SimulatedGitHub:
    places = {
        "Acme": SimulatedInstallation(11),
        "globex": SimulatedInstallation(22, {NEED: "write", "members": "read"}),
    }
    app = SimulatedApp(CLIENT, public_pem(), places if installations is None else installations, id=77)
    return SimulatedGitHub(options.pop("world", world()), options.pop("clock", Clock()), apps=[app], **options)


def over_http(github: SimulatedGitHub, talk: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            serving(github) as url,
            httpx.AsyncClient(base_url=url, headers={"user-agent": "tests"}, timeout=5, trust_env=False) as client,
        ):
            await talk(client)

    asyncio.run(main())


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(client: httpx.AsyncClient, token: str, org: str = "acme", path: str = "summary-stats") -> httpx.Response:
    return await client.get(f"/orgs/{org}/insights/api/{path}", params=WINDOW, headers=bearer(token))


async def token_of(client: httpx.AsyncClient, number: int = 11, **body: Any) -> str:
    answer = await client.post(f"/app/installations/{number}/access_tokens", headers=bearer(signed()), json=body)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


# Apps -------------------------------------------------------------------------------------------------------------


def test_an_app_finds_its_installation_and_gets_a_token() -> None:
    """The answers fit GitHub's own description, and the token reads the organization it is for."""

    async def talk(client: httpx.AsyncClient) -> None:
        for issuer in (CLIENT, "77"):
            found = await client.get("/orgs/ACME/installation", headers=bearer(signed(iss=issuer)))
            assert TypeAdapter(models.Installation).validate_json(found.content).id == 11
        answer = await client.post(httpx.URL(found.json()["access_tokens_url"]), headers=bearer(signed()))
        assert answer.status_code == 201
        assert TypeAdapter(models.InstallationToken).validate_json(answer.content).token.startswith("ghs_")
        issued = answer.json()
        assert issued["expires_at"] == timestamp(NOW + HOUR)
        assert issued["permissions"] == {NEED: "read"}
        assert issued["repository_selection"] == "all"
        assert (await ask(client, issued["token"])).json()["total_request_count"] == 3
        own = await client.get("/app", headers=bearer(signed()))
        described = TypeAdapter(models.Integration).validate_json(own.content)
        assert (described.client_id, described.installations_count) == (CLIENT, 2)
        assert (await client.get("/orgs/initech/installation", headers=bearer(signed()))).status_code == 404
        unknown = await client.post("/app/installations/99/access_tokens", headers=bearer(signed()))
        assert unknown.status_code == 404

    over_http(github(), talk)


def test_installations_come_in_pages_and_enterprises_have_some() -> None:
    places = {f"org-{number}": SimulatedInstallation(number) for number in range(5)}
    app = SimulatedApp(CLIENT, public_pem(), places, {"Big": SimulatedInstallation(100)})

    async def talk(client: httpx.AsyncClient) -> None:
        url, ids = "/api/v3/app/installations?per_page=4", []
        while url:
            answer = await client.get(url, headers=bearer(signed()))
            ids += [found.id for found in TypeAdapter(list[models.Installation]).validate_json(answer.content)]
            url = answer.links.get("next", {}).get("url", "")
        assert ids == [0, 1, 2, 3, 4, 100]
        found = await client.get("/api/v3/enterprises/big/installation", headers=bearer(signed()))
        assert (found.json()["id"], found.json()["target_type"]) == (100, "Enterprise")
        assert found.json()["access_tokens_url"].endswith("/api/v3/app/installations/100/access_tokens")

    over_http(SimulatedGitHub(world(), Clock(), apps=[app], root="/api/v3"), talk)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (lambda: signed(signer="other"), UNDECODABLE),
        (lambda: signed(iss="Iv23liUnknown"), UNDECODABLE),
        (lambda: signed(algorithm="RS512"), UNDECODABLE),
        (lambda: "ghp_a-token-of-a-user", UNDECODABLE),
        (lambda: signed(exp=NOW + 601), "'Expiration time' claim ('exp') is too far in the future"),
        (lambda: signed(exp=NOW), "'Expiration time' claim ('exp') must be a numeric value"),
        (lambda: signed(exp=None), "'Expiration time' claim ('exp') must be a numeric value"),
        (lambda: signed(iat=NOW + 61), "'Issued at' claim ('iat') must be an Integer"),
        (lambda: signed(iat=None), "'Issued at' claim ('iat') must be an Integer"),
    ],
)
def test_a_json_web_token_must_be_the_apps_own_and_of_now(token: Callable[[], str], message: str) -> None:
    app = github()

    async def talk(client: httpx.AsyncClient) -> None:
        for path in ("/app", "/app/installations", "/orgs/acme/installation"):
            answer = await client.get(path, headers=bearer(token()))
            assert answer.status_code == 401
            assert answer.json()["message"].startswith(message)

    over_http(app, talk)
    assert {(record.pool, record.counted) for record in app.log} == {("", False)}


def test_a_json_web_token_at_its_limits_is_good() -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        for token in (signed(exp=NOW + 600), signed(exp=NOW + 1), signed(iat=NOW + 60)):
            assert (await client.get("/app", headers=bearer(token))).status_code == 200
        assert (await ask(client, signed())).json()["message"] == UNDECODABLE

    over_http(github(), talk)


def test_a_new_installation_token_may_be_unknown_for_a_while() -> None:
    clock = Clock()
    simulator = github({"acme": SimulatedInstallation(11)}, clock=clock)
    simulator.apps.unknown_seconds = 2

    async def talk(client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        for after, status in ((0, 401), (1, 401), (1, 200)):
            clock.now += after
            assert (await ask(client, token)).status_code == status

    over_http(simulator, talk)


def test_an_installation_token_ends() -> None:
    """It expires by the simulator's clock, is revoked, or goes with its installation."""
    clock, places = Clock(), {"acme": SimulatedInstallation(11), "globex": SimulatedInstallation(22)}
    app = github(places, clock=clock)
    app.apps.token_seconds = 300

    async def talk(client: httpx.AsyncClient) -> None:
        async def refused(token: str, org: str = "acme") -> tuple[int, str]:
            answer = await ask(client, token, org)
            return answer.status_code, answer.json().get("message", "")

        first = await token_of(client)
        clock.now = NOW + 299
        assert await refused(first) == (200, "")
        clock.now = NOW + 300
        assert await refused(first) == (401, "Bad credentials")
        second, other = await token_of(client), await token_of(client, 22)
        assert len({first, second, other}) == 3
        assert app.revoke_installation_tokens("Acme") == 2
        assert await refused(second) == (401, "Bad credentials")
        assert await refused(other, "globex") == (200, "")
        places["globex"] = SimulatedInstallation(22, suspended=True)
        assert await refused(other, "globex") == (403, "This installation has been suspended")
        shown = await client.get("/orgs/globex/installation", headers=bearer(signed()))
        assert shown.json()["suspended_at"]
        more = await client.post("/app/installations/22/access_tokens", headers=bearer(signed()))
        assert (more.status_code, more.json()["message"]) == (403, "This installation has been suspended")
        del places["globex"]
        assert await refused(other, "globex") == (401, "Bad credentials")
        assert await refused("ghs_never_issued") == (401, "Bad credentials")
        assert await refused(other, "globex") == (401, "Bad credentials")

    over_http(app, talk)


def test_an_installation_token_reads_its_own_organization_with_permission_only() -> None:
    places = {
        "acme": SimulatedInstallation(11, {"members": "read"}),
        "globex": SimulatedInstallation(22, {NEED: "write", "members": "read"}),
    }

    async def talk(client: httpx.AsyncClient) -> None:
        weak, strong = await token_of(client), await token_of(client, 22)
        narrowed = await token_of(client, 22, permissions={"members": "read"})
        for token, org in ((weak, "acme"), (strong, "acme"), (narrowed, "globex")):
            answer = await ask(client, token, org)
            assert answer.status_code == 403
            assert answer.json()["message"] == "Resource not accessible by integration"
            assert answer.headers["x-accepted-github-permissions"] == f"{NEED}=read"
        assert (await ask(client, strong, "globex")).status_code == 200
        for body, status in (({"permissions": {"members": "write"}}, 422), ({"permissions": 7}, 422)):
            answer = await client.post("/app/installations/22/access_tokens", headers=bearer(signed()), json=body)
            assert answer.status_code == status
        own = await client.get("/app", headers=bearer(strong))
        assert (own.status_code, own.json()["message"]) == (401, UNDECODABLE)

    over_http(github(places), talk)


def test_the_same_seed_issues_the_same_tokens() -> None:
    async def tokens(client: httpx.AsyncClient) -> None:
        seen.append([await token_of(client), await token_of(client)])

    seen: list[list[str]] = []
    over_http(github(), tokens)
    over_http(github(), tokens)
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[0][1]


# Tokens of users --------------------------------------------------------------------------------------------------


def test_a_fine_grained_token_needs_the_permission() -> None:
    tokens: dict[str, Any] = {
        "without": TokenFacts({"acme"}, kind="fine_grained", permissions={}),
        "with": TokenFacts({"acme"}, kind="fine_grained", permissions={NEED: "read"}, expires_at=NOW + 100),
        "set": {"Acme"},
    }
    clock = Clock()

    async def talk(client: httpx.AsyncClient) -> None:
        for token, org in (("without", "acme"), ("with", "globex"), ("set", "globex")):
            answer = await ask(client, token, org)
            assert answer.status_code == 403
            assert answer.json()["message"] == "Resource not accessible by personal access token"
            assert answer.headers["x-accepted-github-permissions"] == f"{NEED}=read"
            assert "x-oauth-scopes" not in answer.headers
        good = await ask(client, "with")
        expiry = good.headers["github-authentication-token-expiration"]
        assert datetime.strptime(expiry, "%Y-%m-%d %H:%M:%S %Z").isoformat() + "Z" == timestamp(NOW + 100)  # noqa: DTZ007
        assert (await ask(client, "set")).status_code == 200
        clock.now = NOW + 100
        assert (await ask(client, "with")).json()["message"] == "Bad credentials"

    over_http(SimulatedGitHub(world(), clock, tokens=tokens), talk)


def test_a_classic_token_shows_its_scopes_and_needs_single_sign_on() -> None:
    facts = TokenFacts({"acme"}, user="ada", scopes=("repo", "read:org"), without_sso={"Globex"})
    tokens = {"classic": facts, "all": TokenFacts(without_sso={"Globex"})}

    async def talk(client: httpx.AsyncClient) -> None:
        good = await ask(client, "classic")
        assert (good.status_code, good.headers["x-oauth-scopes"]) == (200, "repo, read:org")
        assert "github-authentication-token-expiration" not in good.headers
        foreign = await ask(client, "classic", "globex")
        assert (foreign.status_code, foreign.headers["x-oauth-scopes"]) == (404, "repo, read:org")
        unauthorised = await ask(client, "all", "globex")
        assert unauthorised.status_code == 403
        assert unauthorised.json()["message"].startswith("Resource protected by organization SAML enforcement.")
        assert unauthorised.headers["x-github-sso"].startswith("required; url=https://github.com/orgs/globex/sso?")

    over_http(SimulatedGitHub(world(), Clock(), tokens=tokens), talk)


# Pools ------------------------------------------------------------------------------------------------------------


def test_quotas_are_counted_by_user_installation_and_app() -> None:
    clock = Clock()
    tokens = {"one": TokenFacts(user="ada"), "two": TokenFacts(user="ada"), "three": TokenFacts()}
    app = github(clock=clock, tokens=tokens, limit=2)

    async def talk(client: httpx.AsyncClient) -> None:
        left = [(await ask(client, token)).headers["x-ratelimit-remaining"] for token in ("one", "two")]
        assert left == ["1", "0"]
        exceeded = await ask(client, "one")
        assert (exceeded.status_code, exceeded.headers["x-ratelimit-used"]) == (403, "2")
        assert exceeded.json()["message"].startswith("API rate limit exceeded for")
        assert (await ask(client, "three")).headers["x-ratelimit-remaining"] == "1"
        token, again = await token_of(client), await token_of(client)
        assert (await client.get("/app", headers=bearer(signed()))).status_code == 403
        left = [(await ask(client, held)).headers["x-ratelimit-remaining"] for held in (token, again)]
        assert left == ["1", "0"]
        free = await client.get("/rate_limit", headers=bearer(token))
        assert free.json()["resources"]["core"]["used"] == 2
        clock.now = RESET
        assert (await ask(client, "two")).status_code == 200
        assert (await ask(client, "nobody")).status_code == 401

    over_http(app, talk)
    hour = RESET - HOUR
    assert counted_by_hour(app.log) == {
        ("user:ada", hour): 2,
        (f"user:{fingerprint('three')}", hour): 1,
        (f"app:{CLIENT}", hour): 2,
        ("installation:11", hour): 2,
        ("user:ada", RESET): 1,
    }
    assert [record.counted for record in app.log if record.path == "/rate_limit"] == [False]
    assert app.log[-1].pool == ""


def test_limits_differ_by_pool_or_are_none_at_all() -> None:
    """A pool without a limit is answered as by an appliance whose rate limits are off."""
    tokens = {name: TokenFacts(user=name) for name in ("ada", "alan", "joan")}
    app = SimulatedGitHub(world(), Clock(), tokens=tokens, limit={"user:ada": 7, "user:alan": None})

    async def talk(client: httpx.AsyncClient) -> None:
        async def limits() -> list[str | None]:
            return [(await ask(client, name)).headers.get("x-ratelimit-limit") for name in tokens]

        assert await limits() == ["7", None, "15000"]
        off = await client.get("/rate_limit", headers=bearer("alan"))
        assert (off.status_code, off.json()["message"]) == (404, "Rate limiting is not enabled.")
        app.limit = len
        assert await limits() == ["8", "9", "9"]
        app.limit = None
        answer = await ask(client, "ada")
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]

    over_http(app, talk)


def test_the_log_tells_which_requests_of_a_pool_overlapped() -> None:
    tokens = {name: TokenFacts(user=user) for name, user in (("one", "ada"), ("two", "ada"), ("three", "joan"))}
    app = SimulatedGitHub(world(), Clock(), tokens=tokens)
    app.faults.add(Fault(delay=0.1))

    async def talk(client: httpx.AsyncClient) -> None:
        await ask(client, "one")
        await asyncio.gather(ask(client, "one"), ask(client, "three"))
        assert overlapping(app.log) == []
        await asyncio.gather(ask(client, "one"), ask(client, "two"))

    over_http(app, talk)
    assert [(one.pool, other.pool) for one, other in overlapping(app.log)] == [("user:ada", "user:ada")]


def test_a_long_request_overlaps_all_that_run_meanwhile() -> None:
    def record(started: int, ended: int | None) -> RequestRecord:
        return RequestRecord(NOW, "GET", "/", {}, "", started, ended, pool="user:ada")

    long, short, inside, after, endless, last = records = [
        record(*places) for places in ((0, 5), (1, 2), (3, 4), (6, 7), (8, None), (9, 10))
    ]
    assert overlapping(reversed(records)) == [(long, short), (long, inside), (endless, last)]
    assert after not in [one for pair in overlapping(records) for one in pair]


# Unknown users and actors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["summary-stats/users/{}", "user-stats/{}", "route-stats/classic_pat/{}"])
def test_unknown_users_and_actors_are_empty_or_not_found(path: str) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answers = [await ask(client, "x", path=path.format(number)) for number in (7, 8)]
        statuses.extend(answer.status_code for answer in answers)
        await ask(client, "x", path="summary-stats")

    statuses: list[int] = []
    over_http(SimulatedGitHub(world(), Clock()), talk)
    strict = SimulatedGitHub(world(Switches(unknown=404)), Clock())
    over_http(strict, talk)
    assert statuses == [200, 200, 200, 404]
    assert strict.log[-1].status == 200
    strict.world.remove("acme", ("user", 7), NOW)
    over_http(strict, talk)
    assert statuses[4:] == [404, 404]
