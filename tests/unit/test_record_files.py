"""Files of records: whatever their form or cut, each record once, or `Invalid`."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.reading.record_files import MOST_RECORDS, RecordFile
from exporter.errors import Invalid

RECORDS = [
    {"user_id": 1, "user_login": 'a}]{[,\\"', "totals_by_ide": [{"ide": "vscode"}]},
    {"user_id": 2, "note": "day_totals"},
    {"user_id": 3},
]
AROUND = {"report_start_day": "2026-11-19", "enterprise_id": "42", "etl": None, "n": -1.5e3, "flag": True}


def read(data: bytes, cuts: tuple[int, ...] = ()) -> list[Any]:
    found: list[Any] = []
    file = RecordFile(found.append)
    for start, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        file.feed(data[start:end])
    file.end()
    return found


def lines(records: list[Any], end: str = "\n") -> bytes:
    return "".join(json.dumps(record) + end for record in records).encode()


FORMS = {
    "array": json.dumps(RECORDS).encode(),
    "lines": lines(RECORDS),
    "lines, no end": lines(RECORDS).rstrip(),
    "lines, CRLF, BOM, blank ones": b"\xef\xbb\xbf\r\n" + lines(RECORDS, "\r\n\r\n") + b"\r\n",
    "on one line": lines(RECORDS, ""),
    "pretty": json.dumps(RECORDS, indent=2).encode(),
    "an array per line": lines([RECORDS[:1], RECORDS[1:]]),
    "array, then lines": json.dumps(RECORDS[:1]).encode() + b"\n" + lines(RECORDS[1:]),
    "wrapped": json.dumps({**AROUND, "day_totals": RECORDS}).encode(),
    "wrapped first": json.dumps({"day_totals": RECORDS, **AROUND, "inner": {"day_totals": [1], "x": [2]}}).encode(),
    "wrapped behind an object": json.dumps({"inner": {"x": [2]}, "day_totals": RECORDS, **AROUND}).encode(),
    "wrapped in an array": json.dumps([{**AROUND, "day_totals": RECORDS[:1]}, *RECORDS[1:]]).encode(),
    "wrapped lines": lines([{**AROUND, "day_totals": RECORDS[:2]}, {**AROUND, "day_totals": RECORDS[2:]}]),
    "records of lists": json.dumps([RECORDS[:2], [RECORDS[2:]]]).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_records(form: str) -> None:
    assert read(FORMS[form]) == RECORDS


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(st.integers(0), max_size=5).map(tuple))
def test_a_file_may_be_cut_anywhere(form: str, cuts: tuple[int, ...]) -> None:
    assert read(FORMS[form], cuts) == RECORDS


@pytest.mark.parametrize("form", ["array", "lines", "wrapped", "wrapped first"])
def test_long_files_are_read_while_they_come(form: str) -> None:
    """In pieces of 64 KiB; each record is taken before the file ends."""
    many = [{"user_id": number, "text": "x" * 300} for number in range(20_000)]
    data = {
        "array": json.dumps(many).encode(),
        "lines": lines(many),
        "wrapped": json.dumps({**AROUND, "day_totals": many}).encode(),
        "wrapped first": json.dumps({"day_totals": many, **AROUND}).encode(),
    }[form]
    found: list[Any] = []
    file = RecordFile(found.append)
    for at in range(0, len(data), 65536):
        file.feed(data[at : at + 65536])
        assert len(found) * len(data) / 20_000 > at - 2 * 65536
    file.end()
    assert found == many


@pytest.mark.parametrize(
    "data", [b"", b"  \n", b"[]", b"\xef\xbb\xbf", b"[[], []]", b'{"day_totals": []}', b'{"day_totals": null}']
)
def test_a_file_without_records_has_none(data: bytes) -> None:
    assert [one for one in read(data) if one is not None] == []


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"[{}",
        b'[{"a": 1}, {"a"',
        b'{"day_totals": [{}]',
        b'{"day_totals": [{}], "a"',
        b"]",
        b",",
        b"{}}",
        b"[" * 9,
        b'{"a": ' * 100_000,
        b'[{"a": [' + b"0," * 30_000 + b"0]}]",
    ],
)
def test_a_damaged_file_is_invalid(data: bytes) -> None:
    with pytest.raises(Invalid, match=r"a file of the report|nested too deeply"):
        read(data)


def test_a_text_without_end_does_not_fill_the_memory() -> None:
    with pytest.raises(Invalid, match="characters"):
        read(b'"' + b"x" * 2_000_000, tuple(range(0, 2_000_000, 65536)))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_records_may_be_anything(value: Any) -> None:
    try:
        found = read(json.dumps([value]).encode())
    except Invalid:
        return
    assert len(found) <= MOST_RECORDS
