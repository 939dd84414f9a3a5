"""What GHES appliances count of themselves, once a day, as an enterprise account or organization in the cloud keeps it.

    github_server_statistics_total_users{account="acme-corp",server_id="ea6088f3-…"} 2000
    github_server_statistics_published_packages{account="acme-corp",server_id="ea6088f3-…",ecosystem="npm"} 24
    github_server_statistics_info{account="acme-corp",server_id="ea6088f3-…",host_name="github.example.com",…} 1

The newest day of each appliance is shown. A value that GitHub does not give, or gives as something else than its
documentation says, is absent.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats#get-github-enterprise-server-statistics
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from exporter.catalogue import HOUR, Api, Ask, Collector, Fetched, Figures, Row, Table, Timestamp, gauge, info
from exporter.collecting.leaves import Found, Parse, Place, by_field, known_of, leaves, missing, number, sort_out
from exporter.collecting.reading import decode_json, is_number, label_text
from exporter.github.errors import Invalid, Refused
from exporter.settings import Day

MOST_OTHERS = 50
"""Numbers of one appliance that are shown without a name of their own."""

DAY = 24 * HOUR
STATES = ("true", "false", "readonly")
REGISTRIES = {"v1": "packages_stats.registry_enabled", "v2": "packages_stats.registry_v2_enabled"}

_DATE = TypeAdapter(Timestamp)
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?")
_DAYS = re.compile(r"([0-9]{1,5}) days?")


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organizations: bool = Field(
        default=False, description="Whether organizations are asked, too: for appliances connected to one."
    )
    date_start: Day = Field(
        default="", description="Sent to GitHub as it is, if set; taken out where GitHub refuses it."
    )
    date_end: Day = Field(default="", description="Sent to GitHub as it is, if set; taken out where GitHub refuses it.")


class Server(Figures):
    """An appliance's numbers, by their place in the record."""

    server_id: str


class About(Row):
    """How an appliance calls itself."""

    server_id: str
    host_name: str
    ghes_version: str
    schema_version: str


class Feature(Figures):
    """A feature of GitHub Connect that is on."""

    server_id: str
    feature: str


class Registry(Figures):
    """One of the two package registries."""

    server_id: str
    registry: str


class Ecosystem(Figures):
    """An ecosystem of packages."""

    server_id: str
    ecosystem: str


class EcosystemState(Figures):
    """One of the states that an ecosystem can be in."""

    server_id: str
    ecosystem: str
    state: str


class Other(Figures):
    """A number without a family of its own."""

    server_id: str
    leaf: str


