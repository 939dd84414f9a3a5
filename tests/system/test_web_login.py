"""Login, headers and rate limit by the web configuration file, over real sockets; and the health check through them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest

from tests.support.harness import command
from tests.support.web import CERTIFIED, HASH, PASSWORD, Certificates, Served, ask, client_context, serving_by

RIGHT = f"prometheus:{PASSWORD}"
COST_18 = "$2b$18$fR1HbMIcaJLjyD9bqdLcWObam9N4AfdH.N/2nicc58/9IYGNlzNOW"
"""A hash of `PASSWORD`."""
USERS = f"basic_auth_users: {{prometheus: {HASH}}}\n"
TLS = f"tls_server_config: {{{CERTIFIED}}}\n"
MUTUAL = f"tls_server_config: {{{CERTIFIED}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}}\n"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def status(served: Served, login: str = "", *, tls: bool = False, path: str = "/") -> int:
    reply = ask(served.port, path, client_context() if tls else None, login)
    assert reply is not None
    return reply.status


@pytest.mark.parametrize("tls", [True, False])
def test_only_a_right_login_is_answered(certificates: Certificates, tls: bool) -> None:
    with serving_by(certificates.configure((TLS if tls else "") + USERS)) as served:
        assert status(served, RIGHT, tls=tls) == 200
        assert status(served, RIGHT, tls=tls) == 200
        for wrong in ("", "prometheus:wrong", f"somebody:{PASSWORD}", "prometheus", "prometheus:", f":{PASSWORD}"):
            assert status(served, wrong, tls=tls) == 401
            assert status(served, wrong, tls=tls, path="/-/healthy") == 401
        assert len(served.failures) == 12
        assert status(served, RIGHT, tls=tls) == 200


@pytest.mark.parametrize(
    ("password", "prefix"),
    [("short", b"2a"), ("short", b"2b"), ("short", b"2y"), ("x" * 100, b"2b"), ("pässwörd:", b"2b")],
)
def test_hashes_of_every_kind_and_passwords_of_any_length(
    certificates: Certificates, password: str, prefix: bytes
) -> None:
    hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", f"${prefix.decode()}$")
    with serving_by(certificates.configure(f"basic_auth_users: {{prometheus: {hashed}}}")) as served:
        assert status(served, f"prometheus:{password}") == 200
        assert status(served, f"prometheus:{password[1:]}") == (200 if len(password) > 73 else 401)


def test_a_refusal_asks_for_a_login(certificates: Certificates) -> None:
    with serving_by(certificates.configure(USERS)) as served:
        reply = ask(served.port)
        assert reply is not None
        assert reply.headers["www-authenticate"].startswith("Basic realm=")


def test_a_changed_password_holds_from_the_next_request_on(certificates: Certificates) -> None:
    with serving_by(certificates.configure(USERS)) as served:
        assert status(served, RIGHT) == 200
        other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        certificates.configure(f"basic_auth_users: {{prometheus: {other}}}")
        assert status(served, RIGHT) == 401
        assert status(served, "prometheus:other") == 200
        certificates.configure(f"basic_auth_users: {{somebody: {other}}}")
        assert status(served, "prometheus:other") == 401
        certificates.configure(USERS)
        assert status(served, RIGHT) == 200, "what was wrong under another hash is right again"


def test_an_unknown_user_takes_as_long_as_a_wrong_password(certificates: Certificates) -> None:
    costly = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    with serving_by(certificates.configure(f"basic_auth_users: {{prometheus: {costly}}}")) as served:

        def seconds(login: str) -> float:
            begin = time.monotonic()
            assert status(served, login) == 401
            return time.monotonic() - begin

        known, unknown = zip(*((seconds(f"prometheus:{n}"), seconds(f"somebody:{n}")) for n in range(4)), strict=True)
        assert 0.4 < min(known) / min(unknown) < 2.5


@contextmanager
def flood(served: Served) -> Iterator[list[int]]:
    """Wrong passwords, each another one, as many as four threads can send."""
    statuses: list[int] = []
    end = threading.Event()

    def send(number: int) -> None:
        count = 0
        while not end.is_set():
            count += 1
            statuses.append(status(served, f"prometheus:wrong-{number}-{count}"))

    with ThreadPoolExecutor(12) as pool:
        for number in range(12):
            pool.submit(send, number)
        try:
            yield statuses
        finally:
            end.set()


def test_wrong_passwords_without_end_do_not_slow_a_scrape_that_may(certificates: Certificates) -> None:
    costly = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    with serving_by(certificates.configure(f"basic_auth_users: {{prometheus: {costly}}}")) as served:
        assert status(served, RIGHT) == 200
        with flood(served) as statuses:
            slowest = 0.0
            for _ in range(20):
                begin = time.monotonic()
                assert status(served, RIGHT) == 200
                slowest = max(slowest, time.monotonic() - begin)
        assert slowest < 1
        assert set(statuses) <= {401, 429}
        assert 429 in statuses, "what waits for its check is bounded"


@pytest.mark.alone
def test_a_hash_of_cost_18_is_checked_while_others_scrape(certificates: Certificates) -> None:
    """The check takes 15 s of a processor; its low priority makes them minutes where other tests run."""
    users = f"basic_auth_users: {{prometheus: {HASH}, slow: {COST_18}}}"
    with serving_by(certificates.configure(users)) as served, ThreadPoolExecutor(1) as pool:
        assert status(served, RIGHT) == 200
        slow = pool.submit(ask, served.port, login=f"slow:{PASSWORD}", timeout=120)
        slowest = 0.0
        while not slow.done():
            begin = time.monotonic()
            assert status(served, RIGHT) == 200
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.1)
        reply = slow.result()
        assert reply is not None
        assert reply.status == 200
        assert slowest < 2


def test_one_wrong_password_again_and_again_costs_one_check(certificates: Certificates) -> None:
    costly = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    with serving_by(certificates.configure(f"basic_auth_users: {{prometheus: {costly}}}")) as served:
        begin = time.monotonic()
        assert status(served, "prometheus:wrong") == 401
        first = time.monotonic() - begin
        begin = time.monotonic()
        for _ in range(20):
            assert status(served, "prometheus:wrong") == 401
        assert time.monotonic() - begin < 10 * first


# --- headers and rate limit ---


def test_the_five_headers_are_sent_with_every_answer_and_replace_our_own(certificates: Certificates) -> None:
    headers = {
        "Content-Security-Policy": "default-src 'self'",
        "X-Frame-Options": "deny",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1; mode=block",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    }
    lines = "".join(f'    {name}: "{value}"\n' for name, value in headers.items())
    with serving_by(certificates.configure(f"http_server_config:\n  headers:\n{lines}{USERS}")) as served:
        for login in (RIGHT, ""):
            reply = ask(served.port, login=login)
            assert reply is not None
            assert {name: reply.headers[name.lower()] for name in headers} == headers


@pytest.mark.parametrize(
    ("limit", "statuses"),
    [
        ("{interval: 0, burst: 0}", [200] * 10),
        ("{interval: 1s, burst: 0}", [429] * 10),
        ("{interval: 1h, burst: 3}", [200] * 3 + [429] * 7),
    ],
)
def test_requests_beyond_the_rate_limit_are_answered_429(
    certificates: Certificates, limit: str, statuses: list[int]
) -> None:
    with serving_by(certificates.configure(f"rate_limit: {limit}\n{USERS}")) as served:
        assert [status(served, RIGHT) for _ in range(10)] == statuses
        assert len(served.limited) == statuses.count(429)


# --- healthcheck ---


def check(served: Served, certificates: Certificates, **environ: str) -> tuple[int, str]:
    """Exit code and words of `healthcheck`."""
    flags = (f"--web.listen-address=127.0.0.1:{served.port}", f"--web.config.file={certificates.folder / 'web.yml'}")
    variables = {f"GITHUB_EXPORTER_HEALTHCHECK_{name}": value for name, value in environ.items()}
    done = command("healthcheck", *flags, **variables)
    return done.returncode, done.stderr


def test_healthcheck_speaks_tls_and_logs_in_by_itself(certificates: Certificates) -> None:
    password = certificates.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    with serving_by(certificates.configure(TLS + USERS)) as served:
        assert check(served, certificates, PASSWORD_FILE=str(password)) == (0, "")
        code, words = check(served, certificates)
        assert code == 1
        assert "set GITHUB_EXPORTER_HEALTHCHECK_PASSWORD_FILE" in words
        password.write_text("wrong")
        code, words = check(served, certificates, PASSWORD_FILE=str(password))
        assert code == 1
        assert "refuses the login of 'prometheus'" in words
        assert "wrong\n" not in words.replace("is wrong\n", "")


def test_healthcheck_shows_a_client_certificate(certificates: Certificates) -> None:
    with serving_by(certificates.configure(MUTUAL)) as served:
        assert check(served, certificates, CERT_FILE=str(certificates.client("health"))) == (0, "")
        code, words = check(served, certificates)
        assert code == 1
        assert "a client certificate, set GITHUB_EXPORTER_HEALTHCHECK_CERT_FILE" in words


def test_healthcheck_finds_a_daemon_healthy_whose_file_became_broken(certificates: Certificates) -> None:
    with serving_by(certificates.configure(TLS + USERS)) as served:
        certificates.configure("basic_auth_users: [")
        assert check(served, certificates) == (0, "")
        certificates.configure("")
        password = certificates.folder / "password"
        password.write_text(PASSWORD)
        assert check(served, certificates, PASSWORD_FILE=str(password), USER="prometheus") == (0, "")
