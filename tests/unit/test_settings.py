"""What may be set, by whom, and what an operator is told when it is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from exporter.catalogue import Collector, Scope
from exporter.collectors import COLLECTORS
from exporter.fetching import Fetched
from exporter.jobs import Target
from exporter.options import BoundedOptions, CollectorOptions, Duration, Integer, duration_text
from exporter.settings import COMMANDS, Settings, SettingsError, parse, reference
from exporter.settings.collectors_section import file_model
from exporter.settings.help import OWN
from exporter.settings.names import COMMAND_FLAGS, FLAGS, SWITCHES, VARIABLES
from exporter.settings.section import Section
from exporter.settings.warnings import open_secrets, unread_proxy

SECRET = "hunter2-not-to-be-seen"


class SubjectOptions(BoundedOptions):
    """As those of `subject_stats`."""


class UserOptions(SubjectOptions):
    top_users: Integer = Field(10, ge=0, description="How many of the busiest.")


class RouteOptions(SubjectOptions):
    top_actors: Integer = Field(20, ge=0, description="How many of the busiest.")


class TimeOptions(CollectorOptions):
    increment: Duration = Field(300.0, description="Length of an interval.")


async def no_fetch(*_: object) -> Fetched:
    raise AssertionError("nothing is asked")


def collector(name: str, options: type[CollectorOptions] = CollectorOptions, *, enabled: bool = True) -> Collector:
    page = "https://docs.github.com"
    return Collector(name, "organization", "/x", page, "Late.", no_fetch, (), options=options, enabled=enabled)


KNOWN = (
    collector("summary_stats"),
    collector("time_stats", TimeOptions),
    collector("subject_stats", SubjectOptions, enabled=False),
    collector("user_stats", UserOptions),
    collector("route_stats", RouteOptions),
)

Write = Callable[[str], str]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the files that configurations name."""
    for name in ("token", "ghes-token", "app.pem", "corp.pem"):
        (tmp_path / name).write_text(f"{SECRET}\n")
    return tmp_path


@pytest.fixture
def write(files: Path) -> Write:
    """Write a configuration, `TMP` standing for the folder; its flag."""

    def flag(text: str) -> str:
        path = files / "config.yaml"
        path.write_text(text.replace("TMP", str(files)))
        return f"--config.file={path}"

    return flag


def settings(*argv: str, **environ: str) -> Settings:
    return parse(argv, {f"GITHUB_EXPORTER_{name}": value for name, value in environ.items()}, KNOWN)[1]


def report(*argv: str, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        settings(*argv, **environ)
    return str(raised.value)


MINIMAL = "credentials: {app: {token_file: TMP/token}}\norganizations: [acme]\n"

EXAMPLE = """
credentials:
  app:
    api_url: https://api.github.com
    api_version: "2022-11-28"
    app_client_id: Iv23li0123456789
    private_key_file: TMP/app.pem
  classic:    {token_file: TMP/token}
  appliance:  {api_url: https://ghes.example.com/api/v3, token_file: TMP/ghes-token, ca_file: TMP/corp.pem}
organizations:
  - {name: acme, credential: app}
enterprises:
  - {name: acme-corp, credential: classic}
appliances:
  - {name: ghes-eu, credential: appliance}
watch:
  users:  [{organization: acme, id: 1234}]
  actors: [{organization: acme, type: installation, id: 954453}]
collectors:
  subject_stats:  {interval: 30m, max_series: 500}
  route_stats:    {top_actors: 20}
  user_stats:     {top_users: 10}
  copilot_usage:  {download_hosts: ["*.github.com", "*.ghe.com", "*.blob.core.windows.net", "*.b01.azurefd.net"]}
  usage_reports:  {create: false, report_type: summarized, download_hosts: ["*.blob.core.windows.net"]}
budget: {share: 0.3}
limits: {max_series: 200000}
counters: {birth_delay: 60s}
privacy: {user_names: login}
state: {path: /var/lib/github-enterprise-exporter}
proxy: null
no_proxy: []
ca_file: null
"""


def test_the_documented_example_is_accepted_in_full(write: Write, files: Path) -> None:
    read = parse(["run", write(EXAMPLE)], {}, COLLECTORS)[1]
    assert [str(target) for target in read.targets()] == [
        "organization/acme",
        "enterprise/acme-corp",
        "appliance/ghes-eu",
    ]
    assert [target.credential for target in read.targets()] == ["app", "classic", "appliance"]
    appliance = read.credentials["appliance"]
    assert (appliance.api_url, appliance.ca_file) == ("https://ghes.example.com/api/v3", files / "corp.pem")
    assert (read.watch.users[0].id, read.watch.actors[0].type) == (1234, "installation")
    assert read.counters.birth_delay == 60
    assert read.proxy is None


def test_without_a_file_the_documented_defaults_hold() -> None:
    read = settings("healthcheck")
    assert read.web.listen_address == (":10171",)
    assert (read.web.telemetry_path, read.web.max_requests) == ("/metrics", 40)
    assert (read.log.level, read.log.format) == ("info", "logfmt")
    assert read.state.path == Path("/var/lib/github-enterprise-exporter")
    assert (read.budget.share, read.budget.reserve, read.limits.max_series) == (0.3, 500, 200_000)
    assert (read.counters.birth_delay, read.privacy.user_names, read.proxy) == (60, "login", None)
    assert list(read.collectors) == [collector.name for collector in KNOWN]
    subjects = read.collectors["subject_stats"]
    assert (subjects.enabled, subjects.interval, subjects.max_age) == (False, 1800, 43200)
    assert subjects.options == SubjectOptions()


def test_a_collector_has_its_common_keys_and_its_own(write: Write) -> None:
    read = settings(
        write(MINIMAL + "collectors: {time_stats: {enabled: no, interval: 1s, max_age: 7d, increment: 1h}}")
    )
    times = read.collectors["time_stats"]
    assert (times.enabled, times.interval, times.max_age) == (False, 1, 7 * 86400)
    assert type(times.options) is TimeOptions
    assert times.options.increment == 3600


def test_a_collector_that_is_announced_and_known_is_known(write: Write) -> None:
    known = (collector("user_stats"),)
    _, read = parse([write(MINIMAL + "collectors: {user_stats: {interval: 5m}}")], {}, known)
    assert read.collectors["user_stats"].interval == 300
    with pytest.raises(SettingsError, match="unknown key"):
        parse([write(MINIMAL + "collectors: {user_stats: {whatever: 1}}")], {}, known)


def test_an_empty_section_is_as_none(write: Write) -> None:
    empty = "collectors:\n  subject_stats:\n  route_stats:\nwatch:\nweb:\n"
    assert settings(write(MINIMAL + empty)).watch.users == ()


# --- targets and credentials ---


def test_one_organization_needs_no_file() -> None:
    read = settings(TOKEN=SECRET, ORGANIZATIONS="Acme, globex,", ENTERPRISES="acme-corp", API_URL="http://localhost:1/")
    assert [(str(t), t.credential) for t in read.targets()] == [
        ("organization/acme", "default"),
        ("organization/globex", "default"),
        ("enterprise/acme-corp", "default"),
    ]
    token = read.credentials["default"].token
    assert token is not None
    assert token.get_secret_value() == SECRET
    assert read.credentials["default"].api_url == "http://localhost:1"


def test_a_target_is_a_value() -> None:
    assert len({Target("organization", "acme", "app"), Target("organization", "acme", "app")}) == 1


@pytest.mark.parametrize(
    ("organizations", "credential"),
    [
        ("[acme]", "default"),
        ("[{name: ACME}]", "default"),
        ("[{name: acme, credential: other}]", "Other"),
        ("[{name: acme, credential: OTHER}]", "Other"),
    ],
)
def test_a_target_without_credential_takes_default(write: Write, organizations: str, credential: str) -> None:
    text = "credentials: {default: {token_file: TMP/token}, Other: {token_file: TMP/token}}\norganizations: "
    assert settings(write(text + organizations)).targets() == [Target("organization", "acme", credential)]


def test_the_environment_overrides_the_file_credential_field_by_field(write: Write, files: Path) -> None:
    flag = write(
        "credentials: {default: {api_url: https://api.x.ghe.com, token_file: TMP/token}}\norganizations: [a, b]"
    )
    read = settings(flag, TOKEN_FILE=str(files / "ghes-token"), ORGANIZATIONS="c")
    assert read.credentials["default"].token_file == files / "ghes-token"
    assert read.credentials["default"].api_url == "https://api.x.ghe.com"
    assert [target.name for target in read.targets()] == ["c"]


def test_the_environments_token_replaces_the_files_kind_of_credential(write: Write) -> None:
    flag = write("credentials: {default: {app_client_id: x, private_key_file: TMP/app.pem}}\norganizations: [a]")
    read = settings(flag, TOKEN=SECRET).credentials["default"]
    assert (read.token is None, read.app_client_id, read.private_key_file) == (False, None, None)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://api.github.com/", "https://api.github.com"),
        ("https://GHES.example.com:8443/api/v3//", "https://ghes.example.com:8443/api/v3"),
        ("http://localhost:8081", "http://localhost:8081"),
        ("http://127.9.9.9/api/v3", "http://127.9.9.9/api/v3"),
        ("http://[::1]:8081/", "http://[::1]:8081"),
    ],
)
def test_api_roots_are_normalised(url: str, normal: str) -> None:
    assert settings(TOKEN="x", ORGANIZATIONS="a", API_URL=url).credentials["default"].api_url == normal


