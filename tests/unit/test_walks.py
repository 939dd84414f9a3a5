"""Walks whose rows move or have no order: complete to the last row, or not declared complete."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue import Collector
from exporter.collectors import route_stats, subject_stats, user_stats
from exporter.collectors.reading.pages import ListSums
from exporter.collectors.reading.rows import MOST_ROWS
from exporter.collectors.reading.walks import walk
from exporter.collectors.subject_stats import SUBJECTS, SubjectRow
from exporter.collectors.summary_stats import DifferenceRow
from exporter.counting.walks import RowSet, row_set, sums_of, unite
from exporter.errors import Forbidden, GitHubError, Invalid, RateLimited, Unavailable
from exporter.fetching import Ask, Fetched
from exporter.tables import Row
from tests.support.jobs import client

NOW = 1_700_003_600
Pages = Sequence[Sequence[Row]]


def subject(number: int, total: int = 1, limited: int = 0, name: str = "ghost", kind: str = "user") -> SubjectRow:
    return SubjectRow(
        subject_type=kind,
        subject_id=number,
        subject_name=name,
        total_request_count=total,
        rate_limited_request_count=limited,
    )


# United, purely ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "rejected", "full"),
    [
        ((), 0, True),
        ((1, 2, 3), 0, True),
        ((1, 2, 3), 2, True),
        ((1, 2, 2), 0, False),
    ],
)
def test_a_walk_is_full_if_no_row_comes_twice(numbers: Sequence[int], rejected: int, full: bool) -> None:
    one = row_set(SUBJECTS, map(subject, numbers), rejected)
    assert (one.complete, one.rejected, sums_of(SUBJECTS, one)) == (full, rejected, (len(set(numbers)), 0))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([subject(1, 5), subject(1, 7, 1)], (7, 1, "ghost"), id="it grew"),
        pytest.param([subject(1, 7, 1), subject(1, 5)], (7, 1, "ghost"), id="the larger came first"),
        pytest.param([subject(1, 5, 0), subject(1, 5, 2)], (5, 2, "ghost"), id="only refusals grew"),
        pytest.param([subject(1, 5, name="old"), subject(1, 5, name="new")], (5, 0, "new"), id="the newer name"),
    ],
)
def test_of_a_row_that_comes_twice_the_larger_counts_win(
    rows: list[SubjectRow], expected: tuple[int, int, str]
) -> None:
    within = row_set(SUBJECTS, rows, 0)
    across = unite(SUBJECTS, row_set(SUBJECTS, rows[:1], 0), row_set(SUBJECTS, rows[1:], 0))
    for found in (within, across):
        (row,) = cast("list[SubjectRow]", list(found.rows.values()))
        assert (row.total_request_count, row.rate_limited_request_count, row.subject_name) == expected
        assert sums_of(SUBJECTS, found) == expected[:2]


def test_an_app_and_a_user_of_one_number_are_two_rows() -> None:
    assert row_set(SUBJECTS, [subject(1), subject(1, kind="installation")], 0).complete


@pytest.mark.parametrize(
    ("first", "second", "full"),
    [
        (((1, 2, 2), 0), ((3, 3, 1), 0), True),
        (((1, 2, 2), 0), ((1, 2, 2), 0), False),
        (((1, 2, 2), 0), ((1, 3, 3, 2), 0), False),  # the list has become longer
        (((1, 2, 2), 1), ((3, 3, 1), 0), False),  # who knows which row could not be read
    ],
)
def test_united_walks_are_full_if_the_list_is_as_long_as_the_rows_are_many(
    first: tuple[Sequence[int], int], second: tuple[Sequence[int], int], full: bool
) -> None:
    one, other = (row_set(SUBJECTS, map(subject, numbers), rejected) for numbers, rejected in (first, second))
    united = unite(SUBJECTS, one, other)
    assert united.complete is full
    assert united.rejected == max(first[1], second[1])
    assert (len(one.rows), len(other.rows)) == (len(set(first[0])), len(set(second[0]))), "neither was changed"


# Any order, any page size -----------------------------------------------------------------------------------------


NEVER: frozenset[int] = frozenset()


class Shuffled:
    """A list of which each answer is made anew: ties in another order, rows that grow and rows that come."""

    def __init__(
        self, names: Sequence[int], size: int, seed: int, grows: frozenset[int] = NEVER, comes: frozenset[int] = NEVER
    ) -> None:
        rows = [subject(number, 1 + number, number % 3, f"name {name}") for number, name in enumerate(names)]
        self.rows = {row.subject_id: row for row in rows}
        self.size, self.rng, self.grows, self.comes, self.answers = size, Random(seed), grows, comes, 0
        self.read: list[dict[int, SubjectRow]] = []  # what GitHub showed at each answer
        self.skew = 0.0

    def happens(self) -> None:
        self.answers += 1
        if self.answers in self.grows and self.rows:
            number = self.rng.choice(sorted(self.rows))
            row = self.rows[number]
            self.rows[number] = row.model_copy(update={"total_request_count": row.total_request_count + 1})
        if self.answers in self.comes:
            number = 1000 + self.answers
            self.rows[number] = subject(number, 1, 0, f"name {self.rng.randrange(4)}")
        self.read.append(dict(self.rows))

    async def pages(self, _path: str, params: Any) -> Any:
        begin, more = 0, True
        while more:
            self.happens()
            ties = self.rng.sample(sorted(self.rows), len(self.rows))
            reverse = params["direction"] == "desc"
            order = sorted(ties, key=lambda number: self.rows[number].subject_name or "", reverse=reverse)
            size = max(1, self.size * params["per_page"] // 100)
            rows = [self.rows[number].model_dump() for number in order[begin : begin + size]]
            begin += size
            more = begin < len(order)
            yield SimpleNamespace(status=200, body=json.dumps(rows).encode())

    async def sums(self) -> tuple[int, int]:
        self.happens()
        rows = self.rows.values()
        return sum(row.total_request_count for row in rows), sum(row.rate_limited_request_count for row in rows)


def read(api: Any, sums: ListSums | None) -> dict[int, SubjectRow] | None:
    """The rows by number; None if the read was not declared complete."""
    try:
        fetched = asyncio.run(walk(api, "/x", {}, SUBJECTS, sums))
    except Invalid:
        return None
    rows = cast("tuple[SubjectRow, ...]", fetched.rows)
    assert len({row.subject_id for row in rows}) == len(rows), "a row counted twice"
    return {row.subject_id: row for row in rows}


some_names = st.lists(st.integers(0, 3), max_size=14)
sizes, seeds = st.integers(1, 15), st.integers(0, 2**32)
some_answers = st.frozensets(st.integers(1, 40), max_size=4)


@settings(max_examples=400, deadline=None)
@given(some_names, sizes, seeds, st.booleans())
def test_any_order_of_ties_on_pages_of_any_size_is_read_whole_or_not_at_all(
    names: list[int], size: int, seed: int, filtered: bool
) -> None:
    api = Shuffled(names, size, seed)
    found = read(api, None if filtered else ListSums(api.sums))
    assert found in (None, api.rows)
    if len(set(names)) == len(names) or size >= len(names):
        assert found is not None


@settings(max_examples=400, deadline=None)
@given(some_names, sizes, seeds, some_answers, some_answers)
def test_while_rows_grow_and_come_what_is_proven_for_a_fold_misses_no_row(
    names: list[int], size: int, seed: int, grows: frozenset[int], comes: frozenset[int]
) -> None:
    api = Shuffled(names, size, seed, grows, comes)
    sums = ListSums(api.sums, fold=True)
    found = read(api, sums)
    if found is None:
        return
    if sums.answers:
        assert found == api.read[-1], "all that GitHub showed with the sums"
    for number, row in found.items():
        shown = [snapshot[number].total_request_count for snapshot in api.read if number in snapshot]
        assert min(shown) <= row.total_request_count <= max(shown)


# What a fetch asks ------------------------------------------------------------------------------------------------


class Scripted:
    """GitHub behind the client: a walk's pages one after another, and the sums that summary-stats shows."""

    def __init__(self, walks: Sequence[Pages], *sums: tuple[int, int] | int) -> None:
        self.walks, self.sums = [list(walk) for walk in walks], list(sums)
        self.asked: list[httpx.URL] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        if "summary-stats" in request.url.path:
            shown = self.sums.pop(0) if len(self.sums) > 1 else self.sums[0]
            if isinstance(shown, int):
                return httpx.Response(
                    shown, json={"message": "no"}, headers={"retry-after": "9"} if shown == 429 else {}
                )
            return httpx.Response(200, json={"total_request_count": shown[0], "rate_limited_request_count": shown[1]})
        page, *rest = self.walks[0]
        self.walks[0] = rest
        number = int(request.url.params.get("page", 1))
        link = str(request.url.copy_set_param("page", number + 1))
        if not rest:
            self.walks.pop(0)
        items = [row if isinstance(row, dict) else row.model_dump(mode="json") for row in page]
        return httpx.Response(200, json=items, headers={"link": f'<{link}>; rel="next"'} if rest else {})

    def paths(self) -> list[str]:
        """What was asked, in order; of lists the direction of each first page."""
        return [
            url.path.rpartition("/api/")[2] if "direction" not in url.params else url.params["direction"]
            for url in self.asked
            if "page" not in url.params
        ]


