"""The web configuration file: what is read out of it, and what an operator is told when it is wrong."""

import json
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from exporter.settings import SettingsError, parse
from exporter.settings.web_config import PLAIN, WebConfig, outline, read
from exporter.settings.web_config.words import CIPHERS, CIPHERS_OF_TLS13, CURVES

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
CERTIFIED = "cert_file: cert.pem, key_file: key.pem"
AUTHORITY = trustme.CA()
SERVER, OTHER = AUTHORITY.issue_cert("localhost"), AUTHORITY.issue_cert("other")

Config = Callable[[str], WebConfig]
Problems = Callable[[str], list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SERVER.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    SERVER.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    OTHER.private_key_pem.write_to_path(tmp_path / "other.pem")
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    key = serialization.load_pem_private_key(SERVER.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (tmp_path / "encrypted.pem").write_bytes(encrypted)
    (tmp_path / "cut.pem").write_bytes(SERVER.cert_chain_pems[0].bytes()[:300] + b"\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty.pem").write_text("")
    return tmp_path


@pytest.fixture
def config(folder: Path) -> Config:
    def config(text: str) -> WebConfig:
        (folder / "web.yml").write_text(text)
        reading = read(folder / "web.yml")
        assert reading.config is not None, reading.error
        return reading.config

    return config


@pytest.fixture
def problems(folder: Path) -> Problems:
    def problems(text: str) -> list[str]:
        (folder / "web.yml").write_text(text)
        reading = read(folder / "web.yml")
        assert reading.config is None
        assert reading.error is not None
        return [str(problem) for problem in reading.error.problems]

    return problems


def inline(key: str, pem: bytes) -> str:
    lines = "\n".join(f"    {line}" for line in pem.decode().splitlines())
    return f"  {key}: |\n{lines}\n"


def tls(keys: str = "") -> str:
    return f"tls_server_config: {{{CERTIFIED}{', ' if keys else ''}{keys}}}"


# --- good files ---


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "{}",
        "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n",
        "http_server_config: {http2: true}",
        "rate_limit: {interval: 0, burst: 0}",
    ],
)
def test_an_empty_file_is_plain_http_without_login(config: Config, text: str) -> None:
    assert config(text) == PLAIN


def test_by_default_tls_has_two_versions_strong_suites_and_asks_for_no_certificate(config: Config) -> None:
    context = config(tls()).tls
    assert context is not None
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert context.verify_mode == ssl.CERT_NONE
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names == {*list(CIPHERS.values())[:6], *CIPHERS_OF_TLS13}


def test_certificate_key_and_authorities_may_be_written_into_the_file(config: Config) -> None:
    parts = {"cert": SERVER.cert_chain_pems[0], "key": SERVER.private_key_pem, "client_ca": AUTHORITY.cert_pem}
    text = "".join(inline(key, blob.bytes()) for key, blob in parts.items())
    read_ = config(f"tls_server_config:\n{text}  client_auth_type: RequireAndVerifyClientCert\n")
    assert read_.tls is not None
    assert [dict(entry)["serialNumber"] for entry in read_.tls.get_ca_certs()] == [
        f"{x509.load_pem_x509_certificate(AUTHORITY.cert_pem.bytes()).serial_number:040X}"
    ]


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("NoClientCert", ssl.CERT_NONE),
        ("RequestClientCert", ssl.CERT_NONE),
        ("VerifyClientCertIfGiven", ssl.CERT_OPTIONAL),
        ("RequireAndVerifyClientCert", ssl.CERT_REQUIRED),
    ],
)
def test_policies_for_client_certificates(config: Config, policy: str, mode: ssl.VerifyMode) -> None:
    authority = "" if policy == "NoClientCert" else ", client_ca_file: ca.pem"
    context = config(tls(f"client_auth_type: {policy}{authority}")).tls
    assert context is not None
    assert context.verify_mode == mode


