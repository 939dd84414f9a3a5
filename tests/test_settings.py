"""What may be set, by whom, and what an operator is told when it is wrong."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from exporter.commands import DEFAULTS
from exporter.settings import (
    COMMANDS,
    CollectorDefaults,
    Duration,
    Settings,
    SettingsError,
    Target,
    Whole,
    duration_text,
    parse,
    reference,
)
from exporter.settings.collectors import file_model
from exporter.settings.model import Section
from exporter.settings.names import FLAGS, VARIABLES

SECRET = "hunter2-not-to-be-seen"


class SubjectOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    max_series: Whole = Field(500, ge=1, description="Most subjects.")


class UserOptions(SubjectOptions):
    top_users: Whole = Field(10, ge=0, description="How many of the busiest.")


class RouteOptions(SubjectOptions):
    top_actors: Whole = Field(20, ge=0, description="How many of the busiest.")


class TimeOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    increment: Duration = Field(300.0, description="Length of an interval.")


class NoOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


COLLECTORS = (
    CollectorDefaults("summary_stats", True, 1800, 43200, NoOptions),
    CollectorDefaults("time_stats", True, 1800, 43200, TimeOptions),
    CollectorDefaults("subject_stats", False, 1800, 43200, SubjectOptions),
    CollectorDefaults("user_stats", True, 1800, 43200, UserOptions),
    CollectorDefaults("route_stats", True, 1800, 43200, RouteOptions),
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
    return parse(argv, {f"GITHUB_EXPORTER_{name}": value for name, value in environ.items()}, COLLECTORS)[1]


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
  copilot_usage:  {download_hosts: ["*.b01.azurefd.net"]}
  usage_reports:  {create: false, report_type: summarized, download_hosts: ["*.blob.core.windows.net"]}
budget: {share: 0.3}
limits: {max_series: 200000}
counters: {birth_delay: 60s}
privacy: {user_names: login}
state: {path: /var/lib/github-enterprise-exporter}
proxy: null
"""


def test_the_documented_example_is_accepted_in_full(write: Write, files: Path) -> None:
    read = parse(["run", write(EXAMPLE)], {}, DEFAULTS)[1]
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
    read = settings("demo")
    assert read.web.listen_address == (":10171",)
    assert (read.web.telemetry_path, read.web.max_requests) == ("/metrics", 40)
    assert (read.log.level, read.log.format) == ("info", "logfmt")
    assert read.state.path == Path("/var/lib/github-enterprise-exporter")
    assert (read.budget.share, read.budget.reserve, read.limits.max_series) == (0.3, 500, 200_000)
    assert (read.counters.birth_delay, read.privacy.user_names, read.proxy) == (60, "login", None)
    assert list(read.collectors) == [collector.name for collector in COLLECTORS]
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
    known = (CollectorDefaults("user_stats", True, 60, 60, NoOptions),)
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
        ("web:\n  listen_address: :9", lambda s: s.web.listen_address, (":9",)),
        ("web: {listen_address: [':0', '[::1]:1', 'localhost:2']}", lambda s: len(s.web.listen_address), 3),
        ("web: {max_requests: 0}", lambda s: s.web.max_requests, 0),
        ("budget: {share: 1, reserve: 0}", lambda s: s.budget.share, 1),
        ("state: {path: here}", lambda s: s.state.path, Path("here")),
    ],
)
def test_good_values(write: Write, text: str, get: Callable[[Settings], object], value: object) -> None:
    assert get(settings(write(MINIMAL + text))) == value


