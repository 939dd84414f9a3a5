"""What can be set: every section and key with its type, default and description, and who may set it how.

Plain frozen models; `exporter/settings.py` reads flags, environment and file into them. `reference()` prints them.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializeAsAny,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, CliPositionalArg, CliToggleFlag, CliUnknownArgs, NoDecode

from exporter.collecting.plan import Target

PROGRAM = "github-enterprise-exporter"
PREFIX = "GITHUB_EXPORTER_"
MASK = "<secret>"
SIMULATOR_ADDRESS = "127.0.0.1:8081"

# Collectors that the documentation announces and this version has not: their sections are accepted and do nothing.
# Remove a name as its collector arrives.
ANNOUNCED = (
    *("server_statistics", "appliance_stats", "user_stats", "route_stats", "copilot_usage", "copilot_seats"),
    *("copilot_metrics", "usage_reports", "billing_usage"),
)

COMMANDS = ("run", "demo", "simulate", "check", "metrics", "healthcheck")

# What makes a credential: a token in one of two ways, or a GitHub App by both others.
KINDS = ("token", "token_file", "app_client_id", "private_key_file")

# Keys of the models that the file must not have: a secret, and the place of the file itself.
NOT_IN_FILE = frozenset({"token", "config"})

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("needs a unit: write 30s, 5m, 6h or 7d, in quotes or not")  # noqa: TRY004 - pydantic's protocol
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration such as 5s, 30m, 6h, 7d or 1h30m")
    seconds = float(sum(int(n or 0) * unit for n, unit in zip(found.groups(), _UNITS.values(), strict=True)))
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError("must be at least 1s and at most 366d")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds as people write them: 5400 is `1h30m`."""
    text, rest = "", int(seconds)
    for letter, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        text += f"{count}{letter}" if count else ""
    return text or "0s"


Duration = Annotated[float, BeforeValidator(_seconds), PlainSerializer(duration_text, when_used="json")]
"""Text such as `30m` or `1h30m`, from 1s up; seconds once validated."""


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic's protocol
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number; `true` is none."""


def _url(value: str, schemes: tuple[str, ...]) -> SplitResult:
    wrong = f"must be a URL such as {schemes[0]}://host.example.com"
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(wrong)
    try:
        parts = urlsplit(value)
        host = re.fullmatch(r"[a-z0-9._:-]+", parts.hostname or "")
        complete = parts.scheme in schemes and host is not None and parts.port != 0
    except ValueError:  # not chained: its text may repeat a password
        raise ValueError(wrong) from None
    if not complete:
        raise ValueError(wrong)
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _api_url(value: str) -> str:
    parts = _url(value.strip(), ("https", "http"))
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError(
            "must be a plain root such as https://ghes.example.com/api/v3, without user, query or fragment"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://: over http:// anyone on the way can read the token")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _proxy(value: str) -> str:
    parts = _url(value.strip(), ("http", "https"))
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ValueError("must be a plain proxy URL such as http://proxy.example.com:3128")
    return value.strip().rstrip("/")


def _text_of_date(value: object) -> object:
    # YAML reads an unquoted 2022-11-28 as a date.
    return value.isoformat() if hasattr(value, "isoformat") else value


def _api_version(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError('must be a date such as "2022-11-28"')
    return value


def _visible(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("must be one word of visible characters; is there a line break or a space in it?")
    return value


def _credential_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value):
        raise ValueError("must be a name of letters, digits, dots, hyphens and underscores")
    return value


def _target_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,100}", name := value.strip().lower()):
        raise ValueError("must be a name as in GitHub's URLs: letters, digits, hyphens and underscores, at most 100")
    return name


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be a path")
    return value


def _addresses(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})", value)
    valid = found is not None and int(found[3]) <= 65535
    if found is not None and found[1]:
        try:
            ipaddress.IPv6Address(found[1])
        except ValueError:
            valid = False
    if not valid:
        raise ValueError('must be ":PORT", "HOST:PORT" or "[IPV6]:PORT"')
    return value


def _telemetry_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", value) or value.startswith(("/-/", "//")):
        raise ValueError('must begin with "/", must not be "/" alone and not lie under "/-/"')
    return value


def _level(value: object) -> object:
    lower = value.lower() if isinstance(value, str) else value
    return "warning" if lower == "warn" else lower


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


TargetName = Annotated[str, AfterValidator(_target_name)]
CredentialName = Annotated[str, AfterValidator(_credential_name)]
FilePath = Annotated[Path, BeforeValidator(_path)]


class Section(BaseModel):
    """A mapping of the file; unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Credential(Section):
    """Who asks, and where: a token or a GitHub App, and the one API root that it is sent to."""

    api_url: Annotated[str, AfterValidator(_api_url)] = Field(
        "https://api.github.com",
        description="API root: `https://api.SUBDOMAIN.ghe.com`, `https://HOST/api/v3`; plain `http` on loopback only.",
    )
    api_version: Annotated[str, BeforeValidator(_text_of_date), AfterValidator(_api_version)] = Field(
        "2022-11-28", description="Version of GitHub's REST API to ask for."
    )
    token: Annotated[SecretStr, AfterValidator(_visible)] | None = Field(None, description="Only by the environment.")
    token_file: FilePath | None = Field(None, description="File that holds a token; read again when it changes.")
    app_client_id: Annotated[str, Field(min_length=1)] | None = Field(None, description="Client id of a GitHub App.")
    private_key_file: FilePath | None = Field(None, description="PEM file with the GitHub App's private key.")
    ca_file: FilePath | None = Field(None, description="PEM file with the certificate authority of the API root.")
    pool: CredentialName | None = Field(
        None, description="Quota pool; tokens of one user share their limit, so give them the same word."
    )


