"""Sums over usage report files: exact, by header name, whatever stands in them; and the child that makes them."""

import asyncio
import csv
import io
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.usage_reports import sums as usage_sums
from exporter.collectors.usage_reports.child import MOST_BYTES, Selection, _Child, _read, check, load, sum_report
from exporter.collectors.usage_reports.ledger import unknown_columns
from exporter.collectors.usage_reports.sums import GROUPS, Sums, UnusableReport, sum_up
from exporter.errors import Invalid, LinkExpired, Unavailable

HEADER = (
    *("date", "product", "sku", "quantity", "unit_type", "applied_cost_per_quantity", "gross_amount"),
    *("discount_amount", "net_amount", "username", "organization", "repository", "workflow_path", "cost_center_name"),
)
WANTED = Selection(("2026-11",), GROUPS, ("repository", "username"))
ACME = ("acme", "actions", "actions_linux", "minutes", "CC-1")


def row(**change: str) -> dict[str, str]:
    usual = {
        "date": "2026-11-01",
        "product": "actions",
        "sku": "actions_linux",
        "quantity": "10",
        "unit_type": "minutes",
        "applied_cost_per_quantity": "0.006",
        "gross_amount": "0.06",
        "discount_amount": "0.01",
        "net_amount": "0.05",
        "username": "octocat",
        "organization": "acme",
        "repository": "api",
        "workflow_path": "",
        "cost_center_name": "CC-1",
    }
    return {**usual, **change}


def written(*rows: dict[str, str], header: tuple[str, ...] = HEADER, quoting: int = csv.QUOTE_ALL) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, quoting=quoting, extrasaction="ignore", lineterminator="\n")  # type: ignore[arg-type] # typeshed wants a literal
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def sums_of(*parts: str, wanted: Selection = WANTED) -> Sums:
    sums = Sums.empty(*wanted)
    for part in parts:
        sum_up(encoded([part]), sums)
    check(sums)
    return sums


def encoded(pieces: Iterable[str]) -> Iterator[bytes]:
    return (piece.encode() for piece in pieces)


def loaded(lines: Iterable[str]) -> Sums:
    sums = Sums.empty(*WANTED)
    *others, last = lines
    assert not any(load(line, sums) for line in others)
    assert load(last, sums)
    return sums


def amounts(*parts: str) -> list[Decimal]:
    return sums_of(*parts).months["2026-11"].groups[""][ACME]


def test_columns_that_github_adds_are_named_and_change_no_sum() -> None:
    new = ("Carbon", "region", "", *(f"column_{number}" for number in range(30)), "x" * 500)
    found = sums_of(written(row(), header=(*HEADER, *new)), written(row(), header=(*HEADER, "region")))
    assert found.months == sums_of(written(row()), written(row())).months
    assert unknown_columns(found.columns) == ["carbon", "region", *(f"column_{number}" for number in range(18))]
    assert unknown_columns(sums_of(written(row(), header=(*HEADER, "x" * 500))).columns) == ["x" * 60]
    assert loaded(found.lines()).columns == found.columns
    assert unknown_columns(sums_of(written(row())).columns) == []
    documented = (
        "model",
        "exceeds_quota",
        "total_monthly_quota",
        "aic_quantity",
        "aic_gross_amount",
        "input",
        "output",
    )
    known = sums_of(written(row(), header=(*HEADER, *documented, "cache_read", "cache_write")))
    assert unknown_columns(known.columns) == []


GOOD = [row() for _ in range(200)]
BAD_ROWS = {
    "no number": row(quantity="many"),
    "an empty amount": row(net_amount=""),
    "no limit": row(quantity="Unlimited"),
    "no number at all": row(gross_amount="NaN"),
    "infinite": row(gross_amount="Infinity"),
    "a decimal comma": row(gross_amount="7,50"),
    "thousands": row(gross_amount="1,234.50"),
    "an absurd exponent": row(gross_amount="1e999999"),
    "a NUL": row(product="act\0ions"),
    "no date": row(date="yesterday"),
    "no day": row(date="2026-11-31"),
}


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_bad_row_is_left_out_and_counted(bad: str, quoting: int) -> None:
    month = sums_of(written(*GOOD, BAD_ROWS[bad], quoting=quoting)).months["2026-11"]
    assert (month.rows, month.rejected) == (200, 1)
    assert month.groups[""] == {ACME: [Decimal(2000), Decimal("12.00"), Decimal("2.00"), Decimal("10.00")]}


