"""Files of reports, cut into any pieces: read within bounds, or refused."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.collectors.copilot_usage.record_rows import section_rows
from exporter.collectors.copilot_usage.sections import BY_MEMBER, SECTIONS, TOTALS
from exporter.collectors.reading.record_files import RecordFile
from exporter.collectors.reading.report_files import File
from exporter.collectors.reading.reports import Report
from exporter.collectors.usage_reports.child import load
from exporter.collectors.usage_reports.sums import Sums, UnusableReport, sum_up
from exporter.errors import Invalid
from exporter.simulator.stored import ANSWERS
from tests.support.fuzzing import check_words, examples
from tests.support.mutations import damaged, mutated, text_of

PEOPLE = json.loads((ANSWERS / "copilot_people.json").read_text())
USAGE = json.loads((ANSWERS / "copilot_usage.json").read_text())
SPEND = json.loads((ANSWERS / "usage_reports.json").read_text())
RECORDS = [part for path, part in (PEOPLE | USAGE).items() if path.endswith(".json")]
TABLES = [text.encode() for path, text in SPEND.items() if path.endswith(".csv")]
MEMBERS = frozenset(section.member for section in SECTIONS if section.member)
FORMS = [
    ("", "\n", ""),
    ("[", ",", "]"),
    ('{"day_totals": [', ",", "]}"),
    ('[{"a": "}", "day_totals": [', ",", '], "b": 1}]'),
]

CUTS = st.lists(st.integers(0), max_size=6)


@st.composite
def record_files(draw: st.DrawFn) -> bytes:
    """A file of records in one of its forms, with changes in the JSON, or with damaged bytes."""
    part = draw(st.sampled_from(RECORDS))
    records = part if isinstance(part, list) else [part]
    if draw(st.booleans()):
        records = [draw(mutated(record)) for record in records[:3]]
    lines = [text_of(record) for record in records]
    form = draw(
        st.sampled_from(["\n{}", "[{}]", '{{"day_totals": [{}]}}', '[{{"a": "}}", "day_totals": [{}], "b": 1}}]'])
    )
    content = (form.format(",".join(lines)) if "[" in form else "\n".join(lines)).encode()
    return draw(damaged(content)) if draw(st.booleans()) else content


def pieces(content: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted(cut % (len(content) + 1) for cut in cuts)
    return (content[start:end] for start, end in pairwise([0, *places, len(content)]))


@examples(80)
@given(content=record_files(), cuts=CUTS)
@example(b"[" * 100_000, [])
@example(b'{"a":' * 100_000, [])
@example(b'{"day_totals":[' * 50_000, [])
@example(b"9" * 100_000, [])
@example(b'{"day": "2026-11-19", "x": 1e999999999}', [])
@example(b'"' + b"\\ud800" * 100_000, [])
def test_fuzz_any_file_of_records(content: bytes, cuts: list[int]) -> None:
    found: list[Any] = []
    file = RecordFile(found.append)
    try:
        for piece in pieces(content, cuts):
            file.feed(piece)
        file.end()
    except Invalid as error:
        check_words(error)


@examples(80)
@given(content=record_files(), cuts=CUTS)
@example(b"[" * 100_000, [])
@example(b'{"a":' * 100_000, [])
@example(b'{"day_totals":[' * 50_000, [])
@example(b"9" * 100_000, [])
@example(b'{"day": "2026-11-19", "x": 1e999999999}', [])
@example(b'{"day": "2026-11-19", "daily_active_users": 1e400}', [])
@example(b'{"day": "2026-11-19", "daily_active_users": -1e-999999}', [])
def test_fuzz_any_file_of_figures(content: bytes, cuts: list[int]) -> None:
    report = Report(section_rows, MEMBERS, BY_MEMBER.keys() | {"day_totals"}, own=TOTALS)
    file = File(report)
    try:
        for piece in pieces(content, cuts):
            file.feed(piece)
        file.end()
        report.check()
    except Invalid as error:
        check_words(error)
        return
    for rows in report.figures.sections.values():
        for figures in rows.values():
            assert all(0 <= value < 2**63 for value in figures.values())


CELLS = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        ["", "1", "-1", "1e99", "1e-99", "1e999", "NaN", "Infinity", "0x1", "\u0661", "1_0", "9" * 64, "9" * 65]
    ),
    st.sampled_from(
        ["2026-11-01", "2026-11-31", "2026-11-01T00:00:00Z", "20261101", "0000-00-00", '"', "'", '""', "a\0b"]
    ),
    st.sampled_from(["é" * 2000, "x" * 5000, "=cmd|' /C calc'!A0", "\ufeff", "\ud83d\ude00", "a\r\nb", "a,b"]),
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV file: a stored one with other cells, longer and shorter rows, another encoding, damaged bytes."""
    rows = [line.split(",") for line in draw(st.sampled_from(TABLES)).decode("utf-8-sig").splitlines()]
    for _ in range(draw(st.integers(0, 5))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        column, cell = draw(st.integers(0, len(row))), draw(CELLS)
        if draw(st.booleans()):
            row.insert(column, cell)
        elif column < len(row):
            row[column : column + draw(st.integers(1, 3))] = [cell]
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]))
    content = end.join(map(",".join, rows)).encode(encoding, "replace")
    return draw(damaged(content)) if draw(st.booleans()) else content


@examples(100)
@given(files=st.lists(tables(), min_size=1, max_size=3), cuts=CUTS, most=st.integers(0, 5))
@example([b"date,product,sku,quantity,gross_amount,net_amount\n" + b"x" * 1_100_000], [], 5)
@example([b"date,product,sku,quantity,gross_amount,net_amount\n2026-11-01,a,b," + b"9" * 900_000 + b",1,1\n"], [], 5)
@example([b'"' * 1_100_000], [1000, 2000], 5)
@example([b"a," * 500_000], [], 5)
def test_fuzz_any_table_of_spend(files: list[bytes], cuts: list[int], most: int) -> None:
    sums = Sums.empty(("2026-10", "2026-11"), ("product", "sku"), ("repository",), most)
    try:
        for content in files:
            sum_up(pieces(content, cuts), sums)
    except UnusableReport as error:
        check_words(error)
        return
    copy = Sums.empty(("2026-10", "2026-11"), ("product", "sku"), ("repository",), most)
    assert [load(line, copy) for line in sums.lines()][-1]
    assert copy.months == sums.months
    for month in sums.months.values():
        groups = [group for by_key in month.groups.values() for group in by_key.values()]
        assert all(isinstance(amount, Decimal) and amount.is_finite() for group in groups for amount in group)
        assert all(len(by_key) <= most + 1 for by_key in month.groups.values())