class TargetEntry(Section):
    """An organization, enterprise or appliance; its name alone will do where there is one credential."""

    name: TargetName = Field(description="Name as in GitHub's URLs; an appliance's is of your choice.")
    credential: CredentialName | None = Field(
        None, description="Which of `credentials` asks; needed if there are several and none is called `default`."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


class WatchedUser(Section):
    """A user to follow besides the busiest."""

    organization: TargetName = Field(description="One of `organizations`.")
    id: Annotated[Whole, Field(ge=1)] = Field(description="Its id, a number.")


class WatchedActor(WatchedUser):
    """An actor to follow besides the busiest."""

    type: Literal["installation", "classic_pat", "fine_grained_pat", "oauth_app", "github_app_user_to_server"] = Field(
        description="The actor's type, in GitHub's word."
    )


class Watch(Section):
    """Whom the drill-down follows besides the busiest."""

    users: tuple[WatchedUser, ...] = Field((), description="Users.")
    actors: tuple[WatchedActor, ...] = Field((), description="Apps and tokens.")


class Budget(Section):
    """How much of GitHub's hourly limit we may use."""

    share: Annotated[float, BeforeValidator(_no_boolean), Field(gt=0, le=1, allow_inf_nan=False)] = Field(
        0.3, description="Share of each quota pool's hourly limit."
    )
    reserve: Annotated[Whole, Field(ge=0)] = Field(
        500, description="Nothing is sent while fewer requests remain than this, or 10 % of the limit if that is less."
    )


class Limits(Section):
    """What keeps memory and Prometheus safe."""

    max_series: Annotated[Whole, Field(ge=1)] = Field(200_000, description="Most series from GitHub in one exposition.")


class Counters(Section):
    """How counters are born."""

    birth_delay: Duration = Field(
        60.0, description="How long a new counter shows its first value; longer than your scrape interval."
    )


class Privacy(Section):
    """What is shown of people."""

    user_names: Annotated[Literal["login", "pseudonym", "off"], BeforeValidator(_off)] = Field(
        "login", description="How users appear in labels."
    )


class State(Section):
    """What survives a restart."""

    path: FilePath = Field(Path("/var/lib/github-enterprise-exporter"), description="Folder of the state.")


class Web(Section):
    """The HTTP server."""

    listen_address: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...],
        NoDecode,
        BeforeValidator(_addresses),
        Field(min_length=1),
    ] = Field((":10171",), description="Address to listen on; may be given several times.")
    telemetry_path: Annotated[str, AfterValidator(_telemetry_path)] = Field(
        "/metrics", description="Path of the metrics."
    )
    max_requests: Annotated[Whole, Field(ge=0)] = Field(40, description="Most scrapes at a time; 0 is no limit.")


