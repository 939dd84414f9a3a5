"""The simulated GitHub tells the truth it knows, in GitHub's words, and goes wrong only when asked to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any, get_args

import httpx
import pytest
from githubkit_schemas.ghec_v2022_11_28 import models
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import RETENTION, Burst, Event, Switches
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.insights import Query, rows, timestamp
from exporter.simulator.messages import fingerprint
from exporter.simulator.population import RUNAWAY, Size
from exporter.simulator.serve import serving
from exporter.simulator.traffic import seeded_world
from exporter.simulator.world import World

DAY = 24 * HOUR
NOW = 1_763_700_000  # a Friday, 04:40 UTC
START = NOW - 31 * DAY
SMALL = Size(apps=4, users=5, scale=0.02)
TOKEN = "a-secret"  # the simulator's, not GitHub's
INSIGHTS = "/orgs/acme/insights/api"

switches_of_all_kinds = st.builds(
    Switches,
    bucket=st.sampled_from((1, 60, 300)),
    min_inclusive=st.booleans(),
    max_inclusive=st.booleans(),
    zero_rows=st.booleans(),
    very_late=st.booleans(),
    revisions=st.booleans(),
    renames=st.booleans(),
    delay=st.sampled_from(((0.0, 0.0), (5.0, 25.0), (4.0 * HOUR, 6.0 * HOUR))),
)
instants = st.integers(NOW - 4 * DAY, NOW)


def small_world(switches: Switches | None = None, seed: int = 1, size: Size = SMALL) -> World:
    return seeded_world(seed, ("acme",), switches, start=START, size=size)


def listed(world: World, query: Query, at: float) -> list[dict[str, Any]]:
    answer = rows(world, "acme", query, at)
    assert isinstance(answer, list)
    return answer


def summary(world: World, at: float, **narrowed: Any) -> tuple[int, int]:
    answer = rows(world, "acme", Query("summary", **narrowed), at)
    assert isinstance(answer, dict)
    return counts(answer)


def counts(row: dict[str, Any]) -> tuple[int, int]:
    return row["total_request_count"], row["rate_limited_request_count"]


def total(counted: Iterable[tuple[int, int]]) -> tuple[int, int]:
    requests, limited = 0, 0
    for more, more_limited in counted:
        requests, limited = requests + more, limited + more_limited
    return requests, limited


# The truth --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(switches_of_all_kinds, instants, instants, st.integers(0, 5 * DAY), st.booleans())
@example(Switches(revisions=True, very_late=True), NOW - 3 * DAY, NOW, 0, True)
def test_truth_is_the_sum_of_single_requests(
    switches: Switches, one: int, other: int, later: int, on_buckets: bool
) -> None:
    """Hourly sums, bounds and lateness come to what one gets by looking at every piece of every hour."""
    world, at = small_world(switches), NOW - 2 * DAY + later
    start, end = min(one, other), max(one, other)
    bucket = switches.bucket
    if on_buckets:
        start, end = start // bucket * bucket, end // bucket * bucket

    def belongs(piece: Burst) -> bool:
        stored = piece.at // bucket * bucket
        after = stored >= start if switches.min_inclusive else stored > start
        before = stored <= end if switches.max_inclusive else stored < end
        return after and before and piece.visible_at <= at

    expected: dict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for source in world.sources("acme", at):
        hours = range(start // HOUR * HOUR - HOUR, end + HOUR, HOUR)
        pieces = [piece for hour in hours for piece in source.bursts(hour) if belongs(piece)]
        single = total((piece.requests, piece.limited) for piece in pieces)
        tally = world.tally(source, start, end, at)
        assert (tally.requests, tally.limited) == single
        assert tally.last_request == max((piece.at for piece in pieces if piece.requests > 0), default=None)
        assert tally.last_limited == max((piece.at for piece in pieces if piece.limited > 0), default=None)
        expected[source.actor.subject] = total((expected[source.actor.subject], single))
    assert world.truth("acme", start, end, at) == {key: seen for key, seen in expected.items() if seen != (0, 0)}


@settings(max_examples=25, deadline=None)
@given(switches_of_all_kinds, st.tuples(instants, instants, instants), st.integers(0, 5 * DAY))
def test_adjacent_windows_add_up(switches: Switches, bounds: tuple[int, int, int], later: int) -> None:
    """Whether bounds are inclusive decides where the second has to begin, so that no bucket counts twice."""
    world, at, bucket = small_world(switches), NOW - 2 * DAY + later, switches.bucket
    start, middle, end = (instant // bucket * bucket for instant in sorted(bounds))
    assume(start < middle)
    resumed = middle + bucket * (int(switches.max_inclusive) - int(not switches.min_inclusive))
    parts = [world.truth("acme", start, middle, at), world.truth("acme", resumed, end, at)]
    subjects = {subject for part in parts for subject in part}
    joined = {subject: total(part.get(subject, (0, 0)) for part in parts) for subject in subjects}
    assert joined == world.truth("acme", start, end, at)


@settings(max_examples=25, deadline=None)
@given(switches_of_all_kinds, instants, instants, st.sampled_from((60, 300, 1800, 3600, 86400)))
def test_all_views_tell_the_same_sums(switches: Switches, one: int, other: int, increment: int) -> None:
    """Subjects, intervals, users, actors and routes are parts of one whole."""
    increment = max(increment, switches.bucket)
    world, at, start, end = small_world(switches), NOW + HOUR, min(one, other), max(one, other)
    window = {"start": start, "end": end}
    subjects = listed(world, Query("subject", start, end), at)
    told = {(row["subject_type"], row["subject_id"]): counts(row) for row in subjects}
    truth = world.truth("acme", start, end, at)
    assert {key: seen for key, seen in told.items() if seen != (0, 0)} == truth
    whole = summary(world, at, **window)
    assert whole == total(truth.values())
    assert whole == total(map(counts, listed(world, Query("time", start, end, increment=increment), at)))
    for (kind, number), seen in truth.items():
        if kind == "user":
            assert summary(world, at, **window, user=number) == seen
            actors = listed(world, Query("user", start, end, user=number), at)
            assert total(map(counts, actors)) == seen
            who = (actors[0]["actor_type"], actors[0]["actor_id"])
        else:
            who = (kind, number)
        routes = listed(world, Query("route", start, end, actor=who), at)
        assert total(map(counts, routes)) == summary(world, at, **window, actor=who)


@pytest.mark.parametrize("increment", [60, 300, 600, 1800, 3600, 86400])
def test_an_interval_holds_what_its_own_window_holds(increment: int) -> None:
    """Intervals are aligned to the epoch, and cut off where the window ends."""
    world = small_world(Switches(max_inclusive=False))
    start, end = NOW - 31 * HOUR - 1000 - (NOW - 1000) % 60, NOW - NOW % 60
    intervals = listed(world, Query("time", start, end, increment=increment), NOW)
    assert len(intervals) > 1
    for row in intervals:
        begin = int(datetime.fromisoformat(row["timestamp"]).timestamp())
        assert begin % increment == 0
        assert counts(row) == summary(world, NOW, start=max(begin, start), end=min(begin + increment, end))


@pytest.mark.parametrize("bucket", [1, 60, 300])
def test_data_appear_within_the_declared_delay(bucket: Any) -> None:
    world = small_world(Switches(bucket=bucket, delay=(4 * HOUR, 6 * HOUR)))
    start, end = NOW - 30 * HOUR, NOW - 6 * HOUR
    assert world.truth("acme", start, end, start + 4 * HOUR - bucket) == {}
    complete = world.truth("acme", start, end, end + 6 * HOUR + bucket)
    assert complete
    assert complete == world.truth("acme", start, end, end + 20 * DAY)
    growth = [total(world.truth("acme", start, end, at).values())[0] for at in range(start, NOW, HOUR)]
    assert growth == sorted(growth)
    assert len(set(growth)) > 10


def test_very_late_data_come_after_three_days() -> None:
    world = small_world(Switches(very_late=True))
    start, end = NOW - 20 * DAY, NOW - 19 * DAY
    after_three_days = total(world.truth("acme", start, end, end + 3 * DAY).values())[0]
    assert after_three_days < total(world.truth("acme", start, end, end + 100 * HOUR).values())[0]


def test_revisions_go_up_and_down() -> None:
    world = small_world(Switches(revisions=True))
    start, end = NOW - 10 * DAY, NOW - 9 * DAY
    seen = [total(world.truth("acme", start, end, at).values())[0] for at in range(end + 6 * HOUR + 60, NOW, 600)]
    assert any(later < earlier for earlier, later in pairwise(seen))
    assert any(later > earlier for earlier, later in pairwise(seen))


def test_nothing_older_than_31_days_is_told() -> None:
    world = small_world()
    day = (START, START + DAY)
    assert world.truth("acme", *day, START + 20 * DAY)
    assert not world.truth("acme", *day, START + DAY + RETENTION + 1)
    half = world.truth("acme", *day, START + DAY // 2 + RETENTION)
    assert half == world.truth("acme", START + DAY // 2, START + DAY, START + 20 * DAY)


def test_a_seed_makes_a_world() -> None:
    """The same arguments give the same world, whatever was asked of it before; another seed gives another."""
    one, same, other = small_world(), small_world(), small_world(seed=2)
    for at in range(NOW - 3 * DAY, NOW, 7 * HOUR):
        same.truth("acme", at - 40 * HOUR, at, at)
    window = Query("subject", NOW - 2 * DAY, NOW, sort=("subject_name",))
    assert listed(one, window, NOW) == listed(same, window, NOW)
    assert listed(one, window, NOW) != listed(other, window, NOW)


def test_only_the_runaway_bot_is_rate_limited_and_only_at_times() -> None:
    world = small_world()
    query = Query("subject", NOW - 10 * DAY, NOW)
    limited = {row["subject_name"]: row["rate_limited_request_count"] for row in listed(world, query, NOW)}
    assert {name for name, refused in limited.items() if refused} == {RUNAWAY}
    hours = listed(world, Query("time", NOW - 10 * DAY, NOW, increment=HOUR), NOW)
    share = sum(hour["rate_limited_request_count"] > 0 for hour in hours) / len(hours)
    assert 0.1 < share < 0.5
    assert all(hour["rate_limited_request_count"] <= hour["total_request_count"] for hour in hours)


def test_working_days_are_busier_than_nights_and_weekends() -> None:
    world = seeded_world(1, ("acme",), start=START, size=Size(apps=0, users=20))
    hours = {row["timestamp"]: counts(row)[0] for row in listed(world, Query("time", START, NOW, increment=HOUR), NOW)}
    noon_friday, night_friday, noon_sunday = (
        hours.get(when, 0) for when in ("2025-11-14T14:00:00Z", "2025-11-14T03:00:00Z", "2025-11-16T14:00:00Z")
    )
    assert noon_friday > 2 * night_friday
    assert noon_friday > 2 * noon_sunday


def test_subjects_are_born_and_rest() -> None:
    world = seeded_world(1, ("acme",), start=START)

    def active(day: int) -> set[tuple[str, int]]:
        return set(world.truth("acme", START + day * DAY, START + (day + 1) * DAY, NOW))

    before, later = active(1), active(22)
    assert later - before
    assert before - later


def test_the_demo_world_moves_within_seconds_even_at_night() -> None:
    """With the demo's short delays every few seconds something new is visible."""
    world = seeded_world(1, ("acme",), Switches(bucket=1, delay=(5, 25)), start=START)
    night = NOW // DAY * DAY + 3 * HOUR
    seen = [total(world.truth("acme", night - HOUR, night + HOUR, night + age).values())[0] for age in range(0, 60, 5)]
    assert all(later > earlier for earlier, later in pairwise(seen))