def fetched(github: Scripted, collector: Collector = subject_stats.COLLECTOR, **change: Any) -> Fetched:
    question = Ask("acme", (), collector.options(**change.pop("options", {})), NOW - 3600, NOW)
    return asyncio.run(collector.fetch(client(github, now=NOW), replace(question, **change)))


def counts(found: Fetched) -> dict[int, int]:
    return {row.subject_id: row.total_request_count for row in found.rows if isinstance(row, SubjectRow)}


def differences(found: Fetched) -> list[int]:
    return [row.requests for row in found.rows if isinstance(row, DifferenceRow)]


A, B, C, D = subject(1, 10), subject(2, 20), subject(3, 30, 3), subject(4, 40)
TIES: Pages = [[A, B], [B, D]]  # C is missing
OTHER: Pages = [[D, C], [C, A]]  # B is missing
CLEAN: Pages = [[A, B], [C, D]]
ALL, SUM = {1: 10, 2: 20, 3: 30, 4: 40}, (100, 3)


@pytest.mark.parametrize(
    ("walks", "sums", "asked"),
    [
        pytest.param([CLEAN], [SUM], ["summary-stats", "asc", "summary-stats"], id="no row comes twice"),
        pytest.param([TIES, CLEAN], [SUM], ["summary-stats", "asc", "desc", "summary-stats"], id="once"),
        pytest.param(
            [TIES, OTHER],
            [(90, 3), SUM],
            ["summary-stats", "asc", "desc", "summary-stats"],
            id="proven by the sums from after",
        ),
        pytest.param(
            [TIES, OTHER],
            [SUM, (101, 3)],
            ["summary-stats", "asc", "desc", "summary-stats"],
            id="proven by the sums from before",
        ),
        pytest.param(
            [TIES, TIES, OTHER],
            [(90, 3), (90, 3), SUM],
            ["summary-stats", "asc", "desc", "summary-stats", "asc", "summary-stats"],
            id="the third walk has the missing row",
        ),
        pytest.param(
            [TIES, TIES, CLEAN],
            [(90, 3), (90, 3), SUM],
            ["summary-stats", "asc", "desc", "summary-stats", "asc", "summary-stats"],
            id="after two such walks the sums decide",
        ),
        pytest.param(
            [[[A, B, B, C, D]], [[D, C, B, B, A]]],
            [SUM],
            ["summary-stats", "asc", "desc", "summary-stats"],
            id="twice on one page",
        ),
    ],
)
def test_subjects_are_walked_until_they_are_complete(
    walks: list[Pages], sums: list[tuple[int, int]], asked: list[str]
) -> None:
    github = Scripted(walks, *sums)
    assert counts(fetched(github)) == ALL
    assert github.paths() == asked
    assert len({url.params["max_timestamp"] for url in github.asked}) == 1
    assert len({url.params["min_timestamp"] for url in github.asked}) == 1