@pytest.mark.parametrize(
    "url",
    [
        "http://api.github.com",
        "http://localhost.example.com",
        "http://128.0.0.1",
        "http://0.0.0.0",
        f"https://me:{SECRET}@api.github.com",
        f"https://api.github.com?x={SECRET}",
        "https://api.github.com#x",
        "https://api.github.com?",
        "ftp://api.github.com",
        "api.github.com",
        "https://",
        "https://api.github.com:0",
        f"https://api.github.com:{SECRET}",
        "https://good.example.com\\.bad.example.com",
        "https://a b",
    ],
)
def test_other_api_roots_are_refused(url: str) -> None:
    text = report(TOKEN="x", ORGANIZATIONS="a", API_URL=url)
    assert text.startswith("environment: GITHUB_EXPORTER_API_URL: must ")
    assert SECRET not in text


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://www.github.com/acme", "https://api.github.com"),
        ("github.com", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://ghes.example.com", "https://ghes.example.com/api/v3"),
        ("http://ghes.example.com", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/api/v3/orgs/acme", "https://ghes.example.com/api/v3"),
    ],
)
def test_an_api_root_that_cannot_be_right_is_refused_with_the_right_one(write: Write, url: str, right: str) -> None:
    (line,) = report(TOKEN="x", ORGANIZATIONS="a", API_URL=url).splitlines()
    assert line.startswith("environment: GITHUB_EXPORTER_API_URL: ")
    assert f"it should be {right} (" in line
    flag = write(f"credentials: {{a: {{token_file: TMP/token, api_url: '{url}'}}}}\norganizations: [acme]")
    (line,) = report(flag).splitlines()
    assert line.startswith("config.yaml: credentials.a.api_url (line 1): ")
    assert f"it should be {right} (" in line


# --- durations and other values ---


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30m", 1800), ("6h", 21600), ("7d", 604800), ("1h30m", 5400), ("90s", 90)]
)
def test_durations(write: Write, text: str, seconds: float) -> None:
    assert settings(write(MINIMAL + f"counters: {{birth_delay: {text}}}")).counters.birth_delay == seconds
    assert settings(write(MINIMAL + f"counters: {{birth_delay: {duration_text(seconds)}}}")) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("30", "needs a unit"),
        ("0.5", "needs a unit"),
        ('"30"', "must be a duration"),
        ("0s", "at least 1s"),
        ("-5s", "must be a duration"),
        ("5 m", "must be a duration"),
        ("30m1h", "must be a duration"),
        ("1w", "must be a duration"),
        ("999999999d", "at most 366d"),
        ("true", "must be a duration"),
        ("[1s]", "must be a duration"),
        ('""', "must be a duration"),
    ],
)
def test_other_durations_are_refused(write: Write, text: str, told: str) -> None:
    assert told in report(write(MINIMAL + f"counters: {{birth_delay: {text}}}"))


@pytest.mark.parametrize(
    ("text", "get", "value"),
    [
        ("privacy: {user_names: off}", lambda s: s.privacy.user_names, "off"),
        ("log: {level: WARN, format: json}", lambda s: s.log.level, "warning"),
        ("proxy: http://proxy.example.com:3128/", lambda s: s.proxy, "http://proxy.example.com:3128"),
        ("proxy: 'https://me:word@proxy.example.com'", lambda s: s.proxy, "https://me:word@proxy.example.com"),
        ("no_proxy: [ghes.example.com]", lambda s: s.no_proxy, ("ghes.example.com",)),
        ("no_proxy: 'GHES.example.com, *.corp.example'", lambda s: s.no_proxy, ("ghes.example.com", ".corp.example")),
        ("no_proxy: [.corp.example, 'h:8443', '*']", lambda s: s.no_proxy, (".corp.example", "h:8443", "*")),
        ("no_proxy: [10.1.2.3, 10.0.0.1/8]", lambda s: s.no_proxy, ("10.1.2.3", "10.0.0.0/8")),
        (
            "no_proxy: ['fd00:0::1', '[fd00::1]:443', 'fd00::/8']",
            lambda s: s.no_proxy,
            ("[fd00::1]", "[fd00::1]:443", "fd00::/8"),
        ),
        ("ca_file: TMP/corp.pem", lambda s: s.ca_file and s.ca_file.name, "corp.pem"),
        ("web:\n  listen_address: :9", lambda s: s.web.listen_address, (":9",)),
        ("web: {listen_address: [':0', '[::1]:1', 'localhost:2']}", lambda s: len(s.web.listen_address), 3),
        ("web: {docs_url: 'https://wiki/x/'}", lambda s: s.web.docs_url, "https://wiki/x"),
        ("web: {max_requests: 0}", lambda s: s.web.max_requests, 0),
        ("budget: {share: 1, reserve: 0}", lambda s: s.budget.share, 1),
        ("state: {path: here}", lambda s: s.state.path.name, "here"),
    ],
)
def test_good_values(write: Write, text: str, get: Callable[[Settings], object], value: object) -> None:
    assert get(settings(write(MINIMAL + text))) == value


def test_an_unquoted_api_version_is_no_date(write: Write) -> None:
    flag = write("credentials: {a: {token_file: TMP/token, api_version: 2022-11-28}}\norganizations: [acme]")
    assert settings(flag).credentials["a"].api_version == "2022-11-28"


ODD_NAMES = ["2024", "0123", "1_000", "0x1F", "1e5", "on", "off", "true", "No", "2024-01-01", "007"]
"""Names that YAML takes for numbers, truth values or days; GitHub's may be such."""


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("shape", ["[~]", "[{name: ~, credential: ~}]", "\n  - ~", "\n  - name: ~"])
def test_a_name_is_read_as_it_is_written_whatever_yaml_takes_it_for(write: Write, name: str, shape: str) -> None:
    sections = "".join(f"{section}: {shape}\n" for section in ("organizations", "enterprises", "appliances"))
    text = (
        f"credentials: {{~: {{token_file: TMP/token, api_url: http://localhost, pool: ~}}}}\n{sections}"
        "watch: {users: [{organization: ~, id: 0123}], actors: [{organization: ~, type: classic_pat, id: 7}]}\n"
    )
    flag = write(text.replace("~", name))
    read = settings(flag)
    lower = name.lower()
    kinds: tuple[Scope, ...] = ("organization", "enterprise", "appliance")
    assert read.targets() == [Target(kind, lower, name) for kind in kinds]
    assert read.credentials[name].pool == name
    assert (read.watch.users[0].organization, read.watch.users[0].id) == (lower, 123)
    assert read.watch.actors[0].organization == lower


def test_an_app_id_is_a_client_id_of_digits(write: Write) -> None:
    flag = write("credentials: {a: {app_client_id: 0123456, private_key_file: TMP/app.pem}}\norganizations: [acme]")
    assert settings(flag).credentials["a"].app_client_id == "0123456"