@pytest.mark.parametrize("line", ["2026-11-01,actions\n", "2026-11-01" + ",1" * 40 + "\n"])
def test_short_and_long_rows_are_counted(line: str) -> None:
    month = sums_of(written(*GOOD) + line).months["2026-11"]
    assert (month.rows, month.rejected) == (200, 1)


FORMS = {
    "a BOM": "\ufeff" + written(row()),
    "CRLF": written(row()).replace("\n", "\r\n"),
    "no quotes": written(row(), quoting=csv.QUOTE_MINIMAL),
    "columns in another order": written(row(), header=tuple(reversed(HEADER))),
    "a new column": written({**row(), "input": "7"}, header=(*HEADER, "input")),
    "names in capitals, with blanks": written(row()).replace('"date"', '" Date "', 1),
    "no newline at the end": written(row()).rstrip("\n"),
    "blank lines": written(row()) + "\n\n",
    "quotes with a newline inside": written(row(repository='a"b\nc')),
    "another encoding's bytes": written(row(repository="caf\ufffd")),
    "a time behind the date": written(row(date="2026-11-01T00:00:00Z")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_sums(form: str) -> None:
    assert amounts(FORMS[form]) == [Decimal(10), Decimal("0.06"), Decimal("0.01"), Decimal("0.05")]


def test_without_a_discount_column_the_discount_is_the_difference() -> None:
    part = written(row(), header=tuple(name for name in HEADER if name != "discount_amount"))
    assert amounts(part)[2] == Decimal("0.01")


@pytest.mark.parametrize("missing", ["date", "product", "sku", "quantity", "gross_amount", "net_amount"])
def test_a_missing_column_rejects_the_file(missing: str) -> None:
    with pytest.raises(UnusableReport, match=missing):
        sums_of(written(row(), header=tuple(name for name in HEADER if name != missing)))


@pytest.mark.parametrize("content", ["<html><body>Unicorn!</body></html>", "a,b,c\n1,2,3\n", "\0\0\0\n"])
def test_what_is_no_report_is_rejected(content: str) -> None:
    with pytest.raises(UnusableReport):
        sums_of(content)


def test_more_than_one_bad_row_in_a_hundred_rejects_the_report_over_all_its_parts() -> None:
    good, bad = written(*GOOD), written(*([row(quantity="x")] * 3))
    with pytest.raises(Invalid, match="3 of 203"):
        sums_of(good, bad)
    assert sums_of(good, written(row(quantity="x"), row(quantity="x"))).months["2026-11"].rejected == 2


@pytest.mark.parametrize("content", ["", "\n", written(), "\ufeff" + written()])
def test_nothing_is_no_fault(content: str) -> None:
    month = sums_of(content).months["2026-11"]
    assert (month.rows, month.rejected, month.newest, month.groups[""]) == (0, 0, "", {})


def test_rows_of_other_months_count_in_nothing() -> None:
    month = sums_of(written(row(), row(date="2026-10-31"), row(date="2026-12-01", quantity="x"))).months["2026-11"]
    assert (month.rows, month.rejected, month.newest) == (1, 0, "2026-11-01")


def test_rows_of_one_sku_but_of_other_organizations_and_repositories_are_told_apart() -> None:
    month = sums_of(written(row(), row(organization="globex"), row(repository="web"))).months["2026-11"]
    assert {key[0]: values[0] for key, values in month.groups[""].items()} == {"acme": 20, "globex": 10}
    assert {key[0::5]: values[0] for key, values in month.groups["repository"].items()} == {
        ("acme", "api"): 10,
        ("globex", "api"): 10,
        ("acme", "web"): 10,
    }


def test_no_sum_is_rounded() -> None:
    many = written(*[row(gross_amount="0.036000000000000004", net_amount="0.1")] * 10_000, row(gross_amount="1e15"))
    assert Fraction(amounts(many)[1]) == 10**15 + 10_000 * Fraction("0.036000000000000004")
    assert amounts(many)[3] == Decimal("1000.05")


def test_beyond_the_bound_the_rest_is_summed_exactly() -> None:
    rows = [row(organization=f"org-{number}") for number in range(50)]
    wanted = Selection(("2026-11",), WANTED.group_by, (), most_groups=10)
    month = sums_of(written(*rows), wanted=wanted).months["2026-11"]
    assert len(month.groups[""]) == 11
    assert month.groups[""]["other", "other", "other", "other", "other"][0] == 400
    assert sum(values[0] for values in month.groups[""].values()) == 500


def test_wide_names_count_as_the_memory_that_they_take() -> None:
    rows = [row(organization=f"{'x' * 200}\N{GRINNING FACE}{number}") for number in range(1_000)]
    wanted = Selection(("2026-11",), ("organization",), (), most_groups=1_000)
    groups = sums_of(written(*rows), wanted=wanted).months["2026-11"].groups[""]
    assert sum(sys.getsizeof(key[0]) for key in groups) < 2 * 256 * 1_000
    assert sum(values[0] for values in groups.values()) == 10 * 1_000


WORDS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=18).map(lambda one: f"{one:f}")
ROWS = st.builds(
    lambda number, net, organization, repository: row(
        quantity=number, gross_amount=net, net_amount=net, organization=organization, repository=repository
    ),
    NUMBERS, NUMBERS, WORDS, WORDS,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(ROWS, max_size=12), st.lists(st.integers(1, 40), max_size=30), st.booleans())
def test_the_sums_are_those_of_fractions_however_the_file_is_cut(
    rows: list[dict[str, str]], cuts: list[int], quoted: bool
) -> None:
    text = written(*rows, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    pieces, rest = [], text
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    sums = Sums.empty(*WANTED)
    sum_up(encoded([*pieces, rest]), sums)
    expected: dict[str, Fraction] = {}
    for one in csv.DictReader(io.StringIO(text, newline="")):
        expected[one["organization"]] = expected.get(one["organization"], Fraction(0)) + Fraction(one["net_amount"])
    month = sums.months["2026-11"]
    assert {key[0]: Fraction(values[3]) for key, values in month.groups[""].items()} == expected
    assert (month.rows, month.rejected) == (len(rows), 0)
    assert loaded(sums.lines()).months == sums.months


def test_rows_that_a_quote_swallows_are_counted_one_by_one() -> None:
    sums = Sums.empty(*WANTED)
    lines = written(*[row()] * 5000, quoting=csv.QUOTE_MINIMAL).splitlines(keepends=True)
    lines[1000] = lines[1000].replace("octocat", '"octocat')
    sum_up(encoded(lines), sums)
    month = sums.months["2026-11"]
    assert month.rows + month.rejected == 5000
    assert 1 < month.rejected < 3000
    assert month.groups[""][ACME][0] == 10 * month.rows


def test_a_value_that_is_too_long_costs_its_row_only() -> None:
    long = row(workflow_path="x" * (csv.field_size_limit() + 1))
    month = sums_of(written(*GOOD, long, row())).months["2026-11"]
    assert (month.rows, month.rejected) == (201, 1)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        ("", "x"),
        ('"', "x"),
        (written() + '"2026-11-01","', 'x","'),
        (written() + '"\n', "x"),
    ],
)
def test_a_row_without_end_is_rejected_before_it_fills_the_memory(start: str, again: str) -> None:
    endless = itertools.chain([start], itertools.repeat(again * 50_000))
    with pytest.raises(UnusableReport):
        sum_up(encoded(endless), Sums.empty(*WANTED))


