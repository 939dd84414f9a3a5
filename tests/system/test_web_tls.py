"""TLS by the web configuration file, over real sockets: who is served, who is cut, and what a change does."""

import socket
import ssl
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from exporter.serving import web_config
from exporter.serving.connection import ClientLimits
from exporter.settings.web_config.words import CIPHERS, CIPHERS_OF_TLS13, CURVES
from tests.support.harness import until
from tests.support.web import BIG, CERTIFIED, Certificates, ask, client_context, serving_by, silent

TWO_SUITES = "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
MUTUAL = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def tls(*keys: str) -> str:
    return f"tls_server_config: {{{', '.join([CERTIFIED, *keys])}}}\n"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_answers_come_through_tls_in_full_on_both_loops(certificates: Certificates, loop: str) -> None:
    with serving_by(certificates.configure(tls()), loop=loop) as served:
        reply = ask(served.port, "/big", client_context())
        assert reply is not None
        assert len(reply.body) == BIG
        assert reply.version == "TLSv1.3"
        until(lambda: served.delivered == [True], "the server knows that the client has all")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_an_answer_that_a_tls_client_leaves_is_not_delivered(certificates: Certificates, loop: str) -> None:
    with serving_by(certificates.configure(tls()), loop=loop) as served:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", served.port))
        with client_context().wrap_socket(raw) as secured:
            secured.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            assert secured.recv(1000)
        until(lambda: served.delivered == [False], "the server knows that the client left")


def test_certificate_and_key_may_stand_in_the_file_itself(certificates: Certificates) -> None:
    parts = {part: (certificates.folder / f"{part}.pem").read_text() for part in ("cert", "key")}
    lines = "".join(f"  {part}: |\n{textwrap.indent(pem, '    ')}" for part, pem in parts.items())
    with serving_by(certificates.configure(f"tls_server_config:\n{lines}")) as served:
        reply = ask(served.port, tls=client_context())
        assert reply is not None
        assert bytes.fromhex(reply.serial) == ssl.PEM_cert_to_DER_cert(parts["cert"])


def test_a_plain_client_of_a_tls_port_is_refused_and_a_tls_client_of_a_plain_one(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls())) as served:
        assert ask(served.port) is None
        assert ask(served.port, tls=client_context()) is not None
    with serving_by(certificates.configure("")) as served:
        assert ask(served.port, tls=client_context()) is None
        assert ask(served.port) is not None