@pytest.mark.parametrize("value", ["0123456789abcdef0123456789abcdef01234567", "a b", "-----BEGIN RSA"])
def test_a_client_secret_or_a_key_is_no_client_id(write: Write, value: str) -> None:
    flag = write(f"credentials: {{a: {{app_client_id: '{value}', private_key_file: TMP/app.pem}}}}\norganizations: [x]")
    (line,) = report(flag).splitlines()
    assert line.startswith("config.yaml: credentials.a.app_client_id (line 1): must be the client id in the App's set")
    assert value not in line


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_that_windows_wrote_is_read(files: Path, encoding: str) -> None:
    path = files / "config.yaml"
    path.write_bytes(MINIMAL.replace("TMP", str(files)).replace("\n", "\r\n").encode(encoding))
    assert settings(f"--config.file={path}").targets() == [Target("organization", "acme", "app")]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_around_a_variable_are_taken_off(quote: str) -> None:
    def quoted(text: str) -> str:
        return f"{quote}{text}{quote}"

    read = settings(TOKEN=quoted("ghp_x0123"), ORGANIZATIONS=quoted("acme, globex"), LOG_LEVEL=quoted("debug"))
    assert [target.name for target in read.targets()] == ["acme", "globex"]
    assert read.log.level == "debug"
    token = read.credentials["default"].token
    assert token is not None
    assert token.get_secret_value() == "ghp_x0123"
    each = settings(TOKEN="x", ORGANIZATIONS=f"{quoted('acme')},{quoted('globex')}")
    assert [target.name for target in each.targets()] == ["acme", "globex"]


@pytest.mark.parametrize("text", ["Bearer ghp_x0123", "ghp_x0123\\n", "\ufeffghp_x0123\r\n", "GITHUB_TOKEN=ghp_x0123"])
def test_a_token_in_a_variable_is_read_as_in_a_file(text: str) -> None:
    token = settings(TOKEN=text, ORGANIZATIONS="acme").credentials["default"].token
    assert token is not None
    assert token.get_secret_value() == "ghp_x0123"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("bugdet: {share: 0.1}", "bugdet (line 3)", "unknown key; did you mean budget?"),
        ("budget: {share: 0}", "budget.share (line 3)", "must be more than 0"),
        ("budget: {share: 1.1}", "budget.share", "must be more than 0 and at most 1: 0.3 is 30 %"),
        ("budget: {share: .nan}", "budget.share", "must be"),
        ("budget: {share: lots}", "budget.share", "must be a number"),
        ("budget: {share: 30%}", "budget.share", "must be more than 0 and at most 1: 0.3 is 30 %"),
        ("log: debug", "log", "its keys indented below it; there are level, format"),
        ("watch: {users: [octocat]}", "watch.users[0]", "its keys indented below it; there are organization, id"),
        (
            "collectors: {user_stats: off}",
            "collectors.user_stats",
            "indented below it; there are max_series, top_users, enabled",
        ),
        ("budget: {share: true}", "budget.share", "must be a number"),
        ("budget: {reserve: -1}", "budget.reserve", "must be at least 0"),
        ("budget: 3", "budget", "must be a mapping"),
        ("limits: {max_series: 0}", "limits.max_series", "must be at least 1"),
        ("limits: {max_series: yes}", "limits.max_series", "must be a number"),
        ("limits: {max_series: many}", "limits.max_series", "must be a whole number"),
        ("privacy: {user_names: on}", "privacy.user_names", "must be one of 'login', 'pseudonym' or 'off'"),
        ("state: {path: ''}", "state.path", "must be a path"),
        ("state: {path: 3}", "state.path", "must be a path"),
        ("web: {docs_url: 'javascript:alert(1)'}", "web.docs_url", "must be a URL such as https://"),
        ("web: {docs_url: 'https://wiki/?page='}", "web.docs_url", "must be a plain URL"),
        ("proxy: socks5://proxy", "proxy", "SOCKS is not supported: name an HTTP proxy, http://HOST:PORT or https:"),
        ("proxy: http://proxy/path", "proxy", "must be a plain proxy URL"),
        ("proxy: direct", "proxy", "must be a URL"),
        ("no_proxy: ['https://ghes.example.com']", "no_proxy[0]", "must be HOST, HOST:PORT, .DOMAIN"),
        ("no_proxy: [a, 'ghes*.example.com']", "no_proxy[1]", "must be HOST"),
        ("no_proxy: ['']", "no_proxy[0]", "must be HOST"),
        ("no_proxy: [.]", "no_proxy[0]", "must be HOST"),
        ("no_proxy: ['a b']", "no_proxy[0]", "must be HOST"),
        ("no_proxy: ['h:0']", "no_proxy[0]", "must be HOST"),
        ("no_proxy: [10.0.0.0/33]", "no_proxy[0]", "must be HOST"),
        ("no_proxy: [10.0]", "no_proxy[0]", "must be text"),
        ("no_proxy: {a: b}", "no_proxy", "must be"),
        ("ca_file: TMP/nothing", "ca_file (line 3)", "nothing cannot be read: No such file"),
        ("ca_file: TMP", "ca_file", "it is a directory, no regular file; name a regular file"),
        ("web: {listen_address: 10171}", "web.listen_address", "must be a list"),
        ("web: {listen_address: []}", "web.listen_address", "must not be empty"),
        ("web: {listen_address: ['10171']}", "web.listen_address[0]", "is no address to listen on: write :10171"),
        ("web: {listen_address: [':65536']}", "web.listen_address[0]", "is no address to listen on: write :10171"),
        ("web: {listen_address: ['[::g]:1']}", "web.listen_address[0]", "is no address to listen on: write :10171"),
        ("web: {listen_address: ['::1:1']}", "web.listen_address[0]", "is no address to listen on: write :10171"),
        ("web: {telemetry_path: metrics}", "web.telemetry_path", 'must begin with "/"'),
        ("web: {telemetry_path: /}", "web.telemetry_path", "alone"),
        ("web: {telemetry_path: /-/healthy}", "web.telemetry_path", "/-/"),
        ("web: {telemetry_path: /-/ready}", "web.telemetry_path", "/-/"),
        ("web: {telemetry_path: /api/v1/status}", "web.telemetry_path", "not be /api/v1/status"),
        ("web: {telemetry_path: /my metrics}", "web.telemetry_path", "letters, digits and ._~-/ only"),
        ("web: {telemetry_path: '/m?x'}", "web.telemetry_path", 'must begin with "/"'),
        ("web: {max_requests: -1}", "web.max_requests", "at least 0"),
        ("web: {route_prefix: /a//b}", "web.route_prefix", "must have a path such as /github"),
        ("web: {route_prefix: /a/../b}", "web.route_prefix", "must have a path such as /github"),
        ("web: {route_prefix: '/a?b'}", "web.route_prefix", "must have a path such as /github"),
        ("web: {route_prefix: /-/x}", "web.route_prefix", "must have a path such as /github"),
        ("web: {external_url: 'example.com/github'}", "web.external_url", "must be a URL such as https://"),
        ("web: {external_url: '\"https://example.com\"'}", "web.external_url", "must be a URL such as https://"),
        ("web: {external_url: 'https://me:pw@example.com'}", "web.external_url", "without user, query or fragment"),
        ("web: {external_url: 'https://example.com/?a'}", "web.external_url", "without user, query or fragment"),
        ("web: {external_url: 'https://example.com/a b'}", "web.external_url", "must be a URL such as https://"),
        ("web: {enable_lifecycle: perhaps}", "web.enable_lifecycle", "must be true or false"),
        ("log: {level: loud}", "log.level", "must be one of"),
        ("config: {file: x}", "config", "--config.file"),
        (
            "collectors: {subjct_stats: {}}",
            "collectors.subjct_stats",
            "there are summary_stats, time_stats, subject_st",
        ),
        ("collectors: {subject_stats: {interval: 30}}", "collectors.subject_stats.interval", "needs a unit"),
        (
            "collectors: {subject_stats: {max_serie: 3}}",
            "collectors.subject_stats.max_serie",
            "did you mean max_series",
        ),
        ("collectors: {subject_stats: {max_series: 0}}", "collectors.subject_stats.max_series", "at least 1"),
        ("collectors: {subject_stats: {enabled: maybe}}", "collectors.subject_stats.enabled", "true or false"),
        ("collectors: {subject_stats: []}", "collectors.subject_stats", "must be a mapping"),
        ("collectors: []", "collectors", "must be a mapping"),
        (
            "watch: {users: [{organization: globex, id: 1}]}",
            "watch.users[0].organization",
            "organization/globex is not",
        ),
        ("watch: {users: [{organization: acme, id: x}]}", "watch.users[0].id", "must be a whole number"),
        ("watch: {actors: [{organization: acme, id: 1}]}", "watch.actors[0].type", "is required"),
        ("watch: {actors: [{organization: acme, type: pat, id: 1}]}", "watch.actors[0].type", "must be one of"),
        ("enterprises: acme", "enterprises", "must be a list"),
        (
            "enterprises: [[a]]",
            "enterprises[0]",
            "is neither text nor a mapping: write NAME, or {name: NAME, credential",
        ),
        ("enterprises: [null]", "enterprises[0]", "is empty: write NAME, or {name: NAME, credential: CREDENTIAL}"),
        ("enterprises:\n  -\n", "enterprises[0]", "is empty: write NAME"),
        ("enterprises: [{name: ~}]", "enterprises[0].name", "is empty: write the name, and a name null in quotes"),
        ("enterprises: [{name: [a]}]", "enterprises[0].name", "must be text; put it in quotes"),
        ("enterprises: [20.24]", "enterprises[0].name", "letters, digits, hyphens"),
        ("enterprises: [12:30]", "enterprises[0].name", "letters, digits, hyphens"),
        ("enterprises: [a/b]", "enterprises[0].name", "letters, digits, hyphens"),
        ("enterprises: ['']", "enterprises[0].name", "letters, digits, hyphens"),
        ("enterprises: [a, {name: A}]", "enterprises[1]", "enterprise/a is given twice"),
        ("enterprises: [{name: a, credential: ap}]", "enterprises[0].credential", "did you mean app?"),
        ("limits: {max_series: 3}\nlimits: {}", "limits (line 4)", "already given in line 3"),
    ],
)
def test_bad_values_are_told_with_place_line_and_cure(write: Write, text: str, where: str, told: str) -> None:
    (line,) = report(write(MINIMAL + text)).splitlines()
    assert line.startswith(f"config.yaml: {where}")
    assert told in line