def test_renamed_subjects_keep_their_id() -> None:
    world = small_world(Switches(renames=True))
    names = defaultdict(set)
    for at in range(NOW - 20 * DAY, NOW, 4 * DAY):
        for row in listed(world, Query("subject", at - DAY, at), at):
            names[row["subject_id"]].add(row["subject_name"])
    assert {len(seen) > 1 for seen in names.values()} == {True, False}


# A scripted world -------------------------------------------------------------------------------------------------


def test_a_script_is_told_as_written() -> None:
    """Late data, corrections, renames and removals show from their instant on, and the past stays answerable."""
    world = World.of([Event("acme", "user", 7, at=1000, requests=5, visible_at=2000, name="ada")])
    world.add(Event("acme", "user", 7, at=1010, requests=2, rate_limited=1, visible_at=2500))
    world.add(Event("acme", "user", 7, at=1000, requests=-3, visible_at=3000))
    world.rename("acme", ("user", 7), "ada-l", at=2600)
    world.remove("acme", ("user", 7), at=4000)
    told = [world.truth("acme", 0, 5000, at) for at in (1999, 2000, 2500, 3000, 4000)]
    assert told == [{}, {("user", 7): (5, 0)}, {("user", 7): (7, 1)}, {("user", 7): (4, 1)}, {}]
    assert [row["subject_name"] for at in (2599, 2600) for row in listed(world, Query("subject", 0, 5000), at)] == [
        "ada",
        "ada-l",
    ]
    assert listed(world, Query("subject", 0, 5000), 3000) == [
        {
            "subject_type": "user",
            "subject_id": 7,
            "subject_name": "ada-l",
            "total_request_count": 4,
            "rate_limited_request_count": 1,
            "last_request_timestamp": "1970-01-01T00:16:50Z",
            "last_rate_limited_timestamp": "1970-01-01T00:16:50Z",
        }
    ]