NUMBERS = Table(
    row=Server,
    labels=("server_id",),
    families=(
        *leaves(
            "github_server_statistics_",
            {
                "ghe_stats.comments": {
                    "github_server_statistics_total_commit_comments": "Comments on commits.",
                    "github_server_statistics_total_gist_comments": "Comments on gists.",
                    "github_server_statistics_total_issue_comments": "Comments on issues.",
                    "github_server_statistics_total_pull_request_comments": "Comments on pull requests.",
                },
                "ghe_stats.gists": {
                    "github_server_statistics_total_gists": "Gists, secret and public.",
                    "github_server_statistics_private_gists": "Secret gists.",
                    "github_server_statistics_public_gists": "Public gists.",
                },
                "ghe_stats.hooks": {
                    "github_server_statistics_total_hooks": "Pre-receive hooks, active and inactive.",
                    "github_server_statistics_active_hooks": "Active pre-receive hooks.",
                    "github_server_statistics_inactive_hooks": "Inactive pre-receive hooks.",
                },
                "ghe_stats.issues": {
                    "github_server_statistics_total_issues": "Issues, open and closed.",
                    "github_server_statistics_open_issues": "Open issues.",
                    "github_server_statistics_closed_issues": "Closed issues.",
                },
                "ghe_stats.milestones": {
                    "github_server_statistics_total_milestones": "Milestones, open and closed.",
                    "github_server_statistics_open_milestones": "Open milestones.",
                    "github_server_statistics_closed_milestones": "Closed milestones.",
                },
                "ghe_stats.orgs": {
                    "github_server_statistics_total_orgs": "Organizations, enabled and disabled.",
                    "github_server_statistics_disabled_orgs": "Disabled organizations.",
                    "github_server_statistics_total_teams": "Teams.",
                    "github_server_statistics_total_team_members": "Team members.",
                },
                "ghe_stats.pages": {"github_server_statistics_total_pages": "GitHub Pages sites."},
                "ghe_stats.pulls": {
                    "github_server_statistics_total_pulls": "Pull requests.",
                    "github_server_statistics_merged_pulls": "Merged pull requests.",
                    "github_server_statistics_mergeable_pulls": "Pull requests that can be merged at present.",
                    "github_server_statistics_unmergeable_pulls": "Pull requests that cannot be merged at present.",
                },
                "ghe_stats.repos": {
                    "github_server_statistics_total_repos": "Repositories, upstream ones and forks.",
                    "github_server_statistics_root_repos": "Upstream repositories.",
                    "github_server_statistics_fork_repos": "Forks.",
                    "github_server_statistics_org_repos": "Repositories that organizations own.",
                    "github_server_statistics_total_pushes": "Pushes to repositories.",
                    "github_server_statistics_total_wikis": "Wikis.",
                },
                "ghe_stats.users": {
                    "github_server_statistics_total_users": "User accounts.",
                    "github_server_statistics_admin_users": "User accounts that are site administrators.",
                    "github_server_statistics_suspended_users": "User accounts that are suspended.",
                },
                "dormant_users": {"github_server_statistics_total_dormant_users": "Dormant user accounts."},
                "actions_stats": {
                    "github_server_statistics_number_of_repos_using_actions": "Repositories that use GitHub Actions."
                },
            },
        ),
        gauge(
            "github_server_statistics_dormancy_threshold_seconds",
            "dormant_users.dormancy_threshold",
            "How long a user must be inactive to be considered dormant.",
        ),
        gauge(
            "github_server_statistics_repos_using_actions_ratio",
            "actions_stats.percentage_of_repos_using_actions",
            "Share of the repositories that use GitHub Actions, 0 to 1.",
        ),
        gauge(
            "github_server_statistics_collection_timestamp_seconds",
            "collection_date",
            "When the appliance collected the statistics shown.",
        ),
    ),
)

ABOUT = Table(
    row=About,
    labels=("server_id", "host_name", "ghes_version", "schema_version"),
    display=("host_name", "ghes_version", "schema_version"),
    families=(
        info("github_server_statistics_info", "The appliance's host name and versions; join it on account and server."),
    ),
)

FEATURES = Table(
    row=Feature,
    labels=("server_id", "feature"),
    families=(
        gauge(
            "github_server_statistics_connect_feature",
            "github_connect.features_enabled",
            "1 for each feature of GitHub Connect that is enabled for the appliance.",
        ),
    ),
)

PACKAGE_REGISTRIES = Table(
    row=Registry,
    labels=("server_id", "registry"),
    computed_from="packages_stats.registry_enabled and packages_stats.registry_v2_enabled",
    families=(
        gauge(
            "github_server_statistics_package_registry_enabled",
            "enabled",
            "1 if GitHub Packages is enabled, else 0: with repository-scoped packages (v1), with granular permissions "
            "(v2).",
        ),
    ),
)

PACKAGES = Table(
    row=Ecosystem,
    labels=("server_id", "ecosystem"),
    families=(
        gauge(
            "github_server_statistics_published_packages",
            "published_packages_count",
            "Published packages or images of the ecosystem: private, public and internal.",
        ),
        gauge("github_server_statistics_private_packages", "private_packages_count", "Private packages or images."),
        gauge("github_server_statistics_public_packages", "public_packages_count", "Public packages or images."),
        gauge("github_server_statistics_internal_packages", "internal_packages_count", "Internal packages or images."),
        gauge("github_server_statistics_user_packages", "user_packages_count", "Packages or images that users own."),
        gauge(
            "github_server_statistics_organization_packages",
            "organization_packages_count",
            "Packages or images that organizations own.",
        ),
        gauge(
            "github_server_statistics_daily_download",
            "daily_download_count",
            "Downloads of packages or images in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_update",
            "daily_update_count",
            "Packages or images that were updated in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_delete",
            "daily_delete_count",
            "Packages or images that were deleted in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_create",
            "daily_create_count",
            "Packages or images that were created in the 24 hours before the collection.",
        ),
    ),
)

ECOSYSTEM_STATES = Table(
    row=EcosystemState,
    labels=("server_id", "ecosystem", "state"),
    computed_from="packages_stats.ecosystems.enabled",
    families=(
        gauge(
            "github_server_statistics_package_ecosystem_state",
            "enabled",
            "1 for the state that the ecosystem is in, 0 for the others: enabled (true), not (false), readonly.",
        ),
    ),
)

