"""The simulated GitHub's GHES, Copilot and signed files: GitHub's fields, its kinds of token, and what goes wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from githubkit_schemas.ghec_v2022_11_28 import models
from pydantic import TypeAdapter

from exporter.instants import DAY, day_of
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.estate import Appliance, Copilot, Enterprise, Estate
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.messages import fingerprint
from exporter.simulator.serve import serving
from exporter.simulator.stored import ANSWERS
from exporter.simulator.world import World

NOW = int(datetime(2026, 11, 19, 10, tzinfo=UTC).timestamp())  # a Thursday
NEWEST, BEFORE, NOT_YET = "2026-11-17", "2026-11-16", "2026-11-18"
DAYS = 40
CLIENT = "Iv23liSimulated"
APPLIANCES = (
    Appliance("ghes-eu", "11111111-2222-4333-8444-555555555555", "ghes.eu.example.com", "3.19.2", users=2_000),
    Appliance("ghes-us", "99999999-8888-4777-8666-555555555555", "ghes.us.example.com", "3.14.9", users=300, old=True),
)
STATISTICS = "/enterprise-installation/acme-corp/server-statistics"
OF_ORGANIZATION = "/enterprise-installation/acme/server-statistics"
EU, US = "/ghes-eu/api/v3", "/ghes-us/api/v3"
ORGANIZATION_DAY = "/orgs/acme/copilot/metrics/reports/organization-1-day"
ORGANIZATION_LATEST = "/orgs/acme/copilot/metrics/reports/organization-28-day/latest"
ENTERPRISE_DAY = "/enterprises/acme-corp/copilot/metrics/reports/enterprise-1-day"
ENTERPRISE_LATEST = "/enterprises/acme-corp/copilot/metrics/reports/enterprise-28-day/latest"
LICENSES = (
    "/enterprises/acme-corp/consumed-licenses",
    "/enterprises/acme-corp/license-sync-status",
    "/enterprise/settings/license",
)
SEATS, CLOSED = "/orgs/acme/copilot/billing", "/orgs/acme/copilot/metrics"

STORED = ANSWERS
Talk = Callable[[httpx.AsyncClient], Awaitable[None]]


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


def estate(copilot: Copilot | None = None, seed: int = 3) -> Estate:
    enterprise = Enterprise("acme-corp", ("acme", "globex", "initech"), APPLIANCES)
    return Estate((enterprise,), since=NOW - DAYS * DAY, seed=seed, copilot=copilot or Copilot())


def github(copilot: Copilot | None = None, *, seed: int = 3, **options: Any) -> SimulatedGitHub:
    world = World.of([Event("acme", "user", 7, NOW - 100, 3), Event("lonely", "user", 7, NOW - 100, 3)])
    return SimulatedGitHub(world, options.pop("clock", Clock()), estate=estate(copilot, seed), **options)


def over_http(github: SimulatedGitHub, talk: Talk) -> None:
    headers = {"user-agent": "tests"}

    async def main() -> None:
        async with (
            serving(github) as url,
            httpx.AsyncClient(base_url=url, headers=headers, timeout=5, trust_env=False) as client,
        ):
            await talk(client)

    asyncio.run(main())


async def ask(client: httpx.AsyncClient, path: str, token: str = "any", **query: str) -> httpx.Response:
    return await client.get(path, params=query or None, headers={"authorization": f"Bearer {token}"})


async def fetched(client: httpx.AsyncClient, path: str, **query: str) -> Any:
    answer = await ask(client, path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def linked(client: httpx.AsyncClient, path: str, **query: str) -> list[str]:
    links: list[str] = (await fetched(client, path, **query))["download_links"]
    return links


async def read(client: httpx.AsyncClient, path: str, **query: str) -> list[dict[str, Any]]:
    """All records in all files of a report, each as it stands there."""
    return [
        record
        for link in await linked(client, path, **query)
        for record in records((await client.get(link)).raise_for_status().content)
    ]


def records(file: bytes) -> Iterator[dict[str, Any]]:
    """An object, an array, or lines, with or without `day_totals` around the days."""
    text = file.decode("utf-8-sig")
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    for one in found if isinstance(found, list) else [found]:
        yield from one.get("day_totals", [one])


def stored(file: str, path: str) -> Any:
    """GitHub's own example, or one made after its documentation."""
    return json.loads((STORED / f"{file}.json").read_text())[path]


