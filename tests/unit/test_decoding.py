"""JSON of GitHub's: whatever stands in it, memory stays bounded, and a single character costs no answer."""

import asyncio
import codecs
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.collectors.billing_usage.families import USAGE_OF_ENTERPRISE
from exporter.collectors.billing_usage.items import MOST_ITEMS, Period, Sums
from exporter.collectors.copilot_usage import Options
from exporter.collectors.copilot_usage.newest_day import empty_report
from exporter.collectors.reading.leaves import read_object
from exporter.collectors.reading.records import Records
from exporter.collectors.reading.report_files import File
from exporter.collectors.reading.rows import MOST_ROWS, decode_list
from exporter.collectors.reading.values import label_text
from exporter.collectors.subject_stats import SubjectRow
from exporter.collectors.time_stats import MOST_INTERVALS, IntervalRow
from exporter.collectors.usage_reports.exports import LIST, MOST_EXPORTS, parse_exports
from exporter.errors import Invalid
from exporter.fetching import Ask
from exporter.github.bodies import read_start
from exporter.github.decoding import LARGEST, LONGEST_TEXT, MOST_VALUES, Repair, decode_json
from exporter.github.refusals import BODY_READ, message_of

MIB = 1024 * 1024
EMOJI = "\N{GRINNING FACE}".encode()


def peak_of(read: Callable[[], Any]) -> int:
    """The most bytes of Python objects while something is read; whether it can be read does not matter."""
    tracemalloc.start()
    try:
        read()
    except Invalid:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