@pytest.mark.parametrize(
    ("sums", "difference"),
    [
        ([SUM, SUM], [0]),
        ([(90, 3), SUM], []),
        ([SUM, (101, 3)], []),
    ],
)
def test_the_sums_that_prove_a_walk_are_those_that_are_compared(
    sums: list[tuple[int, int]], difference: list[int]
) -> None:
    github = Scripted([TIES, OTHER], *sums)
    assert differences(fetched(github)) == difference
    assert github.paths().count("summary-stats") == 2


def test_both_sums_must_be_equal() -> None:
    with pytest.raises(
        Invalid, match=r"4 rows have 100 requests, 3 of them rate-limited; summary-stats shows 100 and 4"
    ):
        fetched(Scripted([TIES, OTHER, TIES], (100, 4)))


def test_an_unreadable_row_is_no_proof_and_is_told() -> None:
    bad = cast("Any", {"subject_type": "user"})
    with pytest.raises(Invalid, match=r"summary-stats shows 100 and 3; rows that could not be read: 1"):
        fetched(Scripted([[[A, B], [B, bad]], [[D, bad], [D, A]], TIES], SUM))


def test_a_folds_read_is_proven_only_by_sums_from_after_the_walk() -> None:
    """During the third walk a row grows by as much as another one has that is missing: the sums from before agree."""
    grown = [[A, subject(2, 50, 3)], [subject(2, 50, 3), D]]
    github = Scripted([TIES, TIES, grown], SUM, (130, 6))
    with pytest.raises(Invalid, match="summary-stats shows 130 and 6"):
        fetched(github, partial=True)
    assert github.paths() == ["asc", "desc", "summary-stats", "asc", "summary-stats"]