def fields(item: Any, place: str = "") -> set[tuple[str, str]]:
    """Where there is a value, and of which type; elements of a list are one place, empty ones and null are none."""
    if isinstance(item, Mapping):
        return {found for key, value in item.items() for found in fields(value, f"{place}.{key}")}
    if isinstance(item, list):
        return {found for value in item for found in fields(value, f"{place}[]")}
    return {(place, type(item).__name__)} if item is not None else set()


@cache
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return app_key().public_key().public_bytes(serialization.Encoding.PEM, form)


async def token_of(client: httpx.AsyncClient, number: int) -> str:
    signed = jwt.encode({"iss": CLIENT, "iat": NOW - 60, "exp": NOW + 540}, app_key(), "RS256")
    answer = await client.post(
        f"/app/installations/{number}/access_tokens", headers={"authorization": f"Bearer {signed}"}
    )
    assert answer.status_code == 201
    token: str = answer.json()["token"]
    return token


# GHES -------------------------------------------------------------------------------------------------------------


def test_server_statistics_are_a_record_per_appliance_and_day_in_githubs_fields() -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answer = await ask(client, STATISTICS)
        typed = TypeAdapter(list[models.ServerStatisticsItems]).validate_json(answer.content)
        assert {one.host_name for one in typed} == {"ghes.eu.example.com", "ghes.us.example.com"}
        rows = answer.json()
        days = [day_of(NOW - back * DAY) for back in range(DAYS, 0, -1)]
        assert [row["collection_date"] for row in rows[::2]] == [f"{day}T23:59:59Z" for day in days]
        assert {row["server_id"] for row in rows[::2]} == {APPLIANCES[0].server_id}
        new, old = rows[-2], rows[-1]
        full, example = stored("server_statistics", STATISTICS)[1:3]
        others = ".advisory_db_stats"  # GitHub does not tell what is in it
        assert {one for one in fields(new) if not one[0].startswith(others)} == {
            one for one in fields(full) if not one[0].startswith(others)
        }
        placeholders = ("actions_stats", "packages_stats", "advisory_db_stats")
        assert {name: old[name] for name in placeholders} == {name: example[name] for name in placeholders}
        assert fields(old) == fields(example)
        totals = [row["ghe_stats"]["users"]["total_users"] for row in rows[::2]]
        assert totals == sorted(totals)
        assert totals[0] < totals[-1]
        assert await fetched(client, OF_ORGANIZATION) == []
        assert (await ask(client, STATISTICS.replace("acme-corp", "nobody"))).status_code == 404

    over_http(github(), talk)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, DAYS),
        ({"date_start": NEWEST}, 2),
        ({"date_end": NEWEST}, DAYS - 1),
        ({"date_start": BEFORE, "date_end": NEWEST}, 2),
        ({"date_start": NEWEST, "date_end": BEFORE}, 0),
        ({"date_start": "2026-11-17T00:00:00Z"}, None),
        ({"date_end": "yesterday"}, None),
        ({"date_end": ""}, None),
    ],
)
def test_server_statistics_between_dates(query: dict[str, str], days: int | None) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answer = await ask(client, STATISTICS, **query)
        if days is None:
            assert answer.status_code == 422
        else:
            assert len(answer.json()) == days * len(APPLIANCES)

    over_http(github(), talk)


def test_server_statistics_reach_back_a_year_and_come_in_pages_on_demand() -> None:
    simulated = github()
    simulated.estate.since = NOW - 500 * DAY
    simulated.estate.statistics_in_pages = True

    async def talk(client: httpx.AsyncClient) -> None:
        url, found, sizes = f"{STATISTICS}?per_page=100", [], []
        while url:
            answer = await ask(client, url)
            found += answer.json()
            sizes.append(len(answer.json()))
            url = answer.links.get("next", {}).get("url", "")
        assert sizes == [100] * 7 + [30]
        simulated.estate.statistics_in_pages = False
        whole = await ask(client, STATISTICS)
        assert "link" not in whole.headers
        assert whole.json() == found
        assert len(found) == 365 * len(APPLIANCES)

    over_http(simulated, talk)


