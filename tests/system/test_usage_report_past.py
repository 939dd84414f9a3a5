"""The past of spend: which export is read, requested and waited for, and what each day shows; figures by hand."""

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from exporter.collectors.usage_reports import COLLECTOR, Options
from exporter.collectors.usage_reports.past import fetch_past, list_past
from exporter.errors import Forbidden, GitHubError, Invalid, LinkExpired, Unavailable
from exporter.fetching import Ask
from exporter.instants import DAY, day_of, epoch, utc_time
from exporter.past import Part, PastAnswer
from exporter.tables import Figures
from tests.support.jobs import NOW, client

HEADER = "date,product,sku,quantity,unit_type,gross_amount,discount_amount,net_amount,organization,username\n"
OCTOBER = (int(epoch("2026-10-01")), int(epoch("2026-11-01")))
CREATED = "2026-11-20T12:00:00Z"


def export(start: str = "2026-10-01", end: str = "2026-10-31", **change: Any) -> dict[str, Any]:
    usual = {"id": f"{start}..{end}", "report_type": "summarized", "status": "completed", "created_at": CREATED}
    links = ["https://a.blob.core.windows.net/1.csv?sig=1"]
    return {**usual, "start_date": start, "end_date": end, "download_urls": links, **change}


def line(day: str, gross: str, sku: str = "linux", user: str = "mona") -> str:
    return f"{day},actions,{sku},10,minutes,{gross},0,{gross},acme,{user}\n"


