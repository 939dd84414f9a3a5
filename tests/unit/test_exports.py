"""Which export to read, which to wait for, when to make one: pure, by tables."""

from dataclasses import replace

import pytest

from exporter.collectors.usage_reports.exports import (
    IN_FLIGHT,
    STUCK_AFTER,
    Export,
    Intent,
    Period,
    choose,
    covers,
    created_by,
    parse_export,
    parse_exports,
    periods,
    poll_after,
)
from exporter.instants import HOUR

DAY = 24 * HOUR
NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
INTERVAL = 6 * HOUR
NOVEMBER = Period("2026-11", "2026-11-01", "2026-11-21", running=True)
OCTOBER = Period("2026-10", "2026-10-01", "2026-10-31", running=False)


def export(
    identity: str = "a",
    start: str = "2026-11-01",
    end: str = "2026-11-21",
    status: str = "completed",
    age: float = HOUR,
) -> Export:
    return Export(identity, "summarized", start, end, status, NOW - age)


@pytest.mark.parametrize(
    ("now", "running", "before"),
    [
        (NOW, ("2026-11", "2026-11-01", "2026-11-21"), ("2026-10", "2026-10-01", "2026-10-31")),
        (1_798_761_600.0, ("2027-01", "2027-01-01", "2027-01-01"), ("2026-12", "2026-12-01", "2026-12-31")),
        (1_798_761_599.0, ("2026-12", "2026-12-01", "2026-12-31"), ("2026-11", "2026-11-01", "2026-11-30")),
        (1_835_481_600.0, ("2028-03", "2028-03-01", "2028-03-01"), ("2028-02", "2028-02-01", "2028-02-29")),
    ],
)
def test_the_months_are_those_of_utc(now: float, running: tuple[str, ...], before: tuple[str, ...]) -> None:
    found = periods(now)
    assert [(one.month, one.first, one.last) for one in found] == [running, before]
    assert [one.running for one in found] == [True, False]


@pytest.mark.parametrize(
    ("start", "end", "period", "does"),
    [
        ("2026-11-01", "2026-11-21", NOVEMBER, True),
        ("2026-11-01", "2026-11-02", NOVEMBER, True),  # of an earlier day: it covered the month then
        ("2026-10-15", "2026-11-14", NOVEMBER, True),  # wider: its rows are told apart by their date
        ("2026-11-02", "2026-11-21", NOVEMBER, False),
        ("2026-01-01", "2026-10-31", NOVEMBER, False),  # ends before the month begins
        ("2026-10-01", "2026-10-31", OCTOBER, True),
        ("2026-10-01", "2026-10-30", OCTOBER, False),
        ("2026-09-15", "2026-11-21", OCTOBER, True),
        ("2026-10-02", "2026-11-21", OCTOBER, False),
    ],
)
def test_what_covers_a_month(start: str, end: str, period: Period, does: bool) -> None:
    assert covers(export(start=start, end=end), period) is does


FRESH, STALE = export("fresh"), export("stale", age=7 * HOUR)
SETTLED = export("settled", "2026-10-01", "2026-10-31", age=14 * DAY)
UNSETTLED = export("unsettled", "2026-10-01", "2026-10-31", age=17 * DAY)
MADE = Intent("summarized", "2026-11-01", "2026-11-21", NOW - HOUR, "made")


@pytest.mark.parametrize(
    ("exports", "intent", "period", "expected"),
    [
        pytest.param([], None, NOVEMBER, ("", "", "", True), id="nothing there"),
        pytest.param([FRESH], None, NOVEMBER, ("fresh", "", "", False), id="fresh"),
        pytest.param([STALE], None, NOVEMBER, ("stale", "", "", True), id="stale: used, and another is made"),
        pytest.param([STALE, FRESH], None, NOVEMBER, ("fresh", "", "", False), id="the newest is used"),
        pytest.param([FRESH, STALE], None, NOVEMBER, ("fresh", "", "", False), id="whatever their order"),
        pytest.param([export("9999", age=-1e11)], None, NOVEMBER, ("9999", "", "", True), id="made in times to come"),
        pytest.param([STALE, export("9999", age=-1e11)], None, NOVEMBER, ("stale", "", "", True), id="and one that is"),
        pytest.param([], replace(MADE, at=NOW + DAY), NOVEMBER, ("", "", "", True), id="asked for in times to come"),
        pytest.param(
            [STALE, export("new", status="processing", age=5)],
            None,
            NOVEMBER,
            ("stale", "new", "", False),
            id="being made",
        ),
        pytest.param(
            [export("old", status="processing", age=7 * HOUR)],
            None,
            NOVEMBER,
            ("", "", "", True),
            id="stuck: made anew",
        ),
        pytest.param(
            [FRESH, export("older", status="processing", age=2 * HOUR)],
            None,
            NOVEMBER,
            ("fresh", "", "", False),
            id="one that is being made and older than what there is",
        ),
        pytest.param(
            [STALE, export("bad", status="failed", age=HOUR)], None, NOVEMBER, ("stale", "", "bad", False), id="failed"
        ),
        pytest.param(
            [export("bad", status="failed", age=7 * HOUR)],
            None,
            NOVEMBER,
            ("", "", "", True),
            id="failed a refresh ago",
        ),
        pytest.param(
            [FRESH, export("bad", status="failed", age=2 * HOUR)],
            None,
            NOVEMBER,
            ("fresh", "", "", False),
            id="failed before what there is",
        ),
        pytest.param([], MADE, NOVEMBER, ("", "", "", False), id="asked for, not in the list yet"),
        pytest.param(
            [], replace(MADE, at=NOW + 10 * DAY), NOVEMBER, ("", "", "", True), id="asked for by a clock that was ahead"
        ),
        pytest.param([STALE], MADE, NOVEMBER, ("stale", "", "", False), id="asked for within this refresh"),
        pytest.param([SETTLED], None, OCTOBER, ("settled", "", "", False), id="last month has settled"),
        pytest.param([UNSETTLED], None, OCTOBER, ("unsettled", "", "", True), id="last month has not settled then"),
        pytest.param([export("odd", status="queued")], None, NOVEMBER, ("", "", "", True), id="a state of tomorrow"),
    ],
)
def test_what_is_used_waited_for_and_made(
    exports: list[Export], intent: Intent | None, period: Period, expected: tuple[str, str, str, bool]
) -> None:
    """Expected: the ids of what is used, waited for and has failed, and whether one is made."""
    choice = choose(exports, intent, period, NOW, INTERVAL)
    named = [one.id if one else "" for one in (choice.usable, choice.pending, choice.failed)]
    assert (*named, choice.missing) == expected