def test_a_private_key_that_all_may_read_is_told_with_its_mode(config: Config, folder: Path) -> None:
    for mode, told in ((0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)):
        (folder / "key.pem").chmod(mode)
        warnings = config(tls("")).warnings
        assert len(warnings) == told
        assert all(f"{folder}/key.pem (mode {mode:04o}): chmod 600 {folder}/key.pem" in text for text in warnings)


def test_a_private_key_in_the_web_configuration_itself_is_told_too(config: Config, folder: Path) -> None:
    text = f"tls_server_config: {{cert_file: cert.pem, key: {json.dumps(SERVER.private_key_pem.bytes().decode())}}}\n"
    config(text)
    for mode, told in ((0o644, 1), (0o600, 0)):
        (folder / "web.yml").chmod(mode)
        warnings = config(text).warnings
        assert len(warnings) == told
        assert all(f"the private key in {folder}/web.yml" in warning for warning in warnings)


def test_whoever_verifies_by_the_machines_authorities_is_warned(config: Config) -> None:
    (warning,) = config(tls("client_auth_type: VerifyClientCertIfGiven")).warnings
    assert "without client_ca_file" in warning
    (warning,) = config(tls("client_auth_type: RequestClientCert")).warnings
    assert "has no effect" in warning
    assert config(tls("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem")).warnings == ()


@pytest.mark.parametrize(
    "keys",
    [
        "min_version: TLS13, curve_preferences: [CurveP521]",
        "curve_preferences: [X25519]",
        f"curve_preferences: [{', '.join(CURVES)}]",
        f"cipher_suites: [{', '.join((*CIPHERS, *CIPHERS_OF_TLS13))}]",
        "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA], max_version: TLS12",
        "min_version: TLS10, max_version: TLS11",
        "client_auth_type: ''",
        "client_allowed_sans: [a.example.com], client_auth_type: RequireAndVerifyClientCert",
    ],
)
def test_what_else_can_be_chosen_of_tls(config: Config, keys: str) -> None:
    assert config(tls(keys)).tls is not None


def test_suites_of_tls_1_3_alone_leave_no_older_version(config: Config) -> None:
    context = config(tls("cipher_suites: [TLS_AES_128_GCM_SHA256]")).tls
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_users_and_headers_are_text_whatever_yaml_takes_them_for(config: Config) -> None:
    headers = "http_server_config: {headers: {X-XSS-Protection: 0, X-Frame-Options: sameorigin}}\n"
    result = config(f"{headers}basic_auth_users: {{on: {HASH}, 2024: {HASH}}}\n")
    assert result.headers == ((b"X-XSS-Protection", b"0"), (b"X-Frame-Options", b"sameorigin"))
    assert result.users == {b"on": HASH.encode(), b"2024": HASH.encode()}
    assert HASH not in repr(result)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("0", 0.0), ("0s", 0.0), ("1s", 1.0), ("250ms", 0.25), ("1m30s", 90.0), ("1.5h", 5400.0), ("'.5s'", 0.5)],
)
def test_the_interval_is_a_duration_as_go_writes_it(config: Config, interval: str, seconds: float) -> None:
    result = config(f"rate_limit: {{interval: {interval}, burst: 7}}")
    assert result.interval == pytest.approx(seconds)
    assert result.burst == 7


# --- bad files ---