@pytest.mark.parametrize(
    ("min_inclusive", "max_inclusive", "bucket", "requests"),
    [
        (True, True, 60, 7),
        (False, True, 60, 6),
        (True, False, 60, 3),
        (False, False, 60, 2),
        (True, True, 300, 15),
        (False, False, 300, 0),
        (True, True, 1, 3),
    ],
)
def test_a_window_takes_whole_buckets(min_inclusive: bool, max_inclusive: bool, bucket: Any, requests: int) -> None:
    """Events at 0, 70, 130 and 299 seconds of weights 1, 2, 4 and 8, asked for `[0, 120]`."""
    world = World.of(
        [Event("acme", "user", 7, at, weight) for at, weight in ((0, 1), (70, 2), (130, 4), (299, 8))],
        Switches(bucket=bucket, min_inclusive=min_inclusive, max_inclusive=max_inclusive),
    )
    assert world.truth("acme", 0, 120, 1000).get(("user", 7), (0, 0)) == (requests, 0)


def test_events_join_a_seeded_world() -> None:
    world = small_world()
    before = world.truth("acme", NOW - DAY, NOW, NOW)
    world.add(Event("acme", "user", 7, NOW - HOUR, 3), Event("other", "user", 7, NOW - HOUR, 4))
    assert world.truth("acme", NOW - DAY, NOW, NOW) == {**before, ("user", 7): (3, 0)}
    assert world.truth("other", NOW - DAY, NOW, NOW) == {("user", 7): (4, 0)}