OTHERS = Table(
    row=Other,
    labels=("server_id", "leaf"),
    computed_from="any other number of a record",
    families=(
        gauge(
            "github_server_statistics_other",
            "number",
            f"A number that GitHub gives and this version has no family for, by GitHub's name of it; at most "
            f"{MOST_OTHERS} per appliance.",
        ),
    ),
)


def ratio(value: object) -> float | None:
    """A percentage as a ratio: GitHub gives it as text, `11.11`."""
    text = str(value) if is_number(value) else value
    if not isinstance(text, str) or not _PERCENT.fullmatch(text):
        return None
    found = float(Decimal(text) / 100)
    return found if found <= 1 else None


def seconds(value: object) -> float | None:
    """`90 days` in seconds."""
    days = _DAYS.fullmatch(value) if isinstance(value, str) else None
    return int(days[1]) * DAY if days else None


def switch(value: object) -> float | None:
    """True and false as 1 and 0."""
    return float(value) if isinstance(value, bool) else None


_KNOWN: dict[Place, Parse] = {
    **known_of(NUMBERS),
    **{tuple(place.split(".")): switch for place in REGISTRIES.values()},
    ("dormant_users", "dormancy_threshold"): seconds,
    ("actions_stats", "percentage_of_repos_using_actions"): ratio,
}
_FEATURES: Place = ("github_connect", "features_enabled")
_ECOSYSTEMS: Place = ("packages_stats", "ecosystems")
_APART = {
    ("server_id",),
    ("collection_date",),
    ("host_name",),
    ("ghes_version",),
    ("schema_version",),
    _FEATURES,
    _ECOSYSTEMS,
}
_KNOWN_OF_ECOSYSTEM = known_of(PACKAGES)


@dataclass(slots=True)
class _Reader:
    """One record of one appliance, read into rows."""

    server_id: str
    record: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    rejected: int = 0

    def read(self, date: float | None) -> None:
        """All of it."""
        found = sort_out(self.record, _KNOWN, _APART)
        self.rejected += found.rejected
        figures = by_field(found.figures)
        dated = {} if date is None else {"collection_date": date}
        self.rows.append(Server(server_id=self.server_id, figures={**figures, **dated}))
        names = {name: self._text(self.record.get(name)) for name in ("host_name", "ghes_version", "schema_version")}
        self.rows.append(About(server_id=self.server_id, **names))
        for registry, place in REGISTRIES.items():
            if place in figures:
                enabled = {"enabled": figures[place]}
                self.rows.append(Registry(server_id=self.server_id, registry=registry, figures=enabled))
        for feature in dict.fromkeys(filter(None, map(self._text, self._list(_FEATURES)))):
            on = {".".join(_FEATURES): 1.0}
            self.rows.append(Feature(server_id=self.server_id, feature=feature, figures=on))
        packages = self._ecosystems()
        self._others({**found.others, **packages.others}, [*found.figures, *packages.figures])

    def _ecosystems(self) -> Found:
        """Rows of the ecosystems; what is in them, with their names in its places."""
        every = Found()
        seen = set()
        for item in self._list(_ECOSYSTEMS):
            name = item.get("name") if isinstance(item, dict) else None
            ecosystem = label_text(name.lower().replace("_", "")) if isinstance(name, str) else ""
            if not ecosystem or ecosystem in seen:
                self.rejected += not missing(item)
                continue
            seen.add(ecosystem)
            found = sort_out(item, _KNOWN_OF_ECOSYSTEM, {("name",), ("enabled",)})
            self.rejected += found.rejected
            figures = by_field(found.figures)
            self.rows.append(Ecosystem(server_id=self.server_id, ecosystem=ecosystem, figures=figures))
            self._state(ecosystem, item.get("enabled"))
            every.figures |= {(*_ECOSYSTEMS, ecosystem, *place): figure for place, figure in found.figures.items()}
            every.others |= {(*_ECOSYSTEMS, ecosystem, *place): figure for place, figure in found.others.items()}
        return every

    def _state(self, ecosystem: str, value: object) -> None:
        is_state = value.lower() if isinstance(value, str) else ""
        if is_state not in STATES:
            self.rejected += not missing(value)
            return
        for state in STATES:
            on = {"enabled": float(state == is_state)}
            self.rows.append(EcosystemState(server_id=self.server_id, ecosystem=ecosystem, state=state, figures=on))

    def _others(self, others: Mapping[Place, float], places: Iterable[Place]) -> None:
        uses = Counter(place[-1] for place in (*others, *places))
        shown: dict[str, float] = {}
        for place, figure in others.items():
            shown.setdefault(label_text(place[-1] if uses[place[-1]] == 1 else ".".join(place)), figure)
        kept = sorted(shown)[:MOST_OTHERS]
        self.rejected += len(others) - len(kept)
        for leaf in kept:
            self.rows.append(Other(server_id=self.server_id, leaf=leaf, figures={"number": shown[leaf]}))

    def _list(self, place: Place) -> list[Any]:
        """A list of the record; nothing if it is none."""
        value: Any = self.record
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            return value
        self.rejected += not missing(value)
        return []

    def _text(self, value: object) -> str:
        if isinstance(value, str):
            return label_text(value)
        self.rejected += not missing(value)
        return ""