def test_an_appliance_that_went_silent_sends_no_day_from_then_on() -> None:
    simulated = github()
    simulated.estate.silent[APPLIANCES[0].name] = NOW - 2.5 * DAY

    async def talk(client: httpx.AsyncClient) -> None:
        newest = {row["server_id"]: row["collection_date"] for row in (await ask(client, STATISTICS)).json()}
        days = [f"{day_of(NOW - back * DAY)}T23:59:59Z" for back in (4, 1)]
        assert [newest[appliance.server_id] for appliance in APPLIANCES] == days

    over_http(simulated, talk)


def test_an_appliance_answers_below_its_own_root_without_rate_limits() -> None:
    simulated = github(limit=3)

    async def talk(client: httpx.AsyncClient) -> None:
        for _ in range(5):
            answer = await ask(client, f"{EU}/enterprise/stats/all")
            assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
        assert fields(answer.json()) == fields(stored("appliance_stats", "/enterprise/stats/all"))
        security = await fetched(client, f"{EU}/enterprise/stats/security-products")
        assert fields(security) == fields(stored("appliance_stats", "/enterprise/stats/security-products"))
        assert fields(await fetched(client, f"{US}/enterprise/stats/all")) == fields(answer.json())
        for path in (f"{US}/enterprise/stats/security-products", f"{EU}/rate_limit", "/ghes-jp/api/v3/rate_limit"):
            assert (await ask(client, path)).status_code == 404
        assert (await client.get(f"{EU}/enterprise/stats/all")).status_code == 401
        newest = (await fetched(client, STATISTICS))[-2]["ghe_stats"]
        assert newest["users"]["total_users"] <= answer.json()["users"]["total_users"]

    over_http(simulated, talk)
    assert {record.counted for record in simulated.log if record.path.startswith("/ghes-")} == {False, True}
    assert [record.path for record in simulated.log if record.counted] == ["/ghes-jp/api/v3/rate_limit", STATISTICS]


# Copilot reports --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "latest", "file"),
    [
        (ORGANIZATION_DAY, ORGANIZATION_LATEST, "organization"),
        (ENTERPRISE_DAY, ENTERPRISE_LATEST, "enterprise"),
    ],
)
def test_a_report_has_every_field_of_every_day(path: str, latest: str, file: str) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        step = await ask(client, path, day=NEWEST)
        assert TypeAdapter(models.CopilotUsageMetrics1DayReport).validate_json(step.content).report_day.day == 17
        (day,) = await read(client, path, day=NEWEST)
        documented = [stored("copilot_usage", f"/{file}-{part}.json") for part in (1, 2)]
        assert fields(day) >= fields(documented[0]) | fields(documented[1])
        whole = await ask(client, latest)
        span = TypeAdapter(models.CopilotUsageMetrics28DayReport).validate_json(whole.content)
        assert (span.report_start_day.isoformat(), span.report_end_day.isoformat()) == ("2026-10-21", NEWEST)
        (link,) = span.download_links
        days = list(records((await client.get(link)).content))
        assert [one["day"] for one in days] == [day_of(NOW - back * DAY) for back in range(29, 1, -1)]
        assert days[-1] == day
        assert (await client.get(link)).json()["enterprise_id"] == day["enterprise_id"]

    over_http(github(), talk)


def test_weekends_are_quiet_and_parts_add_up() -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        busy: list[int] = []
        quiet: list[int] = []
        for day in await read(client, ENTERPRISE_LATEST):
            weekend = datetime.fromisoformat(day["day"]).weekday() in (5, 6)
            (quiet if weekend else busy).append(day["daily_active_users"])
            for breakdown in ("ide", "feature", "language_feature", "language_model", "model_feature"):
                rows = day[f"totals_by_{breakdown}"]
                generated = sum(row["code_generation_activity_count"] for row in rows)
                assert generated == day["code_generation_activity_count"]
                assert ("user_initiated_interaction_count" in rows[0]) == (not breakdown.startswith("language"))
        assert (len(busy), len(quiet)) == (20, 8)
        assert max(quiet) * 3 < min(busy)
        organizations = [
            await read(client, ORGANIZATION_DAY.replace("acme", name), day=NEWEST)
            for name in ("acme", "globex", "initech")
        ]
        assert len({found[0]["organization_id"] for found in organizations}) == 3
        assert len({found[0]["enterprise_id"] for found in organizations}) == 1

    over_http(github(), talk)