@pytest.mark.parametrize(
    ("credential", "key", "told"),
    [
        ("{}", "", "there is no token; set token_file"),
        ("{token_file: TMP/token, app_client_id: x, private_key_file: TMP/app.pem}", "", "not both"),
        ("{app_client_id: x}", "", "needs private_key_file too"),
        ("{private_key_file: TMP/app.pem}", "", "needs app_client_id too"),
        ("{token_file: TMP/nothing}", ".token_file", "nothing cannot be read: No such file"),
        ("{token_file: TMP}", ".token_file", "it is a directory, no regular file"),
        ("{token_file: TMP/token, ca_file: TMP/nothing}", ".ca_file", "nothing cannot be read: No such file"),
        ("{app_client_id: x, private_key_file: TMP/nothing}", ".private_key_file", "cannot be read"),
        ("{token_file: TMP/token, api_version: v3}", ".api_version", "must be a date"),
        ("{token_file: TMP/token, pool: a/b}", ".pool", "must be a name"),
        ("{token_file: TMP/token, proxy: none}", ".proxy", "http://host.example.com, or direct for no proxy"),
        (f"{{token_file: TMP/token, proxy: 'ftp://me:{SECRET}@x'}}", ".proxy", "or direct for no proxy"),
        ("{token_file: TMP/token, tokn_file: x}", ".tokn_file", "did you mean token_file?"),
        (f"{{token_file: TMP/token, password: {SECRET}}}", ".password", "a secret is never in this file"),
        (
            "{token_file: ghp_hunter2-not-to-be-seen}",
            ".token_file",
            "is a token, not a path: write it to a file and name",
        ),
        (
            f"{{app_client_id: x, private_key_file: '-----BEGIN RSA PRIVATE KEY----- {SECRET}'}}",
            ".private_key_file",
            "is a private key, not a path: write it to a file and name that",
        ),
        (f"{{token: {SECRET}}}", ".token", "put it in a file and name token_file, or set GITHUB_EXPORTER_TOKEN"),
        (f"{SECRET}", "", "must be a mapping"),
    ],
)
def test_bad_credentials_are_told_without_their_values(write: Write, credential: str, key: str, told: str) -> None:
    (line,) = report(write(f"credentials:\n  app: {credential}\norganizations: [acme]")).splitlines()
    assert line.startswith(f"config.yaml: credentials.app{key} (line 2): ")
    assert told in line
    assert SECRET not in line


def test_an_empty_token_file_is_told(write: Write, files: Path) -> None:
    (files / "token").write_text(" \n")
    assert "token is empty" in report(write(MINIMAL))


def test_credentials_that_differ_by_case_only_are_one(write: Write) -> None:
    text = "credentials: {a: {token_file: TMP/token}, A: {token_file: TMP/token}}\norganizations: [x]"
    assert "upper and lower case" in report(write(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("credentials: {a: {token_file: TMP/token}, b: {token_file: TMP/token}}\n", "credential: NAME, one of a, b"),
        ("", "set GITHUB_EXPORTER_TOKEN_FILE"),
    ],
)
def test_a_target_without_credential_is_named(write: Write, text: str, told: str) -> None:
    line = report(write(text + "organizations: [acme]"))
    assert "organization/acme has no credential" in line
    assert told in line


# --- the file itself ---

BOMB = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
)
"""Aliases of aliases: written out, the last list has 800 million values."""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: [\nb", "config.yaml (line 2): is not valid YAML"),
        (b"a: 1\n\tb: 2", "config.yaml (line 2): is not valid YAML"),
        (b"- a", "config.yaml: must be a mapping"),
        (b"text", "config.yaml: must be a mapping"),
        (b"a: \xff", "config.yaml: is not valid YAML in UTF-8"),
        (b"a: \x00", "config.yaml: is not valid YAML in UTF-8"),
        (b"a: 2022-13-45", "config.yaml: is not valid YAML in UTF-8"),
        (b"a: !!python/object/apply:os.getcwd []", "config.yaml (line 1): is not valid YAML"),
        (b"[" * 1500, "config.yaml: is not valid YAML: it is nested too deeply"),
        (
            b"a: {{ x }}",
            "config.yaml (line 1): is not valid YAML at column 5: a list or mapping where a key is expected",
        ),
        (b"a: 1\n? [b]\n: 2", "config.yaml (line 2): is not valid YAML at column 3: a list or mapping where a key"),
        (BOMB + b"? *a9\n: 1", "config.yaml (line 10): is not valid YAML at column 5: a list or mapping where a key"),
        (b"#" * (1 << 20) + b"#", "config.yaml: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_configuration_is_the_only_problem(files: Path, content: bytes, told: str) -> None:
    (files / "config.yaml").write_bytes(content)
    (line,) = report(f"--config.file={files / 'config.yaml'}").splitlines()
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("content", "line", "column", "told"),
    [
        ("a:\n\tb: 1", 2, 1, "a tab; expected spaces"),
        ("a:\n  b: 1\n   c: 2", 3, 5, "this line is indented by 3 spaces, and the line above, by 2, has its value"),
        ("a: x\n  b: 1", 2, 4, "this line is indented by 2 spaces, and the line above, by 0, has its value already"),
        ("a:\n    b: 1\n  c: 2", 3, 3, "this line is indented by 2 spaces; expected 0, as in line 1, or as many as"),
        ("a:\n  - b: 1\n    c: 2\n   d: 3", 4, 4, "this line is indented by 3 spaces; expected 2, as in line 2, or"),
        ("a: 1\n- b", 2, 1, "a list and keys stand at one depth since line 1"),
        ("a: b: c", 1, 5, 'a second ": " in this line'),
        ("a:b\nc: 1", 2, 2, 'the line above has no ": " between key and value'),
        ("a: [1, 2\nb: 3", 2, 2, "the bracket or quote of line 1 is not closed"),
        ("a: 'x\nb: 1", 2, 5, "the bracket or quote of line 1 is not closed"),
        ("a: [[", 1, 6, "the bracket or quote of line 1 is not closed"),
        ("a: [1]]", 1, 7, "a bracket or comma that belongs to nothing"),
        ("a: @x", 1, 4, "a value cannot begin with @; put it in quotes"),
        ("a: *hunter2-not-to-be-seen", 1, 4, "* names something that is nowhere defined"),
        ("a: !hunter2-not-to-be-seen 1", 1, 4, "! begins a tag"),
        ('a: "\\q"', 1, 6, "a backslash in double quotes"),
        ("a: - b", 1, 4, "a list begins in the line below its key"),
        ("a: 1\n---\nb: 1", 2, 1, "a second document begins"),
        ("a: >x\n b", 1, 5, "text behind > or |"),
    ],
)
def test_what_is_no_yaml_is_told_with_line_column_and_what_was_expected(
    write: Write, content: str, line: int, column: int, told: str
) -> None:
    text = report(write(content))
    assert text.startswith(f"config.yaml (line {line}): is not valid YAML at column {column}: {told}")
    assert SECRET not in text


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/none.yaml cannot be read: No such file" in report(CONFIG_FILE=f"{tmp_path}/none.yaml")
    assert "it is a directory, no regular file; name a regular file" in report(f"--config.file={tmp_path}")


def test_aliases_that_multiply_or_bite_their_tail_do_no_harm(write: Write) -> None:
    tail = "&a {x: *a}"
    assert "unknown key" in report(write(f"watch: {tail}\n{MINIMAL}"))
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert "unknown key" in report(write(f"a0: &a0 [x]\n{laughs}{MINIMAL}"))


def test_merges_that_multiply_are_refused(write: Write) -> None:
    merges = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}], k{n}: 1}}\n" for n in range(1, 30))
    assert "merges mappings (<<) until they have too many keys" in report(write(f"a0: &a0 {{x: 1}}\n{merges}{MINIMAL}"))