MISSING_CERT = "tls_server_config.cert_file (line 1): is missing or empty"
MISSING_KEY = "tls_server_config.key_file (line 1): is missing or empty"
NO_FILE = "cannot be read: No such file or directory; check the path"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", ["(line 1): is not valid YAML"]),
        ("[1]", ["must be a mapping"]),
        ("tls_config: {}", ["tls_config (line 1): unknown key; did you mean tls_server_config?"]),
        (tls("cert_filse: x"), ["cert_filse (line 1): unknown key; did you mean cert_file?"]),
        (f"{tls()}\n{tls()}", ["tls_server_config (line 2): this key was already given in line 1"]),
        ("tls_server_config: {cert_file: '', key_file: key.pem}", [MISSING_CERT]),
        ("tls_server_config: {cert: '', key_file: key.pem}", [MISSING_CERT]),
        ("tls_server_config: {cert_file: cert.pem, key_file: ''}", [MISSING_KEY]),
        ("tls_server_config: {cert_file: cert.pem, key: ''}", [MISSING_KEY]),
        ("tls_server_config: {cert_file: '', key_file: ''}", [MISSING_CERT, MISSING_KEY]),
        ("tls_server_config: {min_version: TLS13}", [MISSING_CERT, MISSING_KEY]),
        ("tls_server_config: {cert_file: x.pem, key_file: key.pem}", [f"cert_file (line 1): FOLDER/x.pem {NO_FILE}"]),
        ("tls_server_config: {cert_file: cert.pem, key_file: x.pem}", [f"key_file (line 1): FOLDER/x.pem {NO_FILE}"]),
        ("tls_server_config: {cert_file: x.pem, key_file: y.pem}", [f"x.pem {NO_FILE}", f"y.pem {NO_FILE}"]),
        (tls("cert: x"), ["cert_file (line 1): give cert or cert_file, not both"]),
        ("tls_server_config: {cert_file: key.pem, key_file: cert.pem}", ["key.pem holds no PEM", "cert.pem holds no"]),
        ("tls_server_config: {cert_file: empty.pem, key_file: key.pem}", ["empty.pem holds no PEM certificate: it is"]),
        ("tls_server_config: {cert_file: cut.pem, key_file: key.pem}", ["cut.pem holds no certificate that can be"]),
        ("tls_server_config: {cert_file: cert.pem, key_file: other.pem}", ["other.pem does not fit the certificate"]),
        ("tls_server_config: {cert_file: cert.pem, key_file: encrypted.pem}", ["encrypted.pem is encrypted, and"]),
        (tls("client_ca_file: /dev/null"), ["/dev/null cannot be read", "but no client is asked for a certificate"]),
        (tls("client_ca_file: ca.pem"), ["client_ca_file (line 1): is given, but no client is asked"]),
        (tls("client_ca_file: x.pem, client_auth_type: VerifyClientCertIfGiven"), [f"x.pem {NO_FILE}"]),
        (tls("client_ca_file: key.pem, client_auth_type: VerifyClientCertIfGiven"), ["key.pem holds no PEM cert"]),
        (tls("client_auth_type: RequireAnyClientCert"), ["RequireAnyClientCert would accept any certificate"]),
        (tls("client_auth_type: RequireClientCert"), ["RequireClientCert would accept any certificate"]),
        (tls("client_auth_type: Nobody"), ["client_auth_type (line 1): Nobody is no client_auth_type"]),
        (tls("client_allowed_sans: [a]"), ["client_allowed_sans (line 1): needs client_auth_type"]),
        (
            tls("client_allowed_sans: [a], client_auth_type: VerifyClientCertIfGiven"),
            ["client_allowed_sans (line 1): needs client_auth_type"],
        ),
        (
            tls("client_allowed_sans: [], client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"),
            ["client_allowed_sans (line 1): must not be empty"],
        ),
        (tls("cipher_suites: [TLS_RSA_WITH_EGGS]"), ["cipher_suites[0] (line 1): TLS_RSA_WITH_EGGS is no cipher"]),
        (tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"), ["TLS_RSA_WITH_RC4_128_SHA is no cipher suite"]),
        (tls("cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12"), ["suites of TLS 1.3 only"]),
        (tls("curve_preferences: [CurveP666]"), ["curve_preferences[0] (line 1): CurveP666 is no curve"]),
        (tls("curve_preferences: [CurveP256, X25519]"), ["curve_preferences (line 1): Python's TLS takes one curve"]),
        (tls("min_version: TLS14"), ["min_version (line 1): TLS14 is no TLS version"]),
        (tls("min_version: TLS13, max_version: TLS12"), ["min_version (line 1): TLS13 is newer than max_version"]),
        ("basic_auth_users: {john: doe}", ["basic_auth_users.john (line 1): is no bcrypt hash"]),
        (f"basic_auth_users: {{'a:b': {HASH}}}", ["a user needs a name without a colon"]),
        ("http_server_config: {headers: {Content-Type: x}}", ["headers.Content-Type (line 1): this header cannot be"]),
        (
            "http_server_config: {headers: {X-Frame-Options: allow}}",
            ["headers.X-Frame-Options (line 1): must be deny or sameorigin"],
        ),
        (
            "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
            ["headers.X-Content-Type-Options (line 1): must be nosniff"],
        ),
        (
            'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
            ["headers.Content-Security-Policy (line 1): must be one line of ASCII characters"],
        ),
        ("rate_limit: {interval: 5}", ["rate_limit.interval (line 1): must be a duration with a unit"]),
        ("rate_limit: {interval: -1s}", ["rate_limit.interval (line 1): must be a duration with a unit"]),
        ("rate_limit: {interval: 1s, burst: -1}", ["rate_limit.burst (line 1): must be at least 0"]),
    ],
)
def test_a_bad_file_is_told_with_file_key_and_line(
    problems: Problems, folder: Path, text: str, told: list[str]
) -> None:
    lines = problems(text)
    assert len(lines) == len(told), lines
    for line, part in zip(lines, told, strict=True):
        assert line.startswith("web.yml")
        assert part.replace("FOLDER", str(folder)) in line