SHAPES = {
    "zeros": b"[" + b"0," * (LARGEST // 2 - 2) + b"0]",
    "lists": b"[" + b"[]," * 100_000 + b"[]]",
    "most-lists": b"[" + b"[]," * (MOST_VALUES // 2 - 2) + b"[]]",
    "most-objects": b"[" + b",".join(b'{"%d":0}' % number for number in range(MOST_VALUES // 3 - 2)) + b"]",
    "most-keys": b"[{" + b",".join(b'"%d":0' % number for number in range(MOST_VALUES // 2 - 2)) + b"}]",
    "million-keys": b"[{" + b",".join(b'"%d":0' % number for number in range(700_000)) + b"}]",
    "deep": b"[" * MIB,
    "deep-objects": b'{"a":' * 90_000 + b"1" + b"}" * 90_000,
    "text": b'["' + b"x" * (LARGEST - 10) + b'"]',
    "quotes": b'["' + rb"\"" * (LARGEST // 2 - 10) + b'"]',
    "wide-texts": b"[" + b",".join([b'"' + b"x" * 60_000 + EMOJI + b'"'] * 139) + b"]",
    "no-utf8": b"[" + b",".join([b'"' + b"\xff" * 60_000 + b'"'] * 139) + b"]",
    "lone": b"[" + b",".join([b'"' + rb"\ud800" * 10_000 + b'"'] * 139) + b"]",
    "number": b"[1" + b"0" * MIB + b"]",
    "numbers": b"[" + b",".join([b"1" + b"0" * 4000] * 2000) + b"]",
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_memory_for_an_answer_is_bounded_by_the_bytes_that_it_may_have(name: str) -> None:
    body = SHAPES[name]
    assert len(body) <= LARGEST
    assert len(body) + peak_of(lambda: decode_list(SubjectRow, body)) < 4 * LARGEST


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b" " * (LARGEST + 1), "larger than"),
        (b"[" + b"0," * MOST_VALUES + b"0]", f"more than {MOST_VALUES} values"),
        (b"[" + b"[]," * 100_000 + b"[]]", f"more than {MOST_VALUES} values"),
        (b'["' + b"x" * (LONGEST_TEXT + 2) + b'"]', "a text of more than"),
        (b'["","' + b"x" * (LONGEST_TEXT + 2), "a text of more than"),
        (b"[" * 10_000, "no JSON"),
        (b"1" + b"0" * (MIB // 2), "no JSON"),
        (b"\0", "no JSON"),
        (b"", "no JSON"),
        (rb'"\u00"', "no JSON"),
    ],
)
def test_what_is_too_large_or_no_json_is_invalid_and_says_why(body: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        decode_json(body)


def test_what_is_as_large_as_may_be_is_read() -> None:
    assert len(decode_json(b"[" + b"0," * (MOST_VALUES - 1) + b"0]")) == MOST_VALUES
    assert decode_json(b'["' + b"x" * (LONGEST_TEXT - 2) + b'","y"]')[1] == "y"


def test_no_more_rows_are_read_than_a_page_may_have() -> None:
    with pytest.raises(Invalid, match=f"{MOST_ROWS + 1} rows; at most {MOST_ROWS}"):
        decode_list(SubjectRow, b"[" + b"0," * MOST_ROWS + b"0]")


def test_each_list_has_a_bound_of_its_own() -> None:
    with pytest.raises(Invalid, match=f"{MOST_INTERVALS + 1} rows; at most"):
        decode_list(IntervalRow, b"[" + b"0," * MOST_INTERVALS + b"0]", most=MOST_INTERVALS)
    with pytest.raises(Invalid, match=f"{MOST_ITEMS + 1} usageItems; at most"):
        Sums(USAGE_OF_ENTERPRISE).add({"usageItems": [{}] * (MOST_ITEMS + 1)}, Period(2026, 11))
    assert parse_exports({LIST: [{}] * MOST_EXPORTS}) == ([], MOST_EXPORTS)
    assert parse_exports({LIST: [{}] * (MOST_EXPORTS + 1)}) is None


TEXTS = [
    (rb"x\ud800y", "x\ufffdy"),
    (rb"x\udc00y", "x\ufffdy"),
    (rb"\uD83D\uDE00\ude00", "\N{GRINNING FACE}\ufffd"),
    (rb"\ud800\ud83d\ude00", "\ufffd\N{GRINNING FACE}"),
    (rb"\\ud800", r"\ud800"),
    (rb"\\\ud800", "\\\ufffd"),
    (b"x\xffy", "x\ufffdy"),
    (b"\xed\xa0\x80y", "\ufffd\ufffd\ufffdy"),
    (rb"\u0000\u001b[31m", "\0\x1b[31m"),
    (b"\0\x1b\x7f", "??\x7f"),
    (b"a\n\tb", "a  b"),
]


@pytest.mark.parametrize(("written", "text"), TEXTS)
def test_a_character_that_no_text_can_have_costs_itself_only(written: bytes, text: str) -> None:
    assert decode_json(b'{"a": "%b", "b": 1}' % written) == {"a": text, "b": 1}


@pytest.mark.parametrize(("written", "text"), TEXTS)
def test_a_row_with_such_a_text_is_read_with_all_others(written: bytes, text: str) -> None:
    row = b'{"subject_type":"user","subject_id":1,"total_request_count":5,"rate_limited_request_count":0'
    rows, rejected = decode_list(SubjectRow, b'[%b},%b,"subject_name":"%b"}]' % (row, row, written))
    assert ([found.subject_name for found in rows], rejected) == ([None, text], 0)


@pytest.mark.parametrize(("written", "text"), TEXTS)
def test_a_refusal_with_such_a_text_keeps_its_words(written: bytes, text: str) -> None:
    assert message_of(b'{"message": "No. %b"}' % written) == f"No. {text}"


@pytest.mark.parametrize(("written", "text"), TEXTS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_report_file_with_such_a_text_is_read(written: bytes, text: str, size: int) -> None:
    report = empty_report(Ask("acme", (), Options(breakdowns=("ide",)), 0, 0))
    file = File(report)
    data = b'{"day":"2026-11-20","daily_active_users":3,"totals_by_ide":[{"ide":"%b","loc_added_sum":4}]}' % written
    for at in range(0, len(data), size):
        file.feed(data[at : at + size])
    file.end()
    assert report.figures.sections["totals_by_ide"].keys() == {(label_text(text),)}


@pytest.mark.parametrize("written", [written for written, _ in TEXTS])
def test_an_appliances_record_with_such_a_text_is_read(written: bytes) -> None:
    records = Records()
    found = [*records.feed(b'[{"server_id":"%b"},{"server_id":"b"}]' % written), *records.end()]
    names = [label_text(record["server_id"]) for record, _ in found]
    assert (len(names), names[1]) == (2, "b")
    assert names[0].encode()


def test_an_appliances_record_has_no_more_values_than_it_needs() -> None:
    records = Records()
    with pytest.raises(Invalid, match="more than 20000 values"):
        list(records.feed(b'[{"a":[' + b"[]," * 300_000 + b"[]]}]"))


PIECES = st.sampled_from(
    [rb"\ud83d", rb"\ude00", rb"\\", rb"\n", rb"\u0041", rb"\"", b"a", b"u", b"d800", b"\xff", b"\xe2\x82\xac", b"\0"]
)


@given(st.lists(PIECES), st.integers(1, 7))
@example([rb"\\"] * 20 + [rb"\ud83d"], 1)
def test_a_text_is_repaired_alike_however_it_is_cut(parts: list[bytes], size: int) -> None:
    written = b'"%b"' % b"".join(parts)
    repair = Repair()
    steps = [repair.feed(written[at : at + size]) for at in range(0, len(written), size)]
    repaired = b"".join([*steps, repair.feed(b"", last=True)])
    lenient = json.loads(codecs.decode(written.replace(b"\0", b"?"), errors="replace"), strict=False)
    assert json.loads(repaired) == "".join("\ufffd" if "\ud800" <= char < "\ue000" else char for char in lenient)


def test_a_deep_place_costs_no_more_than_a_flat_one() -> None:
    inner: dict[str, Any] = {f"k{number}": number for number in range(20_000)}
    for _ in range(150):
        inner = {"inner": inner}
    assert peak_of(lambda: read_object(inner, {("known",): lambda _: None})) < 4 * MIB


def test_of_a_refusal_no_more_is_read_than_its_message_can_have() -> None:
    given: list[int] = []

    async def body() -> Any:
        for number in range(100):
            given.append(number)
            yield b"x" * BODY_READ

    assert len(asyncio.run(read_start(body(), "", LARGEST))) == BODY_READ + 1
    assert len(given) == 2
