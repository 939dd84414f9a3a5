"""Rendering and negotiation: what any label, number or header becomes."""

import gzip
import math
import zlib
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors.reading.values import MAX_LABEL_LENGTH, label_text
from exporter.collectors.subject_stats import COLLECTOR as SUBJECTS
from exporter.counting.counters import absorb, release
from exporter.counting.keys import CountedRow, Counting, Read, Rules
from exporter.exposition.book import pack
from exporter.exposition.chunks import SLICE_BYTES, Chunk, deflate, finish_body, slices, start_body, texts
from exporter.exposition.columns import CHUNK_SIZE, column
from exporter.exposition.render import Piece, columns_of, render, render_family
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.text import header, number, sample
from exporter.github.decoding import readable
from exporter.serving.negotiation import accepted_format, accepts_gzip
from exporter.tables import Labels
from tests.support.jobs import job_of

# What Prometheus 2.42 and 3.5 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        ("application/openmetrics-text", "openmetrics"),
        ("application/openmetrics-text;version=2.0.0", "text"),
        ("application/openmetrics-text;version=abc", "text"),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", "text"),
        ("application/openmetrics-text;q=0", "text"),
        ("application/openmetrics-text;q=many", "text"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text"),
        ("*/*", "text"),
        ("", "text"),
        (";;;,,,q=;=;", "text"),
    ],
)
def test_the_format_follows_accept_and_junk_is_text(accept: str, form: str) -> None:
    assert accepted_format(accept) == form


@given(st.text())
def test_no_header_breaks_negotiation(junk: str) -> None:
    assert accepted_format(junk) in ("text", "openmetrics")
    assert accepts_gzip(junk) in (True, False)


@pytest.mark.parametrize(
    ("header_value", "wanted"),
    [("gzip", True), ("gzip, deflate, br", True), ("gzip;q=0", False), ("*", True), ("*;q=0, gzip", True), ("", False)],
)
def test_gzip_only_when_accepted(header_value: str, wanted: bool) -> None:
    assert accepts_gzip(header_value) is wanted


@given(st.text())
@example("\ud800")
@example('a\nb\\n"c\r\t\0')
@example('"' * 500)
def test_any_label_value_survives_both_parsers(value: str) -> None:
    text = label_text(value)
    assert len(text) <= MAX_LABEL_LENGTH
    lines = sample("github_x_total", ("organization", "name"), ("acme", text), 1)
    for form, parse, end in (("text", parse_text, ""), ("openmetrics", parse_openmetrics, "# EOF\n")):
        (family,) = parse(header("github_x_total", "counter", "X.", form).decode() + lines + end)
        assert family.samples[0].labels == {"organization": "acme", "name": text}


@given(st.text(min_size=MAX_LABEL_LENGTH + 1), st.text(min_size=MAX_LABEL_LENGTH + 1))
def test_long_label_values_that_differ_stay_different(one: str, two: str) -> None:
    cleaned = [readable(text).replace("\0", "\ufffd") for text in (one, two)]
    assert (label_text(one) == label_text(two)) == (cleaned[0] == cleaned[1])


@given(st.floats() | st.integers(0, 2**63 - 1))
@example(math.nan)
@example(math.inf)
@example(-math.inf)
@example(1e300)
@example(0.1)
def test_any_number_is_read_back(value: float) -> None:
    lines = sample("github_x", (), (), value)
    (family,) = parse_text(header("github_x", "gauge", "X.", "text").decode() + lines)
    found = family.samples[0].value
    assert float(found) == float(value) or (math.isnan(found) and math.isnan(value))


def gzipped(chunks: Sequence[Chunk], text: bytes = b"") -> bytes:
    return b"".join(finish_body(start_body(chunks, gzip=True), text, gzip=True))


@given(st.lists(st.binary(max_size=2000), max_size=6), st.integers(0, 6))
def test_chunks_join_into_one_gzip_member_whatever_they_end_with(lines: list[bytes], first: int) -> None:
    chunks, last = [deflate(line) for line in lines[:first]], b"".join(lines[first:])
    assert b"".join(finish_body(start_body(chunks, gzip=False), last, gzip=False)) == b"".join(lines)
    packed = gzipped(chunks, last)
    one_member = zlib.decompressobj(zlib.MAX_WBITS | 16)  # reads a single member, as many clients do
    assert one_member.decompress(packed) == b"".join(lines)
    assert one_member.eof
    assert not one_member.unused_data
    assert gzip.decompress(packed) == b"".join(lines)


TABLE = SUBJECTS.tables[0]
FAMILY = TABLE.counters[0].name
NAMES = SUBJECTS.labels(TABLE)
JOB = job_of(SUBJECTS)
VALUES = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, 0.5, 2.0**63, -0.0, 1e300, 5e-324])
AS_FLOATS = VALUES.map(lambda value: value if abs(value) <= 2**53 else float(value))  # as generate_latest has them
WORDS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\n", "%", "%d", "%%b", "é", "\0", "{}", '",l1="'])
SETS = st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=20)


def rendered(samples: Sequence[tuple[Labels, float]], before: Piece | None = None) -> Piece:
    return render_family(JOB, TABLE, FAMILY, column(samples), 1, before=before)


def text_of(found: Piece) -> str:
    return b"".join(texts(found.chunks)).decode()


