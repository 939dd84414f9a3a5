"""What GitHub, or something in its name, may answer: each at an organization of its own, all at the same time."""

import json
import zlib
from typing import Any

from exporter.instants import DAY, HOUR
from exporter.simulator.faults import Fault
from tests.system.faults.row import Row, answers
from tests.system.faults.scene import CANARY, Place

LONG = 30.0
"""Seconds after which figures are older than `max_age`."""
ALLOW_LIST = (
    "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list "
    "enabled, and your IP address is not permitted to access this resource."
)


def message(text: str) -> bytes:
    """GitHub's body of an error."""
    return json.dumps({"message": text, "documentation_url": "https://docs.github.com/rest"}).encode()


def summary(total: Any, limited: Any = 0, **more: Any) -> Fault:
    """An answer of summary-stats with these figures."""
    body = json.dumps({"total_request_count": total, "rate_limited_request_count": limited, **more})
    return Fault(status=200, body=body.encode())


def limited(status: int, **headers: str) -> Fault:
    """A refusal because of a limit."""
    return Fault(
        status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=message("limit")
    )


def redirect(status: int, location: str) -> Fault:
    """A redirect; whoever follows it with the token gives it away."""
    return Fault(status=status, headers={"location": location}, body=b"")


def revoke(place: Place) -> None:
    """Let GitHub refuse the token from now on."""
    place.revoke()


def quote_token(place: Place) -> None:
    """Answer with an error that repeats the request's token, as a careless proxy does."""
    place.disturb(Fault(status=403, body=message(f"Bearer {place.token} may not do that")))


def rotate(place: Place) -> None:
    """Put another token into the file."""
    place.give(f"ghp_{CANARY}1{place.name}")


GOOD = b'{"total_request_count":1,"rate_limited_request_count":0'
"""The beginning of an answer that could be read."""


