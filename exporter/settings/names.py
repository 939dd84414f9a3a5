"""By which flags and environment variables settings are given."""

from pydantic import Field
from pydantic_settings import BaseSettings, CliPositionalArg, CliToggleFlag, CliUnknownArgs

from exporter.settings.model import Config, Log, Section, State, Web

PROGRAM = "github-enterprise-exporter"
PREFIX = "GITHUB_EXPORTER_"

COMMANDS = ("run", "demo", "simulate", "check", "plan", "doctor", "metrics", "healthcheck")


class Flags(BaseSettings):
    """Prometheus exporter for GitHub Enterprise.

    run (the default)   collect from GitHub and serve /metrics
    demo                the same against a built-in simulated GitHub: no token, no network
    simulate            the simulated GitHub alone, on 127.0.0.1:8081 unless told otherwise
    check               validate the configuration and print what would run
    plan                what it will cost: requests per hour, and series; exit 2 if it does not fit
    doctor              ask each endpoint once: what each credential may read, and what is missing
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
    subjects: int | None = Field(None, description="plan: apps and users of an organization, stated.")
    live: CliToggleFlag[bool] = Field(False, description="plan: ask GitHub how much there is.")
    version: CliToggleFlag[bool] = Field(False, description="Print the version and exit.")
    rest: CliUnknownArgs


FLAGS: dict[tuple[str, ...], str] = {
    (section, key): f"--{section}.{key.replace('_', '-')}"
    for section, field in Flags.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    for key in field.annotation.model_fields
}
"""The flag of each setting that has one."""

PLAN_FLAGS = ("subjects", "live")
"""Flags of the command `plan`; they are no settings of anything that runs, so they have no variable."""

VARIABLES: dict[tuple[str, ...], str] = {
    ("credentials", "default", "token"): PREFIX + "TOKEN",
    ("credentials", "default", "token_file"): PREFIX + "TOKEN_FILE",
    ("credentials", "default", "api_url"): PREFIX + "API_URL",
    ("organizations",): PREFIX + "ORGANIZATIONS",
    ("enterprises",): PREFIX + "ENTERPRISES",
    **{path: PREFIX + "_".join(path).upper() for path in FLAGS},
}
"""The environment variable of each setting that has one."""
