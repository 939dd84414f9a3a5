"""Copilot: adoption, activity, features, models, seats."""

from datetime import UTC, datetime

from grafana.board import Board, Mark, Row, choices
from grafana.common import GROSS, RUNNING, SEAT_PRICE
from grafana.links import cell, to
from grafana.panels import Column, Steps, bars, stat, table, timeseries

SEATS = "github_copilot_seats"
IDLE = "github_copilot_seats_inactive_this_cycle"
IN_USE = "github_copilot_seats_active_this_cycle"
MONTHLY = "github_copilot_enterprise_monthly_active_users"
ORG = "github_copilot_organization_"
ENT = "github_copilot_enterprise_"
USE: Steps = ((None, "red"), (0.5, "orange"), (0.7, "green"))
IDLE_SHARE: Steps = ((None, "green"), (0.15, "orange"), (0.3, "red"))
AGE: Steps = ((None, "green"), (388_800, "orange"), (604_800, "red"))
DAYS = "GitHub's days are two to four days old, and each is a day of its own: nothing here is a running total."
BY_CHOICE = "Needs the breakdown {} in the exporter's configuration."


SHIFTS = {
    "2026-04-10": "Copilot CLI enters the totals: up",
    "2026-06-15": "GitHub's servers count users whom telemetry misses: active users up",
    "2026-07-28": "the Copilot app enters the totals: up",
    "2026-10-06": "agents' sessions come without an editor: interactions and lines of agents down",
}
"""Days from which GitHub counts differently: docs/copilot.md, "Levels that move without a change in use"."""


def shift(day: str, text: str) -> Mark:
    """A mark while the figures of that day are shown, by the report of an organization or of the enterprise."""
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    reports = (f"max({level}report_day_timestamp_seconds) == {begin:.0f}" for level in (ORG, ENT))
    return Mark(f"GitHub counts differently: {text}", " or ".join(reports))


def of_month(field: str) -> str:
    """Share of the month's users who used a part of Copilot."""
    users = f"max by (enterprise) ({MONTHLY})"
    return f"max by (enterprise) ({ENT}monthly_active_{field}_users) / on (enterprise) ({users} > 0)"


def top(metric: str, by: str, count: int = 10) -> str:
    """The largest of a breakdown, over the organizations chosen."""
    return f"topk({count}, sum by ({by}) ({ORG}{metric}))"


def in_order(metric: str, label: str, values: str) -> str:
    """Sums by a label, the known values first and in this order: `or` keeps it."""
    known = [f'sum by ({label}) ({metric}{{{label}="{value}"}})' for value in values]
    return " or ".join([*known, f"sum by ({label}) ({metric})"])


