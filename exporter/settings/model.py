"""What can be set: every section and key with its type, default and description. Plain frozen models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from exporter.collecting.plan import Target
from exporter.settings.values import (
    Addresses,
    ApiUrl,
    ApiVersion,
    CredentialName,
    Duration,
    FilePath,
    Level,
    Number,
    ProxyUrl,
    TargetName,
    Token,
    UserNames,
    WebPath,
    Whole,
)

MASK = "<secret>"

# What makes a credential: a token in one of two ways, or a GitHub App by both others.
KINDS = ("token", "token_file", "app_client_id", "private_key_file")

# Keys of the models that the file must not have: a secret, the place of the file itself, and what a command is asked.
NOT_IN_FILE = frozenset({"token", "config", "plan"})


class Section(BaseModel):
    """A mapping of the file; unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Credential(Section):
    """Who asks, and where: a token or a GitHub App, and the one API root that it is sent to."""

    api_url: ApiUrl = Field(
        "https://api.github.com",
        description="API root: `https://api.SUBDOMAIN.ghe.com`, `https://HOST/api/v3`; plain `http` on loopback only.",
    )
    api_version: ApiVersion = Field("2022-11-28", description="Version of GitHub's REST API to ask for.")
    token: Token | None = Field(None, description="Only by the environment.")
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

    share: Annotated[Number, Field(gt=0, le=1, allow_inf_nan=False)] = Field(
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

    user_names: UserNames = Field("login", description="How users appear in labels.")


class State(Section):
    """What survives a restart."""

    path: FilePath = Field(Path("/var/lib/github-enterprise-exporter"), description="Folder of the state.")


class Web(Section):
    """The HTTP server."""

    listen_address: Addresses = Field((":10171",), description="Address to listen on; may be given several times.")
    telemetry_path: WebPath = Field("/metrics", description="Path of the metrics.")
    max_requests: Annotated[Whole, Field(ge=0)] = Field(40, description="Most scrapes at a time; 0 is no limit.")


class Log(Section):
    """The log, on standard error."""

    level: Level = Field("info", description="Least level that is logged.")
    format: Literal["logfmt", "json"] = Field("logfmt", description="Form of a line.")


class Config(Section):
    """Where the file is."""

    file: FilePath | None = Field(None, description="Configuration file (YAML).")


class Plan(Section):
    """What the command `plan` is asked."""

    subjects: Annotated[Whole, Field(ge=1)] = Field(1_000, description="Apps and users of an organization, stated.")
    live: bool = Field(False, description="Ask GitHub how much there is.")


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
    proxy: ProxyUrl | None = Field(
        None, repr=False, description="Proxy for all of GitHub (http or https); no variable and no .netrc is read."
    )
    web: Web = Field(Web(), description="The HTTP server.")
    log: Log = Field(Log(), description="The log.")
    config: Config = Field(Config(), description="Where the file is.")
    plan: Plan = Field(Plan(), description="What the command `plan` is asked.")

    def targets(self) -> list[Target]:
        """All targets in the order of the configuration."""
        return [
            *(Target("organization", entry.name, entry.credential or "") for entry in self.organizations),
            *(Target("enterprise", entry.name, entry.credential or "") for entry in self.enterprises),
            *(Target("appliance", entry.name, entry.credential or "") for entry in self.appliances),
        ]

    def watched_at(self, target: Target) -> tuple[tuple[str, ...], ...]:
        """The users, as `(id,)`, and actors, as `(type, id)`, to follow at a target."""
        here = target.name if target.kind == "organization" else ""
        users = ((str(user.id),) for user in self.watch.users if user.organization == here)
        actors = ((actor.type, str(actor.id)) for actor in self.watch.actors if actor.organization == here)
        return (*users, *actors)

    def pool_of(self, target: Target) -> str:
        """The quota pool that a target's requests count against.

        A token's own, unless it shares one; of a GitHub App that of its installation there.
        """
        credential = self.credentials[target.credential]
        if credential.app_client_id:
            return f"{target.credential}/{target.name}"
        return credential.pool or target.credential

    def masked(self) -> dict[str, Any]:
        """Plain values for people: durations as text, secrets as `<secret>`."""
        shown = self.model_dump(mode="json")
        for credential in shown["credentials"].values():
            credential["token"] = MASK if credential["token"] else None
        if self.proxy and "@" in self.proxy:
            scheme, _, rest = self.proxy.partition("://")
            shown["proxy"] = f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"
        return shown


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside an annotation such as `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_within(part))), None)
