"""Copilot's seats and the closed metrics API: every number under its name, and what rivals got wrong."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collecting.attempt import Attempt, Reading
from exporter.collecting.conclude import conclude
from exporter.collecting.due import next_run
from exporter.collectors import copilot_metrics, copilot_seats
from exporter.collectors.copilot_metrics import Options
from exporter.collectors.copilot_metrics.newest_day import NewestEntry
from exporter.collectors.copilot_seats import summary
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.keys import Rules
from exporter.errors import GitHubError, Invalid, NotFound, Retired
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Ask, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, Respond, client, exposition, job_of, samples, snapshot_of

STORED = ANSWERS
DAY = 86400.0
MIDNIGHT = 1719187200.0  # 2024-06-24T00:00:00Z
DATE, MODEL_INFO = "github_copilot_metrics_date_timestamp_seconds", "github_copilot_metrics_model_info"

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name and its labels, sorted, less the organization."""


def official(name: str, path: str) -> Any:
    """GitHub's own example, as it is stored."""
    return json.loads((STORED / f"{name}.json").read_text())[f"/orgs/acme/copilot/{path}"]


def day() -> Any:
    """The newest day of the official example."""
    return official("copilot_metrics", "metrics")[-1]


def read(entries: Sequence[Any]) -> Fetched:
    """The newest of these days, of one page."""
    newest = NewestEntry()
    newest.add(entries)
    return newest.fetched()


def seats() -> Any:
    return official("copilot_seats", "billing")


def run(job: Job, respond: Respond, before: Snapshot | None = None) -> Snapshot:
    """The snapshot after one attempt."""
    return conclusion_of(job, client(respond), before).snapshot


def answered(job: Job, body: Any, before: Snapshot | None = None) -> Snapshot:
    return run(job, lambda _request: httpx.Response(200, json=body), before)


def shown(job: Job, snapshot: Snapshot) -> dict[Series, float]:
    """What a scrape gets of the collector."""
    found = samples(parse_text(exposition(job, snapshot, "text")))
    names = {family.name for table in job.collector.tables for family in table.families}
    series = {}
    for (name, labels), value in found.items():
        if name in names:
            assert ("organization", "acme") in labels
            series[name, tuple(pair for pair in labels if pair[0] != "organization")] = value
    return series


def metrics(entry: Any) -> dict[Series, float]:
    """What is shown of an answer of one day, or of several."""
    job = job_of(copilot_metrics.COLLECTOR)
    snapshot = answered(job, entry if isinstance(entry, list) else [entry])
    assert snapshot.outcome is not None
    assert snapshot.outcome.state == "ok", snapshot.outcome.message
    return shown(job, snapshot)


def rejected(entry: Any) -> int:
    """How many values of a day cannot be read."""
    return read([entry]).rejected


def unknown(entry: Any) -> Mapping[str, int]:
    """What a day holds besides, by field."""
    return read([entry]).unknown


def one(name: str, **labels: str) -> Series:
    return "github_copilot_metrics_" + name, tuple(sorted(labels.items()))


def leaves(value: Any, path: tuple[tuple[str, str], ...] = ()) -> Iterator[tuple[tuple[tuple[str, str], ...], Any]]:
    """All scalars of a payload: where each stands, by field and by the `name` of list items, and what it is."""
    if isinstance(value, dict):
        for field, below in value.items():
            yield from leaves(below, (*path, (field, "")))
    elif isinstance(value, list):
        for below in value:
            yield from leaves(below, (*path[:-1], (path[-1][0], below["name"])))
    else:
        yield path, value


PARTS = {
    "copilot_ide_code_completions": "code_completions",
    "copilot_ide_chat": "chat",
    "copilot_dotcom_chat": "dotcom_chat",
    "copilot_dotcom_pull_requests": "pull_requests",
}
KEYS = {"editors": "editor", "models": "model", "languages": "language", "repositories": "repository"}


def expected(path: tuple[tuple[str, str], ...]) -> Series:
    """The series of a number by the rule of names alone: part, keys before users, field less `total_`."""
    *above, (field, _) = path
    words = [PARTS[step] for step, _ in above if step in PARTS]
    labels = {KEYS[step]: name for step, name in above if step in KEYS}
    keys = list(labels) if field == "total_engaged_users" else []
    return one("_".join((*words, *keys, field.removeprefix("total_"))), **labels)