def test_all_problems_come_at_once(problems: Problems) -> None:
    text = "tls_server_config:\n  cert_file: x.pem\n  curve_preferences: [CurveP1]\nbasic_auth_users: {john: doe}\n"
    assert [line.partition(": ")[2].partition(" ")[0] for line in problems(text)] == [
        "tls_server_config.key_file",
        "tls_server_config.cert_file",
        "tls_server_config.curve_preferences[0]",
        "basic_auth_users.john",
    ]


def test_no_problem_repeats_a_secret(problems: Problems) -> None:
    key = SERVER.private_key_pem.bytes()
    secret = key.decode().splitlines()[1]
    for text in (
        f"tls_server_config:\n  cert_file: cert.pem\n{inline('key_file', key)}",
        f"tls_server_config:\n  key_file: key.pem\n{inline('cert', key)}",
        f"tls_server_config:\n  cert_file: cert.pem\n{inline('client_auth_type', key)}{inline('key', key)}",
        "basic_auth_users: {john: hunter2-not-to-be-seen}",
        f"basic_auth_users: {{john: {HASH}x}}",
        f'basic_auth_users: {{"john:hunter2": "{HASH}"}}',
        f'basic_auth_users: {{"{HASH}": john}}',
    ):
        told = "\n".join(problems(text))
        assert secret not in told
        assert "hunter2" not in told
        assert HASH not in told


def test_a_pipe_is_refused_since_it_is_empty_when_it_is_read_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "web.yml")
    assert "is a FIFO" in str(read(tmp_path / "web.yml").error)
    assert outline(tmp_path / "web.yml") is None


def test_what_python_and_openssl_do_not_take_is_told_like_other_faults(folder: Path, problems: Problems) -> None:
    damaged = SERVER.cert_chain_pems[0].bytes().decode().replace("M", "Ж", 1)
    (folder / "damaged.pem").write_text(damaged)
    for key in ("cert_file", "client_ca_file"):
        others = "client_auth_type: RequireAndVerifyClientCert, key_file: key.pem"
        cert = "" if key == "cert_file" else "cert_file: cert.pem, "
        (problem,) = problems(f"tls_server_config: {{{cert}{key}: damaged.pem, {others}}}")
        assert f"tls_server_config.{key} (line 1): {folder}/damaged.pem holds no" in problem
    (problem,) = problems(f"tls_server_config: {{{CERTIFIED}, client_auth_type: [a], client_allowed_sans: [a]}}")
    assert "tls_server_config.client_auth_type" in problem
    (problem,) = problems(f'basic_auth_users: {{"\\ud800": {HASH}}}')
    assert "a user needs a name" in problem


