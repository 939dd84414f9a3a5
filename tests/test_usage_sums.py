"""Sums over usage report files: exact, by header name, whatever stands in them; and the child that makes them."""

import asyncio
import csv
import io
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collecting.usage_child import summed
from exporter.collecting.usage_sums import Rejected, Sums, Wanted, dumped, finish, loaded, sum_up
from exporter.github.errors import Invalid, Unavailable

HEADER = (
    *("date", "product", "sku", "quantity", "unit_type", "applied_cost_per_quantity", "gross_amount"),
    *("discount_amount", "net_amount", "username", "organization", "repository", "workflow_path", "cost_center_name"),
)
WANTED = Wanted(
    ("2026-11",), ("organization", "product", "sku", "unit_type", "cost_center"), ("repository", "username")
)
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


def sums_of(*parts: str, wanted: Wanted = WANTED) -> Sums:
    sums = Sums.of(wanted)
    for part in parts:
        sum_up(iter([part]), wanted, sums)
    finish(sums)
    return sums


def amounts(*parts: str) -> list[Decimal]:
    return sums_of(*parts).months["2026-11"].groups[ACME]


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
    assert month.groups == {ACME: [Decimal(2000), Decimal("12.00"), Decimal("2.00"), Decimal("10.00")]}


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
    with pytest.raises(Rejected, match=missing):
        sums_of(written(row(), header=tuple(name for name in HEADER if name != missing)))


@pytest.mark.parametrize("content", ["<html><body>Unicorn!</body></html>", "a,b,c\n1,2,3\n", "\0\0\0\n"])
def test_what_is_no_report_is_rejected(content: str) -> None:
    with pytest.raises(Rejected):
        sums_of(content)


def test_more_than_one_bad_row_in_a_hundred_rejects_the_report_over_all_its_parts() -> None:
    good, bad = written(*GOOD), written(*([row(quantity="x")] * 3))
    with pytest.raises(Rejected, match="3 of 203"):
        sums_of(good, bad)
    assert sums_of(good, written(row(quantity="x"), row(quantity="x"))).months["2026-11"].rejected == 2


@pytest.mark.parametrize("content", ["", "\n", written(), "\ufeff" + written()])
def test_nothing_is_no_fault(content: str) -> None:
    month = sums_of(content).months["2026-11"]
    assert (month.rows, month.rejected, month.newest, month.groups) == (0, 0, "", {})


def test_rows_of_other_months_count_in_nothing() -> None:
    month = sums_of(written(row(), row(date="2026-10-31"), row(date="2026-12-01", quantity="x"))).months["2026-11"]
    assert (month.rows, month.rejected, month.newest) == (1, 0, "2026-11-01")


def test_rows_of_one_sku_but_of_other_organizations_and_repositories_are_told_apart() -> None:
    month = sums_of(written(row(), row(organization="globex"), row(repository="web"))).months["2026-11"]
    assert {key[0]: values[0] for key, values in month.groups.items()} == {"acme": 20, "globex": 10}
    assert {key[0::5]: values[0] for key, values in month.breakdowns["repository"].items()} == {
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
    wanted = Wanted(("2026-11",), WANTED.group_by, (), most_groups=10)
    month = sums_of(written(*rows), wanted=wanted).months["2026-11"]
    assert len(month.groups) == 11
    assert month.groups["other", "other", "other", "other", "other"][0] == 400
    assert sum(values[0] for values in month.groups.values()) == 500


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
    sums = Sums.of(WANTED)
    sum_up(iter([*pieces, rest]), WANTED, sums)
    expected: dict[str, Fraction] = {}
    for one in csv.DictReader(io.StringIO(text, newline="")):
        expected[one["organization"]] = expected.get(one["organization"], Fraction(0)) + Fraction(one["net_amount"])
    month = sums.months["2026-11"]
    assert {key[0]: Fraction(values[3]) for key, values in month.groups.items()} == expected
    assert (month.rows, month.rejected) == (len(rows), 0)
    assert loaded(dumped(sums)).months == sums.months


Part = Callable[[], AsyncGenerator[bytes, None]]


def part_of(*pieces: bytes, fails: Exception | None = None) -> Part:
    async def pieces_of() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece
        if fails:
            raise fails

    return pieces_of


def children() -> Iterator[int]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are what is wanted
        try:
            with open(f"/proc/{name}/stat") as stat:  # noqa: PTH123 - the same
                if stat.read().rpartition(")")[2].split()[1] == str(os.getpid()):
                    yield int(name)
        except (OSError, ValueError):
            continue


def test_the_child_sums_up_all_parts() -> None:
    text = written(*GOOD).encode()
    halves = part_of(text[:1000], b"", text[1000:])
    sums = asyncio.run(summed([halves, part_of(text), part_of()], WANTED))
    assert sums.months["2026-11"].rows == 400
    assert sums.months["2026-11"].groups[ACME][1] == Decimal("24.00")
    assert not list(children())


def test_a_rejected_report_is_invalid_and_says_why() -> None:
    with pytest.raises(Invalid, match="no column"):
        asyncio.run(summed([part_of(b"date,product\n1,2\n")], WANTED))


def test_a_fault_of_a_part_is_passed_on_and_no_child_is_left() -> None:
    fault = Unavailable("the host went away")
    with pytest.raises(Unavailable) as caught:
        asyncio.run(summed([part_of(written(row()).encode(), fails=fault)], WANTED))
    assert caught.value is fault
    assert not list(children())


def test_whoever_stops_waiting_leaves_no_child() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        yield written(row()).encode()
        await asyncio.Event().wait()

    async def stop() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await summed([endless], WANTED)

    asyncio.run(stop())
    assert not list(children())
