"""Instants of headers: what GitHub, a proxy or chance may write there, and that nothing of it does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.github.dates import OPEN, Closing, http_date, token_expiry
from exporter.instants import utc_time

NOV_11 = 1_762_851_600.0
"""2025-11-11T09:00:00Z."""

JUNK = [
    "", " ", "true", "?1", "@", "@-1", "@1.5", "@ 1", "@1,@2", "@1 2", "@1e9", "@\u0661", "1762851600",
    "@1762851600\n;", "now", "0",
    "Fri, 99 Nov 2025 09:00:00 GMT", "Tue, 11 Nov 2025 99:00:00 GMT", "Tue, 11 Nov 2025", "11 Nov", "\x00", "\ud800",
    "Tue, 11 Nov 2025 09:00:00 +999999999", "Tue, 11 Nov 99999999999 09:00:00 GMT", "9" * 5_000, "@" + "9" * 5_000,
    ", " * 2_000, "Tue, 11 Nov 2025 " + ":" * 2_000, "(" * 2_000, '"' * 2_000,
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 11 Nov 2025 09:00:00 GMT",
        "Tuesday, 11-Nov-25 09:00:00 GMT",
        "Tue Nov 11 09:00:00 2025",
        "Tue, 11 Nov 2025 10:00:00 +0100",
        "Tue, 11 Nov 2025 09:00:00 -0000",
    ],
)
def test_every_form_of_an_http_date_is_read(text: str) -> None:
    assert http_date(text) == NOV_11
    assert Closing.from_headers({"sunset": text}) == Closing(None, NOV_11)


@pytest.mark.parametrize("text", ["@1762851600", " @1762851600 ", "@1762851600;why=x", "@1762851600 ; a"])
def test_the_structured_date_of_rfc_9745_is_read(text: str) -> None:
    assert Closing.from_headers({"deprecation": text, "sunset": "soon"}) == Closing(NOV_11, None)


@pytest.mark.parametrize("text", JUNK)
def test_what_is_no_date_is_none(text: str) -> None:
    assert http_date(text) is None
    assert Closing.from_headers({"deprecation": text, "sunset": text}) == OPEN


@pytest.mark.parametrize(
    "text",
    [
        "@999999999999",
        "@253402300800",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Thu, 01 Jan 1969 00:00:00 GMT",
        "Fri, 31 Dec 10000 00:00:00 GMT",
    ],
)
def test_an_instant_that_no_calendar_has_is_none(text: str) -> None:
    """Messages and the status page write an instant as a date, which would raise."""
    assert Closing.from_headers({"deprecation": text, "sunset": text}) == OPEN


def test_no_header_says_nothing() -> None:
    assert Closing.from_headers({}) == OPEN == Closing(None, None)


@pytest.mark.parametrize(("text", "shown"), [("@0", "1970-01-01T00:00:00Z"), ("@253402300799", "9999-12-31T23:59:59Z")])
def test_the_ends_of_the_calendar_can_be_told(text: str, shown: str) -> None:
    (instant, _) = Closing.from_headers({"deprecation": text})
    assert instant is not None
    assert utc_time(instant) == shown


date_like = st.one_of(
    st.lists(
        st.sampled_from(["Tue", "11", "Nov", "2025", "25", "09:00:00", "GMT", "+2359", "-2359", "+9999", "-0000", "0",
                         "9999", "@", "-", ".", ":", ";", "Dec", "31", "\u00b2", "99999999999"]),
        max_size=9,
    ).flatmap(lambda words: st.sampled_from([" ", ",", ", ", "-", ""]).map(lambda between: between.join(words))),
    st.text(max_size=40),
    st.integers().map("@{}".format),
)  # fmt: skip


@given(date_like)
def test_no_header_raises_and_what_is_read_can_be_told(text: str) -> None:
    for instant in Closing.from_headers({"deprecation": text, "sunset": text}):
        if instant is not None:
            assert utc_time(instant).endswith("Z")


def expiry(text: str, now: float = 0.0) -> float | None:
    return token_expiry({"github-authentication-token-expiration": text}, now)


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-11 09:00:00 UTC",
        "2025-11-11 11:00:00 +0200",
        "2025-11-11 11:00:00 +02:00",
        "2025-11-11 03:30:00 -0530",
        "2025-11-11 09:00:00 +0000",
        "2025-11-11T09:00:00Z",
        "2025-11-11T11:00:00+02:00",
        "2025-11-11 09:00:00 GMT",
        "2025-11-11 09:00:00",
        " 2025-11-11 09:00:00 UTC ",
    ],
)
def test_the_end_of_a_token_is_read_in_every_zone_that_github_writes(text: str) -> None:
    assert expiry(text) == NOV_11


@pytest.mark.parametrize("text", [*JUNK, "2025-11-11", "2025-13-11 09:00:00 UTC", "2025-11-11 09:00:00 CEST", "never"])
def test_what_is_no_end_of_a_token_is_none(text: str) -> None:
    assert expiry(text) is None
    assert token_expiry({}, 0.0) is None


@given(st.text())
def test_no_header_makes_reading_the_end_of_a_token_raise(text: str) -> None:
    assert expiry(text) is None or isinstance(expiry(text), float)


@pytest.mark.parametrize(
    ("off", "told"), [(0.0, False), (-59.0, False), (59.0, False), (61.0, True), (-86_400.0, True)]
)
def test_the_time_of_the_answer_is_no_end_of_a_token(off: float, told: bool) -> None:
    """GitHub was seen to send it with fine-grained tokens: https://github.com/google/go-github/issues/3708."""
    assert (expiry("2025-11-11 14:00:00 +0500", NOV_11 + off) is not None) == told