def test_spaces_around_a_header_are_left_out_as_in_go(config: Config) -> None:
    assert config('http_server_config: {headers: {X-XSS-Protection: " 1 "}}').headers == ((b"X-XSS-Protection", b"1"),)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    reading = read(tmp_path / "web.yml")
    assert NO_FILE in str(reading.error)
    assert reading.files == (tmp_path / "web.yml",)


def test_the_files_that_decide_are_known_also_of_a_broken_configuration(folder: Path) -> None:
    (folder / "web.yml").write_text("tls_server_config: {cert_file: x.pem, key_file: /y.pem, client_ca_file: ca.pem}")
    assert read(folder / "web.yml").files == (folder / "web.yml", folder / "x.pem", Path("/y.pem"), folder / "ca.pem")


def test_the_outline_is_read_out_of_a_file_with_other_problems(folder: Path) -> None:
    (folder / "web.yml").write_text(f"basic_auth_users: {{on: {HASH}, b: x}}\ntypo: 1\n")
    assert outline(folder / "web.yml") == (False, ("on", "b"))
    (folder / "web.yml").write_text("tls_server_config: {cert_file: x.pem}")
    assert outline(folder / "web.yml") == (True, ())
    (folder / "web.yml").write_text("basic_auth_users: [")
    assert outline(folder / "web.yml") is None


# --- by flag, variable and file ---


@pytest.mark.parametrize("command", ["run", "check", "demo"])
def test_its_problems_are_told_together_with_those_of_the_configuration(folder: Path, command: str) -> None:
    (folder / "web.yml").write_text("basic_auth_users: {john: doe}")
    (folder / "config.yaml").write_text("web: {config_file: web.yml, max_requests: -1}")
    with pytest.raises(SettingsError) as raised:
        parse([command, f"--config.file={folder / 'config.yaml'}"], {})
    places = {problem.where for problem in raised.value.problems}
    assert {"web.yml: basic_auth_users.john", "config.yaml: web.max_requests"} <= places


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_flag_and_a_variable_name_it_too(folder: Path, by: str) -> None:
    path = str(folder / "web.yml")
    (folder / "web.yml").write_text("basic_auth_users: {john: doe}")
    argv = ["demo", f"--web.config.file={path}"] if by == "flag" else ["demo"]
    environ = {} if by == "flag" else {"GITHUB_EXPORTER_WEB_CONFIG_FILE": path}
    with pytest.raises(SettingsError, match=r"basic_auth_users\.john"):
        parse(argv, environ)
    settings = parse(argv, environ, reload=True)[1]
    assert settings.web.config_file == folder / "web.yml"


def test_how_healthcheck_logs_in_is_set_by_variables_alone(folder: Path) -> None:
    settings = parse(["healthcheck"], {"GITHUB_EXPORTER_HEALTHCHECK_PASSWORD_FILE": "/run/password"})[1]
    assert settings.healthcheck.password_file == Path("/run/password")
    (folder / "config.yaml").write_text("healthcheck: {user: a}")
    with pytest.raises(SettingsError, match="healthcheck is a command"):
        parse(["healthcheck", f"--config.file={folder / 'config.yaml'}"], {})


@pytest.mark.parametrize(
    "text",
    [
        "http_server_config: {'ada:pa55word': x}",
        "http_server_config: {headers: {'ada:pa55word': x}}",
        "'ada:pa55word': x",
    ],
)
def test_a_password_in_a_wrong_section_is_in_no_problem(text: str, problems: Problems) -> None:
    (told,) = problems(text)
    assert told.startswith("web.yml")
    assert "pa55word" not in told