@pytest.mark.parametrize(
    ("version", "served_"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_by_default_only_tls_1_2_and_1_3_are_spoken(
    certificates: Certificates, version: ssl.TLSVersion, served_: bool
) -> None:
    with serving_by(certificates.configure(tls())) as served:
        assert (ask(served.port, tls=client_context(version=version)) is not None) == served_


def test_weak_suites_are_refused_by_default(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls())) as served:
        for weak in ("ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM8", "AES256-SHA"):
            assert ask(served.port, tls=client_context(ciphers=f"{weak}:@SECLEVEL=0")) is None, weak
        assert ask(served.port, tls=client_context(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")) is not None


@pytest.mark.parametrize(
    ("keys", "client", "cipher"),
    [
        (f"cipher_suites: [{', '.join((*CIPHERS, *CIPHERS_OF_TLS13))}]", "DEFAULT", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA]", "ALL", "ECDHE-ECDSA-AES256-SHA"),
        (TWO_SUITES, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", "ECDHE-ECDSA-AES256-GCM-SHA384", None),
        (
            TWO_SUITES,
            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            f"prefer_server_cipher_suites: false, {TWO_SUITES}",
            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            "max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]",  # none that HTTP/2 allows
            "ALL",
            "ECDHE-ECDSA-AES128-SHA",
        ),
    ],
    ids=[
        "all",
        "one",
        "the client has one",
        "none in common",
        "the server's order",
        "the client's order",
        "not for HTTP/2",
    ],
)
def test_suites_by_gos_names(certificates: Certificates, keys: str, client: str, cipher: str | None) -> None:
    with serving_by(certificates.configure(tls(keys))) as served:
        reply = ask(served.port, tls=client_context(ciphers=client))
        assert (reply.cipher if reply else None) == cipher


@pytest.mark.parametrize(("name", "cipher"), CIPHERS.items())
def test_each_suite_is_spoken_with_a_certificate_of_its_kind(
    certificates: Certificates, name: str, cipher: str
) -> None:
    if "ECDSA" not in name:
        certificates.renew(key_type=trustme.KeyType.RSA)
    with serving_by(certificates.configure(tls(f"cipher_suites: [{name}]"))) as served:
        reply = ask(served.port, tls=client_context(ciphers="ALL"))
        assert reply is not None
        assert reply.cipher == cipher


@pytest.mark.parametrize(
    ("keys", "curve", "served_"),
    [
        (f"curve_preferences: [{', '.join(CURVES)}]", "secp384r1", True),
        ("min_version: TLS13, curve_preferences: [CurveP521]", "secp521r1", True),
        ("min_version: TLS13, curve_preferences: [CurveP521]", "secp384r1", False),
        ("curve_preferences: [X25519]", "X25519", True),
        ("curve_preferences: [X25519]", "prime256v1", False),
    ],
)
def test_curves_by_gos_names(certificates: Certificates, keys: str, curve: str, served_: bool) -> None:
    with serving_by(certificates.configure(tls(keys))) as served:
        assert (ask(served.port, tls=client_context(curve=curve)) is not None) == served_


def test_old_versions_are_spoken_if_asked_for(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls("min_version: TLS10, max_version: TLS11"))) as served:
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            assert ask(served.port, tls=client_context(version=version)) is not None
        assert ask(served.port, tls=client_context(version=ssl.TLSVersion.TLSv1_2)) is None


# --- client certificates ---


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("keys", "let_in"),
    [
        ("client_auth_type: NoClientCert", {"ours", "none", "others"}),
        ("client_auth_type: RequestClientCert", {"ours", "none", "others"}),
        ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem", {"ours", "none"}),
        (MUTUAL, {"ours"}),
        ("client_auth_type: RequireAndVerifyClientCert", set()),  # the machine's authorities
    ],
    ids=["not asked", "not looked at", "if given", "required", "by the machine's authorities"],
)
def test_clients_are_let_in_by_their_certificates(
    certificates: Certificates, version: ssl.TLSVersion, keys: str, let_in: set[str]
) -> None:
    with serving_by(certificates.configure(tls(keys))) as served:
        shown = {
            "ours": certificates.client("a.example.com"),
            "none": None,
            "others": certificates.client("a", authority=trustme.CA()),
        }
        contexts = {name: client_context(certificate, version=version) for name, certificate in shown.items()}
        assert {name for name, context in contexts.items() if ask(served.port, tls=context)} == let_in


@pytest.mark.parametrize(
    ("allowed", "names", "let_in"),
    [
        ("a.example.com", ["a.example.com"], True),
        ("b.example.com", ["a.example.com", "b.example.com"], True),
        ("example.com", ["a.example.com"], False),
        ("10.1.2.3", ["10.1.2.3"], True),
        ("'2001:db8::1'", ["2001:db8::1"], True),
        ("ops@example.com", ["ops@example.com"], True),
        ("10.1.2.3", ["10.1.2.4"], False),
        ("'*.example.com'", ["a.example.com"], False),
    ],
)
def test_clients_are_let_in_by_their_names(
    certificates: Certificates, allowed: str, names: list[str], let_in: bool
) -> None:
    with serving_by(certificates.configure(tls(MUTUAL, f"client_allowed_sans: [other, {allowed}]"))) as served:
        reply = ask(served.port, tls=client_context(certificates.client(*names)))
        assert (reply is not None) == let_in
        assert len(served.asked) == let_in


# --- changes ---


def test_a_replaced_certificate_is_shown_at_the_next_handshake(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls())) as served:
        serials = set()
        for _ in range(3):
            reply = ask(served.port, tls=client_context())
            assert reply is not None
            serials.add(reply.serial)
            certificates.renew()
        assert len(serials) == 3


def test_a_changed_policy_holds_from_the_next_handshake_on(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls())) as served:
        ours = certificates.client("a")
        assert ask(served.port, tls=client_context()) is not None
        certificates.configure(tls(MUTUAL))
        assert ask(served.port, tls=client_context()) is None
        assert ask(served.port, tls=client_context(ours)) is not None
        certificates.configure(tls("max_version: TLS12"))
        reply = ask(served.port, tls=client_context())
        assert reply is not None
        assert reply.version == "TLSv1.2"


def test_a_broken_change_keeps_what_works_until_it_is_mended(certificates: Certificates) -> None:
    with capture_logs() as lines, serving_by(certificates.configure(tls())) as served:
        for broken in ("tls_server_config: [", "", tls("min_version: TLS14"), "tls_server_config: {cert_file: x.pem}"):
            certificates.configure(broken)
            for _ in range(3):
                assert ask(served.port, tls=client_context()) is not None
            assert served.web.reload.problem
        certificates.configure(tls())
        assert ask(served.port, tls=client_context()) is not None
        assert not served.web.reload.problem
        (certificates.folder / "key.pem").unlink()
        assert ask(served.port, tls=client_context()) is not None
        assert "key.pem cannot be read" in served.web.reload.problem
        certificates.renew()
        assert ask(served.port, tls=client_context()) is not None
        assert not served.web.reload.problem
    assert [line["log_level"] for line in lines] == ["error"] * 4 + ["info", "error", "info"]


