"""The log's second defence: what looks like a credential is masked, whoever logs it, and a line stays a line."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import structlog

from exporter.cli.logs import configure, mask

Form = Literal["logfmt", "json"]
Written = Callable[[], str]

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJJdjEuMTIzIn0.c2lnbmF0dXJlLWhlcmU"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nTUlJRXBBSUJBQUtDQVFFQQ==\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    "a classic token": ("ghp_CANARY0123456789abcdef", "CANARY"),
    "a fine-grained token": ("github_pat_11CANARY0_abcdefghij", "CANARY"),
    "an installation's token": ("ghs_CANARY0123456789", "CANARY"),
    "a header": ("Authorization: Bearer CANARY-0123456789", "CANARY"),
    "a login": ("Basic Q0FOQVJZOnBhc3N3b3Jk", "Q0FOQVJZ"),
    "a signed link": ("https://a.blob.core.windows.net/f.csv?se=1&sig=CANARY%3D&x=1", "CANARY"),
    "a proxy's password": ("http://user:CANARY@proxy.corp:3128", "CANARY"),
    "a JWT": (f"sent {JWT} to GitHub", "c2lnbmF0dXJl"),
    "a private key": (f"read {PEM}", "TUlJRXBB"),
    "a private key that is cut off": (f"read {PEM[:60]}", "TUlJRXBB"),
}


@pytest.fixture
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """What has been written to standard error; the root logger is as before afterwards."""
    form: Form = request.param
    root = logging.getLogger()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("debug", form)
    yield stream.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def raise_(text: str) -> None:
    raise ValueError(text)


both = pytest.mark.parametrize("written", ["logfmt", "json"], indirect=True)


@pytest.mark.parametrize("name", SECRETS)
def test_what_looks_like_a_credential_is_masked(name: str) -> None:
    text, secret = SECRETS[name]
    assert secret not in mask(text)
    assert "<secret>" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "organization/acme",
        "https://api.github.com/orgs/acme?page=2",
        "12:30:01 a@b.example",
        "write proxy: http://USER:PASSWORD@HOST:PORT",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


@both
@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_written_whoever_logs_it_and_however(name: str, written: Written) -> None:
    text, secret = SECRETS[name]
    log, other = structlog.get_logger("ours"), logging.getLogger("a.library")
    log.info(text)
    log.info("a value", value=text, values=[text], error=ValueError(text))
    other.warning("of %s", text)
    try:
        raise_(text)
    except ValueError:
        log.exception("a traceback")
        other.exception("a traceback")
    assert "a traceback" in written()
    assert secret not in written()


@both
def test_a_name_with_a_line_break_makes_no_line_of_its_own(written: Written) -> None:
    name = 'acme\nts=2026-01-01 level=error event="forged"\r\u2028\x1b[2J'
    structlog.get_logger().info("read", target=name, error=OSError(name))
    logging.getLogger("a.library").warning("of %s", name)
    assert len(written().splitlines()) == written().count("\n") == 2
    assert "\x1b" not in written()


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_numbers_stay_numbers(written: Written) -> None:
    structlog.get_logger().info("read", rows=3, seconds=0.5, whole=True, missing=None)
    line = json.loads(written())
    assert (line["rows"], line["seconds"], line["whole"]) == (3, 0.5, True)