def test_every_number_of_the_official_day_is_one_series_and_no_series_is_more() -> None:
    numbers = [(expected(path), value) for path, value in leaves(day()) if type(value) is int]
    assert len(dict(numbers)) == len(numbers) == 48
    found = metrics(official("copilot_metrics", "metrics"))
    assert {series: value for series, value in found.items() if series[0] not in (DATE, MODEL_INFO)} == dict(numbers)
    rest = {path[-1][0] for path, value in leaves(day()) if type(value) is not int}
    assert rest == {"date", "name", "is_custom_model", "custom_model_training_date"}, "text is left out, but for these"
    assert found[DATE, ()] == MIDNIGHT
    assert {labels for name, labels in found if name == MODEL_INFO} == {
        (("custom_model_training_date", ""), ("is_custom_model", "false"), ("model", "default")),
        (("custom_model_training_date", "2024-02-01"), ("is_custom_model", "true"), ("model", "a-custom-model")),
    }
    assert (rejected(day()), unknown(day())) == (0, {})


def test_every_number_of_the_official_seats_is_one_series() -> None:
    job = job_of(copilot_seats.COLLECTOR)
    snapshot = snapshot_of(job)
    numbers = {path[-1][0]: float(value) for path, value in leaves(seats()) if type(value) is int}
    words = {path[-1][0]: str(value) for path, value in leaves(seats()) if type(value) is not int}
    wanted: dict[Series, float] = {("github_copilot_seats", ()): numbers.pop("total")}
    wanted |= {(f"github_copilot_seats_{field}", ()): value for field, value in numbers.items()}
    wanted["github_copilot_settings_info", tuple(sorted(words.items()))] = 1.0
    found = {series: value for series, value in shown(job, snapshot).items() if "_seats_by_" not in series[0]}
    assert found == wanted
    assert len(found) == 7
    assert snapshot.data_time == NOW


def test_the_official_day_fills_every_family() -> None:
    declared = {family.name for table in copilot_metrics.COLLECTOR.tables for family in table.families}
    assert {name for name, _ in metrics(day())} == declared


def test_the_closed_api_is_off_and_seats_are_on_by_default() -> None:
    closed, living = copilot_metrics.COLLECTOR, copilot_seats.COLLECTOR
    assert (closed.enabled, closed.interval, closed.max_age) == (False, DAY, 3 * DAY)
    assert (living.enabled, living.interval, living.max_age) == (True, 7200.0, DAY)


# What rivals got wrong.


def test_two_models_of_an_editor_are_two_rows_and_not_the_last_one() -> None:
    found = metrics(day())
    chats = {labels: value for (name, labels), value in found.items() if name == "github_copilot_metrics_chat_chats"}
    assert sorted(chats.values()) == [10, 45]


def test_totals_are_not_mixed_with_parts() -> None:
    entry = day()
    entry["copilot_ide_code_completions"]["languages"][0]["total_code_acceptances"] = 1000
    entry["copilot_ide_code_completions"]["editors"][0]["total_code_acceptances"] = 1000
    assert metrics(entry) == metrics(day())
    assert unknown(entry) == {
        "total_code_acceptances": 1,  # with its place it would be too long
        "copilot_ide_code_completions.editors.total_code_acceptances": 1,
    }


def test_a_day_that_is_not_called_date_is_no_series_without_a_date() -> None:
    renamed = {"day" if field == "date" else field: value for field, value in day().items()}
    assert metrics([renamed, day()]) == metrics(day())
    assert read([renamed, day(), None, 7]).rejected == 3
    with pytest.raises(Invalid, match="none of 2 entries has a date"):
        read([renamed, renamed])


def test_repositories_and_languages_that_the_next_day_has_not_are_withdrawn() -> None:
    job = job_of(copilot_metrics.COLLECTOR)
    first = answered(job, [day()])
    entry = day() | {"date": "2024-06-25"}
    del entry["copilot_dotcom_pull_requests"]["repositories"][0]
    del entry["copilot_ide_code_completions"]["editors"][0]["models"][0]["languages"][1]
    gone = {labels for _, labels in shown(job, first).keys() - shown(job, answered(job, [entry, day()], first)).keys()}
    assert gone == {
        (("repository", "demo/repo1"),),
        (("model", "default"), ("repository", "demo/repo1")),
        (("editor", "vscode"), ("language", "ruby"), ("model", "default")),
    }


def test_a_name_that_stands_twice_is_one_row_if_both_say_the_same() -> None:
    entry = day()
    languages = entry["copilot_ide_code_completions"]["languages"]
    languages.append(deepcopy(languages[0]))
    models = entry["copilot_ide_chat"]["editors"][0]["models"]
    models.append(deepcopy(models[0]))
    assert metrics(entry) == metrics(day())


