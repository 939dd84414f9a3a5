"""The metrics of a walk over the seats, by scope. Pure data."""

from collections.abc import Mapping

from exporter.tables import Figures, Table, gauge

WALKED = "The list of seats is read once a day."


class Activity(Figures):
    """The seats whose last activity is so long ago."""

    last_activity: str


class Plan(Figures):
    """The seats of a plan."""

    plan_type: str


class Team(Figures):
    """The seats that were given through a team."""

    team: str


class Editor(Figures):
    """The seats that were last used in an editor."""

    editor: str


class People(Figures):
    """Everybody who has a seat."""


HELP: Mapping[type[Figures], str] = {
    Activity: (
        "Copilot seats by the age of their last activity, each in one row: at most 7, 30 or 90 days, older, or never: "
        "none that GitHub knows of. GitHub forgets it after 90 days, and when a seat is given anew; it is up to 24 h "
        "late."
    ),
    Plan: "Copilot seats by plan; unknown where GitHub gives none.",
    Team: (
        'Copilot seats by the team through which they were given, which need not be a team of their holder; "" for '
        "seats that no team gives."
    ),
    Editor: (
        'Copilot seats by the editor in which they were last used, without its version; "" for seats without any known '
        "activity."
    ),
}


def _of_scope(path: str, by_activity: str, by_plan: str, by_team: str, by_editor: str) -> tuple[Table, ...]:
    """The tables of a scope; `path` is that of its list of seats."""
    return (
        _table(Activity, "last_activity_at", path, by_activity),
        _table(Plan, "plan_type", path, by_plan),
        _table(Team, "assigning_team.slug", path, by_team),
        _table(Editor, "last_activity_editor", path, by_editor),
    )


def _table(row: type[Figures], source: str, path: str, name: str) -> Table:
    return Table(
        row=row,
        labels=tuple(field for field in row.model_fields if field != "figures"),
        other=None if row is Activity else ("other",),
        computed_from=f"seats[].{source}",
        endpoints=path,
        families=(gauge(name, "seats", f"{HELP[row]} {WALKED}"),),
    )


SEATS_OF_ORGANIZATION, SEATS_OF_ENTERPRISE = (
    "/orgs/{org}/copilot/billing/seats",
    "/enterprises/{enterprise}/copilot/billing/seats",
)
TABLES_OF_ORGANIZATION = _of_scope(
    SEATS_OF_ORGANIZATION,
    "github_copilot_organization_seats_by_activity",
    "github_copilot_organization_seats_by_plan",
    "github_copilot_organization_seats_by_team",
    "github_copilot_organization_seats_by_editor",
)
PEOPLE = Table(
    row=People,
    computed_from="total_seats",
    families=(
        gauge(
            "github_copilot_enterprise_seats",
            "total_seats",
            "People with a Copilot seat. Who has seats of several organizations or enterprise teams counts once here, "
            f"and once for each seat in the families by activity, plan, team and editor. {WALKED}",
        ),
    ),
)
TABLES_OF_ENTERPRISE = (
    PEOPLE,
    *_of_scope(
        SEATS_OF_ENTERPRISE,
        "github_copilot_enterprise_seats_by_activity",
        "github_copilot_enterprise_seats_by_plan",
        "github_copilot_enterprise_seats_by_team",
        "github_copilot_enterprise_seats_by_editor",
    ),
)
