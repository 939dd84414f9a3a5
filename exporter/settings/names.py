"""The names of commands, flags and environment variables."""

from collections.abc import Mapping

from exporter.settings.backfill import Backfill
from exporter.settings.model import Config, Demo, Healthcheck, Log, Plan, ShardSection, Simulate, StateSection
from exporter.settings.section import Section
from exporter.settings.web import WebSection

PROGRAM = "github-enterprise-exporter"
PREFIX = "GITHUB_EXPORTER_"

COMMANDS = {
    "run": "collect from GitHub and serve /metrics; the default",
    "demo": "the same against a built-in simulated GitHub: no token, no network",
    "simulate": "the simulated GitHub alone",
    "check": "validate the configuration and print what would run; exit 1 with every error",
    "plan": "what it will cost: requests per hour, and series; exit 2 if it does not fit",
    "doctor": "ask each endpoint once: what each credential may read, and what is missing",
    "backfill": "ask GitHub for its past, and write it to files for Prometheus",
    "state": "state list: what is kept of each target; state export [TARGET ...], state import: move it",
    "metrics": "print the metric reference",
    "healthcheck": "exit 0 if the local daemon is healthy",
}
"""What each command does."""

NEED_TARGETS = ("run", "check", "plan", "doctor", "backfill")
"""The commands that need targets and credentials."""

SERVE = ("run", "demo", "check")
"""The commands that serve by `--web.config.file`, and the one that checks whether they can."""

OWN_ADDRESSES = {"simulate": "127.0.0.1:8081", "demo": "127.0.0.1:10171"}
"""Where the commands listen that serve simulated figures: on this machine only."""


_WITH_FLAGS: Mapping[str, type[Section]] = {
    "config": Config,
    "web": WebSection,
    "state": StateSection,
    "shard": ShardSection,
    "log": Log,
}

_SPELLED = {
    ("web", "config_file"): "--web.config.file",  # as in other exporters
    ("shard", "index"): "--shard",
    ("shard", "total"): "--total-shards",
}
"""Flags that are not spelled after their section and key."""

FLAGS: dict[tuple[str, ...], str] = {
    (section, key): _SPELLED.get((section, key), f"--{section}.{key.replace('_', '-')}")
    for section, model in _WITH_FLAGS.items()
    for key in model.model_fields
}
"""The flag of each setting that has one."""

COMMAND_FLAGS: dict[tuple[str, ...], str] = {
    ("plan", "subjects"): "--subjects",
    ("plan", "live"): "--live",
    ("backfill", "from_day"): "--from",
    ("backfill", "to_day"): "--to",
    ("backfill", "collectors"): "--collectors",
    ("backfill", "targets"): "--targets",
    ("backfill", "step"): "--step",
    ("backfill", "labels"): "--label",
    ("backfill", "output"): "--output",
    ("backfill", "dry_run"): "--dry-run",
    ("demo", "history"): "--history",
    ("simulate", "fault"): "--fault",
}
"""Flags of one command alone. The daemon has no use for them, so they have no variable."""

_MODELS: Mapping[str, type[Section]] = {
    **_WITH_FLAGS,
    "plan": Plan,
    "backfill": Backfill,
    "demo": Demo,
    "simulate": Simulate,
}
SWITCHES = (
    *(
        flag
        for (section, key), flag in {**FLAGS, **COMMAND_FLAGS}.items()
        if _MODELS[section].model_fields[key].annotation is bool
    ),
    "--version",
    "--help",
    "-h",
)
"""Flags that take no value."""

_OF_HEALTHCHECK = tuple(("healthcheck", key) for key in Healthcheck.model_fields)

VARIABLES: dict[tuple[str, ...], str] = {
    ("credentials", "default", "token"): PREFIX + "TOKEN",
    ("credentials", "default", "token_file"): PREFIX + "TOKEN_FILE",
    ("credentials", "default", "api_url"): PREFIX + "API_URL",
    ("credentials", "app", "app_client_id"): PREFIX + "APP_CLIENT_ID",
    ("credentials", "app", "private_key_file"): PREFIX + "APP_PRIVATE_KEY_FILE",
    ("organizations",): PREFIX + "ORGANIZATIONS",
    ("enterprises",): PREFIX + "ENTERPRISES",
    ("discover",): PREFIX + "DISCOVER",
    **{path: PREFIX + "_".join(path).upper() for path in (*FLAGS, *_OF_HEALTHCHECK)},
    ("shard", "index"): PREFIX + "SHARD",
    ("shard", "total"): PREFIX + "TOTAL_SHARDS",
}
"""The environment variable of each setting that has one, but for those of collectors."""


def collector_variable(collector: str, key: str) -> str:
    """The environment variable of a collector's setting."""
    return f"{PREFIX}COLLECTORS_{collector}_{key}".upper()