def test_merge_keys_are_yaml_too(write: Write) -> None:
    flag = write(
        "credentials:\n  a: &a {token_file: TMP/token}\n  b: {<<: *a, pool: p}\n"
        "organizations: [{name: x, credential: b}]"
    )
    assert settings(flag).credentials["b"].pool == "p"


def test_every_error_is_told_at_once(write: Write) -> None:
    flag = write(
        f"""credentials:
  clear: {{token: {SECRET}}}
  typo: {{token_fle: TMP/token}}
  gone: {{token_file: TMP/gone, ca_file: TMP/gone.pem, api_url: "http://ghes.example.com"}}
organizations:
  - {{name: acme, credential: nobody}}
  - {{name: ACME, credential: gone, rank: 1}}
  - {{credential: gone}}
watch: {{users: [{{organization: globex, id: 0}}]}}
collectors:
  subject_stats: {{interval: 30, max_series: x}}
  none_such: {{}}
budget: {{share: 2}}
budgt: {{}}
budget: {{share: 2}}
"""
    )
    text = report(flag, "--web.max-requests=-1", "--nonsense", LOG_LEVEL="loud", WEB_MAX_REQUEST="3")
    expected = [
        "flag: --nonsense: unknown flag",
        "environment: GITHUB_EXPORTER_WEB_MAX_REQUEST: unknown variable; did you mean GITHUB_EXPORTER_WEB_MAX_REQ",
        "flag: --web.max-requests: must be at least 0",
        "environment: GITHUB_EXPORTER_LOG_LEVEL: must be one of",
        "config.yaml: credentials.clear.token (line 2): a secret is never",
        "config.yaml: credentials.typo.token_fle (line 3): unknown key; did you mean token_file?",
        "config.yaml: credentials.typo (line 3): there is no token",
        "config.yaml: credentials.gone.api_url (line 4): must begin with https://",
        "config.yaml: credentials.gone.token_file (line 4)",
        "config.yaml: credentials.gone.ca_file (line 4)",
        "config.yaml: organizations[0].credential (line 6): there is no credential nobody",
        "config.yaml: organizations[1].rank (line 7): unknown key",
        "config.yaml: organizations[1] (line 7): organization/acme is given twice",
        "config.yaml: organizations[2].name (line 8): is required",
        "config.yaml: watch.users[0].id (line 9): must be at least 1",
        "config.yaml: watch.users[0].organization (line 9): organization/globex is not configured",
        "config.yaml: collectors.subject_stats.interval (line 11): needs a unit",
        "config.yaml: collectors.subject_stats.max_series (line 11): must be a whole number",
        "config.yaml: collectors.none_such (line 12): there is no such collector",
        "config.yaml: budget.share (line 13): must be more than 0 and at most 1",
        "config.yaml: budgt (line 14): unknown key",
        "config.yaml: budget (line 15): this key was already given in line 13",
    ]
    lines = text.splitlines()
    assert [start for start in expected if not any(line.startswith(start) for line in lines)] == []
    assert len(lines) == len(expected)
    numbers = [int(found[1]) for found in re.finditer(r"\(line (\d+)\)", text)]
    assert numbers == sorted(numbers)


# --- precedence, flags, environment ---


@pytest.mark.parametrize(
    ("environ", "argv", "path"),
    [
        ({}, [], "/file"),
        ({"STATE_PATH": "/environment"}, [], "/environment"),
        ({"STATE_PATH": "  "}, [], "/file"),
        ({}, ["--state.path=/flag"], "/flag"),
        ({"STATE_PATH": "/environment"}, ["--state.path", "/flag"], "/flag"),
    ],
)
def test_flags_over_environment_over_file(write: Write, environ: Mapping[str, str], argv: list[str], path: str) -> None:
    assert settings(write(MINIMAL + "state: {path: /file}"), *argv, **environ).state.path == Path(path)


def test_the_flag_names_the_file_before_the_variable(write: Write) -> None:
    assert settings(write(MINIMAL), CONFIG_FILE="/nonexistent").config.file is not None


VALUES = {
    "config.file": None,
    "web.listen_address": "127.0.0.1:9,[::1]:0",
    "web.telemetry_path": "/m",
    "web.max_requests": "3",
    "web.config_file": None,
    "web.external_url": "https://docs.example.com/x",
    "web.route_prefix": "/x",
    "web.docs_url": "https://docs.example.com/x",
    "state.path": "/s",
    "shard.index": "1",
    "shard.total": "3",
    "log.level": "debug",
    "log.format": "json",
}


def test_every_key_of_a_collector_has_a_variable(write: Write) -> None:
    config = write(f"{MINIMAL}collectors: {{time_stats: {{enabled: true}}, user_stats: {{top_users: 3}}}}")
    names = {"TIME_STATS_ENABLED": "false", "USER_STATS_INTERVAL": "1h", "ROUTE_STATS_TOP_ACTORS": "7"}
    names |= {"COPILOT_USAGE_DOWNLOAD_HOSTS": "127.0.0.1, *.github.com", "COPILOT_USAGE_BREAKDOWNS": "ide,cli"}
    environ = {f"GITHUB_EXPORTER_COLLECTORS_{name}": value for name, value in names.items()}
    chosen = parse(["run", config], environ, COLLECTORS)[1].collectors
    assert not chosen["time_stats"].enabled
    assert chosen["user_stats"].interval == 3600
    assert chosen["user_stats"].options.model_dump()["top_users"] == 3, "the file's other keys stay"
    assert chosen["route_stats"].options.model_dump()["top_actors"] == 7
    usage = chosen["copilot_usage"].options.model_dump()
    assert usage["download_hosts"] == ("127.0.0.1", "*.github.com")
    assert usage["breakdowns"] == ("ide", "cli")


@pytest.mark.parametrize("path", list(FLAGS))
def test_every_flag_has_a_variable_that_does_the_same(path: tuple[str, str], write: Write) -> None:
    if FLAGS[path] in SWITCHES:
        value, flag = "true", FLAGS[path]
    else:
        value = VALUES[".".join(path)] or write("").partition("=")[2]
        flag = f"{FLAGS[path]}={value}"
    by_flag = settings("demo", flag)
    by_variable = parse(["demo"], {VARIABLES[path]: value}, KNOWN)[1]
    assert by_flag == by_variable != settings("demo")


@pytest.mark.parametrize(
    ("external_url", "route_prefix", "links", "paths"),
    [
        (None, None, "", ""),
        ("https://example.com", None, "", ""),
        ("https://example.com/", None, "", ""),
        ("https://example.com/github", None, "/github", "/github"),
        ("https://example.com/a/b/", None, "/a/b", "/a/b"),
        ("https://example.com/github", "/", "/github", ""),
        ("https://example.com/github", "/x", "/github", "/x"),
        ("/github", None, "/github", "/github"),
        (None, "/github", "/github", "/github"),
        (None, "github/", "/github", "/github"),
        (None, "/", "", ""),
        ("", "", "", ""),
    ],
)
def test_the_route_prefix_is_the_path_of_the_external_url_as_in_prometheus(
    external_url: str | None, route_prefix: str | None, links: str, paths: str
) -> None:
    given = {"--web.external-url": external_url, "--web.route-prefix": route_prefix}
    web = settings("demo", *(f"{flag}={value}" for flag, value in given.items() if value is not None)).web
    assert (web.link_prefix, web.prefix) == (links, paths)


@pytest.mark.parametrize("address", ["[::]:10171", "[::1]:0", ":10171", "localhost:1", "[fe80::1%eth0]:10171"])
def test_one_address_is_one_address(address: str) -> None:
    by_flag = settings("demo", f"--web.listen-address={address}")
    by_word = settings("demo", "--web.listen-address", address)
    by_variable = settings("demo", WEB_LISTEN_ADDRESS=address)
    assert by_flag.web.listen_address == by_word.web.listen_address == by_variable.web.listen_address == (address,)


def test_the_listen_address_may_be_repeated() -> None:
    read = settings("demo", "--web.listen-address=[::1]:8080", "--web.listen-address", ":0")
    assert read.web.listen_address == ("[::1]:8080", ":0")