def test_names_that_are_too_long_are_summed_as_other() -> None:
    month = sums_of(written(row(organization="x" * 5000), row())).months["2026-11"]
    assert month.groups[""]["other", "other", "other", "other", "other"][0] == 10
    assert month.groups[""][ACME][0] == 10


def test_what_is_known_keeps_its_group_when_the_bound_is_reached_in_a_later_part() -> None:
    wanted = Selection(("2026-11",), ("organization",), (), most_groups=1)
    part = written(row(), row(organization="globex"))
    month = sums_of(part, part, wanted=wanted).months["2026-11"]
    assert {key[0]: values[0] for key, values in month.groups[""].items()} == {"acme": 20, "other": 20}


def test_columns_that_are_not_there_and_breakdowns_without_a_column_are_empty() -> None:
    names = ("date", "product", "sku", "quantity", "gross_amount", "net_amount")
    wanted = Selection(("2026-11",), WANTED.group_by, ("model",))
    month = sums_of(written(row(), header=names), wanted=wanted).months["2026-11"]
    assert list(month.groups[""]) == [("", "actions", "actions_linux", "", "")]
    assert month.groups["model"] == {}


def test_corrections_are_taken_off() -> None:
    correction = row(quantity="-4", gross_amount="-0.024", discount_amount="-0.04", net_amount="0.016")
    assert amounts(written(row(), correction)) == [Decimal(6), Decimal("0.036"), Decimal("-0.03"), Decimal("0.066")]