@pytest.mark.parametrize(
    ("path", "name", "empty"), [(ORGANIZATION_DAY, "acme", 204), (ENTERPRISE_DAY, "acme-corp", 404)]
)
def test_days_that_are_late_missing_or_not_yet_there(path: str, name: str, empty: int) -> None:
    clock, oldest = Clock(), day_of(NOW - DAYS * DAY)
    copilot = Copilot(late={(name, NEWEST): NOW + 3600}, missing={(name, BEFORE)})

    async def talk(client: httpx.AsyncClient) -> None:
        async def status(day: str) -> int:
            answer = await ask(client, path, day=day)
            if answer.status_code == 204:
                assert answer.content == b""
            return answer.status_code

        days = (NEWEST, BEFORE, NOT_YET, oldest, day_of(NOW - (DAYS + 1) * DAY))
        assert [await status(day) for day in days] == [empty, empty, empty, 200, empty]
        assert len(await read(client, path.replace("1-day", "28-day/latest"))) == 26
        clock.now = NOW + 3600
        assert [await status(day) for day in days] == [200, empty, empty, 200, empty]
        clock.now = (NOW // DAY + 1) * DAY
        assert [await status(day) for day in days] == [200, empty, 200, 200, empty]
        copilot.missing.clear()
        assert await status(BEFORE) == 200
        for query in ({}, {"day": ""}, {"day": "today"}, {"date": NEWEST}):
            assert (await ask(client, path, **query)).status_code == 422

    over_http(github(copilot, clock=clock), talk)


def test_reports_go_back_a_year() -> None:
    simulated = github()
    simulated.estate.since = 0

    async def talk(client: httpx.AsyncClient) -> None:
        for back, status in ((365, 200), (366, 204)):
            assert (await ask(client, ORGANIZATION_DAY, day=day_of(NOW - back * DAY))).status_code == status

    over_http(simulated, talk)


def test_a_revised_day_has_other_numbers_from_an_instant_on() -> None:
    clock = Clock()
    copilot = Copilot(revised={("acme", NEWEST): NOW + 60})

    async def talk(client: httpx.AsyncClient) -> None:
        first = await read(client, ORGANIZATION_DAY, day=NEWEST)
        assert await read(client, ORGANIZATION_DAY, day=NEWEST) == first
        clock.now = NOW + 60
        second = await read(client, ORGANIZATION_DAY, day=NEWEST)
        assert second[0]["daily_active_users"] > first[0]["daily_active_users"]
        assert (await read(client, ORGANIZATION_LATEST))[-1] == second[0]

    over_http(github(copilot, clock=clock), talk)


@pytest.mark.parametrize(
    ("form", "first"), [("object", b"{"), ("wrapped", b"{"), ("array", b"["), ("lines", b"\xef\xbb\xbf{")]
)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_report_comes_in_several_files_of_every_form(form: Any, first: bytes, number: int) -> None:
    """United, the files tell what a single one tells; nothing is told twice but what identifies the day."""
    copilot = Copilot()

    async def talk(client: httpx.AsyncClient) -> None:
        (whole,) = await read(client, ORGANIZATION_DAY, day=NEWEST)
        copilot.files["acme"], copilot.forms["acme"] = number, form
        links = await linked(client, ORGANIZATION_DAY, day=NEWEST)
        assert len(set(links)) == number
        bodies = [(await client.get(link)).content for link in links]
        assert {body[: len(first)] for body in bodies} == {first}
        parts = [record for body in bodies for record in records(body)]
        assert len(parts) == number
        for field, value in whole.items():
            told = [part[field] for part in parts if field in part]
            if isinstance(value, list):
                rows = [json.dumps(row) for part in told for row in part]
                assert sorted(rows) == sorted(json.dumps(row) for row in value)
            else:
                assert told
                assert all(one == value for one in told)
        assert len([part for part in parts if "code_generation_activity_count" in part]) == 1
        assert len(await read(client, ORGANIZATION_LATEST)) == 28 * number

    over_http(github(copilot), talk)


# Signed files -----------------------------------------------------------------------------------------------------


def test_a_link_lives_for_a_time_and_opens_only_with_its_signature() -> None:
    clock = Clock()
    simulated = github(clock=clock)
    simulated.files.seconds = 60

    async def talk(client: httpx.AsyncClient) -> None:
        (link,), (other,) = [await linked(client, ORGANIZATION_DAY, day=NEWEST) for _ in range(2)]
        url = httpx.URL(link)
        assert url.path.startswith("/_files/")
        assert url.params["se"] == str(NOW + 60)
        assert url.params["sig"] != httpx.URL(other).params["sig"]
        assert (await client.get(link)).status_code == 200
        foreign = url.copy_set_param("sig", httpx.URL(other).params["sig"])
        for wrong in (
            foreign,
            url.copy_with(query=None),
            url.copy_set_param("sig", ""),
            url.copy_with(path="/_files/x"),
        ):
            refused = await client.get(wrong)
            assert (refused.status_code, refused.headers["content-type"]) == (403, "application/xml")
            assert b"<Code>AuthenticationFailed</Code>" in refused.content
        clock.now = NOW + 59
        assert (await client.get(link)).status_code == 200
        clock.now = NOW + 60
        assert (await client.get(link)).status_code == 403
        assert (await client.get((await linked(client, ORGANIZATION_DAY, day=NEWEST))[0])).status_code == 200

    over_http(simulated, talk)


def test_a_dead_link_is_followed_by_a_living_one() -> None:
    copilot = Copilot(dead_links={"acme": 2})

    async def talk(client: httpx.AsyncClient) -> None:
        found = []
        for _ in range(4):
            (link,) = await linked(client, ORGANIZATION_DAY, day=NEWEST)
            found.append((await client.get(link)).status_code)
        assert found == [403, 403, 200, 200]

    over_http(github(copilot), talk)


def test_a_file_takes_no_token_and_counts_against_nobody() -> None:
    simulated = github(limit=1)

    async def talk(client: httpx.AsyncClient) -> None:
        (link,) = await linked(client, ORGANIZATION_DAY, day=NEWEST)
        assert (await ask(client, ORGANIZATION_DAY, day=NEWEST)).status_code == 403
        file = await client.get(link)
        assert (file.status_code, file.headers["content-encoding"]) == (200, "gzip")
        assert not [name for name in file.headers if name.startswith(("x-ratelimit", "x-github"))]
        plain = await client.get(link, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == file.content
        assert simulated.files.tokens_sent == 0
        assert (await client.get(link, headers={"authorization": "Bearer any"})).status_code == 400
        assert simulated.files.tokens_sent == 1

    over_http(simulated, talk)
    seen = [record for record in simulated.log if record.path.startswith("/_files/")]
    assert {(record.pool, record.counted) for record in seen} == {("", False)}
    assert [record.token for record in seen] == [fingerprint(token) for token in ("", "", "any")]


def test_links_lead_back_below_whatever_the_client_calls_us() -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        (link,) = await linked(client, f"/api/v3{ORGANIZATION_DAY}", day=NEWEST)
        assert link.startswith(f"{client.base_url}".rstrip("/") + "/_files/")
        assert (await client.get(link)).status_code == 200
        assert (await ask(client, ORGANIZATION_DAY, day=NEWEST)).status_code == 404
        assert (await ask(client, f"{EU}/enterprise/stats/all")).status_code == 200

    over_http(github(root="/api/v3"), talk)


# Licences -----------------------------------------------------------------------------------------------------------


def test_licences_have_githubs_fields_and_pages_that_add_up_to_their_totals() -> None:
    consumed, sync, appliance = LICENSES

    async def talk(client: httpx.AsyncClient) -> None:
        whole = await fetched(client, consumed, per_page="100")
        documented = fields(stored("licenses", consumed)) - {(".users[].github_com_enterprise_role", "str")}
        everybody = [user for page in range(1, 9) for user in (await page_of_users(client, page))["users"]]
        lists = {place for place, _ in documented if place.endswith("[]")}
        assert documented - fields({**whole, "users": everybody}) <= {(place, "str") for place in lists}
        assert len(everybody) == whole["total_seats_consumed"] < whole["total_seats_purchased"]
        assert len({str(user["github_com_login"] or user["enterprise_server_user_ids"]) for user in everybody}) == len(
            everybody
        )
        assert fields(await fetched(client, sync)) == fields(stored("licenses", sync))
        standard, unlimited = [await fetched(client, f"{root}{appliance}") for root in (EU, US)]
        assert fields(standard) == fields(stored("licenses", appliance))
        assert (unlimited["seats"], unlimited["seats_available"]) == ("unlimited", "unlimited")
        assert standard["expire_at"] == "2027/06/07 00:00:00 +0000"
        assert unlimited["expire_at"] == "2027-06-07T00:00:00.000+00:00"
        assert (await ask(client, "/enterprises/other/consumed-licenses")).status_code == 404

    over_http(github(), talk)


async def page_of_users(client: httpx.AsyncClient, page: int) -> dict[str, Any]:
    return dict(await fetched(client, LICENSES[0], per_page="100", page=str(page)))


# Seats and the closed API -----------------------------------------------------------------------------------------


def test_seats_and_settings() -> None:
    simulated = github()

    async def talk(client: httpx.AsyncClient) -> None:
        answer = await ask(client, SEATS)
        seats = TypeAdapter(models.CopilotOrganizationDetails).validate_json(answer.content).seat_breakdown
        assert fields(answer.json()) == fields(stored("copilot_seats", SEATS))
        assert 0 < answer.json()["seat_breakdown"]["active_this_cycle"] < answer.json()["seat_breakdown"]["total"]
        assert seats.pending_invitation == 2
        simulated.faults.add(Fault(r"/copilot/billing$", status=422, times=1))
        assert [(await ask(client, SEATS)).status_code for _ in range(2)] == [422, 200]

    over_http(simulated, talk)


def test_the_closed_api_is_gone_until_it_is_switched_on() -> None:
    simulated = github()

    async def talk(client: httpx.AsyncClient) -> None:
        gone = await ask(client, CLOSED)
        assert (gone.status_code, "sunset" in gone.headers) == (404, False)
        simulated.estate.copilot.retired = False
        answer = await ask(client, CLOSED)
        assert answer.headers["deprecation"] == f"@{int(datetime(2026, 1, 29, tzinfo=UTC).timestamp())}"
        assert parsedate_to_datetime(answer.headers["sunset"]) == datetime(2026, 4, 2, tzinfo=UTC)
        days = answer.json()
        assert [day["date"] for day in days] == [day_of(NOW - back * DAY) for back in range(DAYS, 0, -1)]
        assert fields(days) >= fields(stored("copilot_metrics", CLOSED))
        assert {day["copilot_dotcom_chat"] is None for day in days} == {False, True}
        models_of = [
            model for day in days for editor in day["copilot_ide_chat"]["editors"] for model in editor["models"]
        ]
        assert {model["custom_model_training_date"] is None for model in models_of} == {False, True}

    over_http(simulated, talk)


def test_the_closed_api_comes_in_pages_of_days() -> None:
    simulated = github(Copilot(retired=False))
    simulated.estate.since = 0

    async def talk(client: httpx.AsyncClient) -> None:
        whole = await ask(client, CLOSED)
        assert len(whole.json()) == 100
        assert "link" not in whole.headers
        url, days = f"{CLOSED}?per_page=28&since={day_of(NOW - 60 * DAY)}", []
        while url:
            answer = await ask(client, url)
            assert "sunset" in answer.headers
            days += [day["date"] for day in answer.json()]
            url = answer.links.get("next", {}).get("url", "")
        assert days == [day_of(NOW - back * DAY) for back in range(60, 0, -1)]
        between = await fetched(client, CLOSED, since=f"{BEFORE}T00:00:00Z", until=NEWEST)
        assert [day["date"] for day in between] == [BEFORE, NEWEST]
        for query in ({"since": "last week"}, {"since": day_of(NOW - 101 * DAY)}, {"until": "x"}):
            assert (await ask(client, CLOSED, **query)).status_code == 422

    over_http(simulated, talk)


# Spend ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["usage/summary", "ai_credit/usage"])
def test_the_days_of_a_month_add_up_to_its_bill(what: str) -> None:
    path = f"/enterprises/acme-corp/settings/billing/{what}"

    async def talk(client: httpx.AsyncClient) -> None:
        async def bill(**query: str) -> float:
            answer = await fetched(client, path, year="2026", month="10", **query)
            assert answer["timePeriod"] == {
                "year": 2026,
                "month": 10,
                **{name: int(day) for name, day in query.items()},
            }
            return float(sum(item["grossAmount"] for item in answer["usageItems"]))

        days = [await bill(day=str(day)) for day in range(1, 32)]
        assert all(days)
        assert sum(days) == pytest.approx(await bill(), abs=1e-6)
        assert (await ask(client, path, year="2026", month="10", day="32")).status_code == 400

    over_http(github(), talk)


# Access -----------------------------------------------------------------------------------------------------------


class Token(NamedTuple):
    """A token, by what it may."""

    kind: str  # classic, fine_grained, installation
    may: tuple[str, ...] = ()  # scopes or permissions
    admin: bool = False


def classic(*scopes: str) -> Token:
    return Token("classic", scopes)


def fine(*permissions: str) -> Token:
    return Token("fine_grained", permissions)


def installed(*permissions: str) -> Token:
    return Token("installation", permissions)


def may_read(path: str, *tokens: Token) -> Iterator[Any]:
    yield from (pytest.param(path, token, 200, id=f"{path} {token}") for token in tokens)


def may_not(path: str, status: int, *tokens: Token) -> Iterator[Any]:
    yield from (pytest.param(path, token, status, id=f"{path} {token}") for token in tokens)


REPORTS, OF_ENTERPRISE = "organization_copilot_metrics", "enterprise_copilot_metrics"
MANAGES, ADMINISTERS = "organization_copilot_seat_management", "organization_administration"
ADMIN = Token("classic", ("site_admin",), admin=True)
ORGANIZATION_PATHS = (ORGANIZATION_DAY, ORGANIZATION_LATEST)
ENTERPRISE_PATHS = (ENTERPRISE_DAY, ENTERPRISE_LATEST)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        *(
            case
            for path in ORGANIZATION_PATHS
            for case in (
                *may_read(path, classic("read:org", "repo"), fine(REPORTS), installed(REPORTS)),
                *may_not(path, 403, classic(), classic("read:enterprise"), fine(OF_ENTERPRISE), installed(MANAGES)),
            )
        ),
        *(
            case
            for path in ENTERPRISE_PATHS
            for case in (
                *may_read(path, classic("manage_billing:copilot"), classic("read:enterprise")),
                *may_read(path, fine(OF_ENTERPRISE), installed(OF_ENTERPRISE)),
                *may_not(path, 403, classic("read:org"), fine(REPORTS), installed(REPORTS)),
            )
        ),
        *(
            case
            for path in (SEATS, CLOSED)
            for case in (
                *may_read(path, classic("manage_billing:copilot"), classic("read:org")),
                *may_read(path, fine(MANAGES), fine(ADMINISTERS), installed(MANAGES), installed(ADMINISTERS)),
                *may_not(path, 403, classic("read:enterprise"), fine(REPORTS), installed(REPORTS)),
            )
        ),
        *may_read(STATISTICS, classic("read:enterprise")),
        *may_not(STATISTICS, 403, classic("read:org"), fine(OF_ENTERPRISE, ADMINISTERS), installed(ADMINISTERS)),
        *may_read(OF_ORGANIZATION, classic("read:org")),
        *may_not(OF_ORGANIZATION, 403, classic("read:enterprise"), fine(ADMINISTERS), installed(ADMINISTERS)),
        *may_read(f"{EU}/enterprise/stats/all", ADMIN),
        *may_not(f"{EU}/enterprise/stats/all", 404, classic("read:enterprise"), installed(ADMINISTERS)),
        *may_not(f"{EU}/enterprise/stats/all", 404, Token("fine_grained", admin=True)),
    ],
)
def test_each_path_takes_the_kinds_of_token_that_github_takes(path: str, token: Token, status: int) -> None:
    permissions = dict.fromkeys(token.may, "read")
    installations, enterprises = (
        {"acme": SimulatedInstallation(1, permissions)},
        {"acme-corp": SimulatedInstallation(2, permissions)},
    )
    facts = TokenFacts(
        {"acme"},
        {"acme-corp"},
        kind="fine_grained" if token.kind == "fine_grained" else "classic",
        scopes=token.may,
        permissions=permissions,
        site_admin=token.admin,
    )
    simulated = github(
        Copilot(retired=False),
        tokens={"user": facts},
        apps=[SimulatedApp(CLIENT, public_pem(), installations, enterprises)],
    )

    async def talk(client: httpx.AsyncClient) -> None:
        bearer = "user"
        if token.kind == "installation":
            bearer = await token_of(client, 2 if "acme-corp" in path else 1)
        answer = await ask(client, path, bearer, day=NEWEST)
        assert answer.status_code == status, answer.text
        if token.kind == "classic":
            assert answer.headers["x-oauth-scopes"] == ", ".join(token.may)
        if status == 403 and token.kind == "classic":
            wanted = set(answer.headers["x-accepted-oauth-scopes"].split(", "))
            assert wanted
            assert not wanted & set(token.may)
        elif status == 403:
            assert answer.json()["message"].startswith("Resource not accessible by ")
            assert ("x-accepted-github-permissions" in answer.headers) == ("server-statistics" not in path)

    over_http(simulated, talk)