def test_an_unquoted_api_version_is_no_date(write: Write) -> None:
    flag = write("credentials: {a: {token_file: TMP/token, api_version: 2022-11-28}}\norganizations: [acme]")
    assert settings(flag).credentials["a"].api_version == "2022-11-28"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("bugdet: {share: 0.1}", "bugdet (line 3)", "unknown key; did you mean budget?"),
        ("budget: {share: 0}", "budget.share (line 3)", "must be more than 0"),
        ("budget: {share: 1.1}", "budget.share", "must be at most 1"),
        ("budget: {share: .nan}", "budget.share", "must be"),
        ("budget: {share: lots}", "budget.share", "must be a number"),
        ("budget: {share: true}", "budget.share", "must be a number"),
        ("budget: {reserve: -1}", "budget.reserve", "must be at least 0"),
        ("budget: 3", "budget", "must be a mapping"),
        ("limits: {max_series: 0}", "limits.max_series", "must be at least 1"),
        ("limits: {max_series: yes}", "limits.max_series", "must be a number"),
        ("limits: {max_series: many}", "limits.max_series", "must be a whole number"),
        ("privacy: {user_names: on}", "privacy.user_names", "must be one of 'login', 'pseudonym' or 'off'"),
        ("state: {path: ''}", "state.path", "must be a path"),
        ("state: {path: 3}", "state.path", "must be a path"),
        ("proxy: socks5://proxy", "proxy", "must be a URL"),
        ("proxy: http://proxy/path", "proxy", "must be a plain proxy URL"),
        ("web: {listen_address: 10171}", "web.listen_address", "must be a list"),
        ("web: {listen_address: []}", "web.listen_address", "must not be empty"),
        ("web: {listen_address: ['10171']}", "web.listen_address[0]", "HOST:PORT"),
        ("web: {listen_address: [':65536']}", "web.listen_address[0]", "HOST:PORT"),
        ("web: {listen_address: ['[::g]:1']}", "web.listen_address[0]", "HOST:PORT"),
        ("web: {listen_address: ['::1:1']}", "web.listen_address[0]", "HOST:PORT"),
        ("web: {telemetry_path: metrics}", "web.telemetry_path", 'must begin with "/"'),
        ("web: {telemetry_path: /}", "web.telemetry_path", "alone"),
        ("web: {telemetry_path: /-/healthy}", "web.telemetry_path", "/-/"),
        ("web: {telemetry_path: /-/ready}", "web.telemetry_path", "/-/"),
        ("web: {telemetry_path: '/m?x'}", "web.telemetry_path", 'must begin with "/"'),
        ("web: {max_requests: -1}", "web.max_requests", "at least 0"),
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
        ("enterprises: [12]", "enterprises[0]", "must be a mapping"),
        ("enterprises: [{name: 12}]", "enterprises[0].name", "must be text; put it in quotes"),
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
        ("{token_file: TMP}", ".token_file", "is not a file"),
        ("{token_file: TMP/token, ca_file: TMP/nothing}", ".ca_file", "nothing cannot be read: No such file"),
        ("{app_client_id: x, private_key_file: TMP/nothing}", ".private_key_file", "cannot be read"),
        ("{token_file: TMP/token, api_version: v3}", ".api_version", "must be a date"),
        ("{token_file: TMP/token, pool: a/b}", ".pool", "must be a name"),
        ("{token_file: TMP/token, tokn_file: x}", ".tokn_file", "did you mean token_file?"),
        (f"{{token_file: TMP/token, password: {SECRET}}}", ".password", "a secret is never in this file"),
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
        (b"[" * 1500, "config.yaml: is not valid YAML"),
        (b"#" * (1 << 20) + b"#", "config.yaml: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_configuration_is_the_only_problem(files: Path, content: bytes, told: str) -> None:
    (files / "config.yaml").write_bytes(content)
    (line,) = report(f"--config.file={files / 'config.yaml'}").splitlines()
    assert line.startswith(told)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/none.yaml cannot be read: No such file" in report(CONFIG_FILE=f"{tmp_path}/none.yaml")
    assert "Is a directory" in report(f"--config.file={tmp_path}")


def test_aliases_that_multiply_or_bite_their_tail_do_no_harm(write: Write) -> None:
    tail = "&a {x: *a}"
    assert "unknown key" in report(write(f"watch: {tail}\n{MINIMAL}"))
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert "unknown key" in report(write(f"a0: &a0 [x]\n{laughs}{MINIMAL}"))


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
        "config.yaml: budget.share (line 13): must be at most 1",
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
    "state.path": "/s",
    "log.level": "debug",
    "log.format": "json",
}


