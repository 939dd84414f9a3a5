"""The pure parts of `backfill`: until when figures were shown, what is asked, the lines of a file, the folder."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.collectors import COLLECTORS
from exporter.collectors.copilot_usage import COLLECTOR as COPILOT
from exporter.collectors.subject_stats import COLLECTOR as SUBJECTS
from exporter.collectors.summary_stats import COLLECTOR as SUMMARY
from exporter.github.budget import Budget
from exporter.history.folder import Folder, UnusableFolder
from exporter.history.month import FileFamily, FilePlan, lines
from exporter.history.report import gaps_of
from exporter.history.seam import seam
from exporter.history.sources import Source, Times, oldest, parts, sources, still_kept, too_early
from exporter.history.spans import Mark, MarkKind, instants, months, shown_until
from exporter.history.spool import GaugePoint, Increment, Spool
from exporter.instants import DAY, HOUR, epoch
from exporter.jobs import CollectorSettings, Job, Target
from exporter.past import Part, Past, PastAnswer
from exporter.privacy import Naming

NOW = int(epoch("2026-12-01")) + 10 * HOUR
NOVEMBER = int(epoch("2026-11-01"))
DECEMBER = int(epoch("2026-12-01"))
ACME = Target("organization", "acme", "default")


def job_of(collector: object) -> Job:
    found = next(one for one in COLLECTORS if one is collector)
    return Job(found, ACME, CollectorSettings(True, found.interval, found.max_age, found.options()), 0)


# Figures are of day 0, max_age is 3 days.
@pytest.mark.parametrize(
    ("later", "until"),
    [
        ([], float("inf")),  # the newest: shown as long as GitHub answers
        ([(1, "figures")], 1),
        ([(1, "nothing")], float("inf")),  # a day without use: the day before goes on
        ([(1, "nothing"), (2, "figures")], 2),
        ([(1, "missing")], 1 + 3),  # no answer any more: withdrawn by max_age
        ([(1, "missing"), (2, "missing"), (3, "missing"), (4, "missing"), (5, "figures")], 1 + 3),
        ([(1, "missing"), (2, "figures")], 2),
        ([(1, "missing"), (2, "nothing"), (3, "missing")], 3 + 3),
        ([(1, "missing"), (9, "nothing")], 1 + 3),
        ([(40, "figures")], 31),  # at most `longest`
    ],
)
def test_until_when_figures_were_shown(later: Sequence[tuple[int, MarkKind]], until: float) -> None:
    marks = [Mark(0, "figures"), *(Mark(day * DAY, kind) for day, kind in later)]
    longest = 31 * DAY if later == [(40, "figures")] else float("inf")
    assert shown_until(0, marks, 3 * DAY, longest) == until * DAY


def test_instants_are_multiples_of_the_step() -> None:
    assert list(instants(1, 900, 300)) == [300, 600]
    assert list(instants(300, 900.5, 300)) == [300, 600, 900]
    assert not instants(10, 10, 5)


def test_months() -> None:
    assert list(months(NOVEMBER, DECEMBER)) == ["2026-11"]
    assert list(months(NOVEMBER, DECEMBER + 1)) == ["2026-11", "2026-12"]
    assert list(months(DECEMBER, DECEMBER + 40 * DAY)) == ["2026-12", "2027-01"]


def times(start: int, seams: dict[str, int] | None = None) -> Times:
    return Times(start, NOW, NOW, seam(NOW), seams or {})


def test_counters_end_six_hours_before_those_of_the_exporter_begin() -> None:
    since = NOW - 30 * HOUR - 1_000
    summary, copilot = job_of(SUMMARY), job_of(COPILOT)
    found = sources([summary, copilot], times(NOW - 20 * DAY, {summary.key: seam(since)}))
    assert [(source.job.collector.name, source.end) for source in found] == [
        ("summary_stats", (since - 6 * HOUR) // HOUR * HOUR),
        ("copilot_usage", NOW),
    ]
    assert sources([summary], times(NOW - 2 * HOUR)) == [], "its past would end before it begins"


def test_a_source_begins_where_github_s_past_begins() -> None:
    (source,) = sources([job_of(SUMMARY)], times(NOW - 90 * DAY))
    assert source.start == NOW - 31 * DAY + 2 * HOUR
    (source,) = sources([job_of(COPILOT)], times(int(epoch("2025-06-01"))))
    assert source.start == epoch("2025-12-12") + 2 * DAY, "the first day of organizations, two days later"
    assert parts(source)[0] == Part(int(epoch("2025-12-12")), int(epoch("2025-12-13")))
    assert parts(source)[-1].start == NOW // DAY * DAY - 2 * DAY


def test_a_day_before_everything_is_refused_with_what_there_is() -> None:
    jobs = [job_of(SUMMARY), job_of(COPILOT)]
    assert too_early(jobs, int(epoch("2025-12-12")), NOW) == ""
    assert too_early(jobs, int(epoch("2025-12-11")), NOW) == (
        "GitHub has nothing of 2025-12-11: summary_stats since 2026-10-31, copilot_usage since 2025-12-12"
    )


def test_what_github_keeps_no_longer_is_not_asked_for() -> None:
    (source,) = sources([job_of(SUMMARY)], times(NOW - 90 * DAY))
    (whole,) = parts(source)
    assert still_kept(source, whole, NOW + HOUR) == whole
    later = NOW + 5 * HOUR
    assert still_kept(source, whole, later) == replace(whole, start=later - 31 * DAY)
    assert still_kept(source, whole, NOW + 31 * DAY) is None
    (source,) = sources([job_of(COPILOT)], times(NOW - 300 * DAY))
    first = parts(source)[0]
    assert still_kept(source, first, NOW) == first
    assert still_kept(source, first, first.start + 365 * DAY + HOUR) is None


def test_every_past_reaches_back_further_than_its_margin() -> None:
    pasts = {collector.name: collector.past for collector in COLLECTORS if collector.past}
    assert {"summary_stats", "time_stats", "subject_stats", "copilot_usage"} <= pasts.keys()
    for name, past in pasts.items():
        assert oldest(past, NOW) < NOW - 7 * DAY, name


def plan(begin: int, end: int, kind: str, until: int = DECEMBER) -> FilePlan:
    family = FileFamily("github_x_total" if kind == "counter" else "github_x", kind, "An X.")
    return FilePlan(
        "x", [family], begin, end, HOUR, {"job": 3.0 * DAY}, {"job": 31.0 * DAY}, {"job": (NOVEMBER, until)}
    )


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path / "unfinished.db")) as spool:
        yield spool


def text_of(spool: Spool, plan: FilePlan) -> list[str]:
    counts = {"series": 0, "samples": 0}
    text = "".join(lines(spool, plan, counts)).split("\n")
    assert counts["samples"] == sum(not line.startswith("#") and bool(line) for line in text)
    return text


def test_a_gauge_is_repeated_until_the_next_and_goes_on_into_the_next_month(spool: Spool) -> None:
    first, second = DECEMBER - 2 * HOUR, DECEMBER + HOUR
    for number, (at, value) in enumerate(((first, 1.5), (second, 2.0))):
        spool.add_parts("job", [Part(0, 1)] * 2)
        point = GaugePoint('github_x{a="1"}', 0, at, "", float("inf"), value)
        spool.keep("x", "job", number, state="done", marks={"": [(at, "figures")]}, gauges=[point])
    until = DECEMBER + 3 * HOUR
    head = ["# HELP github_x An X.", "# TYPE github_x gauge"]
    november = plan(NOVEMBER, DECEMBER, "gauge", until)
    samples = [f'github_x{{a="1"}} 1.5 {first}', f'github_x{{a="1"}} 1.5 {first + HOUR}']
    assert text_of(spool, november) == [*head, *samples, "# EOF", ""]
    december = plan(DECEMBER, DECEMBER + 31 * DAY, "gauge", until)
    samples = [f'github_x{{a="1"}} {value} {DECEMBER + hour * HOUR}' for hour, value in ((0, 1.5), (1, 2), (2, 2))]
    assert text_of(spool, december) == [*head, *samples, "# EOF", ""]


def test_a_month_without_a_sample_is_no_file(spool: Spool) -> None:
    assert text_of(spool, plan(NOVEMBER, DECEMBER, "gauge")) == [""]
    assert text_of(spool, plan(NOVEMBER, DECEMBER, "counter")) == [""]


def test_a_counter_begins_at_zero_in_its_first_hour_and_never_falls(spool: Spool) -> None:
    hour = DECEMBER - HOUR
    spool.add_parts("job", [Part(0, 1)])
    increments = [
        Increment("github_x_total", 0, hour, 5, False),
        Increment("github_x_total", 0, hour + 2 * HOUR, 7, False),
    ]
    spool.keep("x", "job", 0, state="done", increments=increments)
    until = DECEMBER + 2 * HOUR
    november = text_of(spool, plan(NOVEMBER, DECEMBER, "counter", until))
    assert november[:2] == ["# HELP github_x An X.", "# TYPE github_x counter"]
    assert november[2:-2] == [f"github_x_total 0 {hour - HOUR}", f"github_x_total 5 {hour}"]
    december = text_of(spool, plan(DECEMBER, DECEMBER + 31 * DAY, "counter", until))
    assert december[2:-2] == [
        f"github_x_total 5 {DECEMBER}",
        f"github_x_total 12 {DECEMBER + HOUR}",
        f"github_x_total 12 {DECEMBER + 2 * HOUR}",
    ]


def test_a_counter_rises_evenly_over_its_hour(spool: Spool) -> None:
    spool.add_parts("job", [Part(0, 1)])
    hours = {NOVEMBER + 2 * HOUR: 9, NOVEMBER + 4 * HOUR: 100}
    increments = [Increment("github_x_total", 0, hour, value, False) for hour, value in hours.items()]
    spool.keep("x", "job", 0, state="done", increments=increments)
    quarters = replace(plan(NOVEMBER, DECEMBER, "counter", NOVEMBER + 4 * HOUR), step=HOUR // 4)
    lines = text_of(spool, quarters)[2:-2]
    values = [int(line.split(" ")[1]) for line in lines]
    assert values == [0, 2, 4, 6, 9, 9, 9, 9, 9, 34, 59, 84, 109]
    assert lines[0].endswith(str(NOVEMBER + HOUR))


def test_the_rest_is_what_the_named_ones_have_not(spool: Spool) -> None:
    spool.add_parts("job", [Part(0, 1, ("a",)), Part(0, 1, ("other",))])
    first, second = NOVEMBER + HOUR, NOVEMBER + 2 * HOUR
    total = [Increment("rest", 0, first, 10, True), Increment("rest", 0, second, 4, True)]
    spool.keep("x", "job", 1, state="done", increments=total)
    own = [Increment("own", 0, first, 7, False), Increment("own", 0, second, 5, False)]
    spool.keep("x", "job", 0, state="done", increments=own)
    numbers = {head: number for _, head, _, number in spool.counters("x")}
    assert spool.increments(numbers["own"]) == [(first, 7), (second, 5)]
    assert spool.increments(numbers["rest"]) == [(first, 3), (second, 0)], "never negative"


def test_the_rest_waits_until_all_named_ones_are_read(spool: Spool) -> None:
    spool.add_parts("job", [Part(0, 1, ("a",)), Part(0, 1, ("other",))])
    spool.keep("x", "job", 1, state="done", increments=[Increment("rest", 0, NOVEMBER + HOUR, 10, True)])
    spool.fail("job", [0], "GitHub answers 500", {})
    assert not spool.counters("x")
    spool.reopen_failed()
    spool.keep("x", "job", 0, state="done", increments=[Increment("own", 0, NOVEMBER + HOUR, 7, False)])
    assert [head for _, head, _, _ in spool.counters("x")] == ["own", "rest"]


def test_gaps_of_one_reason_are_joined(spool: Spool) -> None:
    job = job_of(COPILOT)
    source = Source(job, Past(_none, "day", reach=DAY), NOVEMBER, DECEMBER)
    days = [Part(NOVEMBER + day * DAY, NOVEMBER + (day + 1) * DAY) for day in range(4)]
    spool.add_parts(job.key, days)
    for number, why in enumerate(("gone", "gone", "", "broken")):
        state = {"gone": "missing", "": "done", "broken": "failed"}[why]
        spool.keep("x", job.key, number, state=state, why=why)
    gaps, failed = gaps_of(spool, {job.key: source}, Naming())
    assert failed
    assert [(gap["from"], gap["to"], gap["why"]) for gap in gaps] == [
        ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z", "gone"),
        ("2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z", "broken"),
    ]


async def _none(*_: object) -> PastAnswer:
    return PastAnswer()


ASKED = {"from": "2026-01-01", "labels": {"job": "x"}}
BEGUN = (
    b'{"begun": {"format": "github-enterprise-exporter backfill 1", "flags": {"from": "2026-01-01", "labels": '
    b'{"job": "x"}}, "ranges": {"job": [1, 2]}}}\n'
)


def test_a_folder_goes_on_where_it_was_and_drops_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    folder = Folder(path)
    assert not folder.open(ASKED)
    folder.begin(ASKED, {"job": [1, 2]})
    folder.write("a.om", ["one\n", "# EOF\n"], {"samples": 1})
    folder.write("b.om", [], {"samples": 0})
    assert [entry.name for entry in path.glob("*.om*")] == ["a.om"]
    folder.close()
    with (path / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"written": {"name": "c.o')
    again = Folder(path)
    assert again.open(ASKED)
    assert (again.ranges, list(again.files), again.is_complete) == ({"job": [1, 2]}, ["a.om"], False)
    again.write_again(["a.om"])
    again.end([], is_complete=True)
    again.close()
    assert [json.loads(line) for line in (path / "manifest.jsonl").read_text().split("\n") if line][-2:] == [
        {"again": ["a.om"]},
        {"ended": {"complete": True, "gaps": []}},
    ]


def test_a_file_that_cannot_be_completed_does_not_exist(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "history")
    folder.begin(ASKED, {})

    def broken() -> object:
        yield "one\n"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.write("a.om", broken(), {})  # type: ignore[arg-type] # it ends with the error
    assert not list(folder.path.glob("a.om*"))
    assert not folder.files


def test_a_finished_folder_misses_a_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "history")
    folder.begin(ASKED, {})
    folder.write("a.om", ["one\n", "# EOF\n"], {"samples": 1})
    folder.end([], is_complete=True)
    folder.close()
    (folder.path / "a.om").unlink()
    with pytest.raises(UnusableFolder, match="was removed or changed"):
        Folder(folder.path).open(ASKED)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\n", "cannot be read"),
        (b"[]\n", "is of another program"),
        (
            b'{"begun": {"format": "github-enterprise-exporter backfill 1", "flags": 1}}\n',
            "cannot be read",
        ),
        (b'{"begun": {"format": "other"}}\n', "is of another version"),
        (b'{"written": {"name": "a"}}\n', "is of another program"),
        (b"5\n", "cannot be read"),
        (BEGUN + b'{"written": {"name": "a.om"}}\n', "cannot be read"),
        (BEGUN + b'{"written": {"name": 5, "bytes": 1, "samples": 1}}\n', "cannot be read"),
        (BEGUN + b'{"ended": {"complete": true, "gaps": [5]}}\n', "cannot be read"),
        (BEGUN + b'{"ended": {"complete": true, "gaps": [{"source": "x"}]}}\n', "cannot be read"),
        (BEGUN.replace(b"[1, 2]", b"[1]"), "cannot be read"),
        (BEGUN + b"[" * 100_000 + b"\n", "cannot be read"),
    ],
)
def test_a_manifest_of_others_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(content)
    with pytest.raises(UnusableFolder, match=why):
        Folder(tmp_path).open(ASKED)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE part SET subject = '{'",
        "UPDATE part SET stop = 9e99",
        "UPDATE count SET value = 'x'",
        "DROP TABLE mark",
        "ALTER TABLE series RENAME COLUMN head TO line",
    ],
)
def test_a_spool_with_rows_of_another_shape_is_refused(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "unfinished.db"
    with closing(Spool(path)) as spool:
        spool.add_parts("job", [Part(0, 1)])
        spool.keep("x", "job", 0, state="done", increments=[Increment("x", 0, NOVEMBER, 1, False)])
    with closing(Spool(path)) as spool:
        assert spool.counters("x")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(statement)
    with pytest.raises(sqlite3.DatabaseError, match="it is damaged") as refused:
        Spool(path)
    assert not isinstance(refused.value, sqlite3.OperationalError), "the advice would be to try again"


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    first.begin(ASKED, {})
    with pytest.raises(UnusableFolder, match="another backfill"):
        Folder(tmp_path).open(ASKED)


def test_the_budget_is_what_the_exporter_leaves() -> None:
    assert Budget(0.3, 500).hourly(5_000) == 1_500
    assert Budget(0.3, 500, others=900).hourly(5_000) == 600
    assert Budget(0.3, 500, others=9_000).hourly(5_000) == 1


def test_subjects_are_read_one_by_one() -> None:
    assert SUBJECTS.past is not None
    assert SUBJECTS.past.list_parts is not None
