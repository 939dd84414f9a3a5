"""What the members of each team do with Copilot on the newest complete day; by choice also what each person does.

    github_copilot_organization_team_active_users{organization="acme",team="platform"} 14
    github_copilot_organization_team_loc_added{organization="acme",team="platform"} 5210
    github_copilot_organization_user_loc_added{organization="acme",user_login="octocat"} 435

GitHub publishes no figures of teams: they are its report of people joined with that of their teams, of the same day, by
day, user and entity. Both are read as they come, so memory does not grow with the files. A team's name is that of
`user-teams-1-day`, which has teams with at least five seats. Somebody in two teams counts in both.

Its past is GitHub's reports of each day of a year, of which each is shown until there is a newer one with figures.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission, Scope
from exporter.collectors import copilot_usage
from exporter.collectors.copilot_people.activity import Activity, PeopleSums
from exporter.collectors.copilot_people.families import (
    REPORTS_OF_ENTERPRISE,
    REPORTS_OF_ORGANIZATION,
    TABLES_OF_ENTERPRISE,
    TABLES_OF_ORGANIZATION,
)
from exporter.collectors.copilot_people.memberships import Entity, Memberships
from exporter.collectors.reading.daily_reports import (
    FIRST_DAY,
    LOOK_BACK,
    SHOWN_AFTER,
    fetched_day,
    find_day,
    read_past_day,
)
from exporter.collectors.reading.record_files import RecordFile
from exporter.collectors.reading.signed_reports import Source, read_report
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.lateness import STATUS_PAGE, Late
from exporter.options import BoundedOptions, DownloadHosts
from exporter.past import Part, Past, PastAnswer
from exporter.tables import Table

MOST_BYTES = 2 * 1024 * 1024 * 1024
LONGEST_RUN = 1_200.0
"""Seconds: the report of a hundred thousand people takes minutes."""


class Options(BoundedOptions):
    """The collector's own settings."""

    people: bool = Field(
        default=False,
        description="Whether to show each person, too, up to max_series; privacy.user_names says in which form.",
    )
    download_hosts: DownloadHosts = Field(
        default=copilot_usage.HOSTS,
        description="Hosts that report files are downloaded from. A host of your own network, or plain http, must be "
        "named literally.",
    )


class TeamsOfDay:
    """The reports of one day: of the teams, and then of the people."""

    def __init__(self, api: Api, ask: Ask, reports: str, entity: str) -> None:
        self._api, self._ask, self._reports = api, ask, reports
        self._entity = Entity(entity)

    async def read(self, day: str) -> Activity:
        """The activity of a day; without anybody if GitHub lists no team and people are not shown."""
        entity = self._entity
        memberships = await read_report(
            self._api,
            self._source("user-teams-1-day", day),
            lambda: Memberships(day, entity),
            lambda into: RecordFile(into.take),
        )

        def begin() -> Activity:
            options = self._ask.options
            people = PeopleSums(self._ask.name_form, options.max_series) if options.people else None
            return Activity(day, entity, memberships, people, rejected=memberships.rejected)

        if not memberships.members and not self._ask.options.people:
            return begin()
        return await read_report(self._api, self._source("users-1-day", day), begin, lambda into: RecordFile(into.take))

    async def has_reports(self) -> object:
        """Raise `NotFound` if GitHub has no reports of people at all."""
        return await self._api.get(f"{self._reports}/users-28-day/latest")

    def _source(self, report: str, day: str) -> Source:
        return Source(f"{self._reports}/{report}", {"day": day}, self._ask.options.download_hosts, MOST_BYTES)


def _collector(scope: Scope, reports: str, tables: tuple[Table, ...], permission: Permission, anchor: str) -> Collector:
    """The collector of a scope; `reports` is the path of its reports."""

    def teams_of_day(api: Api, ask: Ask) -> TeamsOfDay:
        return TeamsOfDay(api, ask, reports.replace(f"{{{scope}}}", ask.target), f"{scope}_id")

    async def fetch(api: Api, ask: Ask) -> Fetched:
        of_day = teams_of_day(api, ask)
        found = await find_day(ask, of_day.read, of_day.has_reports)
        unknown = UnknownFields()
        if found.reading is None:
            return fetched_day(ask, found, (), unknown, tables)
        for fields in (found.reading.memberships.unknown, found.reading.unknown):
            unknown.join(fields)
        return fetched_day(ask, found, await worker.run(tuple, found.reading.rows()), unknown, tables)

    async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
        return await read_past_day(part, teams_of_day(api, ask).read, Activity.rows)

    async def has_any(api: Api, ask: Ask) -> object:
        return await teams_of_day(api, ask).has_reports()

    return Collector(
        name="copilot_people",
        scope=scope,
        endpoint=f"{reports}/users-1-day",
        page=f"https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics#{anchor}",
        lateness="GitHub finishes a day within two days, and its numbers settle within three.",
        permission=permission,
        fetch=fetch,
        tables=tables,
        interval=6 * HOUR,
        max_age=72 * HOUR,
        options=Options,
        calls=Calls(single=2),
        deadline=LONGEST_RUN,
        past=Past(
            fetch_past,
            "day",
            LOOK_BACK,
            first_day=FIRST_DAY[scope],
            requests=2,
            shown_after=SHOWN_AFTER,
            has_any=has_any,
        ),
        late=Late(5.5 * DAY, f"Look at {STATUS_PAGE} and at the policy for Copilot usage metrics."),
        nothing=(
            "GitHub lists no team of the last days: it has teams with at least five Copilot seats only. If there is "
            "one, look whether the policy “Copilot usage metrics” is enabled everywhere"
        ),
    )


COLLECTOR = _collector(
    "organization",
    REPORTS_OF_ORGANIZATION,
    TABLES_OF_ORGANIZATION,
    copilot_usage.COLLECTOR.permission,
    "get-copilot-organization-users-usage-metrics-for-a-specific-day",
)
OF_ENTERPRISE = _collector(
    "enterprise",
    REPORTS_OF_ENTERPRISE,
    TABLES_OF_ENTERPRISE,
    copilot_usage.OF_ENTERPRISE.permission,
    "get-copilot-users-usage-metrics-for-a-specific-day",
)