def by_prometheus(samples: Sequence[tuple[Labels, float]]) -> list[str]:
    """The lines as prometheus-client renders them, but that it sorts labels by name, and spells 5 as 5.0."""
    metric = Metric(FAMILY.removesuffix("_total"), "X.", "counter")
    for labels, value in samples:
        metric.add_sample(FAMILY, {f"l{at}": word for at, word in enumerate((*JOB.prefix, *labels))}, value)
    registry = SimpleNamespace(collect=lambda: [metric])
    text = generate_latest(registry).decode().replace('{l0="', f'{{{NAMES[0]}="')
    for at, name in enumerate(NAMES):
        text = text.replace(f'",l{at}="', f'",{name}="')  # never inside a value, where quotes are escaped
    lines = text.split("\n")
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return [f"{series} {number(float(value))}" for series, _, value in pairs]


@given(SETS.map(lambda sets: [tuple(label_text(word) for word in one) for one in dict.fromkeys(sets)]), st.data())
def test_lines_are_those_of_prometheus_client(sets: list[Labels], data: st.DataObject) -> None:
    samples = [(labels, data.draw(AS_FLOATS)) for labels in sets]
    assert text_of(rendered(samples)).split("\n")[:-1] == by_prometheus(samples)


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_whole_numbers_are_exact_beyond_what_a_float_holds(value: int) -> None:
    assert text_of(rendered([(("user", "1", "x"), value)])).endswith(f" {value}\n")
    assert number(value) == str(value)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 1100), st.booleans(), VALUES), min_size=1, max_size=3))
def test_whatever_changes_the_piece_is_as_if_made_anew(steps: list[tuple[int, bool, float]]) -> None:
    """Series come, go and change, over the borders of chunks; what is taken over from the piece before never shows."""
    before = None
    for size, shifted, value in steps:
        samples: list[tuple[tuple[str, ...], float]] = [
            (("user", str(one + shifted), "x"), one % 7) for one in range(size)
        ]
        samples[size // 2 : size // 2 + 1] = [(("bot", "0", "y"), value)]
        before = rendered(samples, before)
        assert text_of(before) == text_of(rendered(samples))
        assert gzip.decompress(gzipped(before.chunks)) == text_of(before).encode()
        assert before.samples == text_of(before).count("\n") == len(samples)
        assert all(one.lines.count(b"\n") <= CHUNK_SIZE for one in before.chunks)


@settings(max_examples=50)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 12), st.tuples(st.integers(0, 9), st.sampled_from("ab")), max_size=8), max_size=6
    )
)
def test_labels_that_are_taken_over_are_those_of_the_series(reads: list[dict[int, tuple[int, str]]]) -> None:
    """Subjects come, are renamed, promoted, demoted and forgotten: of 5 places, while 8 may be there."""
    counting: Counting | None = None
    before: dict[str, Piece] = {}
    for version, found in enumerate(reads, start=1):
        rows: dict[tuple[str, ...], CountedRow] = {
            ("user", str(who)): CountedRow(("user", str(who), name), (count, 0), float(version))
            for who, (count, name) in found.items()
        }
        now = version * 1000
        counting, _ = absorb(counting, Read(now - 1000, now, rows), 2, version, Rules(max_series=5, forget_after=2000))
        counting = pack(Snapshot(counting=release(counting, (version, version)))).unpack().counting
        snapshot = Snapshot(version=version, counting=counting)
        made = render(JOB, columns_of(JOB, snapshot, 0.0, before), version, before)
        anew = render(JOB, columns_of(JOB, snapshot, 0.0), version)
        assert {name: text_of(one) for name, one in made.items()} == {name: text_of(one) for name, one in anew.items()}
        before = made


def test_labels_are_packed_anew_only_when_they_change() -> None:
    def taken(before: Counting | None, name: str, version: int) -> Counting:
        read = Read(0, version, {("user", "1"): CountedRow(("user", "1", name), (version, 0), 0.0)})
        return absorb(before, read, 2, version, Rules(max_series=5, forget_after=2000))[0]

    first = taken(None, "a", 1)
    second = taken(first, "a", 2)
    third = taken(second, "b", 3)
    assert [one.shape for one in (first, second, third)] == [1, 1, 3]


def test_what_did_not_change_is_not_made_again() -> None:
    def samples(changed: int, value: float = 7) -> list[tuple[Labels, float]]:
        return [(("user", str(one), "x"), value if one == changed else 1) for one in range(3 * CHUNK_SIZE)]

    first = rendered(samples(0))
    second = rendered(samples(CHUNK_SIZE), first)
    pairs = list(zip(first.chunks, second.chunks, strict=True))
    assert [one.template is other.template for one, other in pairs] == [True, True, True]
    assert [one is other for one, other in pairs] == [False, False, True]
    assert rendered(samples(CHUNK_SIZE, 0.5), second).chunks[1].template is not second.chunks[1].template


@given(SETS, st.data())
def test_a_column_gives_back_what_it_was_made_of(sets: list[Labels], data: st.DataObject) -> None:
    samples = [(labels, data.draw(VALUES)) for labels in sets]
    found = list(column(samples))
    assert [labels for labels, _ in found] == sets
    for (_, value), (_, kept) in zip(samples, found, strict=True):
        assert kept == float(value) or kept == value or math.isnan(value)
    assert column(samples).labels == column([(tuple(map("".join, labels)), 0) for labels in sets]).labels


@pytest.mark.parametrize(
    "sizes", [(), (0,), (1, 2), (SLICE_BYTES + 1, 1), (SLICE_BYTES, 1), (9,) * 300_000, (90_000,) * 90]
)
def test_slices_are_the_same_bytes_and_neither_small_nor_large(sizes: tuple[int, ...]) -> None:
    parts = [bytes([at % 256]) * size for at, size in enumerate(sizes)]
    found = slices(parts)
    assert b"".join(found) == b"".join(parts)
    assert all(len(one) <= max(SLICE_BYTES, max(sizes, default=0)) for one in found)
    assert all(len(one) + len(more) > SLICE_BYTES for one, more in pairwise(found))
