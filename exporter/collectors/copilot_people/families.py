"""The tables of teams and people, by scope. Pure data.

A metric has the name of GitHub's field without `_count` or `_sum` at its end; of nested fields, without `totals_by_`.
"""

from collections.abc import Sequence

from exporter.collectors.copilot_people import names
from exporter.collectors.copilot_people.fields import ACTIVE_USERS, FIELDS, MEMBERS, SUMMED, person_help, team_help
from exporter.tables import Family, Figures, Table, gauge


class Team(Figures):
    """The sums over a team's members."""

    team: str


class Person(Figures):
    """A person's figures. The label has the form that `privacy` asks for."""

    user_login: str


def _team(reports: str, family_names: Sequence[str]) -> Table:
    active, members, *sums = family_names
    return Table(
        row=Team,
        labels=("team",),
        endpoints=f"{reports}/users-1-day joined with user-teams-1-day",
        families=(
            gauge(active, "active_users", ACTIVE_USERS),
            gauge(members, "members", MEMBERS),
            *(_gauge(name, field, team_help(field)) for name, field in zip(sums, SUMMED, strict=True)),
        ),
    )


def _people(reports: str, family_names: Sequence[str]) -> Table:
    """People beyond `max_series` are summed as `other` while the report is read, for memory to be bounded."""
    return Table(
        row=Person,
        labels=("user_login",),
        endpoints=f"{reports}/users-1-day",
        families=tuple(
            _gauge(name, field, person_help(field)) for name, field in zip(family_names, FIELDS, strict=True)
        ),
    )


def _gauge(name: str, field: str, text: str) -> Family:
    words = field.removeprefix("totals_by_").replace(".token_usage", "").replace(".", "_")
    if not name.endswith("_" + words.removesuffix("_count").removesuffix("_sum")):
        raise TypeError(f"{name} does not end in GitHub's field {field}")
    return gauge(name, field, text)


REPORTS_OF_ORGANIZATION = "/orgs/{organization}/copilot/metrics/reports"
REPORTS_OF_ENTERPRISE = "/enterprises/{enterprise}/copilot/metrics/reports"
TABLES_OF_ORGANIZATION = (
    _team(REPORTS_OF_ORGANIZATION, names.TEAMS_OF_ORGANIZATION),
    _people(REPORTS_OF_ORGANIZATION, names.PEOPLE_OF_ORGANIZATION),
)
TABLES_OF_ENTERPRISE = (
    _team(REPORTS_OF_ENTERPRISE, names.TEAMS_OF_ENTERPRISE),
    _people(REPORTS_OF_ENTERPRISE, names.PEOPLE_OF_ENTERPRISE),
)