@pytest.mark.parametrize(
    ("argv", "address"),
    [
        (["simulate"], "127.0.0.1:8081"),
        (["simulate", "--web.listen-address=:1"], ":1"),
        (["demo"], "127.0.0.1:10171"),
        (["demo", "--web.listen-address=:1"], ":1"),
        (["healthcheck"], ":10171"),
        (["healthcheck", "--web.listen-address=:1"], ":1"),
    ],
)
def test_what_serves_made_up_figures_listens_on_loopback_unless_told(argv: list[str], address: str) -> None:
    command, read = parse(argv, {}, KNOWN)
    assert (command, read.web.listen_address) == (argv[0], (address,))


@pytest.mark.parametrize("command", COMMANDS)
def test_only_commands_that_ask_github_need_something_to_do(command: str) -> None:
    if command in ("run", "check", "plan", "doctor", "backfill"):
        assert "environment: GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from" in report(command)
    else:
        assert parse([command], {}, KNOWN)[0] == command


def test_run_is_the_default_command() -> None:
    assert parse([], {"GITHUB_EXPORTER_TOKEN": "x", "GITHUB_EXPORTER_ORGANIZATIONS": "a"})[0] == "run"


def test_a_healthcheck_does_not_look_at_tokens(write: Write, files: Path) -> None:
    (files / "token").unlink(missing_ok=True)
    assert settings("healthcheck", write(MINIMAL)).web.listen_address == (":10171",)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["chekc"], "command: chekc is no command; did you mean check?"),
        (["run", "demo"], "command: there is one word too many"),
        (["demo", "--web.max-reqests=1"], "flag: --web.max-reqests: unknown flag; did you mean --web.max-requests?"),
        (["demo", "--web.max", "3"], "flag: --web.max: unknown flag"),
        (["demo", "-x"], "flag: -x: unknown flag"),
        (["demo", "--log.level"], "flag: --log.level: needs a value"),
        (["demo", "--log.level", "--version"], "flag: --log.level: needs a value"),
        (["demo", "--version=1"], "flag: --version: takes no value"),
        (["demo", "--web", '{"max_requests": 1}'], "flag: --web: unknown flag"),
        (["demo", "--state.path="], "flag: --state.path: must be a path"),
        (["demo", "--config.file="], "flag: --config.file: must be a path"),
        (["demo", "--web.max-requests=x"], "flag: --web.max-requests: must be a whole number"),
        (
            ["demo", "--web.listen-address=:1,"],
            "flag: --web.listen-address: '' is no address to listen on: write :10171",
        ),
        (["demo", "--web.listen-address=[::]"], "flag: --web.listen-address: '[::]' is no address to listen on: write"),
        (["demo", "--web.listen-address=10171"], "flag: --web.listen-address: '10171' is no address to listen on"),
        (["demo", '--web.listen-address=[":1"]'], "flag: --web.listen-address: '[\":1\"]' is no address"),
        (["demo", "--web.listen-address=ghp_0123456789"], "flag: --web.listen-address: '<secret>' is no address"),
        ([f"--token={SECRET}", "demo"], "flag: --token: no secret is ever a flag; set GITHUB_EXPORTER_TOKEN_FILE"),
        (["--token", SECRET], "flag: --token: no secret is ever a flag"),
        (["demo", "--token", SECRET], "flag: --token: no secret is ever a flag"),
        ([SECRET], "command: there is no such command"),
        (["ghp_0123456789"], "command: there is no such command"),
        (["--ghp_0123456789"], "flag: --<secret>: unknown flag"),
    ],
)
def test_a_wrong_command_line_is_told_without_values(argv: list[str], told: str) -> None:
    text = report(*argv)
    assert any(line.startswith(told) for line in text.splitlines())
    assert SECRET not in text
    assert "ghp_" not in text


def test_help_tells_commands_and_flags_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        settings("--help")
    assert raised.value.code == 0
    text = capsys.readouterr().out
    for word in (*COMMANDS, *FLAGS.values(), "--version", "--help"):
        assert word in text
    for section, key in FLAGS:
        model = Settings.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, Section)
        assert (model.model_fields[key].description or "?") in " ".join(text.split())
    assert "--token" not in text


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", [["{}", "--help"], ["help", "{}"], ["-h", "{}"], ["{}", "--log.level=x", "-h"]])
def test_help_of_a_command_lists_its_own_flags(
    command: str, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        settings(*(word.format(command) for word in form))
    assert raised.value.code == 0
    text = capsys.readouterr().out
    listed = re.findall(r"^  (--\S+?)(?:=.*|, -h)?$", text, re.MULTILINE)
    own = [{**FLAGS, **COMMAND_FLAGS}[path] for path in OWN[command]]
    assert listed == [*own, "--help", "--version"]
    for path in OWN[command]:
        flag = {**FLAGS, **COMMAND_FLAGS}[path]
        block = text.partition(f"  {flag}")[2].partition("\n  --")[0]
        assert f"variable: {VARIABLES.get(path, 'none')}" in block
        assert "default: " in block
    assert max(map(len, text.splitlines())) <= 80
    address = text.partition("  --web.listen-address")[2].partition("\n  --")[0]
    assert ("default: 127.0.0.1:8081" in address) == (command == "simulate")


def test_help_and_version_are_words_too(capsys: pytest.CaptureFixture[str]) -> None:
    for words, flag in ((["help"], "--help"), (["version"], "--version"), (["help", "version"], "--version")):
        told = []
        for argv in (words, [flag]):
            with pytest.raises(SystemExit):
                settings(*argv)
            told.append(capsys.readouterr().out)
        assert told[0] == told[1] != ""
    assert "command: docter is no command; did you mean doctor?" in report("help", "docter")


def test_version_is_told_whatever_else_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        settings("--version", "--nonsense")
    assert raised.value.code == 0
    assert re.fullmatch(r"github-enterprise-exporter \S+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "10171"),
        ("SERVICE_PORT_HTTP", "10171"),
        ("PORT", "tcp://10.0.0.1:10171"),
        ("PORT_10171_TCP_ADDR", "10.0.0.1"),
        ("METRICS_SERVICE_HOST", "10.0.0.1"),
        ("METRICS_PORT", "tcp://10.0.0.1:10171"),
        ("METRICS_PORT_10171_TCP", "tcp://10.0.0.1:10171"),
        ("TOKN", ""),
    ],
)
def test_what_kubernetes_sets_and_empty_variables_are_ignored(variable: str, value: str) -> None:
    assert settings("demo", **{variable: value}) == settings("demo")


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("TOKN", "; did you mean GITHUB_EXPORTER_TOKEN?"),
        ("LOG_LEVL", "; did you mean GITHUB_EXPORTER_LOG_LEVEL?"),
        ("LISTEN_ADDRESS", "; did you mean GITHUB_EXPORTER_WEB_LISTEN_ADDRESS?"),
        ("HOST", ""),
        ("COLLECTORS_USER_STAT_ENABLED", "; did you mean GITHUB_EXPORTER_COLLECTORS_USER_STATS_ENABLED?"),
        ("PROXY", "; it is set in the file (--config.file): proxy: http://proxy.example.com:3128"),
        ("BUDGET_SHARE", "; it is set in the file (--config.file): budget: {share: 0.3}"),
        ("APPLIANCES", "; it is set in the file (--config.file): appliances: [{name: acme, credential: default}]"),
        ("PRIVATE_KEY_FILE", ": credentials: {NAME: {private_key_file: /run/secrets/app.pem}}"),
        ("COUNTERS_BIRTH_DELAY", ": counters: {birth_delay: 1m}"),
        ("WATCH", ": watch: {users: [{organization: acme, id: 4711}]}"),
        ("PRIVACY", ": privacy: {user_names: login}"),
        ("CREDENTIALS", ": credentials: {NAME: {token_file: /run/secrets/github.token}}"),
    ],
)
def test_an_unknown_variable_is_answered_with_what_is_meant_or_nothing(variable: str, told: str) -> None:
    (line,) = report("demo", **{variable: SECRET}).splitlines()
    assert line.startswith(f"environment: GITHUB_EXPORTER_{variable}: unknown variable")
    assert line.endswith(f": unknown variable{told}" if told.startswith(";") or not told else told)


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        (
            "--proxy=http://x",
            "unknown flag; it is set in the file (--config.file): proxy: http://proxy.example.com:3128",
        ),
        ("--budget.share=1", "unknown flag; it is set in the file (--config.file): budget: {share: 0.3}"),
        ("--log.levl=info", "unknown flag; did you mean --log.level?"),
        ("--organization=x", "unknown flag"),
    ],
)
def test_an_unknown_flag_is_answered_with_what_is_meant_or_nothing(flag: str, told: str) -> None:
    assert report("demo", flag) == f"flag: {flag.partition('=')[0]}: {told}"