@dataclass(slots=True)
class _Newest:
    """The newest record of each appliance, page after page."""

    records: dict[str, tuple[float | None, dict[str, Any]]] = field(default_factory=dict)
    rejected: int = 0

    def take(self, page: Any) -> None:
        """Take a page in. Records come in no order; one without a readable date is older than all others."""
        if not isinstance(page, list | dict):
            raise Invalid("the answer is neither a list of records nor a record")
        for record in page if isinstance(page, list) else [page]:
            server_id = record.get("server_id") if isinstance(record, dict) else None
            if not isinstance(server_id, str) or not server_id:
                self.rejected += 1
                continue
            given = record.get("collection_date")
            date = _date(given)
            self.rejected += date is None and not missing(given)
            before = self.records.get(label_text(server_id))
            if before is None or _age(date) >= _age(before[0]):
                self.records[label_text(server_id)] = (date, record)

    def fetched(self) -> Fetched:
        """All rows. Raises `Invalid` if there were records and none of them could be used."""
        if self.rejected and not self.records:
            raise Invalid(f"none of {self.rejected} records names its server")
        readers = []
        for server_id, (date, record) in sorted(self.records.items(), key=lambda one: one[0]):
            reader = _Reader(server_id, record)
            reader.read(date)
            readers.append(reader)
        dates = [date for date, _ in self.records.values() if date is not None]
        return Fetched(
            tuple(row for reader in readers for row in reader.rows),
            self.rejected + sum(reader.rejected for reader in readers),
            min(dates, default=None),
        )


def _date(value: object) -> float | None:
    try:
        return number(_DATE.validate_python(value)) if isinstance(value, str) else None
    except ValidationError:
        return None


def _age(date: float | None) -> float:
    return -math.inf if date is None else date


async def fetch(api: Api, ask: Ask) -> Fetched:
    """All pages; without dates if GitHub does not take them."""
    path = f"/enterprise-installation/{ask.target}/server-statistics"
    wanted = {"date_start": ask.options.date_start, "date_end": ask.options.date_end}
    dates = {name: date for name, date in wanted.items() if date}
    try:
        return await _read(api, path, dates)
    except Refused:
        if not dates:
            raise
    return await _read(api, path, {})


async def _read(api: Api, path: str, dates: Mapping[str, str]) -> Fetched:
    newest = _Newest()
    async for reply in api.pages(path, {**dates}):
        newest.take(decode_json(reply.body))
    return newest.fetched()


COLLECTOR = Collector(
    name="server_statistics",
    scope="enterprise",
    endpoint="/enterprise-installation/{enterprise_or_org}/server-statistics",
    page=(
        "https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats"
        "#get-github-enterprise-server-statistics"
    ),
    lateness="Appliances collect and send it once a day; it is up to 2 days old.",
    needs=(
        "classic token of an owner with the scope read:enterprise (appliances connected to an enterprise account) or "
        "read:org (appliances connected to an organization)"
    ),
    fetch=fetch,
    tables=(NUMBERS, ABOUT, FEATURES, PACKAGE_REGISTRIES, PACKAGES, ECOSYSTEM_STATES, OTHERS),
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    accepts=("classic",),
    target_label="account",
)

OF_ORGANIZATION = replace(COLLECTOR, scope="organization", switch="organizations")