@pytest.mark.parametrize("figures", [{"total_chats": 46}, {"total_chats": None}, {"total_engaged_users": 1}])
def test_a_name_that_stands_twice_with_other_figures_is_invalid_and_the_last_good_answer_stays(figures: Any) -> None:
    job = job_of(copilot_metrics.COLLECTOR)
    first = answered(job, [day()])
    entry = day()
    models = entry["copilot_ide_chat"]["editors"][0]["models"]
    models.append(models[0] | figures)
    second = answered(job, [entry], first)
    assert second.outcome is not None
    assert (second.outcome.state, second.outcome.reason) == ("invalid", "invalid")
    assert shown(job, second) == shown(job, first)


# Absent is not zero.


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("change", ["null", "missing", "empty", "text", "list"])
def test_a_part_that_is_not_there_has_no_series(part: str, change: str) -> None:
    entry = day()
    entry[part] = {"null": None, "empty": {}, "text": "none", "list": [entry[part]]}.get(change)
    if change == "missing":
        del entry[part]
    prefix = f"github_copilot_metrics_{PARTS[part]}_"
    assert {series for series in metrics(entry) if series[0].startswith(prefix)} == set()
    everything = metrics(day())
    assert metrics(entry).keys() >= {one for one in everything if not one[0].startswith((prefix, MODEL_INFO))}
    assert rejected(entry) == (change in ("text", "list"))


@pytest.mark.parametrize(
    ("value", "counted"), [(None, 0), ("13", 1), (True, 1), (-1, 1), (2**63, 1), ([13], 1), ({"users": 13}, 1)]
)
def test_a_figure_that_is_no_number_is_absent(value: Any, counted: int) -> None:
    entry = day()
    entry["copilot_ide_code_completions"]["editors"][0]["total_engaged_users"] = value
    found = metrics(entry)
    assert one("code_completions_editor_engaged_users", editor="vscode") not in found
    assert len(found) == len(metrics(day())) - 1
    assert rejected(entry) == counted


@pytest.mark.parametrize(
    ("value", "counted"), [(None, 0), ([], 0), ("none", 1), (7, 1), ({"ruby": 1}, 1), ([None, 7, {}, {"name": 7}], 4)]
)
def test_a_list_that_is_none_has_no_rows(value: Any, counted: int) -> None:
    entry = day()
    entry["copilot_ide_code_completions"]["languages"] = value
    found = metrics(entry)
    assert not [name for name, _ in found if "completions_language_" in name]
    assert len(found) == len(metrics(day())) - 2
    assert rejected(entry) == counted


@pytest.mark.parametrize(
    ("custom", "trained", "labels", "counted"),
    [
        (None, None, ("", ""), 0),
        (False, "", ("false", ""), 0),
        ("yes", ["2024"], ("", ""), 2),
        (1, 2024, ("", ""), 2),
    ],
)
def test_what_is_odd_about_a_model_is_empty(custom: Any, trained: Any, labels: tuple[str, str], counted: int) -> None:
    model = {"name": "m", "is_custom_model": custom, "custom_model_training_date": trained, "total_chats": 0}
    entry = {"date": "2024-06-24", "copilot_dotcom_chat": {"models": [model]}}
    keys = {"is_custom_model": labels[0], "custom_model_training_date": labels[1]}
    assert metrics(entry) == {
        one("date_timestamp_seconds"): MIDNIGHT,
        one("model_info", model="m", **keys): 1,
        one("dotcom_chat_chats", model="m"): 0,
    }
    assert rejected(entry) == counted


def test_numbers_that_github_adds_later_are_counted_wherever_they_are() -> None:
    entry = day() | {"copilot_cli": {"total_engaged_users": 3, "tools": [{"name": "gh", "runs": 4}]}, "total_new": 5}
    entry["copilot_dotcom_chat"]["models"][0]["total_prompts"] = 6
    entry["copilot_ide_chat.editors"] = {"note": "text"}
    assert unknown(entry) == {
        "copilot_cli": 2,
        "total_new": 1,
        "copilot_dotcom_chat.models.total_prompts": 1,
        "copilot_ide_chat.editors": 1,
    }
    assert (rejected(entry), metrics(entry)) == (0, metrics(day()))


def test_no_days_are_a_success_with_nothing_to_show_and_take_nothing_away() -> None:
    job = job_of(copilot_metrics.COLLECTOR)
    for before in (Snapshot(), answered(job, [day()])):
        snapshot = answered(job, [], before)
        assert snapshot.outcome is not None
        assert (snapshot.outcome.state, snapshot.data_time) == ("ok", before.data_time)
        assert shown(job, snapshot) == shown(job, before)
        assert snapshot.note.startswith("GitHub's answer has no day")


# Days and pages.