def test_a_token_reads_nobody_elses() -> None:
    everything = dict.fromkeys((REPORTS, OF_ENTERPRISE, MANAGES), "read")
    tokens = {
        "classic": TokenFacts({"globex"}, scopes=("read:org", "read:enterprise")),
        "fine": TokenFacts({"globex"}, kind="fine_grained", permissions=everything),
        "set": {"acme"},
        "owner": TokenFacts(scopes=("read:org", "read:enterprise")),
    }

    async def talk(client: httpx.AsyncClient) -> None:
        for token, status in (("classic", 404), ("fine", 403), ("set", 403), ("owner", 200)):
            for path in (ORGANIZATION_DAY, ENTERPRISE_DAY, SEATS):
                assert (await ask(client, path, token, day=NEWEST)).status_code == status
        assert (await ask(client, SEATS.replace("acme", "GLOBEX"), "classic")).status_code == 200
        assert (await ask(client, SEATS, "unknown")).status_code == 401

    over_http(github(tokens=tokens), talk)


def test_organizations_without_an_enterprise_have_no_copilot() -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        for path in (ORGANIZATION_DAY, ORGANIZATION_LATEST, SEATS, CLOSED, OF_ORGANIZATION):
            lonely = await ask(client, path.replace("acme", "lonely"), day=NEWEST)
            assert (lonely.status_code, lonely.json()["message"]) == (404, "Not Found")
        assert (await ask(client, ENTERPRISE_DAY.replace("acme-corp", "acme"), day=NEWEST)).status_code == 404
        assert (await ask(client, ORGANIZATION_DAY.replace("organization-1", "enterprise-1"))).status_code == 404
        sent = await client.post(SEATS, headers={"authorization": "Bearer any"})
        assert sent.status_code == 404
        assert (await client.get(SEATS)).status_code == 401

    over_http(github(Copilot(retired=False)), talk)


# The seed ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_tells_the_same() -> None:
    """All of it, whatever was asked before; another seed tells something else."""
    told: list[dict[str, bytes]] = []

    async def talk(client: httpx.AsyncClient) -> None:
        found = {}
        for path in (STATISTICS, f"{EU}/enterprise/stats/all", SEATS, CLOSED):
            found[path] = (await ask(client, path)).content
        for path in (ENTERPRISE_DAY, ORGANIZATION_LATEST):
            (link,) = await linked(client, path, day=NEWEST)
            found[path] = httpx.URL(link).query + (await client.get(link)).content
        told.append(found)

    async def after(client: httpx.AsyncClient) -> None:
        await fetched(client, SEATS.replace("acme", "globex"))
        await fetched(client, STATISTICS, date_start=NEWEST)
        await talk(client)

    over_http(github(Copilot(retired=False)), talk)
    over_http(github(Copilot(retired=False)), after)
    over_http(github(Copilot(retired=False), seed=4), talk)
    assert told[0] == told[1]
    same = {path for path, answer in told[2].items() if answer == told[0][path]}
    assert same == {f"{EU}/enterprise/stats/all"}  # which follows from the appliance's size and age
