"""The sections of a Copilot day: the members of GitHub's record, with keys, numbers and help texts. Pure data.

https://docs.github.com/enterprise-cloud@latest/copilot/reference/copilot-usage-metrics/copilot-usage-metrics
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import create_model

from exporter.tables import Figures


class ReportSection(NamedTuple):
    """A member of a record.

    - `member`: GitHub's name; "" for the record's own numbers.
    - `breakdown`: the option that selects it.
    - `keys`: the fields that identify a row.
    - `help`: the help texts of the numbers, by GitHub's field.
    - `can_be_added`: whether rows beyond `max_series` are summed.
    """

    member: str
    breakdown: str
    row: type[Figures]
    keys: tuple[str, ...]
    help: Mapping[str, str]
    can_be_added: bool


DISTINCT = "Distinct people: do not add up over organizations, days or surfaces."

TOTALS = {
    "daily_active_users": "People who used Copilot on the day.",
    "weekly_active_users": "People who used Copilot in the 7 days up to the day.",
    "monthly_active_users": "People who used Copilot in the 28 days up to the day.",
    "monthly_active_chat_users": "People who used chat in the 28 days up to the day.",
    "weekly_active_agent_users": "People who used agent mode in the 7 days up to the day; GitHub does not document it.",
    "monthly_active_agent_users": "People who used agent mode in the 28 days up to the day.",
    "daily_active_cli_users": "People who used Copilot CLI on the day; absent if nobody did.",
    "weekly_active_cli_users": "People who used Copilot CLI in the 7 days up to the day; GitHub does not document it.",
    "monthly_active_cli_users": (
        "People who used Copilot CLI in the 28 days up to the day; GitHub does not document it."
    ),
    "daily_active_copilot_app_users": "People who used the Copilot app on the day.",
    "weekly_active_copilot_app_users": (
        "People who used the Copilot app in the 7 days up to the day; GitHub does not document it."
    ),
    "monthly_active_copilot_app_users": (
        "People who used the Copilot app in the 28 days up to the day; GitHub does not document it."
    ),
    "daily_active_vscode_agent_users": (
        "People who used the Agents window of VS Code on the day; agent mode in the editor is not in it."
    ),
    "weekly_active_vscode_agent_users": (
        "People who used the Agents window of VS Code in the 7 days up to the day; GitHub does not document it."
    ),
    "monthly_active_vscode_agent_users": (
        "People who used the Agents window of VS Code in the 28 days up to the day; GitHub does not document it."
    ),
    "daily_active_copilot_cloud_agent_users": "People who used the cloud agent on the day.",
    "weekly_active_copilot_cloud_agent_users": "People who used the cloud agent in the 7 days up to the day.",
    "monthly_active_copilot_cloud_agent_users": "People who used the cloud agent in the 28 days up to the day.",
    "daily_active_copilot_code_review_users": "People who engaged with code review on the day.",
    "weekly_active_copilot_code_review_users": "People who engaged with code review in the 7 days up to the day.",
    "monthly_active_copilot_code_review_users": "People who engaged with code review in the 28 days up to the day.",
    "daily_passive_copilot_code_review_users": "People assigned a code review who did not engage, on the day.",
    "weekly_passive_copilot_code_review_users": "People assigned a code review who did not engage, in the 7 days.",
    "monthly_passive_copilot_code_review_users": "People assigned a code review who did not engage, in the 28 days.",
    "user_initiated_interaction_count": "Prompts that people sent to Copilot on the day.",
    "code_generation_activity_count": "Times that Copilot generated code on the day; not a number of prompts.",
    "code_acceptance_activity_count": "Times that people accepted Copilot's code on the day.",
    "chat_panel_ask_mode": "Prompts in the chat panel's ask mode on the day.",
    "chat_panel_edit_mode": "Prompts in the chat panel's edit mode on the day.",
    "chat_panel_agent_mode": "Prompts in the chat panel's agent mode on the day.",
    "chat_panel_plan_mode": "Prompts in the chat panel's plan mode on the day.",
    "chat_panel_custom_mode": "Prompts in a custom mode of the chat panel on the day.",
    "chat_panel_unknown_mode": "Prompts in the chat panel on the day whose mode is unknown.",
    "loc_suggested_to_add_sum": "Lines of code that Copilot suggested to add on the day.",
    "loc_suggested_to_delete_sum": "Lines of code that Copilot suggested to delete on the day.",
    "loc_added_sum": "Lines of code added by Copilot on the day.",
    "loc_deleted_sum": "Lines of code deleted by Copilot on the day.",
    "distinct_skill_use_count": "Different skills used in Copilot CLI on the day, each once.",
    "distinct_custom_agent_use_count": "Different custom agents used in Copilot CLI on the day, each once.",
    "distinct_mcp_use_count": "Different MCP servers used in Copilot CLI on the day, each once.",
    "distinct_slash_cmd_use_count": "Different slash commands used in Copilot CLI on the day, each once.",
    "distinct_plugin_use_count": "Different plugins used in Copilot CLI on the day, each once.",
}
LINES = {
    "code_generation_activity_count": "Times that Copilot generated code on the day",
    "code_acceptance_activity_count": "Times that people accepted Copilot's code on the day",
    "loc_suggested_to_add_sum": "Lines of code that Copilot suggested to add on the day",
    "loc_suggested_to_delete_sum": "Lines of code that Copilot suggested to delete on the day",
    "loc_added_sum": "Lines of code added by Copilot on the day",
    "loc_deleted_sum": "Lines of code deleted by Copilot on the day",
}
ALL = {**LINES, "user_initiated_interaction_count": "Prompts that people sent to Copilot on the day"}
REVIEW = {
    "total_copilot_suggestions": "Suggestions that Copilot's reviews made on the day",
    "total_copilot_applied_suggestions": "Suggestions of Copilot's reviews that were applied on the day",
}
PULLS = {
    "total_created": "Pull requests created on the day.",
    "total_reviewed": "Pull requests reviewed on the day; one that is reviewed on two days counts on both.",
    "total_merged": "Pull requests merged on the day.",
    "total_suggestions": "Suggestions that reviews made on the day.",
    "total_applied_suggestions": "Suggestions of reviews that were applied on the day.",
    "total_created_by_copilot": "Pull requests that Copilot created on the day.",
    "total_reviewed_by_copilot": "Pull requests that Copilot reviewed on the day.",
    "total_merged_created_by_copilot": "Pull requests created by Copilot that were merged on the day.",
    "total_merged_reviewed_by_copilot": "Pull requests reviewed by Copilot that were merged on the day.",
    **{field: f"{text}." for field, text in REVIEW.items()},
    "median_minutes_to_merge": "Median time to merge of pull requests that were merged on the day; absent if none was.",
    "median_minutes_to_merge_copilot_authored": (
        "Median time to merge of pull requests created by Copilot that were merged on the day."
    ),
    "median_minutes_to_merge_copilot_reviewed": (
        "Median time to merge of pull requests reviewed by Copilot that were merged on the day."
    ),
}
SESSIONS = {
    "session_count": "Sessions on the day; the figures by editor do not include them.",
    "request_count": "Requests to models on the day.",
    "prompt_count": "Prompts on the day.",
    "output_tokens_sum": "Tokens in the answers of models on the day.",
    "prompt_tokens_sum": "Tokens in the prompts to models on the day.",
    "avg_tokens_per_request": "Tokens per request on the day, on average.",
}
AGENTS = {
    "session_count": "Sessions of the agent on the day",
    "user_initiated_interaction_count": "Tasks that people gave the agent on the day",
}
WINDOW = {
    "session_count": "Sessions in the Agents window of VS Code on the day; no other figure includes them.",
    "total_user_messages": "Messages that people sent in the Agents window of VS Code on the day.",
}
TOP_FIVE = "GitHub names the five most used of the day: one that is absent was not necessarily unused"
ENGAGEMENT, ENGAGED = "copilot_feature_engagement", "copilot_feature_engagement.totals_by_feature"
PHASES = {
    "total_engaged_users": "People in the phase who were active on the day; not all who are in it.",
    "users_in_phase_28d": f"People in the phase as of the day, whether or not active on it. {DISTINCT}",
    "total_pull_requests_merged": "Pull requests of people in the phase that were merged on the day.",
    "avg_user_initiated_interactions": "Prompts of a person in the phase, on average.",
    "avg_code_generation_activities": "Times that Copilot generated code for a person in the phase, on average.",
    "avg_code_acceptance_activities": "Times that a person in the phase accepted code, on average.",
    "avg_loc_added": "Lines of code added for a person in the phase, on average.",
    "avg_loc_deleted": "Lines of code deleted for a person in the phase, on average.",
    "avg_pull_requests_created": "Pull requests created by a person in the phase, on average.",
    "avg_pull_requests_reviewed": "Pull requests reviewed by a person in the phase, on average.",
    "avg_pull_requests_merged": "Merged pull requests of a person in the phase, on average.",
    "avg_pull_requests_median_minutes_to_merge": "Median time to merge of a person in the phase, on average.",
    "avg_pull_requests_minutes_to_review": "Time to review of a person in the phase, on average.",
    "avg_pull_requests_review_cycles": "Review cycles of a pull request of a person in the phase, on average.",
}


def _section(
    name: str,
    member: str,
    breakdown: str,
    numbers: Mapping[str, str],
    *keys: str,
    can_be_added: bool = False,
    surface: str = "",
) -> ReportSection:
    """A section with its own row class `name`; the keys are appended to help texts without a full stop."""
    fields: dict[str, Any] = dict.fromkeys(keys, (str, ...))
    row = create_model(name, __base__=Figures, **fields)
    end = f", by {' and '.join(keys)}."
    texts = {field: surface + (text if text.endswith(".") else text + end) for field, text in numbers.items()}
    texts |= {field: f"{text} {DISTINCT}" for field, text in texts.items() if field.endswith("_users")}
    return ReportSection(member, breakdown, row, keys, texts, can_be_added)


def _of_cli(name: str, key: str, text: str) -> ReportSection:
    """A list of what people used in Copilot CLI. Its rows are not summed as `other`, which is a name of GitHub's."""
    numbers = {"interaction_count": f"Copilot CLI: {text} on the day. {TOP_FIVE}."}
    return _section(name, f"totals_by_{key}", key, numbers, key)