def bomb() -> Fault:
    """A hundred megabytes in a hundred kilobytes, which would be an answer."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [GOOD, *[b" " * 1_000_000] * 100, b"}"]
    body = b"".join([*map(pack.compress, pieces), pack.flush()])
    return Fault(status=200, headers={"content-encoding": "gzip"}, body=body)


DEEP = GOOD + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HUGE = GOOD + b',"x":"' + b"x" * 60_000_000 + b'"}'

ANSWERS = (
    Row("401: the token is revoked", "GitHub", revoke, rotate, "credential", everything=True, lasts=LONG),
    answers("401 for one endpoint", Fault(status=401), "credential", everything=True, back=HOUR),
    answers("403: a permission is missing", Fault(status=403), "forbidden", back=HOUR),
    answers("403: an IP allow list", Fault(status=403, body=message(ALLOW_LIST)), "forbidden", back=HOUR),
    Row(
        "403: an error that repeats the token",
        "GitHub",
        quote_token,
        lambda place: place.calm(),
        "forbidden",
        back=HOUR,
    ),
    answers("404: switched off, hidden or unknown", Fault(status=404), "not_found", back=HOUR),
    answers("410: the endpoint is closed", Fault(status=410), "retired", back=DAY),
    answers("400: the API version is unknown", Fault(status=400, body=message("not a version")), "invalid"),
    answers("422: the range is not allowed", Fault(status=422), "invalid"),
    answers("500", Fault(status=500), "unavailable"),
    answers("502 for longer than max_age", Fault(status=502), "unavailable", collector="subject_stats", lasts=LONG),
    answers(
        "503 and Retry-After",
        Fault(status=503, headers={"retry-after": "3"}),
        "unavailable",
        everything=True,
        also="rate_limited",  # collectors whose request is held back meanwhile
    ),
    answers("504", Fault(status=504), "unavailable"),
    answers("202 without figures", Fault(status=202, body=b"{}"), "invalid"),
    answers("204: no content", Fault(status=204, body=b""), "invalid"),
    answers("304 though nothing was kept", Fault(status=304, body=b""), "invalid"),
    answers(
        "the primary limit, with its reset",
        limited(403, x_ratelimit_remaining="0", x_ratelimit_reset="1"),
        "rate_limited",
        everything=True,
        back=HOUR,
    ),
    answers("429 and Retry-After", limited(429, retry_after="3"), "rate_limited", everything=True),
    answers("429 without a header", limited(429), "rate_limited", everything=True, back=HOUR),
    answers("Retry-After is no number", limited(429, retry_after="soon"), "rate_limited", everything=True, back=HOUR),
    answers("Retry-After is below zero", limited(429, retry_after="-9"), "rate_limited", everything=True, back=HOUR),
    answers(
        "Retry-After of a thousand years",
        limited(429, retry_after="31536000000"),
        "rate_limited",
        everything=True,
        back=HOUR,
    ),
    answers("301 to another host", redirect(301, "https://attacker.invalid/"), "invalid"),
    answers("302 to the cloud's metadata", redirect(302, "http://169.254.169.254/latest"), "invalid"),
    answers("307 to itself, for ever", redirect(307, "summary-stats"), "invalid"),
    answers("302 to another page of the same host", redirect(302, "/login?return_to=x"), "not_found", back=HOUR),
    answers("a page for people, with 200", Fault(kind="garbage"), "invalid"),
    answers("the body ends too early", Fault(kind="truncate"), "unavailable"),
    answers("the connection ends before the body", Fault(kind="reset"), "unavailable"),
    answers("no answer at all", Fault(kind="hang"), "unavailable"),
    answers("a byte per second", Fault(kind="drip"), "unavailable"),
    answers("JSON that ends in the middle", Fault(status=200, body=b'{"total_request_count":'), "invalid"),
    answers("JSON of another kind", Fault(status=200, body=b"[1,2]"), "invalid"),
    answers("JSON a hundred thousand levels deep", Fault(status=200, body=DEEP), "invalid"),
    answers("bytes that are no text", Fault(status=200, body=b"\xff\xfe\x00{"), "invalid"),
    answers("words for numbers", summary("many"), "invalid"),
    answers("null for a number", summary(None), "invalid"),
    answers("a field is missing", Fault(status=200, body=b"{}"), "invalid"),
    answers("NaN for a number", summary(float("nan")), "invalid"),
    answers("a number beyond all bounds", Fault(status=200, body=b'{"total_request_count":1e400}'), "invalid"),
    answers("a count below zero", summary(-5), "invalid"),
    answers("a count of twenty digits", summary(10**20), "invalid"),
    answers("a megabyte that becomes a hundred", bomb(), "invalid"),
    answers("a body of sixty megabytes", Fault(status=200, body=HUGE), "invalid"),
    answers(
        "an encoding that nobody asked for",
        Fault(headers={"content-encoding": "br"}, body=GOOD + b"}"),
        "invalid",
    ),
    answers(
        "a field that is new",
        summary(1, 0, brand_new_count=3),
        None,
        shows=r'^github_exporter_unknown_values_total\{collector="summary_stats"\} [1-9]',
    ),
    answers("a Date of another year", Fault(headers={"date": "Thu, 01 Jan 1970 00:00:00 GMT"}), None, lasts=6),
    answers(
        "the endpoint will end",
        Fault(headers={"sunset": "Fri, 31 Dec 2027 00:00:00 GMT", "deprecation": "@1790000000"}),
        None,
        shows=r"^github_exporter_endpoint_sunset_timestamp_seconds\{.*organization/PLACE.*\} ",
    ),
    answers("a next page on another host", Fault(kind="foreign_link"), "invalid", collector="subject_stats"),
    answers("a next page that is this page", Fault(kind="cyclic_link"), "invalid", collector="subject_stats"),
    answers(
        "a list whose rows cannot be read",
        Fault(kind="wrong_types"),
        "invalid",
        collector="subject_stats",
    ),
)