class Log(Section):
    """The log, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_level)] = Field(
        "info", description="Least level that is logged."
    )
    format: Literal["logfmt", "json"] = Field("logfmt", description="Form of a line.")


class Config(Section):
    """Where the file is."""

    file: FilePath | None = Field(None, description="Configuration file (YAML).")


@dataclass(frozen=True)
class CollectorDefaults:
    """What settings need to know of a collector; seconds. `options` says which keys it has besides the common ones."""

    name: str
    enabled: bool
    interval: float
    max_age: float
    scope: frozenset[str]
    options: type[BaseModel]


class CollectorSettings(Section):
    """One collector's settings; seconds."""

    enabled: bool
    interval: Duration
    max_age: Duration
    options: SerializeAsAny[BaseModel]


class Settings(Section):
    """All settings of one run, validated."""

    credentials: Mapping[CredentialName, Credential] = Field({}, description="Who may ask GitHub, by a name of yours.")
    organizations: tuple[TargetEntry, ...] = Field((), description="Organizations to collect from.")
    enterprises: tuple[TargetEntry, ...] = Field((), description="Enterprises to collect from.")
    appliances: tuple[TargetEntry, ...] = Field((), description="GitHub Enterprise Server appliances to collect from.")
    watch: Watch = Field(Watch(), description="Whom the drill-down follows.")
    collectors: Mapping[str, CollectorSettings] = Field({}, description="What is collected, and how often.")
    budget: Budget = Field(Budget(), description="How much of GitHub's limits we may use.")
    limits: Limits = Field(Limits(), description="Bounds of what is shown.")
    counters: Counters = Field(Counters(), description="How counters are born.")
    privacy: Privacy = Field(Privacy(), description="What is shown of people.")
    state: State = Field(State(), description="What survives a restart.")
    proxy: Annotated[str, AfterValidator(_proxy)] | None = Field(
        None, repr=False, description="Proxy for all of GitHub (http or https); no variable and no .netrc is read."
    )
    web: Web = Field(Web(), description="The HTTP server.")
    log: Log = Field(Log(), description="The log.")
    config: Config = Field(Config(), description="Where the file is.")

    def targets(self) -> list[Target]:
        """All targets in the order of the configuration."""
        return [
            *(Target("organization", entry.name, entry.credential or "") for entry in self.organizations),
            *(Target("enterprise", entry.name, entry.credential or "") for entry in self.enterprises),
            *(Target("appliance", entry.name, entry.credential or "") for entry in self.appliances),
        ]

    def pool_of(self, credential: str) -> str:
        """The quota pool of a credential: its own, unless it shares one."""
        return self.credentials[credential].pool or credential

    def masked(self) -> dict[str, Any]:
        """Plain values for people: durations as text, secrets as `<secret>`."""
        shown = self.model_dump(mode="json")
        for credential in shown["credentials"].values():
            credential["token"] = MASK if credential["token"] else None
        if self.proxy and "@" in self.proxy:
            scheme, _, rest = self.proxy.partition("://")
            shown["proxy"] = f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"
        return shown


class Flags(BaseSettings):
    """Prometheus exporter for GitHub Enterprise.

    run (the default)   collect from GitHub and serve /metrics
    demo                the same against a built-in simulated GitHub: no token, no network
    simulate            the simulated GitHub alone, on 127.0.0.1:8081 unless told otherwise
    check               validate the configuration and print what would run
    metrics             print the metric reference
    healthcheck         exit 0 if the local daemon is healthy

    Every flag has a variable: GITHUB_EXPORTER_LOG_LEVEL for --log.level. No secret is ever a flag: give a token by
    GITHUB_EXPORTER_TOKEN_FILE, GITHUB_EXPORTER_TOKEN or the file.
    """

    command: CliPositionalArg[str] = Field("run", description="One of the above.")
    config: Config = Config()
    web: Web = Web()
    state: State = State()
    log: Log = Log()
    version: CliToggleFlag[bool] = Field(False, description="Print the version and exit.")
    rest: CliUnknownArgs


FLAGS: dict[tuple[str, ...], str] = {
    (section, key): f"--{section}.{key.replace('_', '-')}"
    for section, field in Flags.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    for key in field.annotation.model_fields
}
"""The flag of each setting that has one."""