@pytest.mark.parametrize(
    ("collector", "whose"),
    [
        (user_stats.COLLECTOR, ("7",)),
        (route_stats.COLLECTOR, ("installation", "954453")),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_a_drill_down_is_proven_by_its_own_summary_and_asks_for_none_without_need(
    collector: Collector, whose: tuple[str, ...], partial: bool
) -> None:
    table = collector.counting
    assert table is not None

    def row(number: int) -> Row:
        labels: dict[str, Any] = {"actor_type": "classic_pat", "actor_id": number, "actor_name": "laptop"}
        if table is route_stats.ROUTES:
            labels = {"http_method": "GET" if number % 2 else "PUT", "api_route": f"/x/{number // 2}"}
        return table.row(**labels, total_request_count=number, rate_limited_request_count=0)

    clean = Scripted([[[row(1), row(2)], [row(3)]]])
    assert len(fetched(clean, collector, subject=whose, partial=partial).rows) == 3
    assert clean.paths() == ["asc"]
    ties = Scripted([[[row(1), row(2)], [row(2)]], [[row(3), row(2)], [row(2)]]], (6, 0))
    assert len(fetched(ties, collector, subject=whose, partial=partial).rows) == 3
    path = "/".join(("summary-stats", *(("users",) if len(whose) == 1 else ()), *whose))
    assert ties.paths() == ["asc", "desc", path]


def test_a_part_of_a_list_has_no_sums_and_is_proven_by_its_length() -> None:
    narrowed = {"subject_name_substring": "ghost"}
    github = Scripted([TIES, OTHER])
    assert counts(fetched(github, options=narrowed)) == ALL
    assert github.paths() == ["asc", "desc"]
    with pytest.raises(Invalid, match="rows moved between pages: three walks read 4, 4 and 4 rows, of which 3 differ"):
        fetched(Scripted([TIES, TIES, TIES]), options=narrowed)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, Forbidden, "“API Insights” \\(read\\)"),
        (404, Forbidden, "“View organization API insights”"),
        (502, Unavailable, "summary-stats"),
        (429, RateLimited, "quota pool token waits"),
    ],
)
def test_without_the_sums_the_walk_fails_and_says_what_is_missing(
    status: int, error: type[GitHubError], words: str
) -> None:
    """A 404 here is no unknown user, whom the drill-down would drop."""
    for collector, whose in ((subject_stats.COLLECTOR, ()), (user_stats.COLLECTOR, ("7",))):
        rows = TIES
        if collector is user_stats.COLLECTOR:
            actor = user_stats.UserActorRow(
                actor_type="classic_pat", actor_id=1, total_request_count=1, rate_limited_request_count=0
            )
            rows = [[actor], [actor]]
        with pytest.raises(error, match=words):
            fetched(Scripted([rows, rows, rows], status), collector, subject=whose)


def test_a_page_of_far_more_rows_than_were_asked_for_is_refused() -> None:
    page = [subject(number) for number in range(MOST_ROWS + 1)]
    with pytest.raises(Invalid, match="a page of 1001 rows"):
        fetched(Scripted([[page]], SUM))


def test_a_row_set_is_a_value() -> None:
    assert row_set(SUBJECTS, [A, B], 0) == RowSet({("user", 1): A, ("user", 2): B}, (2,), 0)
