"""The way to GitHub in a company's network, over real sockets and TLS: proxies, authorities, broken connections."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from exporter.errors import GitHubError, Unavailable
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.downloads import DownloadBounds, Downloads
from exporter.github.network import Network, asked_directly
from exporter.github.pacing import Pool
from exporter.github.sender import AnswerBounds
from tests.support.company import Answer, Authority, Proxy, Site, listening, reply, reset

DOTCOM = "https://api.github.com"
FILES = "copilot-reports.github.com"
LINK = f"https://{FILES}/day.json?sig=CANARY"
HOSTS = ("*.github.com",)
RUNNERS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
QUICK = AnswerBounds(connect_seconds=1.0)


@asynccontextmanager
async def client(root: str, network: Network | None = None, **more: Any) -> AsyncIterator[GitHub]:
    credential = TokenCredential("classic", root, "2022-11-28", network, token_text=SecretStr("ghp_CANARY0123456789"))
    pool = more.pop("pool", None) or Pool("classic")
    github = GitHub(credential, pool, clock=lambda: 0.0, monotonic=lambda: 0.0, **more)
    try:
        yield github
    finally:
        await github.aclose()


async def asked(root: str, network: Network | None = None, **more: Any) -> bytes:
    async with client(root, network, **more) as github:
        return (await github.get("/a")).body


async def failed(root: str, network: Network | None = None) -> str:
    with pytest.raises(Unavailable) as caught:
        await asked(root, network, bounds=QUICK)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None
    return str(caught.value)


async def file(network: Network, link: str = LINK, hosts: tuple[str, ...] = HOSTS) -> bytes:
    files = Downloads(network, bounds=DownloadBounds(connect=2.0))
    try:
        return b"".join([piece async for piece in files.read(link, hosts, 1_000_000)])
    finally:
        await files.aclose()


async def file_failed(network: Network, link: str = LINK, hosts: tuple[str, ...] = HOSTS) -> str:
    with pytest.raises(GitHubError) as caught:
        await file(network, link, hosts)
    assert "CANARY" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def corp(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# A kept connection that broke.

BROKEN: list[Answer] = [reset, None]
BREAKS = pytest.mark.parametrize("broken", BROKEN, ids=["reset", "closed"])


@RUNNERS
@BREAKS
@pytest.mark.parametrize("way", ["http", "https", "proxy"])
def test_a_get_on_a_broken_kept_connection_is_sent_once_more(
    run: Callable[..., None], broken: Answer, way: str, corp: Authority
) -> None:
    async def scenario() -> None:
        site = Site([reply(b"1"), broken, reply(b"2")], tls=corp.server("localhost") if way != "http" else None)
        seen: list[str] = []
        async with site.running(), Proxy(site.port).running() as proxy:
            root = f"{'http' if way == 'http' else 'https'}://localhost:{site.port}"
            network = Network(proxy.url if way == "proxy" else None, ca_files=(corp.pem,))
            pool = Pool("classic")
            async with client(
                root, network, pool=pool, observe=lambda _pool, status, _time: seen.append(status)
            ) as github:
                assert [(await github.get("/a")).body for _ in range(2)] == [b"1", b"2"]
            assert (len(site.heads), site.connections) == (3, 2)
            assert len(proxy.asked) == (2 if way == "proxy" else 0)
            assert seen == ["200", "error", "200"]
            assert pool.requests == {"200": 2, "error": 1}

    run(scenario())


@BREAKS
def test_a_post_on_a_broken_kept_connection_is_not_sent_again(broken: Answer) -> None:
    async def scenario() -> None:
        async with Site([reply(), broken, reply()]).running() as site:
            async with client(f"http://127.0.0.1:{site.port}") as github:
                await github.get("/a")
                with pytest.raises(Unavailable, match="the connection broke"):
                    await github.post("/a", {})
            assert len(site.heads) == 2

    asyncio.run(scenario())


@BREAKS
def test_a_get_is_not_sent_a_third_time(broken: Answer) -> None:
    async def scenario() -> None:
        async with Site([reply(), broken, broken, reply()]).running() as site:
            async with client(f"http://127.0.0.1:{site.port}") as github:
                await github.get("/a")
                with pytest.raises(Unavailable, match="the connection broke"):
                    await github.get("/a")
            assert (len(site.heads), site.connections) == (3, 2)

    asyncio.run(scenario())


def half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    writer.close()


def half_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(reply(b"whole")[:-2])
    writer.close()


@pytest.mark.parametrize(
    "answers",
    [[reset, reply()], [None, reply()], [reply(), half_a_head, reply()], [reply(), half_a_body, reply()]],
    ids=["new connection reset", "new connection closed", "half a head", "half a body"],
)
def test_a_get_is_not_sent_again_where_the_answer_had_begun_or_the_connection_was_new(answers: list[Answer]) -> None:
    async def scenario() -> None:
        async with Site(answers).running() as site:
            async with client(f"http://127.0.0.1:{site.port}") as github:
                for _ in answers[:-2]:
                    await github.get("/a")
                with pytest.raises(Unavailable, match="the connection broke"):
                    await github.get("/a")
            assert len(site.heads) == len(answers) - 1

    asyncio.run(scenario())


# Which way.


@pytest.mark.parametrize(
    ("entry", "host", "port", "direct"),
    [
        ("ghes.example.com", "ghes.example.com", 443, True),
        ("ghes.example.com", "GHES.example.com.", 443, True),
        ("ghes.example.com", "media.ghes.example.com", 443, True),
        ("ghes.example.com", "myghes.example.com", 443, False),
        ("ghes.example.com", "ghes.example.com.evil.example", 443, False),
        (".corp.example", "ghes.corp.example", 443, True),
        (".corp.example", "a.b.corp.example", 443, True),
        (".corp.example", "corp.example", 443, False),
        (".corp.example", "notcorp.example", 443, False),
        ("*", "api.github.com", 443, True),
        ("ghes.example.com:8443", "ghes.example.com", 8443, True),
        ("ghes.example.com:8443", "ghes.example.com", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3", "10.1.2.30", 443, False),
        ("10.1.2.3", "x.10.1.2.3", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "fd00::1", 443, False),
        ("10.0.0.0/8", "ten.example.com", 443, False),
        ("[fd00::1]", "fd00:0::1", 443, True),
        ("[fd00::1]:8443", "fd00::1", 443, False),
        ("[fd00::1]:8443", "fd00::1", 8443, True),
        ("fd00::/8", "fd12::1", 443, True),
    ],
)
def test_what_no_proxy_names(entry: str, host: str, port: int, direct: bool) -> None:
    assert asked_directly(host, port, (entry,)) is direct
    assert asked_directly(host, port, ("other.example", entry)) is direct
    assert not asked_directly(host, port, ())


def test_an_appliance_is_asked_directly_and_github_com_through_the_proxy(corp: Authority) -> None:
    """By `proxy: direct` of its credential, which is no proxy in its network, or by `no_proxy`."""

    async def scenario() -> None:
        site = Site([reply(b"inside")], tls=corp.server("localhost"))
        async with site.running(), Proxy(resigns=corp, upstream=0).running() as proxy:
            outside = Site([reply(b"outside")])
            async with outside.running():
                proxy.upstream = outside.port
                appliance = f"https://localhost:{site.port}/api/v3"
                trusted = (corp.pem,)
                assert await asked(appliance, Network(None, (), trusted)) == b"inside"
                for entry in ("localhost", f"localhost:{site.port}", "*"):
                    assert await asked(appliance, Network(proxy.url, (entry,), trusted)) == b"inside"
                assert proxy.asked == []
                assert await asked(DOTCOM, Network(proxy.url, ("localhost",), trusted)) == b"outside"
                assert proxy.asked == ["CONNECT api.github.com:443"]

    asyncio.run(scenario())


def test_downloads_go_the_way_of_their_credential(corp: Authority) -> None:
    async def scenario() -> None:
        async with Site([reply(b"a file")]).running() as site, Proxy(site.port, resigns=corp).running() as proxy:
            network = Network(proxy.url, (), (corp.pem,))
            assert await file(network) == b"a file"
            # Also a host that is named literally: that allows it, and says nothing of the way.
            assert await file(network, hosts=(FILES,)) == b"a file"
            assert proxy.asked == [f"CONNECT {FILES}:443"] * 2
        tls = Site([reply(b"inside")], tls=corp.server("localhost"))
        async with tls.running(), Proxy(answer=reply(status=b"403 No")).running() as proxy:
            link, hosts = f"https://localhost:{tls.port}/x", (f"localhost:{tls.port}",)
            assert "answers 403" in await file_failed(Network(proxy.url, (), (corp.pem,)), link, hosts)
            assert await file(Network(proxy.url, ("localhost",), (corp.pem,)), link, hosts) == b"inside"
            assert len(proxy.asked) == 1

    asyncio.run(scenario())


# Whom we trust.


@RUNNERS
def test_one_ca_file_is_trusted_for_api_downloads_and_an_https_proxy(
    run: Callable[..., None], corp: Authority, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Site([reply(b"an answer")]).running() as site:
            for tls in (None, corp.server("127.0.0.1")):
                async with Proxy(site.port, resigns=corp, tls=tls).running() as proxy:
                    network = Network(proxy.url, (), (corp.pem,))
                    assert await asked(DOTCOM, network) == b"an answer"
                    assert await file(network) == b"an answer"
                    other = Network(proxy.url, (), (Authority(tmp_path, "Other CA").pem,))
                    for said in (await failed(DOTCOM, other), await file_failed(other)):
                        assert "certificate verify failed: " in said
                        assert "ca_file at the top of the file" in said
                        assert (f"the proxy 127.0.0.1:{proxy.port}: " in said) is (tls is not None)
                    for said in (await failed(DOTCOM, other), await file_failed(other)):
                        assert said.startswith(("no connection to api.github.com: ", f"no connection to {FILES}: "))

    run(scenario())


def test_a_credentials_own_ca_file_is_trusted_besides_the_one_for_all(corp: Authority, tmp_path: Path) -> None:
    own = Authority(tmp_path, "Appliance CA")

    async def scenario() -> None:
        for authority in (corp, own):
            async with Site([reply(b"yes")], tls=authority.server("localhost")).running() as site:
                network = Network(ca_files=(corp.pem, own.pem))
                assert await asked(f"https://localhost:{site.port}", network) == b"yes"
                assert await file(network, f"https://localhost:{site.port}/x", ("localhost",)) == b"yes"
                said = await failed(f"https://localhost:{site.port}")
                assert "certificate verify failed: unable to get local issuer certificate" in said
                assert "to ca_file in the credential or at the top of the file" in said

    asyncio.run(scenario())


@pytest.mark.parametrize("way", ["direct", "tunnel", "resigned", "https proxy"])
def test_an_authority_that_python_3_13_finds_fault_with_is_trusted_where_it_is_named(way: str, tmp_path: Path) -> None:
    """Its basicConstraints are not critical, its certificates have no authorityKeyIdentifier."""
    corp = Authority(tmp_path, "Old CA", strict=False)

    async def scenario() -> None:
        tls = None if way == "resigned" else corp.server("localhost")
        async with Site([reply(b"yes")], tls=tls).running() as site:
            proxy = Proxy(
                site.port,
                resigns=corp if way == "resigned" else None,
                tls=corp.server("127.0.0.1") if way == "https proxy" else None,
            )
            async with proxy.running():
                network = Network(None if way == "direct" else proxy.url, (), (corp.pem,))
                assert await asked(f"https://localhost:{site.port}", network) == b"yes"
                assert await file(network, f"https://localhost:{site.port}/x", ("localhost",)) == b"yes"

    asyncio.run(scenario())


def test_an_authority_below_another_is_trusted_where_it_alone_is_named(corp: Authority, tmp_path: Path) -> None:
    issuing = Authority(tmp_path, "Issuing CA", by=corp)

    async def scenario() -> None:
        async with Site([reply(b"yes")], tls=issuing.server("localhost")).running() as site:
            for pem in (issuing.pem, corp.pem):
                assert await asked(f"https://localhost:{site.port}", Network(ca_files=(pem,))) == b"yes"

    asyncio.run(scenario())


# What is said of each failure, and what to do.


def certificate_cases() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("hosts", "more", "why", "fix"),
        [
            (("localhost",), {"days": (-9, -2)}, "certificate has expired", "renew the certificate, or correct"),
            (("localhost",), {"days": (2, 9)}, "certificate is not yet valid", "this machine's clock"),
            (("other.example",), {}, "not valid for 'localhost'", "a name that is in the certificate"),
            (("localhost",), {"by_itself": True}, "self-signed certificate", "add the authority that signed it"),
        ],
        ids=["expired", "not yet valid", "other name", "self-signed"],
    )


@certificate_cases()
def test_what_is_wrong_with_a_certificate(
    hosts: tuple[str, ...], more: dict[str, Any], why: str, fix: str, corp: Authority
) -> None:
    async def scenario() -> None:
        async with Site([reply()], tls=corp.server(*hosts, **more)).running() as site:
            network = Network(ca_files=(corp.pem,))
            link = f"https://localhost:{site.port}"
            for said in (await failed(link, network), await file_failed(network, f"{link}/CANARY", ("localhost",))):
                assert re.match(rf"no connection to localhost: certificate verify failed: .*{why}", said)
                assert fix in said
            assert site.heads == []
            async with Proxy(tls=corp.server(*hosts, **more)).running() as proxy:
                url = proxy.url.replace("127.0.0.1", "me:CANARY@localhost")
                said = await failed(DOTCOM, Network(url, (), (corp.pem,)))
                name = f"the proxy localhost:{proxy.port}"
                assert re.match(rf"no connection to api.github.com: {name}: certificate verify failed: .*{why}", said)
                assert fix in said

    asyncio.run(scenario())


async def refuse_what_is_no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(reply(status=b"400 Bad Request"))


def test_a_port_without_tls_is_named() -> None:
    async def scenario() -> None:
        async with listening(refuse_what_is_no_http, None) as port:
            said = await failed(f"https://127.0.0.1:{port}")
            assert re.match(r"no connection to 127\.0\.0\.1: no TLS \(.*\); check the port", said)
            said = await failed(DOTCOM, Network(f"https://127.0.0.1:{port}"))
            who = f"no connection to api.github.com: the proxy 127.0.0.1:{port}: "
            assert re.match(rf"{who}no TLS \(.*\); check its port, or write http:// in proxy", said)

    asyncio.run(scenario())


def test_a_proxy_that_needs_tls_and_gets_none_is_named(corp: Authority) -> None:
    async def scenario() -> None:
        async with Proxy(tls=corp.server("127.0.0.1")).running() as proxy:
            said = await failed(DOTCOM, Network(proxy.url.replace("https:", "http:"), (), (corp.pem,)))
            assert f"the proxy 127.0.0.1:{proxy.port}" in said
            assert "https://" in said

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        (b"407 Proxy Authentication Required", "proxy: http://USER:PASSWORD@HOST:PORT"),
        (
            b"403 Forbidden",
            r"have it allow CONNECT to {host}:443, or go around it: {host} in no_proxy, or proxy: direct",
        ),
        (
            b"502 Bad Gateway",
            r"does not reach {host}:443: check its DNS and firewall, or go around it: {host} in no_proxy",
        ),
        (b"503 Service Unavailable", "does not reach {host}:443"),
        (b"200", ""),
    ],
)
def test_what_a_proxy_refuses(answer: bytes, fix: str, corp: Authority) -> None:
    async def scenario() -> None:
        async with Proxy(answer=reply(b"", answer), password="me:CANARY").running() as proxy:
            if not fix:  # no refusal: a wrong password, then the right one
                proxy.answer = b""
                wrong = await failed(DOTCOM, Network(proxy.url.replace("//", "//me:CANARYwrong@")))
                assert "answers 407" in wrong
                async with Site([reply(b"yes")]).running() as site:
                    proxy.upstream, proxy.resigns = site.port, corp
                    network = Network(proxy.url.replace("//", "//me:CANARY@"), (), (corp.pem,))
                    assert await asked(DOTCOM, network) == b"yes"
                return
            network = Network(proxy.url.replace("//", "//me:CANARY@"))
            name = f"the proxy 127.0.0.1:{proxy.port} answers {answer.decode()}; "
            for host, said in (("api.github.com", await failed(DOTCOM, network)), (FILES, await file_failed(network))):
                assert said.startswith(f"no connection to {host}: {name}")
                assert fix.format(host=host) in said

    asyncio.run(scenario())


def test_a_host_that_cannot_be_reached_is_named_with_the_reason() -> None:
    async def scenario() -> None:
        port = free_port()
        said = await failed(f"https://127.0.0.1:{port}")
        assert re.match(
            r"no connection to 127\.0\.0\.1: Connection refused; check api_url, DNS and firewall; .*proxy", said
        )
        said = await failed("https://no-such-host.invalid")
        assert re.match(r"no connection to no-such-host\.invalid: .*; check api_url, DNS and firewall", said)
        said = await file_failed(Network(), f"https://127.0.0.1:{port}/CANARY", ("127.0.0.1",))
        assert said.startswith("no connection to 127.0.0.1: Connection refused; ")

    asyncio.run(scenario())


def test_a_proxy_that_cannot_be_reached_is_named_with_the_reason() -> None:
    async def scenario() -> None:
        port = free_port()
        for url, why in (
            (f"http://me:CANARY@127.0.0.1:{port}", "Connection refused"),
            (f"http://me:CANARY@no-such-proxy.invalid:{port}", "[^;]+"),
        ):
            host = url.rpartition("@")[2]
            network = Network(url)
            for said in (await failed(DOTCOM, network), await file_failed(network)):
                assert re.match(
                    rf"no connection to [a-z.-]+: the proxy {host}: {why}; check host and port in proxy", said
                )

    asyncio.run(scenario())


@pytest.mark.parametrize(("answer", "why"), [(None, "does not answer to CONNECT in time"), (b"\r\n", "")])
def test_a_proxy_that_says_nothing_is_named(answer: bytes | None, why: str) -> None:
    async def scenario() -> None:
        async with Proxy(answer=answer).running() as proxy:
            said = await failed(DOTCOM, Network(proxy.url))
            assert f"the proxy 127.0.0.1:{proxy.port} " in said or not why
            assert why in said

    asyncio.run(scenario())


def test_failed_tls_behind_a_proxy_leaves_no_place_taken(corp: Authority, tmp_path: Path) -> None:
    """httpcore keeps a tunnel whose TLS failed; after ten of them nothing could be asked any more."""

    async def scenario() -> None:
        async with Site([reply(b"yes")]).running() as site, Proxy(site.port).running() as proxy:
            proxy.resigns = Authority(tmp_path, "Other CA")
            network = Network(proxy.url, (), (corp.pem,))
            files = Downloads(network)
            async with client(DOTCOM, network) as github:
                for _ in range(12):
                    with pytest.raises(Unavailable, match="certificate verify failed"):
                        await github.get("/a")
                    with pytest.raises(Unavailable, match="certificate verify failed"):
                        [piece async for piece in files.read(LINK, HOSTS, 9)]
                proxy.resigns = corp
                assert (await github.get("/a")).body == b"yes"
                assert b"".join([piece async for piece in files.read(LINK, HOSTS, 9)]) == b"yes"
            await files.aclose()

    asyncio.run(scenario())


def test_no_proxy_setting_of_the_environment_counts(corp: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Site([reply(b"yes")], tls=corp.server("localhost")).running() as site, Proxy().running() as proxy:
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            root = f"https://localhost:{site.port}"
            assert await asked(root, Network(ca_files=(corp.pem,))) == b"yes"
            assert proxy.asked == []

    asyncio.run(scenario())
