"""Signed files: whose links are followed where, what is sent, what is taken, and that no failure shows a link.

Links lead to real storage hosts here: with a transport that answers in their place, or with servers on loopback.
"""

import asyncio
import gc
import gzip
import logging
import os
import ssl
import traceback
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from exporter.errors import GitHubError, HostRefused, Invalid, LinkExpired, Unavailable
from exporter.github.bodies import unpacked
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.downloads import DownloadBounds, Downloads, allowed
from exporter.github.network import Network
from exporter.github.pacing import Pool
from exporter.options import DownloadHosts, QueryDate
from tests.support.fake import Fake

WILDCARD = ("*.b01.azurefd.net",)
HOST = "files.b01.azurefd.net"
PATH = "/CANARY/report-1.json?sv=1&sig=CANARY%2Fa%2b%3D"  # named, since tracebacks show source lines
LINK = f"https://{HOST}{PATH}"
PUBLIC, OTHER_PUBLIC = "20.60.1.1", "2603:1030::1"
KIB, MIB = 1024, 1024 * 1024
PIECE = 256 * KIB
MOST = 16 * MIB
QUICK = DownloadBounds(idle=0.3, connect=0.3)


class Names:
    """A resolver that knows one answer for all names, and remembers what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[tuple[str, int]] = []
        self._addresses = list(addresses)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self._addresses


def downloads(site: Fake, *addresses: str, **more: Any) -> Downloads:
    return Downloads(transport=httpx.MockTransport(site), resolve=Names(*(addresses or (PUBLIC,))), **more)


async def whole(files: Downloads, link: str = LINK, hosts: Sequence[str] = WILDCARD, most: int = MOST) -> bytes:
    try:
        return b"".join([piece async for piece in files.read(link, hosts, most)])
    finally:
        await files.aclose()


def read(files: Downloads, link: str = LINK, hosts: Sequence[str] = WILDCARD, most: int = MOST) -> bytes:
    return asyncio.run(whole(files, link, hosts, most))


def failure(files: Downloads, link: str = LINK, hosts: Sequence[str] = WILDCARD, most: int = MOST) -> GitHubError:
    with pytest.raises(GitHubError) as caught:
        read(files, link, hosts, most)
    assert_clean(caught.value)
    return caught.value


def assert_clean(error: BaseException) -> None:
    """Neither the error, nor what it comes from, suppressed or not, shows what is secret in a link."""
    seen: list[BaseException | None] = [error]
    while current := seen.pop():
        told = traceback.TracebackException.from_exception(current, capture_locals=False)
        assert "CANARY" not in "".join(told.format(chain=False)) + repr(current) + repr(current.__dict__)
        seen += [each for each in (current.__cause__, current.__context__) if each] or [None]
    assert len(str(error).splitlines()) == 1


# Which links are followed.

HOSTS = (
    *WILDCARD, "*.EU.example.com", "127.0.0.1", "Storage.Corp", "minio.corp:9000", "[::1]", "fd00::7", "[fd00::8]:9000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("link", "literal"),
    [
        (LINK, False),
        ("https://a.b.c.b01.azurefd.net/x", False),
        ("https://xn--mnchen-3ya.b01.azurefd.net/x", False),
        ("https://a_b-1.b01.azurefd.net/x", False),
        (f"https://{HOST}:443/x", False),
        ("HTTPS://FILES.B01.AzureFD.net/x", False),
        (f"https://{HOST}/x#@evil.example", False),
        (f"https://{HOST}?sig=x", False),
        ("https://x.eu.example.com/x", False),
        ("https://127.0.0.1/x", True),
        ("http://127.0.0.1:8081/x", True),
        ("http://STORAGE.corp/x", True),
        ("https://storage.corp:8443/x", True),
        ("http://minio.corp:9000/x", True),
        ("http://[::1]:9000/x", True),
        ("https://[fd00::7]/x", True),
        ("http://[fd00::8]:9000/x", True),
    ],
)
def test_a_link_to_a_host_of_the_list_is_followed(link: str, literal: bool) -> None:
    url, named = allowed(link, HOSTS)
    assert named is literal
    assert url == httpx.URL(link)


REFUSED = [
    "https://b01.azurefd.net/CANARY",
    "https://evil-b01.azurefd.net/CANARY",
    "https://evilb01.azurefd.net/CANARY",
    "https://x.b01.azurefd.net.evil.example/CANARY",
    "https://x.b01.azurefd.net./CANARY",
    "https://x.b01.azurefd.net../CANARY",
    "https://.b01.azurefd.net/CANARY",
    "https://x..b01.azurefd.net/CANARY",
    "https://*.b01.azurefd.net/CANARY",
    "http://*.b01.azurefd.net/CANARY",
    f"https://{'a' * 64}.b01.azurefd.net/CANARY",
    f"http://{HOST}/CANARY",
    f"https://{HOST}:8443/CANARY",
    f"https://{HOST}:0/CANARY",
    f"https://{HOST}:65536/CANARY",
    f"https://{HOST}:99999/CANARY",
    f"https://{HOST}:-1/CANARY",
    f"https://user@{HOST}/CANARY",
    f"https://user:CANARY@{HOST}/",
    f"https://:@{HOST}/CANARY",
    f"https://{HOST}@evil.example/CANARY",
    f"https://evil.example#{HOST}/CANARY",
    f"https://evil.example?{HOST}/CANARY",
    f"https://evil.example/.{HOST}/CANARY",
    f"https://evil.example\\.{HOST}/CANARY",
    f"https://evil.example%2f.{HOST}/CANARY",
    f"https://evil.example%00.{HOST}/CANARY",
    f"https://evil.example%23.{HOST}/CANARY",
    f"https://evil.example;.{HOST}/CANARY",
    f"https://evil.example,.{HOST}/CANARY",
    f"https://evil.example|.{HOST}/CANARY",
    f"https://evil.example\t.{HOST}/CANARY",
    f"https://evil.example .{HOST}/CANARY",
    f"https://{HOST}/CANARY\r\nX: y",
    f"https://{HOST}/CANARY\x00",
    f"https://{HOST}/CANARY\n",
    f" https://{HOST}/CANARY",
    f"https://{HOST}/CANARYü",
    "https://ü.b01.azurefd.net/CANARY",
    "https://\uff4201.azurefd.net/CANARY",
    "https://x.b01\u3002azurefd.net/CANARY",
    "https://x%2eb01.azurefd.net/CANARY",
    f"https://{HOST}/{'CANARY' * 4000}",
    f"ftp://{HOST}/CANARY",
    f"file://{HOST}/CANARY",
    f"gopher://{HOST}:443/CANARY",
    f"wss://{HOST}/CANARY",
    "ftp://127.0.0.1/CANARY",
    f"//{HOST}/CANARY",
    f"{HOST}/CANARY",
    f"https:{HOST}/CANARY",
    f"https:///{HOST}/CANARY",
    "https:///CANARY",
    "https://",
    "CANARY",
    "",
    "http://0x7f.1/CANARY",
    "http://0x7f000001/CANARY",
    "http://2130706433/CANARY",
    "http://127.1/CANARY",
    "http://0177.0.0.1/CANARY",
    "http://127.0.0.1./CANARY",
    "http://127.0.0.1:65536/CANARY",
    "http://127.0.0.2/CANARY",
    "http://127.0.0.1.nip.example/CANARY",
    "http://[::ffff:127.0.0.1]/CANARY",
    "http://[::1%25lo]/CANARY",
    "http://[::1%25.b01.azurefd.net]/CANARY",
    "http://[::1/CANARY",
    "http://[]/CANARY",
    "http://minio.corp/CANARY",
    "http://minio.corp:9001/CANARY",
    "http://[fd00::8]/CANARY",
    "https://sub.storage.corp/CANARY",
    "https://169.254.169.254/CANARY",
    "https://localhost/CANARY",
]


@pytest.mark.parametrize("link", REFUSED)
def test_any_other_link_is_refused_and_nothing_is_looked_up_or_sent(link: str) -> None:
    site, names = Fake(httpx.Response(200)), Names(PUBLIC)
    error = failure(Downloads(transport=httpx.MockTransport(site), resolve=names), link, HOSTS)
    assert type(error) in (Invalid, HostRefused)
    assert str(error).startswith("refused a download link ")
    assert (site.asked, names.asked) == ([], [])


@pytest.mark.parametrize("link", REFUSED)
def test_the_lines_that_allow_a_refused_host_allow_it_and_keep_what_was_allowed(link: str) -> None:
    error = failure(downloads(Fake()), link, HOSTS)
    if not isinstance(error, HostRefused):
        assert str(error) == "refused a download link that is no plain URL"
        return
    hosts = hosts_of(error)
    assert hosts[: len(HOSTS)] == hosts_setting.validate_python(HOSTS)
    assert allowed(link, hosts) == (httpx.URL(link), True)


def hosts_of(error: GitHubError) -> tuple[str, ...]:
    """The hosts that a fix allows."""
    assert isinstance(error, HostRefused)
    error.set_collector("copilot_usage", "A_VARIABLE")
    words, _, lines = error.hint.partition("\n")
    assert "if GitHub keeps report files there" in words
    (name, options), *more = yaml.safe_load(lines)["collectors"].items()
    assert (name, more, list(options)) == ("copilot_usage", [], ["download_hosts"])
    return hosts_setting.validate_python(options["download_hosts"])


def test_a_refusal_names_scheme_host_and_port_only() -> None:
    with pytest.raises(HostRefused) as caught:
        allowed("https://evil.example/CANARY;CANARY?CANARY#CANARY", WILDCARD)
    assert str(caught.value) == (
        "refused a download link to https://evil.example:443: download_hosts does not allow it"
    )
    assert hosts_of(caught.value) == (*WILDCARD, "evil.example")
    with pytest.raises(Invalid, match=r"http://\[fd00::9\]:8080: "):
        allowed("http://[fd00::9]:8080/CANARY", HOSTS)


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/CANARY",
        "//evil.example/CANARY",
        "https://b01.azurefd.net/CANARY",
        "https://*.b01.azurefd.net/CANARY",
        f"http://{HOST}/CANARY",
        f"//{HOST}:8443/CANARY",
        f"https://user:CANARY@{HOST}/",
        "https://169.254.169.254/CANARY",
        "http://2130706433/CANARY",
        "https:\\\\evil.example\\CANARY",
        "\\\\evil.example\\CANARY",
        "https://\u00fc.b01.azurefd.net/CANARY",
        "https://x.b01\u3002azurefd.net/CANARY",
        "/\tCANARY",
        "/CANARY here",
        "https://[",
        "http://[::1/CANARY",
        "ftp://127.0.0.1/CANARY",
        "javascript:CANARY",
        "",
        "/" + "CANARY" * 3000,
    ],
)
def test_a_redirect_is_judged_as_a_link_is(location: str, status: int) -> None:
    site = Fake(httpx.Response(status, headers=[(b"Location", location.encode())]), httpx.Response(200))
    error = failure(downloads(site), LINK, HOSTS)
    assert type(error) in (Invalid, HostRefused)
    assert str(error).startswith("refused a download link ")
    assert not isinstance(error, HostRefused) or f", to which {HOST} redirects: " in str(error)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b?c=d", f"https://{HOST}/b?c=d"),
        ("b", f"https://{HOST}/CANARY/b"),
        ("?sig=x", f"https://{HOST}/CANARY/report-1.json?sig=x"),
        ("//other.b01.azurefd.net/b", "https://other.b01.azurefd.net/b"),
        ("https://other.b01.azurefd.net:443/b#c", "https://other.b01.azurefd.net/b"),
        ("http://127.0.0.1:8081/b", "http://127.0.0.1:8081/b"),
        ("http://storage.corp/b", "http://storage.corp/b"),
    ],
)
def test_a_redirect_within_the_list_is_followed_without_anything_of_the_first(location: str, url: str) -> None:
    first = httpx.Response(302, headers={"Location": location, "Set-Cookie": "a=CANARY; Path=/"})
    site = Fake(first, httpx.Response(200, content=b"whole"))
    assert read(downloads(site), LINK, HOSTS) == b"whole"
    (_, second) = site.asked
    wanted = httpx.URL(url)
    assert second.headers["host"] == wanted.netloc.decode()
    assert (second.url.scheme, second.url.port, second.url.raw_path) == (wanted.scheme, wanted.port, wanted.raw_path)
    assert_bare(second)


def assert_bare(request: httpx.Request) -> None:
    assert (request.method, set(request.headers)) == ("GET", {"host", "accept-encoding", "user-agent"})


def test_redirects_end_at_the_cap() -> None:
    site = Fake(httpx.Response(302, headers={"Location": "/CANARY/again"}))
    error = failure(downloads(site))
    assert (type(error), str(error)) == (Invalid, f"{HOST}: more than 3 redirects of a download")
    assert len(site.asked) == 4


def test_as_many_redirects_as_the_cap_are_followed() -> None:
    again = httpx.Response(302, headers={"Location": "/again"})
    assert read(downloads(Fake(again, again, again, httpx.Response(200, content=b"x")))) == b"x"


@given(st.text(st.characters(codec="latin-1"), max_size=30) | st.sampled_from(REFUSED))
def test_no_location_leads_out_of_the_list(location: str) -> None:
    site = Fake(httpx.Response(302, headers=[(b"Location", location.encode("utf-8", "replace"))]), httpx.Response(200))
    try:
        read(downloads(site))
    except Invalid:
        assert len(site.asked) == 1
    for request in site.asked:
        assert request.url.scheme == "https"
        assert request.headers["host"].endswith(".b01.azurefd.net")


# Where names lead.


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"], ["172.16.0.1"], ["192.168.1.1"], ["127.0.0.1"], ["127.255.255.254"], ["169.254.169.254"],
        ["100.64.0.1"], ["0.0.0.0"], ["255.255.255.255"], ["224.0.0.1"], ["239.1.1.1"], ["240.0.0.1"], ["198.18.0.1"],
        ["192.0.2.1"], ["192.0.0.170"],
        ["::"], ["::1"], ["fe80::1"], ["fe80::1%eth0"], ["fec0::1"], ["fc00::1"], ["fd12::1"], ["ff02::1"], ["ff0e::1"],
        ["2001:db8::1"], ["2001::1"], ["100::1"], ["4000::1"],
        ["::ffff:10.0.0.1"], ["::ffff:127.0.0.1"], ["::ffff:169.254.169.254"], ["::ffff:224.0.0.1"],
        ["::127.0.0.1"], ["::ffff:0:7f00:1"], ["2002:7f00:1::"], ["2002:a00:1::1"], ["2002:a9fe:a9fe::"],
        ["64:ff9b::7f00:1"], ["64:ff9b::10.0.0.1"], ["64:ff9b::169.254.169.254"], ["64:ff9b:1::7f00:1"],
        [PUBLIC, "10.0.0.1"], ["::1", PUBLIC], [PUBLIC, OTHER_PUBLIC, "64:ff9b::7f00:1"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_name_that_leads_into_our_network_is_refused_before_anything_is_sent(addresses: list[str]) -> None:
    site = Fake(httpx.Response(200))
    error = failure(downloads(site, *addresses))
    assert str(error) == f"refused a download: {HOST} leads to an address that is not public"
    assert hosts_of(error) == (*WILDCARD, HOST)
    assert site.asked == []


@pytest.mark.parametrize(
    ("addresses", "host"),
    [
        ([PUBLIC, OTHER_PUBLIC], PUBLIC),
        ([OTHER_PUBLIC, PUBLIC], OTHER_PUBLIC),
        (["::ffff:20.60.1.1"], "::ffff:20.60.1.1"),
        (["64:ff9b::20.60.1.1"], "64:ff9b::20.60.1.1"),
    ],
)
def test_what_was_looked_at_is_what_is_asked_by_its_name(addresses: list[str], host: str) -> None:
    site, names = Fake(httpx.Response(200, content=b"x")), Names(*addresses)
    assert read(Downloads(transport=httpx.MockTransport(site), resolve=names)) == b"x"
    (request,) = site.asked
    assert names.asked == [(HOST, 443)]
    assert (request.url.host, request.headers["host"], request.extensions["sni_hostname"]) == (host, HOST, HOST)
    assert request.url.raw_path == PATH.encode()
    assert_bare(request)


def test_an_address_that_takes_no_connection_is_passed_over() -> None:
    """A name often has an address of IPv6, which does not work from everywhere."""
    dead: list[httpx.Response | Exception] = [httpx.ConnectTimeout("CANARY"), httpx.ConnectError("unreachable")]
    site = Fake(*dead, httpx.Response(200, content=b"x"))
    assert read(downloads(site, "2603:1030::1", "2603:1030::2", PUBLIC)) == b"x"
    assert [request.url.host for request in site.asked] == ["2603:1030::1", "2603:1030::2", PUBLIC]
    for request in site.asked:
        assert (request.headers["host"], request.extensions["sni_hostname"]) == (HOST, HOST)
    assert str(failure(downloads(Fake(*dead), "2603:1030::1", PUBLIC))) == f"no connection to {HOST} in time"
    site = Fake(httpx.ReadError("CANARY"), httpx.Response(200))
    assert "broke off" in str(failure(downloads(site, PUBLIC, OTHER_PUBLIC)))
    assert len(site.asked) == 1


def test_each_redirect_is_looked_at_anew() -> None:
    class Turning(Names):
        async def __call__(self, host: str, port: int) -> list[str]:
            await super().__call__(host, port)
            return [PUBLIC] if len(self.asked) == 1 else ["127.0.0.1"]

    site, names = Fake(httpx.Response(302, headers={"Location": "/b"})), Turning()
    assert type(failure(Downloads(transport=httpx.MockTransport(site), resolve=names))) is HostRefused
    assert (len(site.asked), len(names.asked)) == (1, 2)


@pytest.mark.parametrize("link", ["http://127.0.0.1:8081/x", "http://storage.corp/x", "https://[::1]:9000/x"])
def test_a_host_that_is_named_may_be_anywhere(link: str) -> None:
    site, names = Fake(httpx.Response(200, content=b"x")), Names("10.0.0.1")
    assert read(Downloads(transport=httpx.MockTransport(site), resolve=names), link, HOSTS) == b"x"
    assert str(site.asked[0].url) == link
    assert names.asked == []
    assert_bare(site.asked[0])


@pytest.mark.parametrize(
    "raised", [OSError("CANARY"), UnicodeError("label empty or too long"), TimeoutError("CANARY")], ids=repr
)
def test_a_name_that_leads_nowhere_is_unavailable(raised: Exception) -> None:
    async def nowhere(_host: str, _port: int) -> list[str]:
        raise raised

    for resolve in (nowhere, Names()):
        error = failure(Downloads(transport=httpx.MockTransport(Fake()), resolve=resolve))
        assert type(error) is Unavailable
        assert str(error) == f"{HOST}: the name of the download's host leads to no address"


def test_a_resolver_that_does_not_answer_ends_in_time() -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    error = failure(
        Downloads(transport=httpx.MockTransport(Fake()), resolve=never, bounds=DownloadBounds(idle=0.1, connect=0.1))
    )
    assert (type(error), str(error)) == (Unavailable, f"{HOST}: no answer to a download in time")


@pytest.mark.parametrize(
    "target",
    ["/a?sv=2024-11-04&se=2026-11-21T10%3A00%3A00Z&sp=r&sig=a%2Fb%2Bc%3D", "/a%2Fb%2fc/d;e=f,g!$&'()*+=:@~",
     "/a?x=a+b%20c&y=%e2%82%ac&z", "/?a", "/a//b"],
)  # fmt: skip
def test_a_link_is_sent_as_it_was_signed(target: str) -> None:
    site = Fake(httpx.Response(200))
    read(downloads(site), f"https://{HOST}{target}")
    assert site.asked[0].url.raw_path == target.encode()


def test_the_client_downloads_without_its_token() -> None:
    api, site = Fake(httpx.Response(200, headers={"Set-Cookie": "a=CANARY"})), Fake(httpx.Response(200, content=b"x"))
    credential = TokenCredential("classic", "https://api.github.com", "2022-11-28", token_text=SecretStr("CANARY"))
    transport = httpx.MockTransport(api)
    github = GitHub(
        credential, Pool("p"), clock=lambda: 0.0, monotonic=lambda: 0.0, transport=transport, downloads=downloads(site)
    )

    async def scenario() -> None:
        await github.get("/a")
        assert [piece async for piece in github.download(LINK, WILDCARD, MOST)] == [b"x"]
        assert [piece async for piece in github.download("http://127.0.0.1/x", HOSTS, MOST)] == [b"x"]
        await github.aclose()

    asyncio.run(scenario())
    assert len(api.asked) == 1
    for request in site.asked:
        assert_bare(request)
        assert "CANARY" not in str(request.headers.raw)


# What comes back.


@pytest.mark.parametrize("status", [101, 201, 202, 204, 206, 300, 304, 400, 405, 429, 500, 502, 503, 504])
def test_any_status_but_200_is_no_file(status: int) -> None:
    error = failure(downloads(Fake(httpx.Response(status, content=b"CANARY"))))
    assert (type(error), str(error)) == (Unavailable, f"{HOST} answers {status} to a download")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_nowhere_is_no_file(status: int) -> None:
    assert type(failure(downloads(Fake(httpx.Response(status))))) is Unavailable


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_link_that_is_taken_no_more_has_expired(status: int) -> None:
    error = failure(downloads(Fake(httpx.Response(status, content=b"CANARY"))))
    assert (type(error), str(error)) == (
        LinkExpired,
        f"{HOST} answers {status} to a download",
    )
    assert error.hint.endswith(f"let https to {HOST} through the firewall or proxy")


def test_a_proxy_that_forbids_a_host_is_as_a_link_that_is_refused() -> None:
    error = failure(downloads(Fake(httpx.ProxyError("403 CANARY"))))
    assert (type(error), str(error)) == (LinkExpired, f"the proxy answers 403 to a download from {HOST}")
    assert HOST in error.hint


@pytest.mark.parametrize("page", [b"<html>", b"\r\n <!DOCTYPE html>", b"\xef\xbb\xbf<?xml"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_page_in_place_of_a_file_is_called_so(page: bytes, packed: bool) -> None:
    body, headers = (gzip.compress(page), {"Content-Encoding": "gzip"}) if packed else (page, {})
    error = failure(downloads(Fake(httpx.Response(200, headers=headers, stream=Plain(body)))))
    assert type(error) is Invalid
    assert str(error).startswith(f"{HOST}: a page instead of a file: does a firewall or proxy answer")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (httpx.ConnectError("[Errno 111] refused"), f"no connection to {HOST}: [Errno 111] refused"),
        (httpx.ConnectTimeout("CANARY"), f"no connection to {HOST} in time"),
        (httpx.ProxyError("407 No"), f"no connection to {HOST}: 407 No"),
        (TimeoutError("CANARY"), f"{HOST}: no answer to a download in time"),
        *(
            (error, f"{HOST}: a download broke off ({type(error).__name__})")
            for error in (
                httpx.ReadError("CANARY"),
                httpx.ReadTimeout("CANARY"),
                httpx.PoolTimeout("CANARY"),
                httpx.LocalProtocolError("CANARY"),
                httpx.RemoteProtocolError("CANARY"),
                httpx.UnsupportedProtocol("CANARY"),
                httpx.InvalidURL("CANARY"),
                ssl.SSLError("CANARY"),
                ConnectionResetError("CANARY"),
                UnicodeEncodeError("utf-8", "CANARY", 0, 1, "CANARY"),
            )
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_foreign_exceptions_become_ours_without_their_text(raised: Exception, text: str) -> None:
    error = failure(downloads(Fake(raised)))
    assert (type(error), str(error)) == (Unavailable, text)
    assert error.__context__ is None
    assert error.__cause__ is None


# Bodies.


async def pieces_of(data: Iterable[bytes], encoding: str, most: int) -> list[bytes]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk

    return [piece async for piece in unpacked(stream(), encoding, most=most)]


border = st.sampled_from([0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE])


@given(
    data=st.binary(max_size=300) | st.builds(lambda unit, size: (unit * size)[:size], st.binary(min_size=1), border),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    packed=st.sampled_from([None, 0, 1, 9]),
)
@example(data=bytes(PIECE), cuts=[1.0], packed=9)
@example(data=bytes(4 * PIECE), cuts=[], packed=9)
def test_however_a_body_is_cut_it_is_the_same(data: bytes, cuts: list[float], packed: int | None) -> None:
    body = data if packed is None else gzip.compress(data, packed)
    ends = [0, *sorted(int(cut * len(body)) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(ends)]
    pieces = asyncio.run(pieces_of(chunks, "" if packed is None else "gzip", max(len(body), len(data))))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= PIECE for piece in pieces)


@given(data=st.binary(max_size=300), size=st.integers(1, 40), keep=st.floats(0, 0.999))
def test_however_a_packed_body_is_cut_off_it_is_no_whole_one(data: bytes, size: int, keep: float) -> None:
    body = gzip.compress(data)
    body = body[: max(1, int(keep * len(body)))]
    with pytest.raises(Unavailable, match="cut off"):
        asyncio.run(pieces_of([body[at : at + size] for at in range(0, len(body), size)], "gzip", MOST))


@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    padding=st.integers(0, 20),
    cuts=st.lists(st.floats(0, 1), max_size=8),
)
@example(members=[b"", b"", b"x"], padding=0, cuts=[])
@example(members=[b"a" * PIECE, b"b" * PIECE], padding=0, cuts=[])
def test_a_gzip_body_of_several_members_is_read_to_its_last_one(
    members: list[bytes], padding: int, cuts: list[float]
) -> None:
    """RFC 1952, section 2.2: "a series of members"; gzip and Python ignore zeros behind them."""
    body = b"".join(map(gzip.compress, members)) + bytes(padding)
    ends = [0, *sorted(int(cut * len(body)) for cut in cuts), len(body)]
    for chunks in ([body[start:end] for start, end in pairwise(ends)], [bytes([byte]) for byte in body]):
        pieces = asyncio.run(pieces_of(chunks, "gzip", max(len(body), len(b"".join(members)))))
        assert b"".join(pieces) == b"".join(members)
        assert all(0 < len(piece) <= PIECE for piece in pieces)


SECOND = gzip.compress(b"second", mtime=0)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("kept", range(1, len(SECOND)))
def test_a_member_that_does_not_end_is_cut_off(kept: int, size: int) -> None:
    body = gzip.compress(b"first") + SECOND[:kept]
    with pytest.raises(Unavailable, match="cut off"):
        asyncio.run(pieces_of([body[at : at + size] for at in range(0, len(body), size)], "gzip", MOST))


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "garbage",
    [
        b"x",
        b"\x1f\x1f",
        b"\x1f\x8b\xff" + bytes(20),
        b"{}",
        b"\0x",
        b"\0\0\x1f\x8a",
        SECOND[:-8] + bytes(8),
        bytes(range(1, 200)),
    ],
)
def test_what_stands_behind_the_last_member_is_no_gzip_data(garbage: bytes, size: int) -> None:
    body = gzip.compress(b"first") + gzip.compress(b"") + garbage
    with pytest.raises(Invalid, match=r"goes on after the end of its gzip data|not gzip"):
        asyncio.run(pieces_of([body[at : at + size] for at in range(0, len(body), size)], "gzip", MOST))


@pytest.mark.parametrize("count", [2, 100])
def test_members_are_counted_together_at_the_cap(count: int) -> None:
    member = gzip.compress(bytes(1000))
    assert len(asyncio.run(pieces_of([member * count], "gzip", 1000 * count))) == count
    with pytest.raises(Invalid, match="larger than"):
        asyncio.run(pieces_of([member * count], "gzip", 1000 * count - 1))


def test_a_chunk_of_thousands_of_empty_members_lets_others_run() -> None:
    """A scrape must not wait for them; nor are they copied for each one that ends."""
    member, turns = gzip.compress(b""), 0

    async def scenario() -> None:
        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        assert await pieces_of([member * (MIB // len(member))], "gzip", MOST) == []
        task.cancel()

    asyncio.run(scenario())
    assert turns > 100


@given(st.lists(st.binary(max_size=40), max_size=5), st.sampled_from([b"", gzip.compress(b"x" * 50)[:20]]))
def test_junk_is_refused_in_our_words(chunks: list[bytes], head: bytes) -> None:
    async def outcome() -> BaseException | None:
        (found,) = await asyncio.gather(pieces_of([head, *chunks], "gzip", 1000), return_exceptions=True)
        return found if isinstance(found, BaseException) else None

    error = asyncio.run(outcome())
    assert type(error) in (Invalid, Unavailable) or not any([head, *chunks])
    assert error is None or error.__context__ is None


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("size", [1000, PIECE, 3 * PIECE])
def test_nothing_beyond_the_cap_is_given(packed: bool, size: int) -> None:
    data = bytes(size + 1)
    body, encoding = (gzip.compress(data), "gzip") if packed else (data, "")
    given_out: list[bytes] = []

    async def scenario(most: int) -> None:
        async def stream() -> AsyncIterator[bytes]:
            for at in range(0, len(body), 700):
                yield body[at : at + 700]

        async for piece in unpacked(stream(), encoding, most=most):
            given_out.append(piece)  # noqa: PERF401 - what was given before the failure is what is asked

    with pytest.raises(Invalid, match=f"larger than {size} bytes"):
        asyncio.run(scenario(size))
    assert sum(map(len, given_out)) <= size
    given_out.clear()
    asyncio.run(scenario(size + 1))
    assert b"".join(given_out) == data


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "CANARYx" * 100])
def test_an_encoding_that_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(Invalid, match=f"^{HOST}: the answer has an encoding that was not requested"):
        read(downloads(Fake(httpx.Response(200, headers={"Content-Encoding": encoding}, stream=Plain(b"x")))))


class Plain(httpx.AsyncByteStream):
    """A body as it is on the wire."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


