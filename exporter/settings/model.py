"""What can be set: every section and key with its type, default and description. Plain frozen models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, model_validator

from exporter.jobs import CollectorSettings, Target
from exporter.options import Duration, Integer
from exporter.settings.backfill import Backfill
from exporter.settings.discover import DiscoverEntry
from exporter.settings.section import Section
from exporter.settings.shards import owner
from exporter.settings.value_types import (
    ApiUrl,
    ApiVersion,
    ClientId,
    CredentialName,
    FilePath,
    LogLevel,
    NoProxy,
    ProxyOrDirect,
    ProxyUrl,
    Share,
    TargetName,
    Token,
    UserNamesSetting,
)
from exporter.settings.web import WebSection

MASK = "<secret>"

KINDS = ("token", "token_file", "app_client_id", "private_key_file")
"""What makes a credential: one of the first two, a token, or both others, a GitHub App."""

SECTIONS = {"organization": "organizations", "enterprise": "enterprises", "appliance": "appliances"}
"""The section of each kind of target."""

NOT_IN_FILE = frozenset(
    {"token", "config", "plan", "backfill", "demo", "simulate", "state_command", "healthcheck", "discovered"}
)
"""Keys that the file must not have: a secret, the file's own path, what one command uses, what GitHub named."""


class CredentialSection(Section):
    """A token or a GitHub App, and the one API root that it is sent to."""

    api_url: ApiUrl = Field(
        "https://api.github.com",
        description="API root: `https://api.SUBDOMAIN.ghe.com`, `https://HOST/api/v3`; plain `http` on loopback only.",
    )
    api_version: ApiVersion = Field("2022-11-28", description="Version of GitHub's REST API to ask for.")
    token: Token | None = Field(None, description="Only by the environment.")
    token_file: FilePath | None = Field(
        None, description="File that holds a token; read again when it changes.", examples=["/run/secrets/github.token"]
    )
    app_client_id: ClientId | None = Field(
        None, description="Client id, or App id, of a GitHub App.", examples=["Iv23liEXAMPLE"]
    )
    private_key_file: FilePath | None = Field(
        None, description="PEM file with the GitHub App's private key.", examples=["/run/secrets/app.pem"]
    )
    proxy: ProxyOrDirect | None = Field(
        None,
        repr=False,
        description="Proxy instead of the one for all; `direct` asks without a proxy.",
        examples=["direct"],
    )
    ca_file: FilePath | None = Field(
        None,
        description="PEM file with certificate authorities besides those for all, such as an appliance's.",
        examples=["/etc/ssl/ghes.pem"],
    )
    pool: CredentialName | None = Field(
        None,
        description="Quota pool; tokens of one user share their limit, so give them the same word.",
        examples=["octocat"],
    )


class TargetEntry(Section):
    """An organization, enterprise or appliance; its name alone is enough where there is one credential."""

    name: TargetName = Field(
        description="Name as in GitHub's URLs; an appliance's is of your choice.", examples=["acme"]
    )
    credential: CredentialName | None = Field(
        None,
        description="Which of `credentials` asks; needed if there are several and none is called `default`.",
        examples=["default"],
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, dict):
            what = "is empty" if value is None else "is neither text nor a mapping"
            text = f"{what}: write NAME, or {{name: NAME, credential: CREDENTIAL}}; a name null in quotes"
            raise ValueError(text)  # noqa: TRY004 - pydantic's protocol
        return value


class WatchedUser(Section):
    """A user to follow beside the busiest ones."""

    organization: TargetName = Field(description="One of `organizations`.", examples=["acme"])
    id: Annotated[Integer, Field(ge=1)] = Field(description="Its id, a number.", examples=[4711])


class WatchedActor(WatchedUser):
    """An app or token to follow beside the busiest ones."""

    type: Literal["installation", "classic_pat", "fine_grained_pat", "oauth_app", "github_app_user_to_server"] = Field(
        description="The actor's type, in GitHub's word.", examples=["installation"]
    )


class Watch(Section):
    """Users, apps and tokens that the drill-down follows beside the busiest ones."""

    users: tuple[WatchedUser, ...] = Field((), description="Users.")
    actors: tuple[WatchedActor, ...] = Field((), description="Apps and tokens.")