VALUES = {
    "date": ["2026-11-01", "2026-11-30", "2026-11-07T12:00:00Z", "2026-10-31", "2026-11-31", "", "20261101", "x\n"],
    "quantity": [
        "1",
        "-3",
        "0.036000000000000004",
        "1e-05",
        "5.",
        ".5",
        "",
        ".",
        "1_0",
        " 1",
        "\u0661",
        "NaN",
        "1" * 65,
    ],
    "gross_amount": ["7.5", "0.1", "-0.1", "123456789012345678", "1e40", "1,5", "Unlimited", "1E+3", "0x10"],
    "organization": [
        "acme",
        "a,b",
        'a"b',
        "a\nb",
        "a\r\nb",
        "",
        " acme ",
        "é",
        "\ufeff",
        "a\0b",
        "other",
        "\u2028",
        '","',
    ],
}
HOSTILE = st.fixed_dictionaries({name: st.sampled_from([values[0]] * 12 + values) for name, values in VALUES.items()})
MARRED = st.sampled_from([*[""] * 20, "drop", "add", '"', "\r", "blank"])


def truth(text: str) -> tuple[int, int, dict[tuple[str, str], list[Fraction]]]:
    """Rows, lines of bad rows and sums: by the csv module, a row at a time, and fractions."""
    reader = csv.reader((line + "\n" for line in text.removesuffix("\n").split("\n")), strict=True)
    header = next(reader)
    rows, bad = 0, 0
    sums: dict[Any, Any] = {}
    while True:
        before, found = reader.line_num, None
        with suppress(csv.Error):
            found = next(reader, [])
        if found == []:
            if reader.line_num == before:
                return rows, bad, sums
            continue
        found = found or []
        one = dict(zip(header, found, strict=False))
        day = re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])", one.get("date", ""))
        with suppress(ValueError):
            if "\0" not in "".join(found) and day and date.fromisoformat(day[0]).month == 10:
                continue
        try:
            assert len(found) == len(header)
            assert "\0" not in "".join(found)
            assert day
            date.fromisoformat(day[0])
            texts = [one[name] for name in ("quantity", "gross_amount", "discount_amount", "net_amount")]
            assert all(re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d\d?)?", text, re.ASCII) for text in texts)
            numbers = [Fraction(text) for text in texts]
            assert all(len(text) < 65 for text in texts)
        except (AssertionError, ValueError):
            bad += reader.line_num - before
            continue
        rows += 1
        key = one["organization"], one["sku"]
        sums[key] = [a + b for a, b in zip(sums.get(key, [Fraction(0)] * 4), numbers, strict=True)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(HOSTILE, MARRED), max_size=25),
    st.lists(st.integers(1, 700), max_size=15),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_hostile_files_are_read_as_by_the_csv_module(
    rows: list[tuple[dict[str, str], str]], cuts: list[int], quoting: int, end: str
) -> None:
    pieces = [written(quoting=quoting).replace("\n", end)]
    for change, marred in rows:
        line = written(row(**change), quoting=quoting).split("\n", 1)[1].removesuffix("\n")
        marred_line = {"drop": line.rpartition(",")[0], "add": line + ",1", "blank": ""}.get(marred, line + marred)
        pieces.append(marred_line + end)
    text = "".join(pieces)
    places = sorted({cut % (len(text) + 1) for cut in itertools.accumulate(cuts)} | {0, len(text)})
    sums = Sums.empty(*WANTED)
    sum_up(encoded(text[start:stop] for start, stop in itertools.pairwise(places)), sums)
    month = sums.months["2026-11"]
    found: dict[tuple[str, str], list[Fraction]] = {}
    for key, values in month.groups[""].items():
        before = found.get((key[0], key[2]), [Fraction(0)] * 4)
        found[key[0], key[2]] = [a + Fraction(b) for a, b in zip(before, values, strict=True)]
    assert (month.rows, month.rejected, found) == truth(text)