@pytest.mark.parametrize("path", list(FLAGS))
def test_every_flag_has_a_variable_that_does_the_same(path: tuple[str, str], write: Write) -> None:
    value = VALUES[".".join(path)] or write("").partition("=")[2]
    by_flag = settings("demo", f"{FLAGS[path]}={value}")
    by_variable = parse(["demo"], {VARIABLES[path]: value}, COLLECTORS)[1]
    assert by_flag == by_variable != settings("demo")


def test_the_listen_address_may_be_repeated() -> None:
    read = settings("demo", "--web.listen-address=[::1]:8080", "--web.listen-address", ":0")
    assert read.web.listen_address == ("[::1]:8080", ":0")


@pytest.mark.parametrize(
    ("argv", "address"),
    [
        (["simulate"], "127.0.0.1:8081"),
        (["simulate", "--web.listen-address=:1"], ":1"),
        (["demo"], ":10171"),
        (["healthcheck"], ":10171"),
        (["healthcheck", "--web.listen-address=:1"], ":1"),
    ],
)
def test_the_simulator_listens_on_loopback_unless_told(argv: list[str], address: str) -> None:
    command, read = parse(argv, {}, COLLECTORS)
    assert (command, read.web.listen_address) == (argv[0], (address,))


@pytest.mark.parametrize("command", COMMANDS)
def test_only_commands_that_ask_github_need_something_to_do(command: str) -> None:
    if command in ("run", "check", "plan", "doctor"):
        assert "environment: GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from" in report(command)
    else:
        assert parse([command], {}, COLLECTORS)[0] == command


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
        (["demo", "--web.listen-address=:1,"], "flag: --web.listen-address: must be"),
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
            {"TOKEN_FILE": SECRET, "ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_TOKEN_FILE: the file named here cannot be read",
        ),
        ({"TOKEN": SECRET}, "GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from"),
        ({"TOKEN": SECRET, "ORGANIZATIONS": ","}, "GITHUB_EXPORTER_ORGANIZATIONS: there is nothing to collect from"),
        (
            {"ORGANIZATIONS": "a"},
            "GITHUB_EXPORTER_ORGANIZATIONS: organization/a has no credential; set GITHUB_EXPORTER",
        ),
        ({"ORGANIZATIONS": "a", "API_URL": "https://x"}, "GITHUB_EXPORTER_API_URL: there is no token; set GITHUB_EXPO"),
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
    read = settings(write(MINIMAL + proxy), TOKEN=SECRET)
    assert read.proxy is not None
    assert SECRET in read.proxy
    shown = read.masked()
    assert shown["credentials"]["default"]["token"] == "<secret>"
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


@pytest.mark.parametrize(("of", "key"), [("settings", "proxy"), ("collector", "interval"), ("web", "max_requests")])
def test_settings_do_not_change(of: str, key: str) -> None:
    read = settings("demo")
    parts = {"settings": read, "collector": read.collectors["time_stats"], "web": read.web}
    with pytest.raises(ValueError, match="frozen"):
        setattr(parts[of], key, None)


# --- documentation ---


def test_the_reference_tells_every_key_flag_and_variable() -> None:
    text = reference(COLLECTORS)
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


def test_every_key_has_a_description() -> None:
    rows = [line for line in reference(COLLECTORS).splitlines() if line.startswith("| `") and "## " not in line]
    assert all(row.split(" | ")[-1].strip(" |") for row in rows)


def test_every_section_of_the_model_forbids_unknown_keys() -> None:
    schema: dict[str, Any] = file_model(COLLECTORS).model_json_schema()
    sections = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    assert len(sections) > 10
    assert [part["title"] for part in sections if part.get("additionalProperties") is not False] == []