COPILOT = Board(
    name="copilot",
    title="GitHub Enterprise / Copilot",
    description="Who uses Copilot, for what, with which models, and is it worth its seats? Users are distinct "
    "people: they are never "
    f"added up over organizations, days or features. {DAYS}",
    since="now-30d",
    marks=[shift(day, text) for day, text in SHIFTS.items()],
    variables=(
        choices("organization", "Organization", SEATS),
        choices("enterprise", "Enterprise", MONTHLY),
        SEAT_PRICE,
    ),
    rows=(
        Row(
            "Is it used, and is it worth its seats?",
            (
                stat(
                    "Seats",
                    "Copilot seats that are paid for, in the organizations chosen.",
                    f"sum({SEATS})",
                    "short",
                ),
                stat(
                    "Seats in use",
                    "Share of the seats whose owner used Copilot in this billing cycle. Below 70 % talk to the "
                    "teams, or remove seats.",
                    f"sum({IN_USE}) / (sum({SEATS}) > 0)",
                    "percentunit",
                    USE,
                    decimals=0,
                ),
                stat(
                    "Idle seats, per month",
                    "What the seats that nobody used in this billing cycle cost in a month (USD), at the price at "
                    "the top.",
                    f"sum({IDLE}) * $seat_price",
                    "currencyUSD",
                    ((None, "green"), (1000, "orange"), (10_000, "red")),
                    decimals=0,
                ),
                stat(
                    "Users in 28 days",
                    "Distinct people of the enterprise who used Copilot in the 28 days before the newest complete day.",
                    f"sum(max by (enterprise) ({MONTHLY}))",
                    "short",
                ),
                stat(
                    "Habit",
                    "Of the people who used it in 28 days, the share who did so on the newest complete day. It "
                    "is low on weekends: see the chart below.",
                    f"sum({ENT}daily_active_users) / (sum({MONTHLY}) > 0)",
                    "percentunit",
                    ((None, "orange"), (0.3, "yellow"), (0.5, "green")),
                    decimals=0,
                ),
                stat(
                    "Cost per user of the month",
                    "Copilot usage of the running month so far at list price (USD), per person who used it in 28 "
                    "days. Needs usage reports.",
                    f'sum({GROSS}{{product="copilot"}} and on (enterprise, month) {RUNNING}) / (sum({MONTHLY}) > 0)',
                    "currencyUSD",
                    ((None, "green"), (60, "orange"), (100, "red")),
                    decimals=2,
                ),
                table(
                    "Organizations",
                    "Seats, their users, and how much of Copilot's output is accepted. A member of two "
                    "organizations counts in both.",
                    {"organization": "Organization"},
                    {
                        "Seats": Column(f"max by (organization) ({SEATS})", "short"),
                        "Idle": Column(f"max by (organization) ({IDLE})", "short"),
                        "Idle share": Column(
                            f"max by (organization) ({IDLE} / ({SEATS} > 0))", "percentunit", IDLE_SHARE, decimals=0
                        ),
                        "Idle, per month": Column(
                            f"max by (organization) ({IDLE}) * $seat_price", "currencyUSD", decimals=0
                        ),
                        "Pending invitations": Column(
                            "max by (organization) (github_copilot_seats_pending_invitation)", "short"
                        ),
                        "Users in 28 days": Column(f"max by (organization) ({ORG}monthly_active_users)", "short"),
                        "Users on the day": Column(f"max by (organization) ({ORG}daily_active_users)", "short"),
                        "Acceptance": Column(
                            f"max by (organization) ({ORG}code_acceptance_activity / ({ORG}code_generation_activity "
                            f"> 0))",
                            "percentunit",
                            decimals=0,
                        ),
                        "Lines added on the day": Column(f"max by (organization) ({ORG}loc_added)", "short"),
                        "Age of the day": Column(
                            f"time() - max by (organization) ({ORG}report_day_timestamp_seconds)",
                            "s",
                            AGE,
                            decimals=0,
                        ),
                    },
                    sort="Idle",
                    height=7,
                    clicks={
                        "organization": (
                            ("Only this one", to("copilot", "enterprise", organization=cell("organization"))),
                            ("Its spend", to("spend", "enterprise", organization=cell("organization"))),
                        )
                    },
                ),
            ),
        ),
        Row(
            "Adoption: how many people, and how advanced is their use?",
            (
                timeseries(
                    "People who use Copilot",
                    f"Distinct people of the enterprise on the newest complete day, in the week and in the 28 days "
                    f"before it. {DAYS}",
                    {
                        "{{enterprise}}, 28 days": f"max by (enterprise) ({MONTHLY})",
                        "{{enterprise}}, week": f"max by (enterprise) ({ENT}weekly_active_users)",
                        "{{enterprise}}, day": f"max by (enterprise) ({ENT}daily_active_users)",
                    },
                    "short",
                    decimals=0,
                ),
                timeseries(
                    "People who use Copilot, by organization",
                    f"Distinct people of each organization in 28 days; not to be added up. {DAYS}",
                    {"{{organization}}": f"max by (organization) ({ORG}monthly_active_users)"},
                    "short",
                    decimals=0,
                ),
                timeseries(
                    "What they use it for",
                    "Of the people who used Copilot in 28 days, the share who used chat, agents in the editor, the "
                    "agent on GitHub's side, or "
                    "had it review code. Agents are where most of the value (and the AI credits) comes from.",
                    {
                        "{{enterprise}}, chat": of_month("chat"),
                        "{{enterprise}}, agent": of_month("agent"),
                        "{{enterprise}}, cloud agent": of_month("copilot_cloud_agent"),
                        "{{enterprise}}, code review": of_month("copilot_code_review"),
                    },
                    "percentunit",
                    highest=1,
                ),
                bars(
                    "Adoption phases",
                    "People of the enterprise by GitHub's phase: 0 none, 1 completions or edits by an agent, 2 one "
                    "agent on GitHub's side, 3 two or "
                    f"more, or the Copilot app. {BY_CHOICE.format('ai_adoption_phase')}",
                    in_order(f"{ENT}ai_adoption_phase_total_engaged_users", "phase_number", "0123"),
                    "phase {{phase_number}}",
                    "short",
                ),
                bars(
                    "On the day, by surface",
                    "People of the enterprise who used the command line, the Copilot app, the cloud agent, or code "
                    "review on the newest complete day.",
                    "sort_desc("
                    + " or ".join(
                        f'label_replace(sum({ENT}daily_active_{field}_users), "surface", "{name}", "", "")'
                        for field, name in {
                            "cli": "command line",
                            "copilot_app": "Copilot app",
                            "copilot_cloud_agent": "cloud agent",
                            "copilot_code_review": "code review",
                        }.items()
                    )
                    + ")",
                    "{{surface}}",
                    "short",
                ),
                timeseries(
                    "Seats in use over time",
                    "Share of each organization's seats whose owner used Copilot in this billing cycle.",
                    {"{{organization}}": f"max by (organization) ({IN_USE} / ({SEATS} > 0))"},
                    "percentunit",
                    USE,
                    highest=1,
                ),
            ),
        ),
        Row(
            "Activity: what does Copilot produce?",
            (
                timeseries(
                    "Acceptance",
                    "How much of Copilot's output was accepted: acceptances divided by generations, GitHub's "
                    "definition. It does not measure quality; look for changes.",
                    {
                        "{{organization}}": f"max by (organization) ({ORG}code_acceptance_activity / "
                        f"({ORG}code_generation_activity > 0))"
                    },
                    "percentunit",
                    highest=1,
                ),
                timeseries(
                    "Lines of code on the day",
                    f"Lines that Copilot added and deleted in the organizations chosen. {DAYS}",
                    {"added": f"sum({ORG}loc_added)", "deleted": f"sum({ORG}loc_deleted)"},
                    "short",
                    decimals=0,
                ),
                bars(
                    "Prompts by feature",
                    "Prompts to Copilot on the day, by feature, in the organizations chosen.",
                    top("feature_user_initiated_interaction", "feature"),
                    "{{feature}}",
                    "short",
                    width=8,
                ),
                bars(
                    "Lines added by editor",
                    "Lines that Copilot added on the day, by editor, in the organizations chosen.",
                    top("ide_loc_added", "ide"),
                    "{{ide}}",
                    "short",
                    width=8,
                ),
                bars(
                    "Lines added by language",
                    "Lines that Copilot added on the day, by language, in the organizations chosen. "
                    + BY_CHOICE.format("language_feature"),
                    top("language_feature_loc_added", "language"),
                    "{{language}}",
                    "short",
                    width=8,
                ),
            ),
        ),
        Row(
            "Models: which are used, and with what result?",
            (
                bars(
                    "Prompts by model",
                    "Prompts on the day, by model, in the organizations chosen; others is GitHub's own name for "
                    "what it summed. " + BY_CHOICE.format("model_feature"),
                    top("model_feature_user_initiated_interaction", "model"),
                    "{{model}}",
                    "short",
                    width=8,
                ),
                table(
                    "Model and feature",
                    "Prompts, lines added and acceptance on the day, by model and feature, in the organizations "
                    "chosen. " + BY_CHOICE.format("model_feature"),
                    {"model": "Model", "feature": "Feature"},
                    {
                        "Prompts": Column(
                            f"sum by (model, feature) ({ORG}model_feature_user_initiated_interaction)", "short"
                        ),
                        "Lines added": Column(f"sum by (model, feature) ({ORG}model_feature_loc_added)", "short"),
                        "Acceptance": Column(
                            f"sum by (model, feature) ({ORG}model_feature_code_acceptance_activity) / "
                            f"(sum by (model, feature) ({ORG}model_feature_code_generation_activity) > 0)",
                            "percentunit",
                            decimals=0,
                        ),
                    },
                    sort="Prompts",
                    width=16,
                    height=8,
                ),
            ),
        ),
        Row(
            "Pull requests",
            (
                stat(
                    "Created by Copilot",
                    "Share of the pull requests created on the day that Copilot created, in the organizations chosen.",
                    f"sum({ORG}pull_requests_total_created_by_copilot) / (sum({ORG}pull_requests_total_created) > 0)",
                    "percentunit",
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Reviewed by Copilot",
                    "Share of the pull requests reviewed on the day that Copilot reviewed, in the organizations "
                    "chosen.",
                    f"sum({ORG}pull_requests_total_reviewed_by_copilot) / (sum({ORG}pull_requests_total_reviewed) > 0)",
                    "percentunit",
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Review suggestions applied",
                    "Share of Copilot's review suggestions on the day that somebody applied. It shows whether "
                    "its review is useful.",
                    f"sum({ORG}pull_requests_total_copilot_applied_suggestions) / "
                    f"(sum({ORG}pull_requests_total_copilot_suggestions) > 0)",
                    "percentunit",
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Merged per created by Copilot",
                    "Pull requests by Copilot that were merged on the day, divided by those it created on the day.",
                    f"sum({ORG}pull_requests_total_merged_created_by_copilot) / "
                    f"(sum({ORG}pull_requests_total_created_by_copilot) > 0)",
                    "percentunit",
                    width=6,
                    decimals=0,
                ),
                timeseries(
                    "Time to merge",
                    "Median time from creation to merge, of all pull requests and of Copilot's; the mean over "
                    "organizations. Absent on days without one.",
                    {
                        "all": f"avg({ORG}pull_requests_median_seconds_to_merge)",
                        "created by Copilot": f"avg({ORG}pull_requests_median_seconds_to_merge_copilot_authored)",
                        "reviewed by Copilot": f"avg({ORG}pull_requests_median_seconds_to_merge_copilot_reviewed)",
                    },
                    "s",
                ),
                timeseries(
                    "Pull requests on the day",
                    "Created and merged on the newest complete day, and those that Copilot created.",
                    {
                        "created": f"sum({ORG}pull_requests_total_created)",
                        "created by Copilot": f"sum({ORG}pull_requests_total_created_by_copilot)",
                        "merged": f"sum({ORG}pull_requests_total_merged)",
                    },
                    "short",
                    decimals=0,
                ),
            ),
        ),
        Row(
            "Command line, app and other agents (breakdowns by choice)",
            (
                timeseries(
                    "Sessions",
                    "Sessions of the command line, the Copilot app and other vendors' agents in the enterprise on "
                    "the newest complete day. " + BY_CHOICE.format("cli, copilot_app, third_party_agent"),
                    {
                        "command line": f"sum({ENT}cli_session)",
                        "Copilot app": f"sum({ENT}copilot_app_session)",
                        "{{agent_id}}": f"sum by (agent_id) ({ENT}third_party_agent_session)",
                    },
                    "short",
                    decimals=0,
                ),
                timeseries(
                    "Tokens",
                    "Model tokens that the command line and the Copilot app sent and received on the newest "
                    "complete day. " + BY_CHOICE.format("cli, copilot_app"),
                    {
                        "command line, sent": f"sum({ENT}cli_prompt_tokens)",
                        "command line, got": f"sum({ENT}cli_output_tokens)",
                        "app, sent": f"sum({ENT}copilot_app_prompt_tokens)",
                        "app, got": f"sum({ENT}copilot_app_output_tokens)",
                    },
                    "short",
                    decimals=0,
                ),
            ),
            collapsed=True,
        ),
        Row(
            "Plans and policies",
            (
                table(
                    "Settings",
                    "Each organization's plan and what its policy allows. public_code_suggestions = block keeps "
                    "Copilot from suggesting code that is public.",
                    {
                        "organization": "Organization",
                        "plan_type": "Plan",
                        "seat_management_setting": "Who gets a seat",
                        "public_code_suggestions": "Public code",
                        "ide_chat": "Chat in the editor",
                        "platform_chat": "Chat on GitHub",
                        "cli": "Command line",
                    },
                    {
                        "Seats": Column(
                            "max by (organization, plan_type, seat_management_setting, public_code_suggestions, "
                            "ide_chat, "
                            f"platform_chat, cli) (github_copilot_settings_info * on (job, instance, organization) "
                            f"group_left () {SEATS})",
                            "short",
                        )
                    },
                    sort="Seats",
                    height=6,
                ),
            ),
            collapsed=True,
        ),
    ),
)