def test_zero_rows_are_sent_only_if_switched_on() -> None:
    events = [Event("acme", "user", 7, at=100), Event("acme", "user", 8, at=2000)]
    for switch, subjects, intervals in ((True, 2, 4), (False, 1, 1)):
        world = World.of(events, Switches(zero_rows=switch, max_inclusive=False))
        assert len(listed(world, Query("subject", 0, 1200), 5000)) == subjects
        assert len(listed(world, Query("time", 0, 1200), 5000)) == intervals


# Over HTTP --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def client_of(app: SimulatedGitHub, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {token}", "user-agent": "tests"}
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=5, trust_env=False) as client,
    ):
        yield client


def over_http(app: SimulatedGitHub, talk: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with client_of(app) as client:
            await talk(client)

    asyncio.run(main())


def github(world: World | None = None, **options: Any) -> SimulatedGitHub:
    return SimulatedGitHub(world or small_world(), lambda: float(NOW), **options)


def window(start: int = NOW - DAY, end: int = NOW, **more: Any) -> dict[str, Any]:
    return {"min_timestamp": timestamp(start), "max_timestamp": timestamp(end), **more}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the simulator has no event for it
            await asyncio.sleep(0.005)


async def walk(client: httpx.AsyncClient, **more: Any) -> list[tuple[str, int]]:
    """All subjects of a walk along the links, in its order."""
    found = []
    response = await client.get(f"{INSIGHTS}/subject-stats", params=window(**more))
    while True:
        assert response.status_code == 200
        found += [(row["subject_type"], row["subject_id"]) for row in response.json()]
        if "next" not in response.links:
            return found
        response = await client.get(response.links["next"]["url"])


def test_answers_fit_githubs_own_description() -> None:
    """Each of the nine paths, by name and by id, is read by models made from GitHub's OpenAPI file."""
    world = small_world(Switches(zero_rows=True))
    user = next(source.actor for source in world.sources("acme", NOW) if source.actor.subject_type == "user")
    app = next(source.actor for source in world.sources("acme", NOW) if source.actor.subject_type == "installation")
    summary_stats: Any = models.ApiInsightsSummaryStats
    time_stats: Any = list[models.ApiInsightsTimeStatsItems]
    by_actor = f"installation/{app.actor_id}"
    paths: dict[str, Any] = {
        "summary-stats": summary_stats,
        f"summary-stats/users/{user.subject_id}": summary_stats,
        f"summary-stats/{by_actor}": summary_stats,
        "time-stats": time_stats,
        f"time-stats/users/{user.subject_id}": time_stats,
        f"time-stats/{by_actor}": time_stats,
        "subject-stats": list[models.ApiInsightsSubjectStatsItems],
        f"user-stats/{user.subject_id}": list[models.ApiInsightsUserStatsItems],
        f"route-stats/{by_actor}": list[models.ApiInsightsRouteStatsItems],
    }

    async def talk(client: httpx.AsyncClient) -> None:
        organization = world.organization("acme")
        assert organization is not None
        for path, shape in paths.items():
            params = window(timestamp_increment="1h", per_page=100)
            response = await client.get(f"/orgs/ACME/insights/api/{path}", params=params)
            twin = await client.get(f"/organizations/{organization.id}/insights/api/{path}", params=params)
            assert response.status_code == 200, path
            assert response.json() == twin.json()
            read = TypeAdapter(shape).validate_json(response.content, strict=True)
            items = response.json() if isinstance(read, list) else [response.json()]
            model = get_args(shape)[0] if isinstance(read, list) else shape
            assert items, path
            assert all(item.keys() <= model.model_fields.keys() for item in items)

    over_http(github(world), talk)


def test_a_walk_along_the_links_is_the_whole_truth() -> None:
    world = small_world(size=Size(apps=10, users=60, scale=0.2))
    truth = world.truth("acme", NOW - DAY, NOW, NOW)
    app = github(world)

    async def talk(client: httpx.AsyncClient) -> None:
        for per_page in (7, 30, 100):
            walked = await walk(client, sort="subject_name", direction="asc", per_page=per_page)
            assert len(walked) == len(set(walked))
            assert set(walked) == set(truth)
        first = await client.get(f"{INSIGHTS}/subject-stats", params=window(per_page=7, sort="subject_name"))
        second = await client.get(first.links["next"]["url"])
        only = await client.get(f"{INSIGHTS}/subject-stats", params=window(per_page=100))
        assert set(first.links) == {"next", "last"}
        assert set(second.links) == {"prev", "next", "last", "first"}
        assert "link" not in only.headers
        link = httpx.URL(first.links["next"]["url"])
        organization = world.organization("acme")
        assert organization is not None
        assert (link.host, link.port) == (client.base_url.host, client.base_url.port)
        assert link.path == f"/organizations/{organization.id}/insights/api/subject-stats"
        assert link.params["min_timestamp"] == timestamp(NOW - DAY)

    over_http(app, talk)


def test_pages_shift_only_if_switched_on() -> None:
    """With the switch some walks miss a row and some meet one twice."""
    size = Size(apps=10, users=30, scale=0.2)
    shifting = small_world(Switches(shifting_pages=True), size=size)
    truth = set(shifting.truth("acme", NOW - DAY, NOW, NOW))

    async def talk(client: httpx.AsyncClient) -> None:
        walks = [await walk(client, sort="subject_name", per_page=9) for _ in range(20)]
        assert any(len(walked) > len(set(walked)) for walked in walks)
        assert any(set(walked) < truth for walked in walks)

    over_http(github(shifting), talk)


@pytest.mark.parametrize("shuffled", [False, True])
def test_ties_have_another_order_in_each_answer_only_if_switched_on(shuffled: bool) -> None:
    """Of users with one name a walk meets some twice and misses others; rows of other names stay where they are."""
    names = {number: "ghost" if 3 < number < 9 else f"{'a' if number < 9 else 'x'}{number:02}" for number in range(12)}
    events = [Event("acme", "user", number, NOW - HOUR, name=name) for number, name in names.items()]
    app = github(World.of(events, Switches(shuffled_ties=shuffled)))

    async def talk(client: httpx.AsyncClient) -> None:
        walks = [await walk(client, sort="subject_name", direction="asc", per_page=3) for _ in range(20)]
        assert any(len(walked) > len(set(walked)) for walked in walks) is shuffled
        assert (len(set(map(tuple, walks))) > 1) is shuffled
        others = {tuple(number for _, number in walked if names[number] != "ghost") for walked in walks}
        assert others == {(0, 1, 2, 3, 9, 10, 11)}

    over_http(app, talk)


def test_a_summary_may_show_more_than_all_lists() -> None:
    world = World.of([Event("acme", "user", 7, at=1000, requests=5)], Switches(summary_surplus=2))
    assert summary(world, 5000, start=0, end=5000) == (7, 0)
    assert counts(listed(world, Query("subject", 0, 5000), 5000)[0]) == (5, 0)


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ([("sort", "rate_limited_request_count")], lambda row: row["rate_limited_request_count"]),
        ([("sort[]", "total_request_count")], lambda row: row["total_request_count"]),
        ([("sort", "last_request_timestamp")], lambda row: row["last_request_timestamp"]),
        (
            [("sort", "rate_limited_request_count"), ("sort", "total_request_count")],
            lambda row: (row["rate_limited_request_count"], row["total_request_count"]),
        ),
        ([], lambda row: row["total_request_count"]),
    ],
)
def test_lists_are_sorted_and_filtered(sort: list[tuple[str, str]], key: Callable[[dict[str, Any]], Any]) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        for direction in ("asc", "desc"):
            params = httpx.QueryParams([*window(direction=direction).items(), *sort])
            answer = (await client.get(f"{INSIGHTS}/subject-stats", params=params)).json()
            assert list(map(key, answer)) == sorted(map(key, answer), reverse=direction == "desc")
        named = await client.get(f"{INSIGHTS}/subject-stats", params=window(subject_name_substring="ENOV"))
        assert [row["subject_name"] for row in named.json()] == ["Renovate"]

    over_http(github(), talk)