VARIABLES: dict[tuple[str, ...], str] = {
    ("credentials", "default", "token"): PREFIX + "TOKEN",
    ("credentials", "default", "token_file"): PREFIX + "TOKEN_FILE",
    ("credentials", "default", "api_url"): PREFIX + "API_URL",
    ("organizations",): PREFIX + "ORGANIZATIONS",
    ("enterprises",): PREFIX + "ENTERPRISES",
    **{path: PREFIX + "_".join(path).upper() for path in FLAGS},
}
"""The environment variable of each setting that has one."""


def _collector_section(collector: CollectorDefaults) -> Any:
    common: dict[str, Any] = {
        "enabled": (bool, Field(collector.enabled, description="Whether it runs.")),
        "interval": (Duration, Field(collector.interval, description="How often it asks.")),
        "max_age": (
            Duration,
            Field(collector.max_age, description="How long after the last success its gauges are shown."),
        ),
    }
    return create_model(collector.name, __base__=collector.options, **common)


def file_model(collectors: Sequence[CollectorDefaults]) -> type[Settings]:
    """`Settings` as the layers are validated: the section `collectors` has a key for each collector."""
    known = {c.name: _collector_section(c) for c in collectors}
    fields: dict[str, Any] = {name: (section, section()) for name, section in known.items()}
    fields |= {name: (dict[str, Any], {}) for name in ANNOUNCED if name not in known}
    section: Any = create_model("Collectors", __base__=Section, **fields)
    description = Settings.model_fields["collectors"].description
    shape: dict[str, Any] = {"collectors": (section, Field(section(), description=description))}
    return create_model("File", __base__=Settings, **shape)


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside an annotation such as `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_within(part))), None)


def reference(collectors: Sequence[CollectorDefaults]) -> str:
    """Print the page `docs/configuration.md`: every key, flag and variable, in Markdown."""
    lines = [
        "# Configuration",
        "",
        "Printed from the code. Flags override the environment, the environment overrides the file (YAML), the file",
        "overrides the defaults. Unknown keys, flags and variables are errors. Durations are `5s`, `30m`, `6h`, `7d`",
        "or `1h30m`. Relative paths start at the working directory.",
        "",
        "## File",
        "",
        "| key | type | default | description |",
        "|---|---|---|---|",
        *(_row(*row) for row in _keys(file_model(collectors), "")),
        "",
        "## Flags and environment",
        "",
        "No secret is ever a flag. An empty variable counts as unset; lists are separated by commas.",
        f"`{PREFIX}TOKEN`, `{PREFIX}TOKEN_FILE` and `{PREFIX}API_URL` make or change the credential `default`.",
        "",
        "| setting | flag | variable |",
        "|---|---|---|",
        *(
            _row(f"`{'.'.join(path)}`", f"`{FLAGS[path]}`" if path in FLAGS else "", f"`{variable}`")
            for path, variable in VARIABLES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        if name in NOT_IN_FILE or field.annotation == dict[str, Any]:
            continue
        inner = model_within(field.annotation)
        key = prefix + name
        if inner is None:
            yield f"`{key}`", _type_text(field), _default_text(field), field.description or ""
            continue
        kind = "mapping" if field.annotation is inner else "mapping of mappings"
        if "tuple" in str(field.annotation):
            kind = "list"
        if description := field.description:
            yield f"`{key}`", kind, "", description
        yield from _keys(inner, key + {"mapping": ".", "list": "[].", "mapping of mappings": ".NAME."}[kind])


def _type_text(field: FieldInfo) -> str:
    text = str(field.annotation)
    if any(isinstance(part, BeforeValidator) and part.func is _seconds for part in field.metadata):
        return "duration"
    if "Literal" in text:
        return " or ".join(f"`{value}`" for value in get_args(field.annotation))
    words = {"tuple": "list of text", "list": "list of text", "Path": "path", "bool": "true or false"}
    words |= {"int": "whole number", "float": "number"}
    return next((word for name, word in words.items() if name in text), "text")


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return ""
    if _type_text(field) == "duration":
        return f"`{duration_text(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{', '.join(default)}`" if isinstance(default, tuple | list) else f"`{default}`"
