"""`check` as a process: what is wrong with files, variables, names and addresses is said before the start."""

import json
import socket
import time
from html import unescape
from pathlib import Path

import pytest

from exporter.settings import parse_address
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.world import World
from tests.support.app import traffic, works
from tests.support.harness import Exporter, SimClock, command, config_for, get, simulated, until
from tests.support.pem import FIRST, PKCS1, PUBLIC

TOKEN = "ghp_CANARYcanary0123456789ABCDEFGHIJKLMNOPQR"


def check(folder: Path, config: str, **environ: str) -> tuple[int, list[str]]:
    """The exit code and what was said; `TMP` in the configuration stands for the folder. No secret is ever in it."""
    (folder / "config.yaml").write_text(config.replace("TMP", str(folder)))
    done = command("check", f"--config.file={folder / 'config.yaml'}", **environ)
    assert "CANARY" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("key", "token"),
    [
        pytest.param(PKCS1, TOKEN.encode(), id="as GitHub gives them"),
        pytest.param(PKCS1.replace(b"\n", b"\\n"), f"GITHUB_TOKEN={TOKEN}\n".encode(), id="from templates"),
        pytest.param(b"\xef\xbb\xbf" + PKCS1, TOKEN.encode("utf-16"), id="from Windows"),
    ],
)
def test_good_secrets_are_taken_as_people_write_them(tmp_path: Path, key: bytes, token: bytes) -> None:
    (tmp_path / "app.pem").write_bytes(key)
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "ca.pem").write_bytes(b"\xef\xbb\xbf" + FIRST)
    code, said = check(
        tmp_path,
        """
credentials:
  2024: {app_client_id: Iv23liEXAMPLE, private_key_file: TMP/app.pem}
  on: {token_file: TMP/token, ca_file: TMP/ca.pem}
organizations: [{name: 2024, credential: 2024}, {name: 0123, credential: on}]
""",
    )
    assert code == 0, said
    assert "The configuration is valid." in said
    assert {"organization/2024", "organization/0123"} <= {word for line in said for word in line.split()}


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text(TOKEN)
    (tmp_path / "public.pem").write_bytes(PUBLIC)
    (tmp_path / "token").write_bytes(PKCS1)
    (tmp_path / "two").write_text(f"{TOKEN}\n{TOKEN}\n")
    (tmp_path / "ca.pem").write_bytes(PUBLIC)
    code, said = check(
        tmp_path,
        """credentials:
  a: {app_client_id: Iv23liEXAMPLE, private_key_file: TMP/app.pem}
  b: {app_client_id: Iv23liEXAMPLE, private_key_file: TMP/public.pem}
  c: {token_file: TMP/token, ca_file: TMP/ca.pem}
  d: {token_file: TMP/two, api_url: "https://ghes.example.com"}
  e: {token_file: TMP/missing}
organizations: [{name: acme, credential: a}]
""",
    )
    assert code == 1
    expected = [
        f"credentials.a.private_key_file (line 2): {tmp_path}/app.pem holds no private key in PEM but a token",
        f"credentials.b.private_key_file (line 3): {tmp_path}/public.pem holds no private key in PEM but a public key",
        f"credentials.c.token_file (line 4): {tmp_path}/token holds a private key, not a token",
        f"credentials.c.ca_file (line 4): {tmp_path}/ca.pem holds no PEM certificate but a public key",
        f"credentials.d.token_file (line 5): {tmp_path}/two holds more than one plain word: 2 lines",
        "credentials.d.api_url (line 5): it should be https://ghes.example.com/api/v3",
        f"credentials.e.token_file (line 6): {tmp_path}/missing cannot be read: No such file",
    ]
    assert len(said) == len(expected)
    for start in expected:
        assert [line for line in said if line.startswith(f"config.yaml: {start}")], (start, said)


def test_a_token_file_named_by_a_variable_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(PKCS1)
    done = command("check", GITHUB_EXPORTER_TOKEN_FILE=f"{tmp_path}/token", GITHUB_EXPORTER_ORGANIZATIONS="acme")
    assert done.returncode == 1
    assert done.stderr.startswith(f"environment: GITHUB_EXPORTER_TOKEN_FILE: {tmp_path}/token holds a private key")