def test_the_newest_day_of_all_pages_is_shown_whatever_their_order() -> None:
    asked = []
    pages = [
        [day() | {"date": f"2024-06-{number}", "total_active_users": number} for number in two]
        for two in ((20, 22), (28, 27), (23, 20))
    ]

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        page = int(request.url.params.get("page", 1))
        more = f'<https://api.github.com/orgs/acme/copilot/metrics?per_page=100&page={page + 1}>; rel="next"'
        return httpx.Response(200, json=pages[page - 1], headers={"link": more} if page < len(pages) else {})

    job = job_of(copilot_metrics.COLLECTOR)
    snapshot = run(job, respond)
    assert shown(job, snapshot)[one("active_users")] == 28
    assert snapshot.data_time == shown(job, snapshot)[DATE, ()] == MIDNIGHT + 4 * DAY
    assert asked == [{"per_page": "100"}, {"per_page": "100", "page": "2"}, {"per_page": "100", "page": "3"}]


def test_two_entries_of_one_date_must_be_equal() -> None:
    assert metrics([day(), day()]) == metrics(day())
    with pytest.raises(Invalid, match="one date"):
        read([day(), day() | {"total_active_users": 25}])


@pytest.mark.parametrize(
    "date", [None, "", 20240624, "20240624", "2024-6-24", "2024-06-31", "2024-W26-1", "٢٠٢٤-٠٦-٢٤", []]
)
def test_a_date_that_cannot_be_read_is_no_day(date: Any) -> None:
    with pytest.raises(Invalid):
        read([day() | {"date": date}])


def test_since_and_until_are_sent_if_they_are_set() -> None:
    asked = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=[])

    job = job_of(copilot_metrics.COLLECTOR)
    options = Options.model_validate({"since": "2024-06-01", "until": "2024-06-24"})
    for chosen in (Options(), options):
        run(replace(job, settings=replace(job.settings, options=chosen)), respond)
    assert asked == [{"per_page": "100"}, {"since": "2024-06-01", "until": "2024-06-24", "per_page": "100"}]


def test_beyond_max_series_the_busiest_are_shown_and_the_rest_is_counted() -> None:
    job = job_of(copilot_metrics.COLLECTOR)
    entry = day()
    entry["copilot_dotcom_chat"]["models"] = [{"name": f"m{n}", "total_chats": n} for n in range(510)]
    snapshot = answered(job, [entry])
    models = {dict(labels)["model"] for name, labels in shown(job, snapshot) if name.endswith("dotcom_chat_chats")}
    assert models == {f"m{n}" for n in range(10, 510)}
    assert snapshot.left_out == 10 + 12, "of the part, and of what is told of models"


# What GitHub says instead.


@pytest.mark.parametrize("status", [404, 410])
def test_a_closed_api_is_retired_and_asked_for_a_day_later(status: int) -> None:
    job = job_of(copilot_metrics.COLLECTOR)
    job = replace(job, settings=replace(job.settings, interval=3600.0))
    first = answered(job, [day()])
    after = run(job, lambda _request: httpx.Response(status, json={"message": "It was closed."}), first)
    assert after.outcome is not None
    assert (after.outcome.state, after.outcome.reason) == ("retired", "retired")
    assert "It was closed." in after.outcome.message
    assert after.next_run == NOW + DAY
    assert shown(job, after) == shown(job, first)


class Silent:
    """An API whose every walk ends in a failure."""

    skew = 0.0

    def __init__(self, error: GitHubError) -> None:
        self.error = error

    async def pages(self, _path: str, _params: Any = None) -> Any:
        raise self.error
        yield


def fails(error: GitHubError) -> GitHubError:
    question = Ask("acme", (), Options(), 0, 0)
    api: Any = Silent(error)
    with pytest.raises(GitHubError) as raised:
        asyncio.run(copilot_metrics.fetch(api, question))
    return raised.value


def test_a_missing_app_is_no_closed_api() -> None:
    assert type(fails(NotInstalled("not installed"))) is NotInstalled


def test_the_404_leaves_no_trace_behind() -> None:
    error = fails(NotFound("gone"))
    assert (type(error), str(error), error.__cause__, error.__suppress_context__) == (Retired, "gone", None, True)
    assert next_run(3600.0, error, 1, NOW) == NOW + DAY


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"{}", b"7", b"[" * 100_000, b"[{]"])
@pytest.mark.parametrize("collector", [copilot_metrics.COLLECTOR, copilot_seats.COLLECTOR], ids=lambda one: one.name)
def test_an_answer_that_cannot_be_read_is_invalid(collector: Collector, body: bytes) -> None:
    after = run(job_of(collector), lambda _request: httpx.Response(200, content=body))
    assert after.outcome is not None
    assert after.outcome.state == "invalid"


