"""Copilot people: seats and what idle ones cost, teams, repositories, persons."""

from collections.abc import Mapping

from grafana.board import Board, Row, choices
from grafana.common import SEAT_PRICE
from grafana.copilot_seats import SEAT_ROWS, SEATS, idle_cost, idle_for_a_month
from grafana.fields import DAY, PLAIN, Steps
from grafana.links import cell, to
from grafana.panels import stat, timeseries
from grafana.shifts import shifts
from grafana.tables import Column, Label, table

ORG = "github_copilot_organization_"
ENT = "github_copilot_enterprise_"
TEAM = "organization, team"
ACTIVE: Steps = ((None, "red"), (0.25, "orange"), (0.5, "green"))
WAITING: Steps = ((None, "green"), (14_400, "yellow"), (86_400, "orange"))
YES: Mapping[str, tuple[str, str]] = {"1": ("yes", "green"), "0": ("no", "text")}
PULLS = f"{ORG}repository_pull_requests_"
REVIEW = f"{ORG}repository_review_time_"
NAMED = '{user_login!="other"}'
DAYS = "GitHub's days are two to four days old; all figures are of one day."
COUNTED_TWICE = "Somebody in two teams counts in both: teams do not add up. Teams of fewer than five seats are absent."


def of_teams(start: str, by: str) -> dict[str, Column]:
    """Columns of teams; `start` is that of their families."""

    def figure(name: str) -> str:
        return f"max by ({by}) ({start}team_{name})"

    def share(part: str, whole: str) -> str:
        return f"max by ({by}) ({start}team_{part} / ({start}team_{whole} > 0))"

    return {
        "Seats": Column(figure("members"), "locale"),
        "Active": Column(figure("active_users"), "locale"),
        "Active share": Column(
            share("active_users", "members"), "percentunit", ACTIVE, decimals=0, bar=True, width=140
        ),
        "Agents": Column(share("used_agent", "active_users"), "percentunit", decimals=0),
        "CLI": Column(share("used_cli", "active_users"), "percentunit", decimals=0),
        "Prompts": Column(figure("user_initiated_interaction"), "locale"),
        "Lines added": Column(figure("loc_added"), "locale"),
        "Per person": Column(share("loc_added", "active_users"), "locale"),
        "Accepted": Column(share("code_acceptance_activity", "code_generation_activity"), "percentunit", decimals=0),
        "AI credits": Column(figure("ai_credits_used"), "locale"),
    }


def of_repositories(name: str) -> str:
    """A count of each repository."""
    return f"sum by (repository) ({PULLS}{name})"


def by_copilot(part: str, whole: str) -> str:
    """A share of the pull requests of each repository."""
    return f"sum by (repository) ({PULLS}{part}) / (sum by (repository) ({PULLS}{whole}) > 0)"


def review(figure: str, phase: str) -> str:
    """Seconds of a phase of reviews by people."""
    return f'max by (repository) ({REVIEW}{figure}_seconds{{phase="{phase}"}})'


def person(name: str, more: str = "") -> str:
    """A figure of each person who is named."""
    return f"{more}max by (organization, user_login) ({ORG}user_{name}{NAMED})"