Part = Callable[[], AsyncGenerator[bytes, None]]


def part_of(*pieces: bytes, fails: Exception | None = None) -> Part:
    async def pieces_of() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece
        if fails:
            raise fails

    return pieces_of


OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """A demo that other tests asked for may run; it is not ours to count or to kill."""
    OTHERS.clear()
    OTHERS.update(children())


def children() -> Iterator[int]:
    """Processes that this one has started since the test began."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are what is wanted
        try:
            with open(f"/proc/{name}/stat") as stat:  # noqa: PTH123 - the same
                if stat.read().rpartition(")")[2].split()[1] == str(os.getpid()) and int(name) not in OTHERS:
                    yield int(name)
        except (OSError, ValueError):
            continue


def test_the_child_sums_up_all_parts() -> None:
    text = written(*GOOD).encode()
    halves = part_of(text[:1000], b"", text[1000:])
    sums = asyncio.run(sum_report([halves, part_of(text), part_of()], WANTED))
    assert sums.months["2026-11"].rows == 400
    assert sums.months["2026-11"].groups[""][ACME][1] == Decimal("24.00")
    assert not list(children())


def test_a_scrape_comes_between_the_lines_of_an_answer() -> None:
    orgs = [f"org-{number}" for number in range(500)]
    lines = list(sums_of(written(*(row(organization=org) for org in orgs))).lines())

    async def turns() -> int:
        sums = Sums.empty(*WANTED)
        child = _Child(Mock(), Mock(), asyncio.StreamReader(), Mock(), 1.0)
        child.stdout.feed_data("".join(f"{line}\n" for line in lines).encode())
        child.stdout.feed_eof()
        job, turn = asyncio.create_task(_read(child, partial(load, sums=sums), MOST_BYTES)), 0
        while not job.done():
            turn += 1
            await asyncio.sleep(0)
        await job
        assert len(sums.months["2026-11"].groups[""]) == len(orgs)
        return turn

    assert asyncio.run(turns()) >= len(lines)


def test_a_rejected_report_is_invalid_and_says_why() -> None:
    with pytest.raises(Invalid, match="no column"):
        asyncio.run(sum_report([part_of(b"date,product\n1,2\n")], WANTED))


def test_a_fault_of_a_part_is_passed_on_and_no_child_is_left() -> None:
    fault = Unavailable("the host went away")
    with pytest.raises(Unavailable) as caught:
        asyncio.run(sum_report([part_of(written(row()).encode(), fails=fault)], WANTED))
    assert caught.value is fault
    assert not list(children())


def test_whoever_stops_waiting_leaves_no_child() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        yield written(row()).encode()
        await asyncio.Event().wait()

    async def stop() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await sum_report([endless], WANTED)

    asyncio.run(stop())
    assert not list(children())


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is what is wanted


async def closes_all_but(number: int) -> None:
    """Pipes are closed in the loop's next rounds."""
    async with asyncio.timeout(5):
        while open_files() > number:  # noqa: ASYNC110 - nothing tells that a file was closed
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_child_that_is_killed_or_hangs_is_no_hang(sign: signal.Signals, run: Callable[..., None]) -> None:
    async def fatal() -> AsyncGenerator[bytes, None]:
        text = written(*GOOD).encode()
        yield text
        for child in children():
            os.kill(child, sign)
        while True:
            yield text[text.index(b"\n") + 1 :]
            await asyncio.sleep(0)

    async def grief() -> None:
        await sum_report([part_of(written().encode())], WANTED)  # the loop keeps a file that it needs for any child
        before = open_files()
        with pytest.raises(Unavailable, match=r"killed by signal|read nothing"):
            await sum_report([fatal], WANTED, idle_seconds=0.5)
        assert not list(children())
        await closes_all_but(before)

    run(grief())