# Over real sockets.

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Host:
    """A storage host on loopback: what it was asked, and how many connections to it are open."""

    def __init__(self, *answers: Answer | bytes) -> None:
        self.heads: list[bytes] = []
        self.connections = self.open = 0
        self.port = 0
        self.asked, self._left = asyncio.Event(), asyncio.Event()
        self._left.set()
        self._answers = answers

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._answers[min(self.connections, len(self._answers) - 1)]
        self.connections += 1
        self.open += 1
        self._left.clear()
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.asked.set()
            if isinstance(answer, bytes):
                for at in range(0, len(answer), 64 * KIB):  # as memory is measured, it keeps no copy of all
                    writer.write(answer[at : at + 64 * KIB])
                    await writer.drain()
            else:
                await answer(reader, writer)
            await reader.read()  # until the other side goes
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open -= 1
            if not self.open:
                self._left.set()

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Gives a link to a file; in the end nobody may hold a connection."""
        server = await asyncio.start_server(self, "127.0.0.1", 0, ssl=tls)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{PATH}"
            async with asyncio.timeout(5):
                await self._left.wait()


def of_length(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def chunked(chunks: Iterable[bytes], *headers: bytes) -> bytes:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers, b"", sent + b"0\r\n\r\n"])


def open_ended(head: bytes, piece: bytes, pause: float) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await reader.read()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.transport.abort()


def closing(raw: bytes) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


TEXT = b'{"day": "2026-11-17"}\n' * 500
PACKED = gzip.compress(TEXT)
GZIP = b"Content-Encoding: gzip"
LOOPBACK = ("127.0.0.1",)


async def from_host(
    host: Host, tls: ssl.SSLContext | None = None, most: int = MOST, bounds: DownloadBounds | None = None
) -> bytes:
    async with host.serving(tls) as link:
        return await whole(Downloads(bounds=bounds), link, LOOPBACK, most)


@pytest.mark.parametrize(
    "answer",
    [
        of_length(TEXT),
        of_length(PACKED, GZIP),
        of_length(gzip.compress(TEXT[:700]) + gzip.compress(b"") + gzip.compress(TEXT[700:]) + bytes(512), GZIP),
        chunked([TEXT[:1], TEXT[1:5000], TEXT[5000:]]),
        chunked([PACKED[at : at + 1] for at in range(len(PACKED))], GZIP),
        closing(b"HTTP/1.0 200 OK\r\n\r\n" + TEXT),
        b"HTTP/1.1 103 Early Hints\r\nLink: </CANARY>\r\n\r\n" + of_length(TEXT),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x;extension=CANARY\r\n%b\r\n0\r\nTrailer: CANARY\r\n\r\n" % (len(TEXT), TEXT),
        of_length(TEXT) + b"more than was said",
    ],
    ids=["length", "gzip", "gzip-members", "chunked", "chunked-gzip", "until-closed", "hints", "extensions", "more"],
)
def test_a_file_is_read_whole_over_a_connection_of_its_own(answer: Answer | bytes) -> None:
    host = Host(answer)

    async def scenario() -> list[bytes]:
        async with host.serving() as link:
            files = Downloads()
            found = [b"".join([piece async for piece in files.read(link, LOOPBACK, MOST)]) for _ in range(2)]
            await files.aclose()
            return found

    assert asyncio.run(scenario()) == [TEXT, TEXT]
    assert host.connections == 2
    for head in host.heads:
        lines = head.split(b"\r\n")
        assert lines[0] == f"GET {PATH} HTTP/1.1".encode()
        names = sorted(line.partition(b":")[0].lower() for line in lines[1:-2])
        assert names == [b"accept-encoding", b"host", b"user-agent"]


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (silent, Unavailable, "(ReadTimeout)|no answer to a download in time"),
        (half, Unavailable, "(ReadTimeout)|no answer to a download in time"),
        (open_ended(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.1), Unavailable, "no answer to a download in time"),
        (reset, Unavailable, "(ReadError)|(RemoteProtocolError)"),
        (closing(b""), Unavailable, "(RemoteProtocolError)"),
        (closing(of_length(TEXT)[:-1]), Unavailable, "(RemoteProtocolError)"),
        (closing(chunked([TEXT])[:-1]), Unavailable, "(RemoteProtocolError)"),
        (closing(chunked([TEXT])[:-5]), Unavailable, "(RemoteProtocolError)"),
        (of_length(TEXT, b"Content-Length: 7"), Unavailable, "(RemoteProtocolError)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Unavailable, "(RemoteProtocolError)"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n", Unavailable, "(RemoteProtocolError)"),
        (b"SSH-2.0-OpenSSH CANARY\r\n\r\n", Unavailable, "(RemoteProtocolError)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"CANARY" * 50_000, Unavailable, "(RemoteProtocolError)"),
        (of_length(PACKED[:-1], GZIP), Unavailable, "cut off"),
        (of_length(PACKED + b"x", GZIP), Invalid, "goes on after the end of its gzip data"),
        (of_length(PACKED + PACKED[:-1], GZIP), Unavailable, "cut off"),
        (of_length(TEXT, GZIP), Invalid, "not gzip"),
        (of_length(TEXT, b"Content-Encoding: br"), Invalid, "an encoding that was not requested: br"),
        (
            of_length(TEXT, b"Content-Encoding: gzip", b"Content-Encoding: gzip"),
            Invalid,
            "not requested: gzip, gzip",
        ),
        (of_length(bytes(MOST + 1)), Invalid, f"larger than {MOST} bytes"),
        (open_ended(b"HTTP/1.1 200 OK\r\n\r\n", bytes(MIB), 0.0), Invalid, f"larger than {MOST} bytes"),
    ],
    ids=lambda value: None if callable(value) else "" if isinstance(value, bytes) else str(value)[:30],
)
def test_faults_of_a_host(answer: Answer | bytes, kind: type[GitHubError], text: str) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(10):
            await from_host(Host(answer), bounds=QUICK if "in time" in text else None)

    with pytest.raises(kind) as caught:
        asyncio.run(scenario())
    assert_clean(caught.value)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("127.0.0.1: ")
    assert any(each in str(caught.value) for each in text.split("|"))
    assert caught.value.__context__ is None


def test_a_slow_file_is_read_as_long_as_something_comes() -> None:
    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    assert asyncio.run(from_host(Host(slow), bounds=DownloadBounds(idle=0.8, connect=5))) == b"x" * 12


def test_a_refused_connection_is_unavailable() -> None:
    async def scenario() -> None:
        async with Host(b"").serving() as link:
            pass
        await whole(Downloads(), link, LOOPBACK)

    with pytest.raises(Unavailable, match=r"^no connection to 127\.0\.0\.1: ") as caught:
        asyncio.run(scenario())
    assert_clean(caught.value)


def test_environment_and_netrc_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login a password CANARY\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    host = Host(of_length(TEXT))
    assert asyncio.run(from_host(host)) == TEXT
    assert b"uthorization" not in host.heads[0]


# Who leaves early, leaves nothing behind.

endless = open_ended(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", 0.01)
_zeros = zlib.compressobj(9, wbits=31)
BLOCK = _zeros.compress(bytes(MIB)) + _zeros.flush(zlib.Z_FULL_FLUSH)
NEXT_BLOCK = _zeros.compress(bytes(MIB)) + _zeros.flush(zlib.Z_FULL_FLUSH)
"""A mebibyte of zeros in a kibibyte, which may be repeated."""


@pytest.mark.parametrize(
    "answer",
    [endless, of_length(BLOCK + NEXT_BLOCK * 50, GZIP), of_length(bytes(8 * MIB))],
    ids=["drip", "gzip", "large"],
)
@pytest.mark.parametrize("how", ["close", "break", "raise", "cancel"])
def test_who_leaves_early_closes_the_connection(answer: Answer | bytes, how: str) -> None:
    host = Host(answer)

    async def scenario() -> None:
        files, begun = Downloads(), asyncio.Event()

        async def reading(link: str) -> None:
            async for _piece in files.read(link, LOOPBACK, 64 * MIB):
                begun.set()
                if how == "break":
                    break
                if how == "raise":
                    raise KeyError
                await asyncio.sleep(0.001)

        async with host.serving() as link:  # in its end it waits until no connection is open, while `files` still is
            if how == "close":
                async with aclosing(files.read(link, LOOPBACK, 64 * MIB)) as pieces:
                    assert await anext(pieces)
            else:
                task = asyncio.create_task(reading(link))
                await begun.wait()
                if how == "cancel":
                    task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
                wanted = {"break": type(None), "raise": KeyError, "cancel": asyncio.CancelledError}
                assert type(outcome) is wanted[how]
                del outcome, task
        await files.aclose()

    asyncio.run(scenario())
    gc.collect()
    assert host.connections == 1


@pytest.mark.parametrize("answer", [silent, half], ids=["head", "body"])
def test_a_cancelled_read_closes_the_connection(answer: Answer) -> None:
    host = Host(answer)

    async def scenario() -> None:
        files = Downloads()
        async with host.serving() as link:
            task = asyncio.create_task(whole(files, link, LOOPBACK))
            await host.asked.wait()
            await asyncio.wait([task], timeout=0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    assert host.connections == 1


def test_many_failures_do_not_use_the_connections_up() -> None:
    faults = [half, reset, silent, closing(b"")] * 5
    host = Host(*faults, of_length(TEXT))

    async def scenario() -> bytes:
        files = Downloads(bounds=DownloadBounds(idle=0.05, connect=0.05))
        async with host.serving() as link:
            for _ in faults:
                with pytest.raises(Unavailable):
                    [piece async for piece in files.read(link, LOOPBACK, MOST)]
        await files.aclose()
        async with host.serving() as link:
            return await whole(Downloads(), link, LOOPBACK)

    assert asyncio.run(scenario()) == TEXT


# How much memory a file takes.


async def measured(host: Host, most: int) -> tuple[int, int, GitHubError | None]:
    """Bytes that came, and the peak of memory in bytes."""
    came, failed = 0, None
    async with host.serving() as link:
        files = Downloads()
        tracemalloc.start()
        try:
            async for piece in files.read(link, LOOPBACK, most):
                came += len(piece)
        except GitHubError as error:
            failed = error
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await files.aclose()
    return came, peak, failed


def test_a_bomb_is_refused_at_its_cap_and_takes_little_memory() -> None:
    """10 GiB of zeros in 10 MiB."""
    bomb = BLOCK + NEXT_BLOCK * (10 * KIB)
    assert len(bomb) < 12 * MIB
    came, peak, failed = asyncio.run(measured(Host(of_length(bomb, GZIP)), 64 * MIB))
    assert type(failed) is Invalid
    assert 63 * MIB < came <= 64 * MIB
    print(f"bomb: {peak / MIB:.1f} MiB of memory for {came / MIB:.0f} MiB")
    assert peak < 6 * MIB


@pytest.mark.parametrize("packed", [True, False])
def test_a_large_file_takes_little_memory(packed: bool) -> None:
    data = os.urandom(MIB) * 32
    answer = of_length(gzip.compress(data, 1), GZIP) if packed else of_length(data)
    came, peak, failed = asyncio.run(measured(Host(answer), 64 * MIB))
    assert (came, failed) == (len(data), None)
    print(f"large: {peak / MIB:.1f} MiB of memory for {came / MIB:.0f} MiB")
    assert peak < 6 * MIB


# TLS and proxies.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of the storage host, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a storage host")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def tls_server(certificate: Path, asked_for: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


class Internet(httpcore.AsyncNetworkBackend):
    """All addresses lead to one port on loopback; remembers which were connected to."""

    def __init__(self, port: int) -> None:
        self.connected: list[tuple[str, int]] = []
        self._port, self._real = port, httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        return await self._real.connect_tcp("127.0.0.1", self._port, *arguments, **more)


@pytest.mark.parametrize("address", [PUBLIC, OTHER_PUBLIC])
def test_the_address_is_connected_to_and_the_name_is_proved(certificate: Path, address: str) -> None:
    host, sni = Host(of_length(PACKED, GZIP)), list[str | None]()

    async def scenario(link: str) -> bytes:
        async with host.serving(tls_server(certificate, sni)):
            internet = Internet(host.port)
            transport = httpx.AsyncHTTPTransport(trust_env=False)
            transport._pool = httpcore.AsyncConnectionPool(trusting(certificate), network_backend=internet)
            try:
                return await whole(Downloads(transport=transport, resolve=Names(address)), link)
            finally:
                assert internet.connected == [(address, 443)]

    assert asyncio.run(scenario(LINK)) == TEXT
    assert sni == [HOST]
    assert f"\r\nHost: {HOST}\r\n".encode() in host.heads[0]
    with pytest.raises(Unavailable, match=r"not valid for 'other\.b01\.azurefd\.net'") as caught:
        asyncio.run(scenario(f"https://other.b01.azurefd.net{PATH}"))
    assert_clean(caught.value)
    assert len(host.heads) == 1


def test_a_private_authority_is_not_trusted_and_nothing_is_sent(certificate: Path) -> None:
    host = Host(of_length(TEXT))
    with pytest.raises(Unavailable, match=r"no connection to 127\.0\.0\.1: .*certificate verify failed") as caught:
        asyncio.run(from_host(host, tls_server(certificate, [])))
    assert_clean(caught.value)
    assert host.heads == []


def test_tls_to_a_host_without_it_is_unavailable() -> None:
    async def scenario() -> None:
        async with Host(b"HTTP/1.1 400 CANARY\r\n\r\n").serving() as link:
            await whole(Downloads(bounds=QUICK), link.replace("http:", "https:"), LOOPBACK)

    with pytest.raises(Unavailable, match=r"127\.0\.0\.1") as caught:
        asyncio.run(scenario())
    assert_clean(caught.value)


class Proxy(Host):
    """Tunnels to one port on loopback, or refuses."""

    def __init__(self, upstream: Host, refusal: bytes = b"") -> None:
        super().__init__(refusal or self._tunnel)
        self._upstream = upstream

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._upstream.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = asyncio.create_task(pump(there_reader, writer))
        await pump(reader, there_writer)
        await back


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * KIB):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


def test_a_proxy_sees_the_hosts_name_and_resolves_it(certificate: Path) -> None:
    host, sni, names = Host(of_length(TEXT)), list[str | None](), Names("127.0.0.1")
    proxy = Proxy(host)

    async def scenario() -> bytes:
        async with host.serving(tls_server(certificate, sni)), proxy.serving():
            url = f"http://user:secret@127.0.0.1:{proxy.port}"
            transport = httpx.AsyncHTTPTransport(verify=trusting(certificate), proxy=httpx.Proxy(url), trust_env=False)
            return await whole(Downloads(Network(proxy=url), transport=transport, resolve=names))

    assert asyncio.run(scenario()) == TEXT
    assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic " in proxy.heads[0]
    assert b"CANARY" not in proxy.heads[0]
    assert b"uthorization" not in host.heads[0]
    assert (sni, names.asked) == ([HOST], [])


def test_plain_http_on_loopback_is_asked_directly_and_all_else_through_the_proxy() -> None:
    host = Host(of_length(TEXT))
    proxy = Proxy(host, b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

    async def scenario() -> bytes:
        async with host.serving() as link, proxy.serving():
            url = f"http://127.0.0.1:{proxy.port}"
            with pytest.raises(
                Unavailable, match=f"^no connection to {HOST}: the proxy .* answers 407 Who are you; "
            ) as caught:
                await whole(Downloads(Network(proxy=url)))
            assert_clean(caught.value)
            assert len(proxy.heads) == 1
            return await whole(Downloads(Network(proxy=url)), link, LOOPBACK)

    assert asyncio.run(scenario()) == TEXT
    assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert (len(proxy.heads), len(host.heads)) == (1, 1)


# No secret in the log.


@pytest.mark.parametrize(
    "answer",
    [
        of_length(TEXT, b"Set-Cookie: CANARY"),
        b"HTTP/1.1 302 Found\r\nLocation: /CANARY/2?sig=CANARY\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/CANARY\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 CANARY\r\nContent-Length: 6\r\n\r\nCANARY",
        b"HTTP/1.1 500 CANARY\r\nContent-Length: 6\r\n\r\nCANARY",
        of_length(b"CANARY", GZIP),
        reset,
        silent,
    ],
    ids=["whole", "redirects", "elsewhere", "expired", "broken", "junk", "reset", "silent"],
)
def test_no_log_line_at_any_level_shows_a_link(answer: Answer | bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    host = Host(answer)
    (outcome,) = asyncio.run(gathered(from_host(host, bounds=QUICK)))
    assert outcome == TEXT or isinstance(outcome, GitHubError)
    if isinstance(outcome, GitHubError):
        assert_clean(outcome)
    logging.getLogger("probe").debug("the capture works")
    assert "the capture works" in caplog.text
    assert "CANARY" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]


async def gathered(reading: Awaitable[bytes]) -> list[bytes | BaseException]:
    return list(await asyncio.gather(reading, return_exceptions=True))


def test_no_log_line_shows_a_link_behind_tls_or_a_proxy(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> list[bytes | BaseException]:
        host = Host(of_length(TEXT))
        proxy = Proxy(host)
        async with host.serving(tls_server(certificate, [])) as link, proxy.serving():
            files = Downloads(Network(proxy=f"http://127.0.0.1:{proxy.port}"), bounds=DownloadBounds(idle=5, connect=5))
            reading = asyncio.gather(whole(files), whole(Downloads(), link, LOOPBACK), return_exceptions=True)
            return list(await reading)

    for outcome in asyncio.run(scenario()):
        assert isinstance(outcome, Unavailable)
        assert "certificate verify failed" in str(outcome)
        assert_clean(outcome)
    assert "CANARY" not in caplog.text


# The settings.

hosts_setting = TypeAdapter[tuple[str, ...]](DownloadHosts)
date_setting = TypeAdapter[str](QueryDate)


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        (["*.b01.azurefd.net"], ("*.b01.azurefd.net",)),
        ("*.b01.azurefd.net, Storage.Corp:9000", ("*.b01.azurefd.net", "storage.corp:9000")),
        (["127.0.0.1:8081", "[::1]:8081", "::1", "[fd00::7]"], ("127.0.0.1:8081", "[::1]:8081", "[::1]", "[fd00::7]")),
    ],
)
def test_hosts_are_read(written: object, hosts: tuple[str, ...]) -> None:
    assert hosts_setting.validate_python(written) == hosts


@pytest.mark.parametrize(
    "host",
    ["", "*", "*.", "*.net", "**.b01.azurefd.net", "a.*.azurefd.net", "*b01.azurefd.net", "*.b01.azurefd.net:443",
     "*.b01..azurefd.net", "https://storage.corp", "storage.corp/", "storage.corp/x", "u@storage.corp", "storage corp",
     "storage.corp:", "storage.corp:x", "storage.corp:-1", "storage.corp:123456", "st\u00f6rage.corp", "a\\b",
     "storage.corp\n.x", "storage.corp?x", "fe80::1%eth0", "[::1]:", "10.0.0.0/8"],
)  # fmt: skip
def test_what_is_no_host_is_refused_without_showing_it(host: str) -> None:
    with pytest.raises(ValidationError) as caught:
        hosts_setting.validate_python([host])
    (told,) = caught.value.errors()
    assert told["msg"] == 'Value error, must be "HOST", "HOST:PORT" or "*.DOMAIN.TLD"'


@pytest.mark.parametrize("hosts", [[], None, True, 7, {}, [None], [["a.example.com"]], "a.example.com,"])
def test_what_is_no_list_of_hosts_is_refused(hosts: object) -> None:
    with pytest.raises(ValidationError):
        hosts_setting.validate_python(hosts)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("", ""),
        ("2026-11-17", "2026-11-17"),
        (datetime(2026, 11, 17, tzinfo=UTC).date(), "2026-11-17"),
        ("2026-11-17T09:00:00Z", "2026-11-17T09:00:00Z"),
        ("2026-11-17T09:00:00", "2026-11-17T09:00:00"),
    ],
)
def test_days_are_read(written: object, day: str) -> None:
    assert date_setting.validate_python(written) == day


@pytest.mark.parametrize(
    "written",
    ["today", " ", "2026-11", "2026-11-17T", "2026-11-17 09:00:00", "2026-11-17\n", "20261117", "2026-11-17&a=b",
     "\u0662026-11-17", None, 20261117, True, 2026.5, ["2026-11-17"]],
)  # fmt: skip
def test_what_is_no_day_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="must be a date such as 2026-11-17"):
        date_setting.validate_python(written)