SECTIONS = (
    _section("Day", "", "", TOTALS),
    _section("Ide", "totals_by_ide", "ide", ALL, "ide", can_be_added=True),
    _section("Feature", "totals_by_feature", "feature", ALL, "feature", can_be_added=True),
    _section("ModelFeature", "totals_by_model_feature", "model_feature", ALL, "model", "feature", can_be_added=True),
    _section(
        "LanguageFeature",
        "totals_by_language_feature",
        "language_feature",
        LINES,
        "language",
        "feature",
        can_be_added=True,
    ),
    _section(
        "LanguageModel", "totals_by_language_model", "language_model", LINES, "language", "model", can_be_added=True
    ),
    _section("PullRequests", "pull_requests", "pull_requests", PULLS),
    _section("CommentType", "copilot_suggestions_by_comment_type", "", REVIEW, "comment_type", can_be_added=True),
    _section("Cli", "totals_by_cli", "cli", SESSIONS, surface="Copilot CLI: "),
    _section("CopilotApp", "totals_by_copilot_app", "copilot_app", SESSIONS, surface="Copilot app: "),
    _section("Agent", "totals_by_3rd_party_agent", "third_party_agent", AGENTS, "agent_id", can_be_added=True),
    _section("Phase", "totals_by_ai_adoption_phase", "ai_adoption_phase", PHASES, "phase_number"),
    _section("AgentsWindow", "totals_by_vscode_agent", "vscode_agent", WINDOW),
    _of_cli("Skill", "skill", "times that a skill was invoked"),
    _of_cli("CustomAgent", "custom_agent", "times that a custom agent was started"),
    _of_cli("Mcp", "mcp", "attempts to connect to an MCP server, failed ones included,"),
    _of_cli("SlashCmd", "slash_cmd", "times that a slash command was invoked"),
    _of_cli("Plugin", "plugin", "times that a skill was invoked through a plugin, which the figures by skill include,"),
    _section(
        "Engagement",
        ENGAGEMENT,
        "feature_engagement",
        {"active_user_count": f"People who used Copilot in the 28 days of GitHub's newest report. {DISTINCT}"},
    ),
    _section(
        "EngagedFeature",
        ENGAGED,
        "feature_engagement",
        {
            "engaged_user_count": "People who used the feature on at least two of the 28 days of GitHub's newest "
            f"report. {DISTINCT}"
        },
        "feature",
    ),
)
BY_MEMBER = {section.member: section for section in SECTIONS}
COMMENT_TYPES, TOKENS = "copilot_suggestions_by_comment_type", "token_usage"
BELOW = {"pull_requests": (COMMENT_TYPES, COMMENT_TYPES), ENGAGEMENT: ("totals_by_feature", ENGAGED)}
"""The lists in members: the field of the list, and the section of its rows."""

IDENTITY = (
    "day",
    "day_totals",
    "report_start_day",
    "report_end_day",
    "enterprise_id",
    "organization_id",
    "created_at",
    "etl_id",
    "day_partition",
    "entity_id_partition",
)
"""Documented fields of any record that tell its day, whose it is, and how it was made."""
PLAIN: dict[str, tuple[str, ...]] = {
    "": (*filter(None, BY_MEMBER), *IDENTITY),
    "totals_by_3rd_party_agent": ("agent_name",),
    "totals_by_ai_adoption_phase": ("phase",),
}
"""Documented fields that are not figures (names, ids, dates), by member."""
