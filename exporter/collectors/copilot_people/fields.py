"""The numbers of a person's record: which are summed over a team, and their help texts. Pure data.

https://docs.github.com/enterprise-cloud@latest/copilot/reference/copilot-usage-metrics/copilot-usage-metrics
"""

from collections.abc import Mapping

_SESSIONS = {
    "session_count": "Sessions in {}",
    "request_count": "Requests to models in {}",
    "prompt_count": "Prompts in {}",
    "token_usage.output_tokens_sum": "Tokens in the answers of models in {}",
    "token_usage.prompt_tokens_sum": "Tokens in the prompts to models in {}",
}


def _sessions(member: str, surface: str) -> dict[str, str]:
    return {f"{member}.{field}": text.format(surface) for field, text in _SESSIONS.items()}


COUNTS: Mapping[str, str] = {
    "user_initiated_interaction_count": "Prompts sent to Copilot",
    "code_generation_activity_count": "Times that Copilot generated code",
    "code_acceptance_activity_count": "Times that Copilot's code was accepted",
    "loc_suggested_to_add_sum": "Lines of code that Copilot suggested to add",
    "loc_suggested_to_delete_sum": "Lines of code that Copilot suggested to delete",
    "loc_added_sum": "Lines of code added by Copilot",
    "loc_deleted_sum": "Lines of code deleted by Copilot",
    "chat_panel_ask_mode": "Prompts in the chat panel's ask mode",
    "chat_panel_edit_mode": "Prompts in the chat panel's edit mode",
    "chat_panel_agent_mode": "Prompts in the chat panel's agent mode",
    "chat_panel_plan_mode": "Prompts in the chat panel's plan mode",
    "chat_panel_custom_mode": "Prompts in a custom mode of the chat panel",
    "chat_panel_unknown_mode": "Prompts in the chat panel whose mode is unknown",
    "ai_credits_used": "AI credits used, for trends: the bill is in the usage reports",
}
USED: Mapping[str, str] = {
    "used_chat": "used chat in an editor",
    "used_agent": "used agent mode in an editor",
    "used_cli": "used Copilot CLI",
    "used_copilot_app": "used the Copilot app",
    "used_vscode_agent": "used the Agents window of VS Code",
    "used_copilot_cloud_agent": "used the cloud agent",
    "used_copilot_code_review_active": "engaged with code review",
    "used_copilot_code_review_passive": "were assigned a code review and did not engage",
}
"""Fields that are true or false, with what people did."""
NESTED: Mapping[str, str] = {
    **_sessions("totals_by_cli", "Copilot CLI"),
    **_sessions("totals_by_copilot_app", "the Copilot app"),
    "totals_by_vscode_agent.session_count": "Sessions in the Agents window of VS Code",
    "totals_by_vscode_agent.total_user_messages": "Messages sent in the Agents window of VS Code",
}
OF_ONE: Mapping[str, str] = {
    "totals_by_cli.token_usage.avg_tokens_per_request": "Tokens per request in Copilot CLI, on average,",
    "totals_by_copilot_app.token_usage.avg_tokens_per_request": "Tokens per request in the Copilot app, on average,",
    "distinct_skill_use_count": "Different skills used in Copilot CLI, each once,",
    "distinct_custom_agent_use_count": "Different custom agents used in Copilot CLI, each once,",
    "distinct_mcp_use_count": "Different MCP servers used in Copilot CLI, each once,",
    "distinct_slash_cmd_use_count": "Different slash commands used in Copilot CLI, each once,",
    "distinct_plugin_use_count": "Different plugins used in Copilot CLI, each once,",
}
"""What cannot be added up over people."""
_TEXTS = {**COUNTS, **NESTED, **OF_ONE}
SUMMED = (*COUNTS, *USED, *NESTED)
FIELDS = (*SUMMED, *OF_ONE)
PLACES = tuple(tuple(field.split(".")) for field in FIELDS)
NOT_FIGURES = (
    "user_id",
    "user_login",
    "used_copilot_coding_agent",  # the same as used_copilot_cloud_agent, by its old name
    "ai_adoption_phase",
    "totals_by_ide",
    "totals_by_feature",
    "totals_by_language_feature",
    "totals_by_language_model",
    "totals_by_model_feature",
    "totals_by_3rd_party_agent",
    "totals_by_skill",
    "totals_by_custom_agent",
    "totals_by_mcp",
    "totals_by_slash_cmd",
    "totals_by_plugin",
)
"""Documented fields of a person's record without a metric: breakdowns of one person would be too many series."""
NOT_SHOWN_OF_CLI = ("last_known_cli_version",)

OF_MEMBERS = "Somebody in two teams counts in both: do not add teams up."
ACTIVE_USERS = f"Members of the team whom GitHub's report of the day has as active. {OF_MEMBERS}"
MEMBERS = (
    f"Members of the team with a Copilot seat, active or not; teams with fewer than five seats are absent. {OF_MEMBERS}"
)


def team_help(field: str) -> str:
    """The help text of a sum over a team's members."""
    if field in USED:
        return f"Members of the team who {USED[field]} on the day. {OF_MEMBERS}"
    return f"{_TEXTS[field]}, by members of the team on the day. {OF_MEMBERS}"


def person_help(field: str) -> str:
    """The help text of a person's figure."""
    if field in USED:
        return f"1 for people who {USED[field]} on the day, else 0."
    return f"{_TEXTS[field].removesuffix(',')}, by a person on the day."