@pytest.mark.parametrize(
    ("path", "params", "headers", "status", "message"),
    [
        ("/orgs/acme/insights/api/summary-stats", {"min_timestamp": None}, {}, 422, "min_timestamp"),
        ("/orgs/acme/insights/api/summary-stats", {"min_timestamp": "2025-11-20"}, {}, 422, "min_timestamp"),
        ("/orgs/acme/insights/api/summary-stats", {"max_timestamp": "2025-13-20T00:00:00Z"}, {}, 422, "max_timestamp"),
        ("/orgs/acme/insights/api/summary-stats", {"max_timestamp": "2025-11-20T00:00:00.0Z"}, {}, 422, "max_time"),
        ("/orgs/acme/insights/api/time-stats", {}, {}, 422, "timestamp_increment"),
        ("/orgs/acme/insights/api/time-stats", {"timestamp_increment": "7m"}, {}, 422, "timestamp_increment"),
        ("/orgs/acme/insights/api/subject-stats", {"sort": "api_route"}, {}, 422, "api_route"),
        ("/orgs/acme/insights/api/subject-stats", {"direction": "up"}, {}, 422, "up"),
        ("/orgs/acme/insights/api/summary-stats", {}, {"authorization": "Bearer unknown"}, 401, "Bad credentials"),
        ("/orgs/acme/insights/api/summary-stats", {}, {"authorization": ""}, 401, "Requires authentication"),
        ("/orgs/globex/insights/api/summary-stats", {}, {}, 403, "not accessible"),
        ("/orgs/nobody/insights/api/summary-stats", {}, {}, 404, "Not Found"),
        ("/organizations/1/insights/api/summary-stats", {}, {}, 404, "Not Found"),
        ("/orgs/acme/insights/api/other-stats", {}, {}, 404, "Not Found"),
        ("/orgs/acme/insights/api/summary-stats/robots/7", {}, {}, 404, "Not Found"),
        ("/orgs/acme/insights/api/user-stats/ada", {}, {}, 404, "Not Found"),
        ("/orgs/acme", {}, {}, 404, "Not Found"),
        ("/orgs/acme/insights/api/summary-stats", {}, {"x-github-api-version": "2020-01-01"}, 400, "version"),
    ],
)
def test_bad_questions_are_refused_as_github_does(
    path: str, params: dict[str, Any], headers: dict[str, str], status: int, message: str
) -> None:
    world = seeded_world(1, ("acme", "globex"), start=START, size=SMALL)

    async def talk(client: httpx.AsyncClient) -> None:
        asked = {name: value for name, value in {**window(), **params}.items() if value is not None}
        response = await client.get(path, params=asked, headers=headers)
        assert response.status_code == status
        assert response.headers["x-github-request-id"]
        assert message in response.json()["message"]
        assert response.json()["documentation_url"].startswith("https://docs.github.com/")

    over_http(github(world, tokens={TOKEN: {"Acme"}}), talk)