class GitHub:
    """GitHub's exports; `posted` become the state `made` and get this file after so many looks at the list."""

    def __init__(self, *exports: dict[str, Any], text: str = "", after: int = 2) -> None:
        self.exports, self.text, self.after = list(exports), text, after
        self.requests: list[str] = []
        self.posted: list[dict[str, Any]] = []
        self.made = "completed"
        self.refusal: Callable[[], httpx.Response] | None = None
        self.file: Callable[[], httpx.Response] = lambda: httpx.Response(200, text=self.text)
        self._looks = 0

    def respond(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/enterprises/acme-corp/settings/billing/reports").strip("/")
        self.requests.append(f"{request.method} {name}".strip())
        if request.method == "POST":
            content = json.loads(request.content)
            self.posted.append(content)
            made = {"status": "processing", "created_at": utc_time(NOW), "report_type": content["report_type"]}
            self.exports.append({**export(content["start_date"], content["end_date"], id="made", **made)})
            return self.refusal() if self.refusal else httpx.Response(202, json=self.exports[-1])
        if name:
            return httpx.Response(200, json=next(one for one in self.exports if one["id"] == name))
        if self.posted:
            self._looks += 1
            if self._looks >= self.after:
                self.exports[-1]["status"] = self.made
        return httpx.Response(200, json={"usage_report_exports": self.exports})


def ask_of(start: int = OCTOBER[0], end: int = OCTOBER[1], **options: Any) -> Ask:
    return Ask("acme-corp", (), Options(**options), start, end, interval=COLLECTOR.interval, max_age=COLLECTOR.max_age)


def parts_of(github: GitHub, start: str, end: float, **options: Any) -> tuple[Part, ...]:
    return asyncio.run(list_past(client(github.respond), ask_of(int(epoch(start)), int(end), **options)))


def answer_of(
    github: GitHub, part: Part | None = None, waits: Sequence[float] = (0.0, 0.0, 0.0), **options: Any
) -> PastAnswer:
    api = client(github.respond, lambda _request: github.file())
    part = part or Part(*OCTOBER, subject=("",))
    return asyncio.run(fetch_past(api, ask_of(part.start, part.end, **options), part, waits))


def shown(answer: PastAnswer) -> dict[str, dict[str, float]]:
    """By instant: the amounts by SKU and user, and the figures of the month."""
    found: dict[str, dict[str, float]] = {}
    for one in answer.shown:
        of_it = found.setdefault(utc_time(one.at), {})
        for row in one.rows:
            assert isinstance(row, Figures)
            assert getattr(row, "month") == "2026-10"  # noqa: B009 - rows of several classes
            name = "/".join(getattr(row, label) for label in ("sku", "username") if hasattr(row, label))
            of_it |= {name: row.figures["gross_amount_usd"]} if name else dict(row.figures)
    return found


def test_each_day_shows_the_sum_up_to_its_end() -> None:
    text = HEADER + line("2026-10-02", "0.1") + line("2026-10-31", "0.7") + line("2026-10-02", "0.2")
    text += line("2026-10-04", "-0.3") + line("2026-10-04", "5", "macos") + line("2026-11-01", "99")
    answer = answer_of(GitHub(export(end="2026-11-05"), text=text))
    days = shown(answer)
    assert list(days) == [utc_time(OCTOBER[0] + number * DAY) for number in range(1, 32)]
    assert days["2026-10-02T00:00:00Z"] == {"rows": 0.0, "rejected": 0.0}
    second = {"newest": epoch("2026-10-02"), "rows": 2.0, "rejected": 0.0}
    assert days["2026-10-03T00:00:00Z"] == days["2026-10-04T00:00:00Z"] == {"linux": 0.3, **second}
    fourth = {"newest": epoch("2026-10-04"), "rows": 4.0, "rejected": 0.0}
    assert days["2026-10-05T00:00:00Z"] == {"linux": 0.0, "macos": 5.0, **fourth}
    assert days["2026-11-01T00:00:00Z"]["linux"] == 0.7
    assert answer.missing == ""
    assert {one.until for one in answer.shown} == {epoch("2026-12-01")}  # as the last month, beside November
    assert {one.thing for one in answer.shown} == {" 2026-10"}


def test_a_gzipped_file_of_two_days_is_read_and_users_have_their_exported_form() -> None:
    github = GitHub(export(report_type="detailed"))
    text = HEADER + line("2026-10-02", "1", user="mona") + line("2026-10-03", "2", user="hubot")
    github.file = lambda: httpx.Response(
        200, content=gzip.compress(text.encode()), headers={"content-encoding": "gzip"}
    )
    part = Part(*OCTOBER, subject=("",))
    ask = Ask("acme-corp", (), Options(report_type="detailed", breakdowns=("username",)), *OCTOBER, name_form=str.upper)
    answer = asyncio.run(fetch_past(client(github.respond, lambda _: github.file()), ask, part))
    assert shown(answer)["2026-10-04T00:00:00Z"] == {
        "linux": 3.0,
        "linux/MONA": 1.0,
        "linux/HUBOT": 2.0,
        "rows": 2.0,
        "rejected": 0.0,
        "newest": epoch("2026-10-03"),
    }


def test_without_create_a_month_that_no_export_covers_is_a_gap_that_says_what_to_set() -> None:
    github = GitHub(export("2026-10-02"), export(report_type="detailed"), export(status="failed"))
    answer = answer_of(github)
    assert not answer.shown
    assert answer.missing == ("no summarized export covers 2026-10: set collectors.usage_reports.create: true")
    assert github.requests == ["GET"]


def test_with_create_one_export_is_requested_and_waited_for() -> None:
    github = GitHub(text=HEADER + line("2026-10-02", "1"))
    answer = answer_of(github, create=True)
    order = {"report_type": "summarized", "start_date": "2026-10-01", "end_date": "2026-10-31", "send_email": False}
    assert github.posted == [order]
    assert github.requests == ["GET", "POST", "GET", "GET"]
    assert shown(answer)["2026-11-01T00:00:00Z"]["linux"] == 1.0


@pytest.mark.parametrize("status", ["processing", "completed"])
def test_after_a_kill_the_requested_export_is_found_in_the_list(status: str) -> None:
    github = GitHub(export(status=status, created_at=utc_time(NOW - 60)), text=HEADER + line("2026-10-02", "1"))
    looks = iter(range(9))

    def respond(request: httpx.Request) -> httpx.Response:
        if next(looks):
            github.exports[0]["status"] = "completed"
        return github.respond(request)

    part = Part(*OCTOBER, subject=("",))
    api = client(respond, lambda _request: github.file())
    answer = asyncio.run(fetch_past(api, ask_of(create=True), part, (0.0, 0.0)))
    assert not github.posted
    assert shown(answer)["2026-11-01T00:00:00Z"]["linux"] == 1.0


def test_a_request_whose_response_is_lost_is_not_repeated() -> None:
    github = GitHub(text=HEADER + line("2026-10-02", "1"))
    github.refusal = lambda: httpx.Response(503)
    answer = answer_of(github, create=True)
    assert len(github.posted) == 1
    assert answer.shown


@pytest.mark.parametrize(
    ("created", "requested"),
    [
        ("2026-11-06T00:00:00Z", 0),  # five days after the month: final
        ("2026-11-05T23:59:59Z", 1),
        ("2026-10-31T23:00:00Z", 1),
        (None, 0),
    ],
)
def test_an_export_that_was_made_before_all_was_booked_is_made_anew(created: str | None, requested: int) -> None:
    github = GitHub(export(created_at=created), text=HEADER + line("2026-10-02", "1"))
    assert answer_of(github, create=True).shown
    assert len(github.posted) == requested
    assert answer_of(GitHub(export(created_at=created), text=github.text)).shown  # without create it is used


def test_of_a_month_that_is_not_over_the_days_that_are_over_are_shown() -> None:
    text = HEADER + "".join(line(f"2026-11-{day:02}", "1") for day in range(1, 22))
    part = Part(int(epoch("2026-11-01")), int(NOW), subject=("",))
    github = GitHub(text=text)
    days = [utc_time(one.at) for one in answer_of(github, part, create=True).shown]
    assert github.posted[0]["end_date"] == "2026-11-20"
    assert (days[0], days[-1], len(days)) == ("2026-11-02T00:00:00Z", "2026-11-21T00:00:00Z", 20)
    begun = export("2026-11-01", "2026-11-12", created_at="2026-11-10T08:00:00Z")
    answer = answer_of(GitHub(begun, text=text), part)
    assert [day_of(one.at) for one in answer.shown][-1] == "2026-11-10"
    assert {one.until for one in answer.shown} == {epoch("2026-11-10") + COLLECTOR.max_age}
    assert answer.missing == (
        "the summarized export of 2026-11 has its days before 2026-11-10 only: "
        "set collectors.usage_reports.create: true"
    )


def test_an_export_without_files_has_no_rows_and_no_spend() -> None:
    github = GitHub(export(download_urls=[]))
    days = shown(answer_of(github))
    assert github.requests == ["GET", "GET 2026-10-01..2026-10-31"]
    assert len(days) == 31
    assert all(figures == {"rows": 0.0, "rejected": 0.0} for figures in days.values())


def test_links_that_have_expired_are_asked_for_anew_once() -> None:
    github = GitHub(export(), text=HEADER + line("2026-10-02", "1"))
    answers = iter([httpx.Response(403), httpx.Response(200, text=github.text)])
    github.file = lambda: next(answers)
    assert shown(answer_of(github))["2026-11-01T00:00:00Z"]["linux"] == 1.0
    github.file = lambda: httpx.Response(403)
    with pytest.raises(LinkExpired):
        answer_of(github)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (lambda: httpx.Response(200, text=HEADER + "2026-10-02,actions\n" * 9), Invalid),
        (lambda: httpx.Response(200, text="date,product\n"), Invalid),
        (lambda: httpx.Response(503), Unavailable),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(file: Callable[[], httpx.Response], error: type[GitHubError]) -> None:
    github = GitHub(export())
    github.file = file
    with pytest.raises(error):
        answer_of(github)


def test_some_unreadable_rows_are_counted_from_their_day_on() -> None:
    text = HEADER + line("2026-10-02", "1") * 200 + line("2026-10-05", "much")
    answer = answer_of(GitHub(export(), text=text))
    assert answer.rejected == 1
    assert [figures["rejected"] for figures in shown(answer).values()] == [0.0] * 4 + [1.0] * 27


def test_an_export_that_github_cannot_make_is_an_error_and_no_second_one_is_requested() -> None:
    github = GitHub()
    github.made = "failed"
    for _ in range(2):
        with pytest.raises(Invalid, match="GitHub could not make the summarized report of 2026-10"):
            answer_of(github, create=True)
    assert len(github.posted) == 1


def test_an_export_that_takes_too_long_is_waited_for_by_the_next_try() -> None:
    github = GitHub(text=HEADER + line("2026-10-02", "1"), after=5)
    with pytest.raises(Unavailable, match="has not made"):
        answer_of(github, create=True)
    assert answer_of(github, create=True).shown
    assert len(github.posted) == 1


def test_a_refused_request_leaves_what_there_is() -> None:
    github = GitHub(export("2026-10-01", "2026-10-12", created_at="2026-11-20T00:00:00Z"), text=HEADER)
    github.refusal = lambda: httpx.Response(403, json={"message": "Forbidden"})
    assert len(answer_of(github, create=True).shown) == 12
    nothing = GitHub()
    nothing.refusal = github.refusal
    with pytest.raises(Invalid, match="no export of 2026-10 could be requested") as refused:
        answer_of(nothing, create=True)
    assert refused.value.hint == Forbidden.hint


def test_the_parts_are_the_months_with_the_one_before_and_say_their_requests() -> None:
    bare = export("2026-10-01", "2026-10-31", download_urls=None)
    credits_used = export("2026-10-01", "2026-10-31", report_type="ai_credit")
    exports = (export("2026-09-01", "2026-09-30"), bare, credits_used)
    parts = parts_of(GitHub(*exports), "2026-10-09", NOW)
    named = [(day_of(part.start), part.end, part.subject, part.requests) for part in parts]
    assert named == [
        ("2026-09-01", OCTOBER[0], ("",), 2),  # the list of all, and that of the month
        ("2026-10-01", OCTOBER[1], ("",), 2),  # and the links
        ("2026-10-01", OCTOBER[1], ("ai_credit",), 1),
        ("2026-11-01", NOW, ("",), 1),
    ]
    options: dict[str, Any] = {"create": True, "also": ["premium_request", "ai_credit"]}
    created = parts_of(GitHub(*exports), "2026-10-09", NOW, **options)
    assert [(day_of(part.start)[:7], part.subject[0], part.requests) for part in created] == [
        ("2026-09", "", 2),
        ("2026-09", "ai_credit", 5),
        ("2026-09", "premium_request", 5),
        ("2026-10", "", 2),
        ("2026-10", "ai_credit", 1),
        ("2026-10", "premium_request", 5),
        ("2026-11", "", 5),
        ("2026-11", "ai_credit", 5),
        ("2026-11", "premium_request", 5),
    ]


def test_no_export_is_requested_of_months_before_a_type_had_usage() -> None:
    parts = parts_of(GitHub(), "2026-05-01", epoch("2026-07-01"), create=True, also=["ai_credit"])
    assert [day_of(part.start)[:7] for part in parts if part.subject == ("ai_credit",)] == ["2026-06"]


def test_a_month_whose_first_day_is_not_over_has_no_part() -> None:
    parts = parts_of(GitHub(), "2026-10-01", epoch("2026-11-01") + 3_600)
    assert [day_of(part.start) for part in parts] == ["2026-09-01", "2026-10-01"]


def test_the_kinds_beside_the_spend_have_no_row_counts_of_the_month() -> None:
    header = HEADER.replace("username", "model")
    github = GitHub(export(report_type="ai_credit"), text=header + line("2026-10-02", "1", user="gpt"))
    answer = answer_of(github, Part(*OCTOBER, subject=("ai_credit",)), breakdowns=("model",))
    last = list(answer.shown)[-1]
    assert [type(row).__name__ for row in last.rows] == [
        "Figures of github_usage_report_ai_credit_gross_amount_usd",
        "Figures of github_usage_report_ai_credit_model_gross_amount_usd",
    ]
    assert last.thing == "ai_credit 2026-10"


def test_the_past_is_that_of_24_months() -> None:
    assert COLLECTOR.past is not None
    assert day_of(NOW - COLLECTOR.past.reach) == "2024-11-21"