class BudgetSection(Section):
    """How much of GitHub's rate limits the exporter may use."""

    share: Share = Field(0.3, description="Share of each quota pool's hourly limit.")
    reserve: Annotated[Integer, Field(ge=0)] = Field(
        500, description="Nothing is sent while fewer requests remain than this, or 10 % of the limit if that is less."
    )


class LimitsSection(Section):
    """What bounds memory, and the series that Prometheus scrapes."""

    max_series: Annotated[Integer, Field(ge=1)] = Field(
        200_000, description="Most series from GitHub in one exposition."
    )


class Counters(Section):
    """How new series begin."""

    birth_delay: Duration = Field(
        60.0, description="How long a new counter shows its first value; longer than your scrape interval."
    )


class Privacy(Section):
    """How people are shown."""

    user_names: UserNamesSetting = Field(
        "login",
        description="How people are shown. `login`: by login and id. `pseudonym`: by a keyed pseudonym of each. "
        "`off`: by a keyed pseudonym of the id alone.",
    )


class StateSection(Section):
    """What survives a restart."""

    path: FilePath = Field(Path("/var/lib/github-enterprise-exporter"), description="Folder of the state.")


class ShardSection(Section):
    """Several exporters that share the targets."""

    index: Annotated[Integer, Field(ge=0)] | None = Field(
        None,
        description="Which of the exporters this is, from 0 on. By default the number at the end of the host's name, "
        "as a StatefulSet gives it.",
        examples=[0],
    )
    total: Annotated[Integer, Field(ge=1, le=1_000)] = Field(
        1, description="How many exporters share the targets; each reads those of its quota pools."
    )


class Log(Section):
    """The log, on standard error."""

    level: LogLevel = Field("info", description="Lowest level that is logged.")
    format: Literal["logfmt", "json"] = Field("logfmt", description="Format of a line.")


class Config(Section):
    """The configuration file."""

    file: FilePath | None = Field(None, description="Configuration file (YAML).")


class Plan(Section):
    """The flags of the command `plan`."""

    subjects: Annotated[Integer, Field(ge=1)] = Field(1_000, description="Apps and users per organization to assume.")
    live: bool = Field(False, description="Ask GitHub how much there is to read.")


StateAction = Literal["list", "export", "import"]
Rehearsal = Literal["rejected-token", "spent-limit"]


class Demo(Section):
    """The flags of the command `demo`."""

    history: FilePath | None = Field(
        None, description="Folder for the simulated GitHub's past, as backfill writes it; then it ends."
    )


class Simulate(Section):
    """The flags of the command `simulate`."""

    fault: Rehearsal | None = Field(None, description="What goes wrong, so that alerts can be rehearsed.")


class StateCommand(Section):
    """The words after the command `state`."""

    action: StateAction = Field("list", description="What to do.")
    targets: tuple[str, ...] = Field((), description="What to export; if empty, what this shard reads.")


class Healthcheck(Section):
    """How the command `healthcheck` logs in where `web.config_file` asks for it. Variables alone set this."""

    user: str | None = Field(None, description="User; the first one of the file if not set.")
    password_file: FilePath | None = Field(None, description="File with the user's password.")
    cert_file: FilePath | None = Field(None, description="PEM file with a client certificate.")
    key_file: FilePath | None = Field(None, description="PEM file with its key, if cert_file does not hold it.")