def test_an_appliance_at_the_root_of_github_com_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    code, said = check(tmp_path, "credentials: {classic: {token_file: TMP/token}}\nappliances: [ghes-eu]\n")
    assert code == 1
    (line,) = said
    assert line == (
        "config.yaml: appliances[0] (line 2): appliance/ghes-eu would be asked at https://api.github.com, which is no "
        "appliance; set credentials.classic.api_url: https://HOST/api/v3"
    )


@pytest.mark.parametrize(
    ("api_url", "doubt"),
    [
        ("https://api.proxy.example.com", "warning: credentials.a.api_url: https://api.proxy.example.com has none of"),
        ("https://proxy.example.com/github", "is it a proxy of yours?"),
        ("https://ghes.example.com/api/v3", "warning: organization/acme is asked at https://ghes.example.com/api/v3"),
    ],
)
def test_what_is_doubtful_is_a_warning(tmp_path: Path, api_url: str, doubt: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    code, said = check(
        tmp_path, f"credentials: {{a: {{token_file: TMP/token, api_url: {api_url}}}}}\norganizations: [acme]\n"
    )
    assert code == 0
    assert [line for line in said if doubt in line]
    assert said[-1] == "The configuration is valid."


@pytest.mark.parametrize("api_url", ["https://api.github.com", "https://api.acme.ghe.com", "http://127.0.0.1:8081"])
def test_what_github_documents_and_a_simulator_are_not_doubted(tmp_path: Path, api_url: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    code, said = check(
        tmp_path, f"credentials: {{a: {{token_file: TMP/token, api_url: '{api_url}'}}}}\norganizations: [acme]\n"
    )
    assert code == 0
    assert not [line for line in said if "warning" in line]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{TOKEN}\r\n".encode("utf-16"), id="UTF-16 of PowerShell"),
        pytest.param(b"\xef\xbb\xbf" + TOKEN.encode(), id="byte order mark"),
        pytest.param(f"export GITHUB_TOKEN='{TOKEN}'\n".encode(), id="export"),
    ],
)
def test_github_is_sent_the_token_alone_and_a_bad_file_is_named_until_it_is_replaced(
    tmp_path: Path, content: bytes
) -> None:
    """The daemon starts with a file that holds something else: a rotation may be under way."""
    clock = SimClock(time.time())
    token = tmp_path / "token"
    token.write_bytes(PKCS1)
    world = World.of(traffic(int(clock()), "acme"))
    with (
        simulated(SimulatedGitHub(world, clock, tokens={TOKEN: {"acme"}})) as (url,),
        Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter,
    ):
        exporter.start()
        what = f"token file {token} holds a private key, not a token; a GitHub App's key belongs in private_key_file"
        until(lambda: what in unescape(get(f"{exporter.url}/")[1]), "the page says what the file holds")
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(token)
        until(lambda: works(exporter, "summary_stats", "acme"), "the new one is taken")
        assert "CANARY" not in exporter.log.read_text() + get(f"{exporter.url}/")[1]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
def test_the_log_names_addresses_in_the_form_that_the_flag_takes(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    config = config_for("http://127.0.0.1:9", "acme", token_file=tmp_path / "token")
    with Exporter(tmp_path, config) as exporter:
        exporter.start("--web.listen-address=[::]:0")
        (line,) = [entry for entry in map(json.loads, exporter.log.read_text().splitlines()) if "addresses" in entry]
        addresses = line["addresses"].split()
    assert [parse_address(address)[0] for address in addresses] == ["127.0.0.1", "::"]


def test_a_proxy_of_the_environment_and_an_open_token_file_are_told_once(tmp_path: Path) -> None:
    world, clock = World.of(traffic(0, "acme")), SimClock(1_795_262_400.0)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o644)
    environ = {"HTTPS_PROXY": "http://me:CANARY@proxy.example.com:3128"}
    with simulated(SimulatedGitHub(world, clock, tokens={TOKEN: {"acme"}})) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        with Exporter(tmp_path, config, **environ) as exporter:
            exporter.start()
            doctor = command("doctor", f"--config.file={exporter.config}", **environ).stdout
            done = command("check", f"--config.file={exporter.config}", **environ)
            log = exporter.log.read_text()
    proxy = "proxy: http://USER:PASSWORD@proxy.example.com:3128"
    mode = f"can read {tmp_path}/token (mode 0644): chmod 600 {tmp_path}/token"
    assert done.returncode == 0
    for text in (done.stdout, log):
        assert (text.count(proxy), text.count(mode)) == (1, 1)
    assert doctor.count(proxy) == 1
    assert "CANARY" not in doctor + done.stdout + log
