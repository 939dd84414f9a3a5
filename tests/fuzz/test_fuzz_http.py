"""What clients send to the server: whatever it is, an HTTP answer that is no 500, or the end of the connection."""

import base64
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors import COLLECTORS
from tests.support.fuzzing import examples
from tests.support.in_process import exporter
from tests.support.threads import in_thread

Address = tuple[str, int]
PASSWORD = "correct horse"
LOGIN = b"Basic " + base64.b64encode(f"ada:{PASSWORD}".encode())
PATIENCE = 0.5
"""Seconds without an answer after which the rest of a request is taken as missing."""

PATHS = st.sampled_from(
    [b"/metrics", b"/", b"/-/healthy", b"/-/ready", b"/-/reload", b"/api/v1/status", b"/nowhere", b"*", b"", b"//"]
) | st.binary(max_size=20)
NAMES = st.sampled_from([*(collector.name for collector in COLLECTORS[:3]), "nothing", "", "up\n", "\N{CAT}"])
PARTS = st.sampled_from([b"collect[]", b"collect%5B%5D", b"name[]", b"target", b"%", b"%ff", b"+", b"&&", b"a;b"])
QUERIES = st.lists(
    st.tuples(PARTS, NAMES.map(str.encode) | st.binary(max_size=10)).map(b"=".join) | PARTS, max_size=4
).map(b"&".join)
TYPES = st.sampled_from(
    [
        b"text/plain",
        b"application/openmetrics-text; version=1.0.0",
        b"*/*;q=0",
        b"a/b;q=1e999",
        b";;=,,",
        b"text/*;q=-1",
    ]
)
VALUES = st.one_of(
    TYPES,
    st.sampled_from([b"gzip", b"gzip;q=0", b"*", b"100-continue", b"chunked", b"h2c", b"0", b"-1"]),
    st.sampled_from([LOGIN, b"Basic", b"Basic =", b"Basic YQ", b"Basic OjpcMA==", b"\xff" * 50, b"a" * 20_000]),
    st.binary(max_size=30),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"Accept",
                b"Accept-Encoding",
                b"Authorization",
                b"Content-Length",
                b"Transfer-Encoding",
                b"Connection",
                b"Upgrade",
                b"Expect",
                b"Host",
                b"Range",
                b"X-Forwarded-For",
                b"X-Forwarded-Proto",
                b"If-None-Match",
                b"",
                b" x",
            ]
        )
        | st.binary(max_size=8),
        VALUES,
    ).map(b": ".join),
    max_size=5,
)
METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"CONNECT", b"TRACE", b"get"])
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"FTP"])


def request(
    first: tuple[bytes, bytes, bytes], query: bytes = b"", headers: Sequence[bytes] = (), body: bytes = b""
) -> bytes:
    """A request with a login; `first` are method, path and version."""
    method, path, version = first
    first_line = b" ".join((method, path + b"?" + query if query else path, version))
    return b"\r\n".join([first_line, b"Host: x", b"Authorization: " + LOGIN, b"Connection: close", *headers, b"", body])


REQUESTS = st.one_of(
    st.builds(request, st.tuples(METHODS, PATHS, VERSIONS), QUERIES, HEADERS, st.binary(max_size=20)),
    st.binary(max_size=100),
    st.sampled_from([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02", b"\r\n" * 1000, b"A" * 100_000]),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A daemon with a login."""
    folder: Path = tmp_path_factory.mktemp("http")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "web.yml").write_text(f"basic_auth_users: {{ada: '{hashed}'}}")
    web = {"config_file": str(folder / "web.yml"), "enable_lifecycle": True}
    with in_thread(exporter(folder, web=web)) as (address,):
        yield address


def answer(server: Address, sent: bytes) -> bytes:
    """All that the server answers until it closes the connection, or until it waits for more."""
    with socket.create_connection(server, timeout=PATIENCE) as client:
        received = b""
        try:
            client.sendall(sent)
            while data := client.recv(65536):
                received += data
        except (TimeoutError, ConnectionError):
            pass
        return received


@examples(80)
@given(sent=REQUESTS)
def test_fuzz_any_request(server: Address, sent: bytes) -> None:
    received = answer(server, sent)
    if received:
        status = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", received)
        assert status
        assert int(status[1]) < 500 or (int(status[1]), b"/-/ready" in sent) == (503, True)
        assert PASSWORD.encode() not in received
    alive = request((b"GET", b"/-/healthy", b"HTTP/1.1"))
    assert answer(server, alive).startswith(b"HTTP/1.1 200 ")


@examples(40)
@given(query=QUERIES, accept=TYPES | st.just(b""))
def test_fuzz_any_filter_of_a_scrape(server: Address, query: bytes, accept: bytes) -> None:
    if re.search(rb"[\x00-\x20\x7f-\xff]", query):
        query = re.sub(rb"[^!-~]", lambda byte: b"%%%02X" % byte[0][0], query)
    received = answer(server, request((b"GET", b"/metrics", b"HTTP/1.1"), query, [b"Accept: " + accept]))
    head, _, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 400 "):
        assert b"no collector" in body
        return
    assert head.startswith(b"HTTP/1.1 200 ")
    is_openmetrics = b"application/openmetrics-text" in head
    assert list((parse_openmetrics if is_openmetrics else parse_text)(body.decode())) or b"name" in query