def test_the_quota_is_counted_per_token_and_hour() -> None:
    instant = [float(NOW)]
    app = SimulatedGitHub(small_world(), lambda: instant[0], limit=2)

    async def talk(client: httpx.AsyncClient) -> None:
        path = f"{INSIGHTS}/summary-stats"
        answers = [await client.get(path, params=window()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        reset = NOW // HOUR * HOUR + HOUR
        assert {answer.headers["x-ratelimit-reset"] for answer in answers} == {str(reset)}
        assert answers[2].headers["x-ratelimit-used"] == answers[2].headers["x-ratelimit-limit"] == "2"
        assert "API rate limit exceeded" in answers[2].json()["message"]
        free = await client.get("/rate_limit")
        assert free.json()["resources"]["core"] == {"limit": 2, "used": 2, "remaining": 0, "reset": reset}
        assert "rate" in free.json()
        newer = await client.get("/rate_limit", headers={"x-github-api-version": "2026-03-10"})
        assert "rate" not in newer.json()
        other = await client.get(path, params=window(), headers={"authorization": "token another"})
        assert other.status_code == 200
        instant[0] = reset
        assert (await client.get(path, params=window())).status_code == 200

    over_http(app, talk)


def test_the_date_is_the_given_clocks_and_bodies_are_compressed() -> None:
    app = SimulatedGitHub(small_world(), lambda: 1_000_000_000.0)

    async def talk(client: httpx.AsyncClient) -> None:
        params = window(timestamp_increment="1m")
        response = await client.get(f"{INSIGHTS}/time-stats", params=params)
        assert response.headers.get_list("date") == ["Sun, 09 Sep 2001 01:46:40 GMT"]
        app.world.add(*(Event("acme", "user", number, 999_999_000) for number in range(100)))
        packed = await client.get(f"{INSIGHTS}/subject-stats", params=window(999_990_000, 1_000_000_000))
        assert packed.headers["content-encoding"] == "gzip"
        assert len(packed.json()) == 30
        plain = await client.get(str(packed.url), headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.json() == packed.json()

    over_http(app, talk)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 422, 429, 500, 502, 503])
def test_a_fault_answers_with_any_status(status: int) -> None:
    app = github()
    app.faults.add(Fault("subject-stats$", status=status, headers={"Retry-After": "7"}, times=2, skip=1))

    async def talk(client: httpx.AsyncClient) -> None:
        statuses = []
        for path in ("subject-stats", "summary-stats", "subject-stats", "subject-stats", "subject-stats"):
            response = await client.get(f"{INSIGHTS}/{path}", params=window())
            statuses.append(response.status_code)
            assert ("retry-after" in response.headers) == (response.status_code == status)
            assert response.json()
        assert statuses == [200, 200, status, status, 200]

    over_http(app, talk)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("truncate", httpx.RemoteProtocolError), ("reset", httpx.RemoteProtocolError), ("hang", httpx.ReadTimeout)],
)
def test_a_fault_breaks_the_answer(kind: FaultKind, error: type[Exception]) -> None:
    app = github()
    app.faults.add(Fault(lambda request: request.query.get("page") == "2", kind=kind, times=1))

    async def talk(client: httpx.AsyncClient) -> None:
        asked = window(page=2, per_page=1)
        with pytest.raises(error):
            await client.get(f"{INSIGHTS}/subject-stats", params=asked, timeout=httpx.Timeout(5, read=0.2))
        assert (await client.get(f"{INSIGHTS}/subject-stats", params=asked)).status_code == 200

    over_http(app, talk)