class Settings(Section):
    """All settings of one run, validated."""

    credentials: Mapping[CredentialName, CredentialSection] = Field(
        {}, description="Tokens and GitHub Apps, by names of yours."
    )
    organizations: tuple[TargetEntry, ...] = Field((), description="Organizations to collect from.")
    enterprises: tuple[TargetEntry, ...] = Field((), description="Enterprises to collect from.")
    appliances: tuple[TargetEntry, ...] = Field((), description="GitHub Enterprise Server appliances to collect from.")
    discover: tuple[DiscoverEntry, ...] = Field(
        (), description="Credentials that GitHub is asked with what else to collect from."
    )
    watch: Watch = Field(Watch(), description="Users, apps and tokens that are followed beside the busiest ones.")
    collectors: Mapping[str, CollectorSettings] = Field({}, description="What is collected, and how often.")
    budget: BudgetSection = Field(BudgetSection(), description="How much of GitHub's rate limits the exporter may use.")
    limits: LimitsSection = Field(LimitsSection(), description="Bounds of what is shown.")
    counters: Counters = Field(Counters(), description="How new series begin.")
    privacy: Privacy = Field(Privacy(), description="How people are shown.")
    state: StateSection = Field(StateSection(), description="What survives a restart.")
    shard: ShardSection = Field(ShardSection(), description="Several exporters that share the targets.")
    proxy: ProxyUrl | None = Field(
        None,
        repr=False,
        description="Proxy for all of GitHub, API and downloads: `http://HOST:PORT` or `https://HOST:PORT`, perhaps "
        "with `USER:PASSWORD@`; no variable and no .netrc is read.",
        examples=["http://proxy.example.com:3128"],
    )
    no_proxy: NoProxy = Field(
        (),
        description="Hosts that are asked directly: `ghes.example.com` (and below it), `.corp.example` (below it), "
        "`HOST:PORT`, addresses, `10.0.0.0/8`, `*`.",
        examples=[[".corp.example", "10.0.0.0/8"]],
    )
    ca_file: FilePath | None = Field(
        None,
        description="PEM file with certificate authorities that are trusted besides those of this machine's store, "
        "for API, downloads and proxy.",
        examples=["/etc/ssl/corp.pem"],
    )
    web: WebSection = Field(WebSection(), description="The HTTP server.")
    log: Log = Field(Log(), description="The log.")
    config: Config = Field(Config(), description="The configuration file.")
    plan: Plan = Field(Plan(), description="The flags of the command `plan`.")
    backfill: Backfill = Field(Backfill(), description="The flags of the command `backfill`.")
    demo: Demo = Field(Demo(), description="The flags of the command `demo`.")
    simulate: Simulate = Field(Simulate(), description="The flags of the command `simulate`.")
    state_command: StateCommand = Field(StateCommand(), description="The words after the command `state`.")
    healthcheck: Healthcheck = Field(Healthcheck(), description="How the command `healthcheck` logs in.")
    discovered: tuple[Target, ...] = Field((), exclude=True, description="What GitHub named, by `discover`.")

    def targets(self) -> list[Target]:
        """The targets that this exporter reads, in the order of the configuration."""
        index, total = self.shard.index or 0, self.shard.total
        return [target for target in self.all_targets() if total == 1 or owner(self.pool_of(target), total) == index]

    def all_targets(self) -> list[Target]:
        """All targets, whichever exporter reads them: the listed ones in the order of the configuration, then others.

        A listed target wins over a discovered one of the same name.
        """
        listed = self.listed_targets()
        names = {str(target) for target in listed}
        return [*listed, *(target for target in self.discovered if str(target) not in names)]

    def used_credentials(self) -> list[str]:
        """The names of the credentials that something is asked with, each once."""
        listed = (target.credential for target in self.targets())
        return list(dict.fromkeys((*listed, *(entry.credential or "" for entry in self.discover))))

    def listed_targets(self) -> list[Target]:
        """The targets that the configuration names."""
        return [
            *(Target("organization", entry.name, entry.credential or "") for entry in self.organizations),
            *(Target("enterprise", entry.name, entry.credential or "") for entry in self.enterprises),
            *(Target("appliance", entry.name, entry.credential or "") for entry in self.appliances),
        ]

    def owners(self) -> dict[str, int]:
        """The shard that reads each target whose credential is known, by the target's name."""
        targets = [target for target in self.all_targets() if target.credential in self.credentials]
        return {str(target): owner(self.pool_of(target), self.shard.total) for target in targets}

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

    def pool_of_discovery(self, credential: str) -> str:
        """The quota pool of requests for targets: a token's own, or that of a GitHub App itself."""
        section = self.credentials[credential]
        return credential if section.app_client_id else section.pool or credential

    def masked(self) -> dict[str, Any]:
        """All settings as plain values: durations as text, secrets as `<secret>`."""
        values = self.model_dump(mode="json")
        for credential in values["credentials"].values():
            credential["token"] = MASK if credential["token"] else None
            credential["proxy"] = masked_proxy(credential["proxy"])
        values["proxy"] = masked_proxy(values["proxy"])
        return values


def masked_proxy(proxy: str | None) -> str | None:
    """A proxy without its user and password."""
    if proxy is None or "@" not in proxy:
        return proxy
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside an annotation such as `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_within(part))), None)