# Seats.


def seats_of(answer: Any) -> tuple[dict[Series, float], int]:
    job = job_of(copilot_seats.COLLECTOR)
    return shown(job, answered(job, answer)), summary.read(answer)[1]


@pytest.mark.parametrize("answer", [[], None, {}, {"seat_breakdown": None}, {"seat_breakdown": 12}, {"total": 12}])
def test_seats_without_a_breakdown_are_invalid_and_not_zero(answer: Any) -> None:
    with pytest.raises(Invalid, match="seat_breakdown"):
        summary.read(answer)


@pytest.mark.parametrize(("value", "counted"), [(None, 0), ("12", 1), (True, 1), (-1, 1), ([12], 1)])
def test_an_odd_number_of_seats_is_absent(value: Any, counted: int) -> None:
    answer = seats()
    answer["seat_breakdown"]["total"] = value
    found, unusable = seats_of(answer)
    assert ("github_copilot_seats", ()) not in found
    assert (len(found), unusable) == (6, counted)


@pytest.mark.parametrize(("value", "counted"), [(None, 0), (5, 1), (True, 1), ({}, 1)])
def test_an_odd_setting_is_empty(value: Any, counted: int) -> None:
    found, unusable = seats_of(seats() | {"plan_type": value})
    (labels,) = (dict(labels) for name, labels in found if name == "github_copilot_settings_info")
    assert (labels["plan_type"], labels["cli"], unusable) == ("", "enabled", counted)


def test_seats_that_github_names_later_are_counted() -> None:
    answer = seats() | {"seats_promised": 3, "note": "text", "seat_management": {}}
    answer["seat_breakdown"]["on_leave"] = 4
    assert seats_of(answer) == (seats_of(seats())[0], 0)
    found = UnknownFields()
    summary.read(answer, found)
    assert found == {"seats_promised": 1, "note": 1, "seat_management": 1, "seat_breakdown.on_leave": 1}
    everything = UnknownFields()
    summary.read(seats(), everything)
    assert everything == {}


def test_a_payment_problem_is_told_in_github_s_words() -> None:
    message = "There is a problem with your account's associated payment method."
    after = run(job_of(copilot_seats.COLLECTOR), lambda _request: httpx.Response(422, json={"message": message}))
    assert after.outcome is not None
    assert after.outcome.state == "invalid"
    assert message in after.outcome.message


def test_help_says_that_active_and_inactive_seats_are_no_partition() -> None:
    help_of = {family.name: family.help for table in copilot_seats.COLLECTOR.tables for family in table.families}
    for state in ("active", "inactive"):
        assert "need not add up" in help_of[f"github_copilot_seats_{state}_this_cycle"]


# Whatever comes.

WORDS = sorted({field for answer in (day(), seats()) for path, _ in leaves(answer) for field, _ in path})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.sampled_from(WORDS) | st.text(), below),
    max_leaves=15,
)


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """An official answer in which something else stands somewhere."""
    answer = whole
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.lists(st.integers(0, 9), max_size=9))
        answer = replaced(answer, at, draw(ANYTHING))
    return answer


def replaced(value: Any, at: list[int], by: Any) -> Any:
    if not at or not isinstance(value, dict | list) or not value:
        return by
    fields: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    field = fields[at[0] % len(fields)]
    changed = value.copy()
    changed[field] = replaced(value[field], at[1:], by)
    return changed


def survives(collector: Collector, read: Callable[[Any], Fetched], answer: Any) -> None:
    try:
        fetched = read(decode_json(json.dumps(answer).encode()))
    except Invalid:
        return
    job = job_of(collector)
    snapshot = conclude(job, Snapshot(), Attempt(Reading(fetched, int(NOW)), NOW, 0.5, 0.0), Rules(500, 1e9)).snapshot
    assert snapshot.outcome is not None
    assert snapshot.outcome.state in ("ok", "invalid")
    assert all(0 <= value <= 2**63 for value in shown(job, snapshot).values())


@given(ANYTHING | damaged([day(), day() | {"date": "2024-06-23"}]))
def test_no_metrics_answer_fails_otherwise_than_as_invalid(answer: Any) -> None:
    survives(copilot_metrics.COLLECTOR, lambda body: read(body if isinstance(body, list) else [body]), answer)


@given(ANYTHING | damaged(seats()))
def test_no_seats_answer_fails_otherwise_than_as_invalid(answer: Any) -> None:
    survives(copilot_seats.COLLECTOR, lambda body: Fetched(*summary.read(body)), answer)