def test_a_fault_changes_what_is_said() -> None:
    app = github()
    path = f"{INSIGHTS}/subject-stats"

    async def talk(client: httpx.AsyncClient) -> None:
        async def under(fault: Fault) -> httpx.Response:
            app.faults.clear()
            app.faults.add(fault)
            return await client.get(path, params=window(per_page=2))

        garbage = await under(Fault(kind="garbage"))
        assert (garbage.status_code, garbage.text[:9]) == (200, "<!DOCTYPE")
        assert (await under(Fault(kind="wrong_types"))).json()[0]["total_request_count"] == "many"
        foreign = await under(Fault(kind="foreign_link"))
        assert httpx.URL(foreign.links["next"]["url"]).host == "api.elsewhere.invalid"
        cyclic = await under(Fault(kind="cyclic_link"))
        assert httpx.URL(cyclic.links["next"]["url"]) == cyclic.url
        given = await under(Fault(status=418, headers={"x-own": "yes"}, body=b"short"))
        assert (given.status_code, given.headers["x-own"], given.content) == (418, "yes", b"short")
        marked = await under(Fault(headers={"sunset": "Sun, 09 Sep 2001 01:46:40 GMT"}))
        assert (marked.status_code, len(marked.json())) == (200, 2)
        assert marked.headers["sunset"]
        dripping = await under(Fault(kind="drip", body=b"[]", interval=0.01))
        assert dripping.json() == []
        slow = await under(Fault(delay=0.05))
        assert slow.elapsed.total_seconds() >= 0.05

    over_http(app, talk)


