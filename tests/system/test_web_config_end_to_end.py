"""The exporter as a process by its web configuration: scraped by a real Prometheus, or refused at the start."""

import html
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Exporter, Prometheus, command, config_for, until
from tests.support.web import CERTIFIED, HASH, PASSWORD, Certificates, Reply, ask, client_context

NOBODY = "http://127.0.0.1:9"
"""An API root where nobody listens."""
RIGHT = f"prometheus:{PASSWORD}"
USERS = f"basic_auth_users: {{prometheus: {HASH}}}\n"
TLS = f"tls_server_config: {{{CERTIFIED}}}\n"
MUTUAL = (
    f"tls_server_config: {{{CERTIFIED}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, "
    "client_allowed_sans: [prometheus.example.com]}\n"
)
SUCCESSFUL, SINCE = (
    f"github_exporter_web_config_last_reload_{name}" for name in ("successful", "success_timestamp_seconds")
)
FAILURES = "github_exporter_web_auth_failures_total"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def exporter(tmp_path: Path) -> Exporter:
    token = tmp_path / "token"
    token.write_text("token-of-acme\n")
    return Exporter(tmp_path, config_for(NOBODY, "acme", token_file=token, interval="1h"))


def values(exporter: Exporter, **how: Any) -> dict[str, float]:
    """Every series without labels."""
    reply = ask(exporter.port, "/metrics", **how)
    assert reply is not None
    assert reply.status == 200
    lines = (line.split() for line in reply.body.decode().splitlines() if line[:1] != "#" and "{" not in line)
    return {name: float(value) for name, value in lines}


def scraped(certificates: Certificates, way: str) -> dict[str, Any]:
    """How Prometheus scrapes."""
    tls: dict[str, Any] = {"ca_file": str(certificates.folder / "ca.pem")}
    if way == "password":
        return {"scheme": "https", "tls_config": tls, "basic_auth": {"username": "prometheus", "password": PASSWORD}}
    client = str(certificates.client("prometheus.example.com"))
    return {"scheme": "https", "tls_config": {**tls, "cert_file": client, "key_file": client}}


@pytest.mark.parametrize(("text", "way"), [(TLS + USERS, "password"), (MUTUAL, "certificate")])
def test_no_scrape_of_prometheus_fails_while_the_certificate_is_replaced(
    exporter: Exporter, certificates: Certificates, text: str, way: str
) -> None:
    """Prometheus keeps its connection; `fresh` scrapes make one each, so that handshakes meet every state of files."""
    path = certificates.configure(text)
    with exporter.start(f"--web.config.file={path}"):
        scrape = scraped(certificates, way)
        client = scrape["tls_config"].get("cert_file")
        fresh = client_context(Path(client) if client else None)
        with Prometheus(exporter.folder / "prometheus", f"127.0.0.1:{exporter.port}", scrape=scrape) as prometheus:
            until(lambda: prometheus.query("up == 1"), "the first scrape")
            serials = set()

            def renew_and_scrape() -> bool:
                certificates.renew()
                reply = ask(exporter.port, "/metrics", fresh, RIGHT)
                assert reply is not None
                assert reply.status == 200
                serials.add(reply.serial)
                return bool(prometheus.query("count_over_time(up[1m]) >= 6"))

            until(renew_and_scrape, "six scrapes")
            assert len(serials) > 3, "new certificates were shown"
            assert prometheus.query("min_over_time(up[1m]) == 1"), "no scrape failed"
        assert values(exporter, tls=fresh, login=RIGHT)[SUCCESSFUL] == 1
        assert exporter.stop() == 0


def test_a_broken_change_is_shown_and_a_good_one_takes_effect(exporter: Exporter, certificates: Certificates) -> None:
    def page() -> Reply:
        reply = ask(exporter.port, "/", client_context(), RIGHT)
        assert reply is not None
        return reply

    with exporter.start(f"--web.config.file={certificates.configure(TLS + USERS)}"):
        before = values(exporter, tls=client_context(), login=RIGHT)
        assert before[SUCCESSFUL] == 1
        assert before[FAILURES] == 0
        certificates.configure(TLS + "basic_auth_users: {prometheus: doe}\n")
        assert b"The web configuration was not reloaded" in page().body
        assert b"basic_auth_users.prometheus" in page().body
        status = ask(exporter.port, "/api/v1/status", client_context(), RIGHT)
        assert status is not None
        assert "web configuration" in json.dumps(json.loads(status.body)["findings"])
        refused = ask(exporter.port, "/-/ready", client_context())
        assert refused is not None
        assert refused.status == 401
        until(lambda: values(exporter, tls=client_context(), login=RIGHT)[SUCCESSFUL] == 0, "the gauge tells")
        after = values(exporter, tls=client_context(), login=RIGHT)
        assert after[SINCE] == before[SINCE]
        assert after[FAILURES] == 1
        for key, unprotected in (("tls_server_config", USERS), ("basic_auth_users", TLS + "basic_auth_users:\n")):
            certificates.configure(unprotected)
            assert f"has no {key} any more" in html.unescape(page().body.decode())
        certificates.configure(TLS + USERS + "rate_limit: {interval: 0}\n")
        reply = page()
        assert b"The web configuration was not reloaded" not in reply.body
        until(lambda: values(exporter, tls=client_context(), login=RIGHT)[SUCCESSFUL] == 1, "the gauge tells")
        assert values(exporter, tls=client_context(), login=RIGHT)[SINCE] > before[SINCE]
    log = exporter.log.read_text()
    assert log.count("web configuration not reloaded") == 3
    for secret in (PASSWORD, HASH, (certificates.folder / "key.pem").read_text().splitlines()[1]):
        assert secret not in log + reply.body.decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tls_server_config: {cert_filse: x}", "web.yml: tls_server_config.cert_filse (line 1): unknown key"),
        ("tls_server_config: {cert_file: cert.pem, key_file: x.pem}", "web.yml: tls_server_config.key_file (line 1)"),
        ("basic_auth_users: {john: doe}", "web.yml: basic_auth_users.john (line 1): is no bcrypt hash"),
    ],
)
def test_a_bad_file_ends_the_start_and_check_with_file_and_key(
    exporter: Exporter, certificates: Certificates, text: str, told: str
) -> None:
    flags = (f"--config.file={exporter.config}", f"--web.config.file={certificates.configure(text)}")
    for words in ([], ["check"]):
        done = command(*words, *flags)
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_check_finds_a_good_file_valid_and_repeats_its_warnings(exporter: Exporter, certificates: Certificates) -> None:
    text = f"tls_server_config: {{{CERTIFIED}, client_auth_type: VerifyClientCertIfGiven}}\n"
    done = command(
        "check", f"--config.file={exporter.config}", f"--web.config.file={certificates.configure(text + USERS)}"
    )
    assert done.returncode == 0, done.stderr
    assert "warning: VerifyClientCertIfGiven without client_ca_file" in done.stdout


@pytest.mark.parametrize(("text", "warned"), [(USERS, False), ("", True)], ids=["users", "neither"])
def test_who_listens_on_all_interfaces_is_warned_unless_there_is_tls_or_a_login(
    exporter: Exporter, certificates: Certificates, text: str, warned: bool
) -> None:
    flags = (f"--web.config.file={certificates.configure(text)}", "--web.listen-address=:0")
    with exporter.start(*flags):
        assert ("listening on all interfaces" in exporter.log.read_text()) == warned
