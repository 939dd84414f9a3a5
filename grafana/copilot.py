"""Copilot: adoption, activity, features, models, seats."""

from grafana.board import Board, Row, choices
from grafana.common import GROSS, OF_RUNNING, SEAT_PRICE
from grafana.fields import DAY, Steps
from grafana.links import cell, to
from grafana.panels import bars, stat, timeseries
from grafana.shifts import shifts
from grafana.tables import Column, Label, table

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


def of_month(field: str) -> str:
    """Share of the month's users who used a part of Copilot."""
    users = f"max by (enterprise) ({MONTHLY})"
    return f"max by (enterprise) ({ENT}monthly_active_{field}_users) / on (enterprise) ({users} > 0)"


def hours_to_merge(whose: str) -> str:
    """The median time to merge, as a mean over organizations."""
    return f"avg({ORG}pull_requests_median_seconds_to_merge{whose}) / 3600"


def top(metric: str, by: str, count: int = 10) -> str:
    """The largest of a breakdown, over the organizations chosen."""
    return f"topk({count}, sum by ({by}) ({ORG}{metric}))"


FEATURES = {
    "agent_edit": "edits by agents",
    "chat_inline": "chat, inline",
    "chat_panel": "chat",
    "chat_panel_agent_mode": "chat, agent mode",
    "chat_panel_ask_mode": "chat, ask mode",
    "chat_panel_custom_mode": "chat, custom mode",
    "chat_panel_edit_mode": "chat, edit mode",
    "chat_panel_plan_mode": "chat, plan mode",
    "chat_panel_unknown_mode": "chat, unknown mode",
    "code_completion": "code completion",
    "copilot_cli": "command line",
    "others": "others",
}
"""GitHub's names of features, in words."""
FEATURE_WORDS = {name: (text, "text") for name, text in FEATURES.items()}
SEATS_FOR = {
    "assign_all": ("everybody", "text"),
    "assign_selected": ("who is selected", "text"),
    "disabled": ("nobody", "text"),
    "unconfigured": ("not configured", "text"),
}
"""GitHub's names of what an organization does with seats, in words."""
PHASES = {
    "0 none": "0",
    "1 completions or agents' edits": "1",
    "2 one agent on GitHub's side": "2",
    "3 several, or the app": "3",
}
SURFACES = {
    "command line": "cli",
    "Copilot app": "copilot_app",
    "cloud agent": "copilot_cloud_agent",
    "code review": "copilot_code_review",
}


COPILOT = Board(
    name="copilot",
    title="GitHub Enterprise / Copilot",
    description="Who uses Copilot, for what, with which models, and is it worth its seats? Users are distinct "
    "people: they are never "
    f"added up over organizations, days or features. {DAYS}",
    since="now-30d",
    marks=shifts(),
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
                    "Data from",
                    "The newest complete day of which GitHub shows figures: of all organizations and the enterprise "
                    f"the oldest such day. {DAYS}",
                    f"1000 * min({ORG}report_day_timestamp_seconds or {ENT}report_day_timestamp_seconds)",
                    DAY,
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
                ),
                stat(
                    "Users in 28 days",
                    "Distinct people of the enterprise who used Copilot in the 28 days before the newest complete day.",
                    f"sum(max by (enterprise) ({MONTHLY}))",
                    "short",
                ),
                stat(
                    "Active on the day",
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
                    f'sum({GROSS}{{product="copilot"}} {OF_RUNNING}) / (sum({MONTHLY}) > 0)',
                    "currencyUSD",
                    ((None, "green"), (60, "orange"), (100, "red")),
                    decimals=2,
                ),
                table(
                    "Organizations",
                    "Seats, their users, and how much of Copilot's output is accepted, on which day. A member of two "
                    "organizations counts in both.",
                    {"organization": Label("Organization", 160)},
                    {
                        "Data from": Column(f"1000 * max by (organization) ({ORG}report_day_timestamp_seconds)", DAY),
                        "Seats": Column(f"max by (organization) ({SEATS})", "locale"),
                        "Idle": Column(f"max by (organization) ({IDLE})", "locale"),
                        "Idle share": Column(
                            f"max by (organization) ({IDLE} / ({SEATS} > 0))", "percentunit", IDLE_SHARE, decimals=0
                        ),
                        "Idle, per month": Column(f"max by (organization) ({IDLE}) * $seat_price", "currencyUSD"),
                        "Users in 28 days": Column(f"max by (organization) ({ORG}monthly_active_users)", "locale"),
                        "Users on the day": Column(f"max by (organization) ({ORG}daily_active_users)", "locale"),
                        "Accepted": Column(
                            f"max by (organization) ({ORG}code_acceptance_activity / ({ORG}code_generation_activity "
                            f"> 0))",
                            "percentunit",
                            decimals=0,
                        ),
                        "Lines added": Column(f"max by (organization) ({ORG}loc_added)", "locale"),
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
                ),
                timeseries(
                    "People who use Copilot, by organization",
                    f"Distinct people of each organization in 28 days; not to be added up. {DAYS}",
                    {"{{organization}}": f"max by (organization) ({ORG}monthly_active_users)"},
                    "short",
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
                    {
                        name: f'sum({ENT}ai_adoption_phase_total_engaged_users{{phase_number="{number}"}})'
                        for name, number in PHASES.items()
                    },
                    "short",
                ),
                bars(
                    "On the day, by surface",
                    "People of the enterprise who used the command line, the Copilot app, the cloud agent, or code "
                    "review on the newest complete day.",
                    {name: f"sum({ENT}daily_active_{field}_users)" for name, field in SURFACES.items()},
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
                ),
                bars(
                    "Prompts by feature",
                    "Prompts to Copilot on the day, by feature, in the organizations chosen.",
                    {"{{feature}}": top("feature_user_initiated_interaction", "feature")},
                    "short",
                    width=8,
                    names=FEATURES,
                ),
                bars(
                    "Lines added by editor",
                    "Lines that Copilot added on the day, by editor, in the organizations chosen.",
                    {"{{ide}}": top("ide_loc_added", "ide")},
                    "short",
                    width=8,
                ),
                bars(
                    "Lines added by language",
                    "Lines that Copilot added on the day, by language, in the organizations chosen. "
                    + BY_CHOICE.format("language_feature"),
                    {"{{language}}": top("language_feature_loc_added", "language")},
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
                    {"{{model}}": top("model_feature_user_initiated_interaction", "model")},
                    "short",
                    width=8,
                ),
                table(
                    "Model and feature",
                    "Prompts, lines added and acceptance on the day, by model and feature, in the organizations "
                    "chosen. " + BY_CHOICE.format("model_feature"),
                    {"model": Label("Model", 160), "feature": Label("Feature", 160, FEATURE_WORDS)},
                    {
                        "Prompts": Column(
                            f"sum by (model, feature) ({ORG}model_feature_user_initiated_interaction)", "locale"
                        ),
                        "Lines added": Column(f"sum by (model, feature) ({ORG}model_feature_loc_added)", "locale"),
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
                    "Median hours from creation to merge, of all pull requests and of Copilot's; the mean over "
                    "organizations. Absent on days without one.",
                    {
                        "all": hours_to_merge(""),
                        "created by Copilot": hours_to_merge("_copilot_authored"),
                        "reviewed by Copilot": hours_to_merge("_copilot_reviewed"),
                    },
                    "h",
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
                        "seat_management_setting": Label("Who gets a seat", words=SEATS_FOR),
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
