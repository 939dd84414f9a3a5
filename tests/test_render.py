"""Rendering and negotiation: what any label, number or header becomes."""

import gzip
import math
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collecting.reading import MAX_LABEL_LENGTH, label_text
from exporter.serving.negotiation import wanted_format, wants_gzip
from exporter.serving.render import gzipped, header, piece, plain, sample

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
    assert wanted_format(accept) == form


@given(st.text())
def test_no_header_breaks_negotiation(junk: str) -> None:
    assert wanted_format(junk) in ("text", "openmetrics")
    assert wants_gzip(junk) in (True, False)


@pytest.mark.parametrize(
    ("header_value", "wanted"),
    [("gzip", True), ("gzip, deflate, br", True), ("gzip;q=0", False), ("*", True), ("*;q=0, gzip", True), ("", False)],
)
def test_gzip_only_when_accepted(header_value: str, wanted: bool) -> None:
    assert wants_gzip(header_value) is wanted


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
    cleaned = [text.encode("utf-8", "replace").decode().replace("\0", "\ufffd") for text in (one, two)]
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


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_pieces_join_into_one_gzip_member(texts: list[bytes]) -> None:
    pieces = [piece(text) for text in texts]
    assert b"".join(plain(pieces)) == b"".join(texts)
    packed = b"".join(gzipped(pieces))
    one_member = zlib.decompressobj(zlib.MAX_WBITS | 16)  # reads a single member, as many clients do
    assert one_member.decompress(packed) == b"".join(texts)
    assert one_member.eof
    assert not one_member.unused_data
    assert gzip.decompress(packed) == b"".join(texts)


def test_an_unchanged_piece_is_not_compressed_again() -> None:
    first = piece(b"github_x 1\n", 1)
    assert piece(b"github_x 1\n", 2, first).deflated is first.deflated
    assert piece(b"github_x 1\n", 2, first).version == 2