def test_a_certificate_renewed_while_the_file_is_broken_is_shown_once_the_file_is_right(
    certificates: Certificates,
) -> None:
    with serving_by(certificates.configure(tls())) as served:

        def serial() -> str:
            reply = ask(served.port, tls=client_context())
            assert reply is not None
            return reply.serial

        old = serial()
        for broken in ("tls_server_config: [", tls("min_version: TLS14")):
            certificates.configure(broken)
            certificates.renew()
            assert serial() == old
            assert served.web.reload.problem
        certificates.configure(tls())
        assert serial() != old
        assert not served.web.reload.problem


def test_certificates_are_replaced_under_load_and_nobody_notices(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls(MUTUAL))) as served, ThreadPoolExecutor(4) as pool:
        context = client_context(certificates.client("prometheus"))
        end = time.monotonic() + 1.5

        def scrape() -> list[bool]:
            outcomes = []
            while time.monotonic() < end:
                outcomes.append(ask(served.port, tls=context) is not None)
            return outcomes

        running = [pool.submit(scrape) for _ in range(4)]
        while time.monotonic() < end:
            certificates.renew()
        assert all(all(future.result()) for future in running)


def test_a_file_system_that_hangs_delays_no_scrape_but_the_first(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, version = threading.Event(), web_config._version

    def wait_for(path: Path) -> web_config.Version:
        answering.wait(30)
        return version(path)

    with capture_logs() as lines, serving_by(certificates.configure(tls())) as served:
        monkeypatch.setattr(web_config, "HUNG", 0.2)
        monkeypatch.setattr(web_config, "_version", wait_for)
        certificates.configure(tls("max_version: TLS12"))
        assert ask(served.port, tls=client_context()) is not None
        begin = time.monotonic()
        for _ in range(20):
            reply = ask(served.port, tls=client_context())
            assert reply is not None
            assert reply.version == "TLSv1.3"
        assert time.monotonic() - begin < 10 * web_config.PATIENCE
        answering.set()
        until(lambda: (reply := ask(served.port, tls=client_context())) and reply.version == "TLSv1.2", "the change")
    assert ["does not answer" in line["event"] for line in lines] == [True, False], "it is logged once"


def test_a_file_system_that_hangs_does_not_delay_the_end(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_by(certificates.configure(tls())) as served:
        monkeypatch.setattr(web_config, "_version", lambda _path: threading.Event().wait(60))
        assert ask(served.port, tls=client_context()) is not None
        begin = time.monotonic()
    assert time.monotonic() - begin < 5


# --- hostile clients ---


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_silent_connections_and_half_a_handshake_are_cut_at_the_header_deadline(certificates: Certificates) -> None:
    limits = ClientLimits(header_seconds=1.0)
    with serving_by(certificates.configure(tls()), limits=limits) as served:
        clients = silent(served.port, 20)
        for client in clients[10:]:
            client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the beginning of a ClientHello
        begin = time.monotonic()
        for client in clients:
            with closing(client), suppress(ConnectionError):
                client.settimeout(8)
                assert client.recv(1000) == b""
        assert 0.5 < time.monotonic() - begin < 8
        until(lambda: served.cuts == ["header"] * 20, "each is counted, which may be after its client knows")
        assert ask(served.port, tls=client_context()) is not None


def test_a_handshake_without_a_request_is_cut_at_the_header_deadline(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls()), limits=ClientLimits(header_seconds=0.7)) as served:
        with client_context().wrap_socket(silent(served.port, 1)[0]) as secured, suppress(OSError):
            secured.settimeout(8)
            begin = time.monotonic()
            assert secured.recv(1000) == b""
        assert time.monotonic() - begin < 8


@pytest.mark.alone
def test_a_scrape_beside_more_silent_tls_connections_than_fit_takes_less_than_a_second(
    certificates: Certificates,
) -> None:
    limits = ClientLimits(connections=512)
    with serving_by(certificates.configure(tls()), limits=limits) as served, ExitStack() as stack:
        clients = [stack.enter_context(client) for client in silent(served.port, 560)]
        begin = time.monotonic()
        assert ask(served.port, tls=client_context()) is not None
        assert time.monotonic() - begin < 1
        open_ = [client for client in clients if not is_closed(client)]
        assert len(open_) <= limits.connections


def test_the_server_ends_while_handshakes_are_under_way(certificates: Certificates) -> None:
    limits = ClientLimits(stop_seconds=0.5)
    with serving_by(certificates.configure(tls()), limits=limits) as served:
        clients = silent(served.port, 5)
        assert ask(served.port, tls=client_context()) is not None
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    for client in clients:
        client.close()


def test_a_tls_client_that_does_not_read_is_cut_at_the_answer_deadline(certificates: Certificates) -> None:
    with serving_by(certificates.configure(tls()), limits=ClientLimits(answer_seconds=0.7)) as served:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", served.port))
        with client_context().wrap_socket(raw) as secured:
            secured.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: served.delivered == [False], "the connection is cut", 30)
        until(lambda: served.cuts == ["answer"], "it is counted")