def test_a_child_that_cannot_be_started_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        await asyncio.to_thread(open_files)
        before = open_files()
        with pytest.raises(Unavailable, match="no process could be started"):
            await sum_report([part_of(written().encode())], WANTED)
        assert open_files() == before

    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    asyncio.run(start())


def test_who_stops_waiting_for_a_child_that_does_not_start_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop() -> None:
        job = asyncio.create_task(sum_report([part_of(written().encode())], WANTED))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    asyncio.run(stop())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_however_it_ends_nothing_stays_open(run: Callable[..., int]) -> None:
    closed = []

    async def watched(*pieces: bytes, fails: bool) -> AsyncGenerator[bytes, None]:
        try:
            for piece in pieces:
                yield piece
            if fails:
                raise LinkExpired("gone", "files.example.com")
            await asyncio.sleep(0)
        finally:
            closed.append(fails)

    async def rounds() -> int:
        good = written(*GOOD).encode()
        await sum_report([part_of(good)], WANTED)  # the loop keeps a file that it needs for any child
        before = open_files()
        for _ in range(3):
            await sum_report([watched(good, fails=False), lambda: watched(good, fails=False)], WANTED)
            for part in (watched(good, fails=True), watched(b"<html>", b"x" * 10**7, fails=True)):
                never: Any = watched(fails=False)
                with pytest.raises((LinkExpired, Invalid)):
                    await sum_report([part, never], WANTED)
                assert never.ag_frame is None
            waits = asyncio.create_task(sum_report([watched(*[good] * 10**6, fails=False)], WANTED))
            while not list(children()):  # noqa: ASYNC110 - nothing tells that a process was started
                await asyncio.sleep(0.01)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            assert not list(children())
            await closes_all_but(before)
        return len(closed)

    assert run(rounds()) >= 12


def test_a_child_whose_parent_died_says_nothing() -> None:
    def frame(content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + content

    begun = frame(json.dumps([WANTED, 1]).encode()) + frame(written(*GOOD).encode())
    whole = begun + frame(b"")
    command = [sys.executable, "-I", "-S", usage_sums.__file__]
    for sent in (begun, begun[:-10], begun + b"\0\0", whole):
        done = subprocess.run(command, input=sent, capture_output=True, env={}, timeout=30, check=True, cwd="/")
        assert done.stderr == b""
        assert done.stdout.endswith(b"[]\n") if sent == whole else done.stdout == b""


def test_bytes_that_are_no_utf_8_cost_nothing_but_themselves() -> None:
    text = written(*GOOD, row(organization="café")).encode("latin-1")
    sums = asyncio.run(sum_report([part_of(b"\xef", b"\xbb\xbf" + text)], WANTED))
    assert {key[0] for key in sums.months["2026-11"].groups[""]} == {"acme", "caf\ufffd"}


def test_the_child_has_none_of_our_variables_and_files() -> None:
    """Only its own three descriptors: no token in the environment, no database, no listening socket."""
    seen: list[tuple[bytes, set[int]]] = []

    async def looking() -> AsyncGenerator[bytes]:
        (child,) = children()
        folder = Path(f"/proc/{child}")
        seen.append(((folder / "environ").read_bytes(), {int(one.name) for one in (folder / "fd").iterdir()}))
        yield written(*GOOD).encode()

    os.environ["GITHUB_EXPORTER_TOKEN"] = "ghp_CANARY"
    try:
        asyncio.run(sum_report([looking()], WANTED))
    finally:
        del os.environ["GITHUB_EXPORTER_TOKEN"]
    assert seen == [(b"", {0, 1, 2})]