COPILOT_PEOPLE = Board(
    name="copilot-people",
    title="GitHub Enterprise / Copilot people",
    description="Who could do without a seat, which teams use Copilot and how, in which repositories it works, and how "
    f"long reviews take. {DAYS}",
    since="now-30d",
    marks=shifts(),
    variables=(
        choices("organization", "Organization", SEATS),
        choices("enterprise", "Enterprise", f"{ENT}seats"),
        SEAT_PRICE,
    ),
    rows=(
        Row(
            "Is it worth its seats, and who uses it?",
            (
                stat(
                    "Data from",
                    "The day of the figures of teams, repositories and people: of all sources the oldest. Seats are "
                    "current.",
                    '1000 * min(github_exporter_collector_data_timestamp_seconds{collector="copilot_people"})',
                    DAY,
                ),
                idle_for_a_month(),
                idle_cost(),
                stat(
                    "Teams below 25 %",
                    "Teams of the organizations in which fewer than a quarter of the seats were active on the day. On "
                    "weekends these are many.",
                    f"count({ORG}team_active_users / {ORG}team_members < 0.25) or vector(0)",
                    "locale",
                    ((None, "green"), (1, "orange")),
                ),
                stat(
                    "Created by Copilot",
                    "Share of the pull requests created on the day that Copilot created, in the repositories of the "
                    "organizations chosen. Needs copilot_repositories.",
                    f"sum({PULLS}total_created_by_copilot) / (sum({PULLS}total_created) > 0)",
                    "percentunit",
                    decimals=0,
                    empty="no repositories",
                ),
                stat(
                    "Longest review wait",
                    "From ready to the first review by a person: the repository with the longest median of the day. A "
                    "day or more: find reviewers, or let Copilot review first. Needs copilot_repositories.",
                    f'max({REVIEW}median_seconds{{phase="ready_to_first_review"}})',
                    "s",
                    WAITING,
                    decimals=0,
                    empty="no reviews",
                ),
            ),
        ),
        *SEAT_ROWS,
        Row(
            "Which teams use it, and how?",
            (
                table(
                    "Teams",
                    "Members with a seat, and who of them used Copilot on the day. Agents and CLI: of "
                    f"those who were active. Per person: lines added by an active one. {COUNTED_TWICE}",
                    {"team": Label("Team", 130), "organization": "Organization"},
                    of_teams(ORG, TEAM),
                    sort="Active share",
                    ascending=True,
                    height=11,
                    clicks={
                        "organization": (
                            ("Its Copilot", to("copilot", "enterprise", organization=cell("organization"))),
                            ("Only this one", to("copilot-people", "enterprise", organization=cell("organization"))),
                        )
                    },
                ),
                timeseries(
                    "Active members of the ten largest teams",
                    f"Members who used Copilot on the day, of the teams that have most active ones now. {DAYS}",
                    {
                        "{{organization}} / {{team}}": f"max by ({TEAM}) ({ORG}team_active_users) and "
                        f"topk(10, max by ({TEAM}) ({ORG}team_active_users @ end()))"
                    },
                    "short",
                    width=24,
                    height=8,
                ),
                table(
                    "Enterprise teams",
                    "The same of teams of the enterprise, which may have members of several organizations. "
                    f"{COUNTED_TWICE}",
                    {"team": Label("Team", 130), "enterprise": "Enterprise"},
                    of_teams(ENT, "enterprise, team"),
                    sort="Active share",
                    ascending=True,
                    height=7,
                ),
            ),
        ),
        Row(
            "In which repositories does Copilot work, and how long do reviews take?",
            (
                table(
                    "Pull requests",
                    "The fifty repositories with most pull requests created on the day; what share Copilot "
                    "created and reviewed, and the median time from creation to merge. Needs copilot_repositories.",
                    {"repository": Label("Repository", 150)},
                    {
                        "Created": Column(f"topk(50, {of_repositories('total_created')})", "locale"),
                        "By Copilot": Column(
                            by_copilot("total_created_by_copilot", "total_created"), "percentunit", decimals=0
                        ),
                        "Reviewed": Column(
                            by_copilot("total_reviewed_by_copilot", "total_reviewed"), "percentunit", decimals=0
                        ),
                        "Merged": Column(of_repositories("total_merged"), "locale"),
                        "To merge": Column(f"max by (repository) ({PULLS}median_seconds_to_merge)", "s", decimals=1),
                    },
                    sort="Created",
                    complete="Created",
                    width=12,
                    height=10,
                    empty="Needs copilot_repositories",
                ),
                table(
                    "Waiting for a review",
                    "The fifty repositories whose pull requests waited longest, from ready to the first review by a "
                    "person: the median, and what nine of ten did not exceed; then from the first review to the last, "
                    "and to the merge. Of what was merged on the day. Needs copilot_repositories.",
                    {"repository": Label("Repository", 150)},
                    {
                        "Median": Column(
                            f"topk(50, {review('median', 'ready_to_first_review')})", "s", WAITING, decimals=1
                        ),
                        "9 of 10": Column(review("p90", "ready_to_first_review"), "s", WAITING, decimals=1),
                        "To the last": Column(review("median", "first_to_final_review"), "s", decimals=1),
                        "To merge": Column(review("median", "final_review_to_merge"), "s", decimals=1),
                        "Merged": Column(f"sum by (repository) ({REVIEW}total_merged)", "locale"),
                    },
                    sort="Median",
                    complete="Median",
                    width=12,
                    height=10,
                    empty="Needs copilot_repositories",
                ),
            ),
        ),
        Row(
            "Which people use it most? (by choice)",
            (
                table(
                    "People",
                    "The hundred people with most prompts on the day, by the name that privacy.user_names chooses, and "
                    "what they used. Needs people: true of copilot_people.",
                    {"user_login": Label("Person", 160), "organization": "Organization"},
                    {
                        "Prompts": Column(f"topk(100, {person('user_initiated_interaction')})", "locale"),
                        "Lines added": Column(person("loc_added"), "locale"),
                        "Accepted": Column(
                            f"max by (organization, user_login) ({ORG}user_code_acceptance_activity{NAMED} "
                            f"/ ({ORG}user_code_generation_activity > 0))",
                            "percentunit",
                            decimals=0,
                        ),
                        "Chat": Column(person("used_chat"), "none", PLAIN, YES),
                        "Agents": Column(person("used_agent"), "none", PLAIN, YES),
                        "CLI": Column(person("used_cli"), "none", PLAIN, YES),
                        "Cloud agent": Column(person("used_copilot_cloud_agent"), "none", PLAIN, YES),
                        "AI credits": Column(person("ai_credits_used"), "locale", decimals=1),
                    },
                    sort="Prompts",
                    complete="Prompts",
                    height=12,
                    empty="Needs people: true",
                ),
            ),
            collapsed=True,
        ),
    ),
)