@pytest.mark.parametrize("variable", ["TOKN", "WEB_PORT", "ORGANIZATION", "APPLIANCES"])
def test_other_variables_are_refused_by_name(variable: str) -> None:
    text = report("demo", **{variable: SECRET})
    assert text.startswith(f"environment: GITHUB_EXPORTER_{variable}: unknown variable")
    assert SECRET not in text


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"TOKEN": SECRET, "TOKEN_FILE": "/x", "ORGANIZATIONS": "a"}, "GITHUB_EXPORTER_TOKEN: set this or GITHUB_EXPO"),
        ({"TOKEN": f"{SECRET} x", "ORGANIZATIONS": "a"}, "GITHUB_EXPORTER_TOKEN: must be one word"),
        ({"TOKEN_FILE": "/nonexistent", "ORGANIZATIONS": "a"}, "GITHUB_EXPORTER_TOKEN_FILE: /nonexistent cannot be"),
        (
            {"TOKEN_FILE": "ghp_hunter2-not-to-be-seen", "ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_TOKEN_FILE: the file named here is a token, not a path: write it to a file and name that",
        ),
        (
            {"TOKEN": "/run/secrets/token", "ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_TOKEN: must be one word, a token: it h",
        ),
        (
            {"TOKEN_FILE": SECRET, "ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_TOKEN_FILE: the file named here cannot be read",
        ),
        ({"TOKEN": SECRET}, "GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from"),
        ({"TOKEN": SECRET, "ORGANIZATIONS": ","}, "GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from"),
        (
            {"ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_ORGANIZATIONS: organization/a has no credential; set GITHUB_EXPORTER",
        ),
        (
            {"ORGANIZATIONS": "a", "API_URL": "https://x/api/v3"},
            "GITHUB_EXPORTER_API_URL: there is no token; set GITHUB_EXPO",
        ),
        (
            {"TOKEN": SECRET, "ORGANIZATIONS": "a", "COLLECTORS_TIME_STATS_ENABLED": SECRET},
            "GITHUB_EXPORTER_COLLECTORS_TIME_STATS_ENABLED: must be true or false",
        ),
        (
            {"TOKEN": SECRET, "ORGANIZATIONS": "a", "COLLECTORS_TIMESTATS_ENABLED": "false"},
            "GITHUB_EXPORTER_COLLECTORS_TIMESTATS_ENABLED: unknown variable; did you mean GITHUB_EXPORTER_COLLECTORS_T",
        ),
        ({"TOKEN": SECRET, "ORGANIZATIONS": "a,A"}, "GITHUB_EXPORTER_ORGANIZATIONS: organization/a is given twice"),
    ],
)
def test_a_wrong_environment_is_told_without_values(environ: Mapping[str, str], told: str) -> None:
    (line,) = report(**environ).splitlines()
    assert line.startswith(f"environment: {told}")
    assert SECRET not in line


# --- secrets ---


@pytest.mark.parametrize(
    "place", ["{token_file: ~}", "{token_file: /~}", "{~: 1}", "{app_client_id: [~]}", "{pool: a ~}"]
)
def test_a_github_token_is_masked_wherever_it_was_written(write: Write, place: str) -> None:
    token = "github_pat_11ABCDEFG0123456789"
    text = report(write(f"credentials: {{app: {place.replace('~', token)}}}\norganizations: [acme]"))
    assert token not in text


def test_no_secret_is_shown(write: Write) -> None:
    proxy = f"proxy: http://me:{SECRET}@proxy.example.com:3128"
    own = MINIMAL.replace("{token_file: TMP/token}", f"{{token_file: TMP/token, {proxy.replace('3128', '80')}}}")
    read = settings(write(own + proxy), TOKEN=SECRET)
    assert read.proxy is not None
    assert SECRET in read.proxy
    shown = read.masked()
    assert shown["credentials"]["default"]["token"] == "<secret>"
    assert shown["credentials"]["app"]["proxy"] == "http://<secret>@proxy.example.com:80"
    assert shown["proxy"] == "http://<secret>@proxy.example.com:3128"
    assert shown["collectors"]["time_stats"] == {
        "enabled": True,
        "interval": "30m",
        "max_age": "12h",
        "options": {"increment": "5m"},
    }
    for text in (repr(read), str(read), yaml.safe_dump(shown)):
        assert SECRET not in text


def test_no_secret_is_in_the_exception(write: Write) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(
            write(f"credentials: {{a: {{token: {SECRET}}}}}\nproxy: 'ftp://me:{SECRET}@x'"), TOKEN=f"{SECRET} {SECRET}"
        )
    error = raised.value
    assert len(error.problems) >= 3
    assert error.__context__ is None
    for text in (repr(error), str(error), repr(error.problems), repr(error.args)):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("of", "key"),
    [("settings", "proxy"), ("collector", "interval"), ("options", "increment"), ("web", "max_requests")],
)
def test_settings_do_not_change(of: str, key: str) -> None:
    read = settings("demo")
    times = read.collectors["time_stats"]
    parts = {"settings": read, "collector": times, "options": times.options, "web": read.web}
    with pytest.raises((ValueError, FrozenInstanceError), match=r"frozen|cannot assign"):
        setattr(parts[of], key, None)


# --- relative paths ---


def test_relative_paths_of_the_file_start_at_its_folder_and_others_at_the_working_directory(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "etc").mkdir()
    (files / "elsewhere").mkdir()
    (files / "etc" / "config.yaml").write_text(
        "credentials: {app: {token_file: ../token, ca_file: ../corp.pem}}\norganizations: [acme]\n"
        "state: {path: state}\nca_file: ../corp.pem\n"
    )
    monkeypatch.chdir(files / "elsewhere")
    read = settings("--config.file=../etc/config.yaml")
    app = read.credentials["app"]
    assert app.token_file is not None
    assert app.token_file.resolve() == files / "token"
    assert app.ca_file == read.ca_file
    assert read.ca_file is not None
    assert read.ca_file.resolve() == files / "corp.pem"
    assert read.state.path.resolve() == files / "etc" / "state"
    read = settings("--state.path=here", TOKEN_FILE="../token", ORGANIZATIONS="a")
    assert (read.state.path, read.credentials["default"].token_file) == (Path("here"), Path("../token"))


@pytest.mark.parametrize("name", ["token-of-none", "secrets/acme.token", "ghes2/key.pem", "./Token1"])
def test_a_file_that_is_not_there_is_named_as_it_was_looked_for(
    write: Write, files: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = report(write(f"credentials: {{app: {{token_file: {name}}}}}\norganizations: [acme]\n"))
    assert f"{files / name} cannot be read: No such file" in text
    monkeypatch.chdir(files)
    assert f"{files / name} cannot be read: No such file" in report(TOKEN_FILE=name, ORGANIZATIONS="a")


def test_a_secret_where_a_path_should_be_is_not_shown_as_one(write: Write) -> None:
    for value in (SECRET, "ghp_0123456789abcdef", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"):
        text = report(write(f"credentials: {{app: {{token_file: {value}}}}}\norganizations: [acme]\n"))
        assert "the file named here " in text
        assert value not in text


# --- what is allowed and hardly meant ---


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HTTPS_PROXY": "http://proxy.corp:3128"}, "HTTPS_PROXY is set and is not read"),
        ({"https_proxy": "http://proxy.corp:3128"}, "proxy: http://proxy.corp:3128;"),
        ({"ALL_PROXY": "proxy.corp:3128"}, "proxy: http://proxy.corp:3128;"),
        ({"HTTP_PROXY": "https://[::1]:3128/"}, "proxy: https://[::1]:3128;"),
        ({"HTTPS_PROXY": f"http://me:{SECRET}@proxy.corp:1"}, "proxy: http://USER:PASSWORD@proxy.corp:1;"),
        ({"HTTPS_PROXY": f"http://me:@/{SECRET}@proxy.corp"}, "proxy: http://USER:PASSWORD@proxy.corp;"),
        ({"HTTPS_PROXY": f"{SECRET} {SECRET}"}, "proxy: http://HOST:PORT;"),
        (
            {"ALL_PROXY": "socks5h://proxy.corp:1080"},
            "ALL_PROXY is not read: GitHub is asked directly. It names a S",
        ),
    ],
)
def test_a_proxy_that_only_other_programs_use_is_told_with_the_line_to_write(
    environ: Mapping[str, str], told: str
) -> None:
    (doubt,) = unread_proxy(settings(TOKEN="x", ORGANIZATIONS="a"), environ)
    assert told in doubt
    assert SECRET not in doubt


@pytest.mark.parametrize("text", ["proxy: http://other:1\n", ""])
def test_nobody_is_told_of_a_proxy_who_has_chosen_or_has_none(write: Write, text: str) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.corp:3128"} if text else {"NO_PROXY": "x", "HTTPS_PROXY": ""}
    assert list(unread_proxy(settings(write(MINIMAL + text)), environ)) == []
    direct = "credentials: {app: {token_file: TMP/token, proxy: direct}}\norganizations: [acme]\n"
    assert list(unread_proxy(settings(write(direct)), environ)) == []


def test_a_secret_that_all_may_read_is_told_with_its_mode(write: Write, files: Path) -> None:
    flag = write(MINIMAL)
    for mode, told in ((0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)):
        (files / "token").chmod(mode)
        found = list(open_secrets(settings(flag)))
        assert len(found) == told
        assert all(f"(mode {mode:04o}): chmod 600 {files}/token" in text for text in found)


def test_the_modes_of_secrets_that_kubernetes_projects_are_not_the_operators(write: Write, files: Path) -> None:
    (files / "..2026_11_29").mkdir()
    (files / "..2026_11_29" / "secret").write_text(SECRET)
    (files / "..data").symlink_to("..2026_11_29")
    (files / "secret").symlink_to("..data/secret")
    (files / "other").symlink_to("..2026_11_29/secret")
    flag = write("credentials: {a: {token_file: TMP/secret}}\norganizations: [{name: acme, credential: a}]\n")
    assert list(open_secrets(settings(flag))) == []
    flag = write("credentials: {a: {token_file: TMP/other}}\norganizations: [{name: acme, credential: a}]\n")
    assert len(list(open_secrets(settings(flag)))) == 1, "any other link says nothing of who may read"


# --- documentation ---


def test_the_reference_tells_every_key_flag_and_variable() -> None:
    text = reference(KNOWN)
    for word in (*FLAGS.values(), *VARIABLES.values()):
        assert f"`{word}`" in text
    rows = {
        "| `credentials.NAME.api_url` | text | `https://api.github.com` |",
        "| `organizations[].name` | text | required |",
        "| `watch.actors[].id` | whole number | required |",
        "| `collectors.time_stats.increment` | duration | `5m` | Length of an interval. |",
        "| `collectors.subject_stats.enabled` | true or false | `false` |",
        "| `counters.birth_delay` | duration | `1m` |",
        "| `privacy.user_names` | `login` or `pseudonym` or `off` | `login` |",
        "| `web.listen_address` | list of text | `:10171` |",
    }
    assert [row for row in rows if row not in text] == []
    for absent in ("`credentials.NAME.token`", "copilot_usage", "`config`"):
        assert absent not in text.partition("## Flags")[0]


def test_the_reference_shows_types_as_people_say_them() -> None:
    text = reference(COLLECTORS)
    assert "| list of: `ide`, `feature`, " in text
    types = {line.split(" | ")[1] for line in text.partition("## Flags")[0].splitlines() if line.startswith("| `")}
    words = {"text", "path", "duration", "number", "whole number", "true or false", "mapping", "mapping of mappings"}
    choices = re.compile(r"list|list of text|(list of: )?`\w+`(( or |, )`\w+`)*")
    assert [kind for kind in types - words if not choices.fullmatch(kind)] == []
    for word in ("typing.", "Literal", "Ellipsis", "Annotated", "NoneType", "Path("):
        assert word not in text


def test_every_key_has_a_description() -> None:
    rows = [line for line in reference(KNOWN).splitlines() if line.startswith("| `") and "## " not in line]
    assert all(row.split(" | ")[-1].strip(" |") for row in rows)


def test_every_section_of_the_model_forbids_unknown_keys() -> None:
    schema: dict[str, Any] = file_model(KNOWN, Settings).model_json_schema()
    sections = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    assert len(sections) > 10
    assert [part["title"] for part in sections if part.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(
    "place", ["credentials: {@: {token_file: token}}", "credentials: {default: {pool: @}}", "organizations: [@]"]
)
def test_a_token_is_no_name_because_names_are_shown(write: Write, place: str) -> None:
    token = f"ghp_{'CANARY' * 6}"
    told = report(write(place.replace("@", token)))
    assert "is a token, not a name" in told
    assert "CANARY" not in told


DISCOVERING = """
credentials:
  app: {app_client_id: Iv1, private_key_file: FOLDER/key.pem}
  classic: {token_file: FOLDER/token}
  ghes: {api_url: https://ghes.example.com/api/v3, token_file: FOLDER/token}
"""


@pytest.fixture
def discover(tmp_path: Path, write: Callable[[str], str]) -> Callable[[str], Settings]:
    """The settings of a section `discover`."""
    (tmp_path / "token").write_text("a-token")
    (tmp_path / "key.pem").write_text("a key")
    return lambda text: settings(write(DISCOVERING.replace("FOLDER", str(tmp_path)) + text))


def test_an_entry_of_discover_has_patterns_in_lower_case_and_an_interval(discover: Callable[[str], Settings]) -> None:
    read = discover(
        "discover: [{credential: APP, include: [ACME-*, 2024], exclude: 'a,b'}, {credential: classic, enterprise: 7}]"
    )
    assert [(one.key, one.include, one.exclude, one.interval) for one in read.discover] == [
        ("app", ("acme-*", "2024"), ("a", "b"), 3600.0),
        ("classic 7", ("*",), (), 3600.0),
    ]
    assert read.used_credentials() == ["app", "classic"]
    assert read.targets() == []


def test_what_is_discovered_follows_what_is_listed_and_never_replaces_it(discover: Callable[[str], Settings]) -> None:
    read = discover("discover: [app]\norganizations: [{name: acme, credential: classic}]")
    found = tuple(Target("organization", name, "app") for name in ("acme", "globex"))
    whole = read.model_copy(update={"discovered": found})
    assert [(target.name, target.credential) for target in whole.targets()] == [("acme", "classic"), ("globex", "app")]
    assert "discovered" not in whole.masked()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "discover: [{credential: app, enterprise: acme}]",
            "discover[0].enterprise (line 6): credential app is a GitHub App",
        ),
        ("discover: [app, {credential: app, exclude: [x]}]", "discover[1] (line 6): credential app is given twice"),
        ("discover: [ghes]", "an appliance: only GitHub.com and GHE.com are asked"),
        ("discover: [nope]", "there is no credential nope; there are app, classic, ghes"),
        ("discover: [{interval: 1h}]", "this entry has no credential; add credential: NAME, one of app, classic, ghes"),
        (
            "discover: [{credential: app, include: ['a/b']}]",
            "discover[0].include[0] (line 6): must be a pattern of names",
        ),
        ("discover: [{credential: app, include: ['[a]']}]", "must be a pattern of names"),
        ("discover: [{credential: app, max_targets: 0}]", "discover[0].max_targets (line 6)"),
        ("discover: [null]", "is empty: write CREDENTIAL, or {credential: CREDENTIAL}"),
        ("discover: []", "there is nothing to collect from"),
        ("discover: [app]\ndiscovered: []", "discovered (line 7): unknown key: GitHub says what is discovered"),
    ],
)
def test_an_entry_of_discover_that_cannot_be_is_refused(
    text: str, problem: str, discover: Callable[[str], Settings]
) -> None:
    with pytest.raises(SettingsError) as raised:
        discover(text)
    assert problem in str(raised.value)


def test_one_variable_discovers_where_an_app_is_installed(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a key")
    environ = {
        "GITHUB_EXPORTER_DISCOVER": "app",
        "GITHUB_EXPORTER_APP_CLIENT_ID": "Iv1",
        "GITHUB_EXPORTER_APP_PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
        "GITHUB_EXPORTER_API_URL": "https://api.acme.ghe.com",
    }
    _, read = parse(["run"], environ, KNOWN)
    assert [entry.key for entry in read.discover] == ["app"]
    assert {name: one.api_url for name, one in read.credentials.items()} == {"app": "https://api.acme.ghe.com"}


@pytest.mark.parametrize("label", ["job=\udcff", "job=a\0b", "__job=a", "job="])
def test_a_label_of_a_backfill_is_one_that_a_file_can_hold(label: str) -> None:
    assert "flag: --label: must be NAME=VALUE" in report("backfill", f"--label={label}")