def test_leaving_ends_what_drips_and_hangs() -> None:
    """A server with unfinished answers stops at once, and the log says what they were."""
    app = github()
    app.faults.add(Fault("summary", kind="hang"))
    app.faults.add(Fault("subject", kind="drip", interval=60))

    async def main() -> None:
        async with client_of(app) as client:
            tasks = [
                asyncio.create_task(client.get(f"{INSIGHTS}/{path}", params=window()))
                for path in ("summary-stats", "subject-stats")
            ]
            await until(lambda: [record.status for record in app.log] == [None, 200])
        assert all(isinstance(end, httpx.HTTPError) for end in await asyncio.gather(*tasks, return_exceptions=True))

    asyncio.run(asyncio.wait_for(main(), 5))
    assert all(record.ended is not None for record in app.log)


def test_the_log_knows_who_asked_what_and_what_overlapped() -> None:
    app = github(keep=3)
    app.faults.add(Fault("time-stats", delay=0.1))

    async def talk(client: httpx.AsyncClient) -> None:
        await client.get(f"{INSIGHTS}/summary-stats", params=window())
        await client.get(f"{INSIGHTS}/summary-stats", params=window())
        slow = asyncio.create_task(client.get(f"{INSIGHTS}/time-stats", params=window(timestamp_increment="5m")))
        await until(lambda: len(app.log) == 3)
        await client.get(f"{INSIGHTS}/subject-stats", params=window(page=4))
        await slow

    over_http(app, talk)
    one, slow, inside = app.log
    assert (inside.method, inside.path, inside.query["page"], inside.status) == (
        "GET",
        f"{INSIGHTS}/subject-stats",
        "4",
        200,
    )
    assert inside.at == NOW
    assert one.ended is not None
    assert inside.ended is not None
    assert slow.ended is not None
    assert one.started < one.ended < slow.started < inside.started < inside.ended < slow.ended
    assert {record.token for record in app.log} == {fingerprint(TOKEN)}
    assert TOKEN not in repr(app.log)


def test_another_api_root_stands_before_every_path() -> None:
    async def main() -> None:
        async with (
            serving(github(root="/api/v3")) as url,
            httpx.AsyncClient(base_url=url, headers={"authorization": "token x"}, trust_env=False) as client,
        ):
            assert (await client.get(f"/api/v3{INSIGHTS}/summary-stats", params=window())).status_code == 200
            assert (await client.get(f"{INSIGHTS}/summary-stats", params=window())).status_code == 404

    asyncio.run(main())