def test_short_intervals_neither_forget_what_is_being_made_nor_what_may_be_in_flight() -> None:
    processing = export("slow", status="processing", age=STUCK_AFTER - 1)
    assert choose([processing], None, NOVEMBER, NOW, 1.0).pending is processing
    asked = Intent("summarized", "2026-11-01", "2026-11-21", NOW - IN_FLIGHT + 1)
    assert not choose([], asked, NOVEMBER, NOW, 1.0).missing
    assert choose([], asked, NOVEMBER, NOW + 1, 1.0).missing


@pytest.mark.parametrize(
    ("intent", "listed", "is_it"),
    [
        (Intent("summarized", "2026-11-01", "2026-11-21", NOW, "a"), export(age=0), True),
        (Intent("summarized", "2026-11-01", "2026-11-21", NOW, "b"), export(age=0), False),
        (Intent("summarized", "2026-11-01", "2026-11-21", NOW), export(age=-2), True),  # the answer was lost
        (Intent("summarized", "2026-11-01", "2026-11-21", NOW), export(age=60), True),  # clocks differ
        (Intent("summarized", "2026-11-01", "2026-11-21", NOW), export(age=HOUR), False),  # somebody's before
        (Intent("summarized", "2026-11-01", "2026-11-20", NOW), export(age=0), False),
        (Intent("detailed", "2026-11-01", "2026-11-21", NOW), export(age=0), False),
    ],
)
def test_what_was_asked_for_is_found_again(intent: Intent, listed: Export, is_it: bool) -> None:
    assert created_by(intent, [listed]) is (listed if is_it else None)


def test_looks_become_rarer_up_to_the_interval() -> None:
    assert [poll_after(polls, 60.0) for polls in range(6)] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert poll_after(10_000, INTERVAL) == INTERVAL


ITEM = {"id": "a", "report_type": "x", "start_date": "2026-11-01", "end_date": "2026-11-02", "status": "completed"}


@pytest.mark.parametrize(
    "item",
    [
        *(
            None,
            [],
            {},
            {"id": "a"},
            {**ITEM, "id": 1},
            {**ITEM, "start_date": "01/11/2026"},
            {**ITEM, "end_date": None},
        ),
        *({**ITEM, "download_urls": links} for links in (["u", 1], [{"url": "u"}], {"1": "u"}, "u")),
    ],
)
def test_an_item_that_is_no_export_is_none(item: object) -> None:
    assert parse_export(item) is None
    assert parse_exports({"usage_report_exports": [item]}) == ([], 1)


@pytest.mark.parametrize("answer", [None, [], {}, {"usage_report_exports": {}}, {"usage_report_exports": None}])
def test_an_answer_that_is_no_list_of_exports_is_none(answer: object) -> None:
    assert parse_exports(answer) is None


@pytest.mark.parametrize(
    ("links", "files"),
    [
        (None, ()),
        ([], ()),
        (["u"], ("u",)),
        (["u", "v", "u"], ("u", "v")),
        (["u?sig=1&se=2026", "u?se=2027&sig=2"], ("u?sig=1&se=2026",)),
        (["u?part=1&sig=1", "u?part=2&sig=1", "u?sig=2&part=1"], ("u?part=1&sig=1", "u?part=2&sig=1")),
    ],
)
def test_each_link_is_one_file_however_often_it_is_listed(links: object, files: tuple[str, ...]) -> None:
    """A file that is read twice would double its spend; what is no signature may tell two files apart."""
    export = parse_export({**ITEM, "download_urls": links})
    assert export is not None
    assert export.links == files


def test_odd_times_do_no_harm() -> None:
    assert parse_export({**ITEM, "created_at": "yesterday", "download_urls": ["u"]}) == Export(
        "a", "x", "2026-11-01", "2026-11-02", "completed", 0.0, ("u",)
    )
    assert parse_export({**ITEM, "created_at": "2026-11-21T12:00:00"}) == Export(
        "a", "x", "2026-11-01", "2026-11-02", "completed", NOW
    )
