"""The metrics of a Copilot day, by scope and member of a record, in the order of the member's fields. Pure data.

A metric has the name of GitHub's field without `_count` or `_sum` at its end; minutes become seconds.
"""

from collections.abc import Mapping, Sequence

from exporter.collectors.copilot_usage.sections import ENGAGEMENT, SECTIONS, ReportSection
from exporter.tables import Family, Row, Table, gauge

ORGANIZATION: dict[str, tuple[str, ...]] = {
    "": (
        "github_copilot_organization_daily_active_users",
        "github_copilot_organization_weekly_active_users",
        "github_copilot_organization_monthly_active_users",
        "github_copilot_organization_monthly_active_chat_users",
        "github_copilot_organization_weekly_active_agent_users",
        "github_copilot_organization_monthly_active_agent_users",
        "github_copilot_organization_daily_active_cli_users",
        "github_copilot_organization_weekly_active_cli_users",
        "github_copilot_organization_monthly_active_cli_users",
        "github_copilot_organization_daily_active_copilot_app_users",
        "github_copilot_organization_weekly_active_copilot_app_users",
        "github_copilot_organization_monthly_active_copilot_app_users",
        "github_copilot_organization_daily_active_vscode_agent_users",
        "github_copilot_organization_weekly_active_vscode_agent_users",
        "github_copilot_organization_monthly_active_vscode_agent_users",
        "github_copilot_organization_daily_active_copilot_cloud_agent_users",
        "github_copilot_organization_weekly_active_copilot_cloud_agent_users",
        "github_copilot_organization_monthly_active_copilot_cloud_agent_users",
        "github_copilot_organization_daily_active_copilot_code_review_users",
        "github_copilot_organization_weekly_active_copilot_code_review_users",
        "github_copilot_organization_monthly_active_copilot_code_review_users",
        "github_copilot_organization_daily_passive_copilot_code_review_users",
        "github_copilot_organization_weekly_passive_copilot_code_review_users",
        "github_copilot_organization_monthly_passive_copilot_code_review_users",
        "github_copilot_organization_user_initiated_interaction",
        "github_copilot_organization_code_generation_activity",
        "github_copilot_organization_code_acceptance_activity",
        "github_copilot_organization_chat_panel_ask_mode",
        "github_copilot_organization_chat_panel_edit_mode",
        "github_copilot_organization_chat_panel_agent_mode",
        "github_copilot_organization_chat_panel_plan_mode",
        "github_copilot_organization_chat_panel_custom_mode",
        "github_copilot_organization_chat_panel_unknown_mode",
        "github_copilot_organization_loc_suggested_to_add",
        "github_copilot_organization_loc_suggested_to_delete",
        "github_copilot_organization_loc_added",
        "github_copilot_organization_loc_deleted",
        "github_copilot_organization_distinct_skill_use",
        "github_copilot_organization_distinct_custom_agent_use",
        "github_copilot_organization_distinct_mcp_use",
        "github_copilot_organization_distinct_slash_cmd_use",
        "github_copilot_organization_distinct_plugin_use",
    ),
    "totals_by_ide": (
        "github_copilot_organization_ide_code_generation_activity",
        "github_copilot_organization_ide_code_acceptance_activity",
        "github_copilot_organization_ide_loc_suggested_to_add",
        "github_copilot_organization_ide_loc_suggested_to_delete",
        "github_copilot_organization_ide_loc_added",
        "github_copilot_organization_ide_loc_deleted",
        "github_copilot_organization_ide_user_initiated_interaction",
    ),
    "totals_by_feature": (
        "github_copilot_organization_feature_code_generation_activity",
        "github_copilot_organization_feature_code_acceptance_activity",
        "github_copilot_organization_feature_loc_suggested_to_add",
        "github_copilot_organization_feature_loc_suggested_to_delete",
        "github_copilot_organization_feature_loc_added",
        "github_copilot_organization_feature_loc_deleted",
        "github_copilot_organization_feature_user_initiated_interaction",
    ),
    "totals_by_model_feature": (
        "github_copilot_organization_model_feature_code_generation_activity",
        "github_copilot_organization_model_feature_code_acceptance_activity",
        "github_copilot_organization_model_feature_loc_suggested_to_add",
        "github_copilot_organization_model_feature_loc_suggested_to_delete",
        "github_copilot_organization_model_feature_loc_added",
        "github_copilot_organization_model_feature_loc_deleted",
        "github_copilot_organization_model_feature_user_initiated_interaction",
    ),
    "totals_by_language_feature": (
        "github_copilot_organization_language_feature_code_generation_activity",
        "github_copilot_organization_language_feature_code_acceptance_activity",
        "github_copilot_organization_language_feature_loc_suggested_to_add",
        "github_copilot_organization_language_feature_loc_suggested_to_delete",
        "github_copilot_organization_language_feature_loc_added",
        "github_copilot_organization_language_feature_loc_deleted",
    ),
    "totals_by_language_model": (
        "github_copilot_organization_language_model_code_generation_activity",
        "github_copilot_organization_language_model_code_acceptance_activity",
        "github_copilot_organization_language_model_loc_suggested_to_add",
        "github_copilot_organization_language_model_loc_suggested_to_delete",
        "github_copilot_organization_language_model_loc_added",
        "github_copilot_organization_language_model_loc_deleted",
    ),
    "pull_requests": (
        "github_copilot_organization_pull_requests_total_created",
        "github_copilot_organization_pull_requests_total_reviewed",
        "github_copilot_organization_pull_requests_total_merged",
        "github_copilot_organization_pull_requests_total_suggestions",
        "github_copilot_organization_pull_requests_total_applied_suggestions",
        "github_copilot_organization_pull_requests_total_created_by_copilot",
        "github_copilot_organization_pull_requests_total_reviewed_by_copilot",
        "github_copilot_organization_pull_requests_total_merged_created_by_copilot",
        "github_copilot_organization_pull_requests_total_merged_reviewed_by_copilot",
        "github_copilot_organization_pull_requests_total_copilot_suggestions",
        "github_copilot_organization_pull_requests_total_copilot_applied_suggestions",
        "github_copilot_organization_pull_requests_median_seconds_to_merge",
        "github_copilot_organization_pull_requests_median_seconds_to_merge_copilot_authored",
        "github_copilot_organization_pull_requests_median_seconds_to_merge_copilot_reviewed",
    ),
    "copilot_suggestions_by_comment_type": (
        "github_copilot_organization_pull_requests_comment_type_total_copilot_suggestions",
        "github_copilot_organization_pull_requests_comment_type_total_copilot_applied_suggestions",
    ),
    "totals_by_cli": (
        "github_copilot_organization_cli_session",
        "github_copilot_organization_cli_request",
        "github_copilot_organization_cli_prompt",
        "github_copilot_organization_cli_output_tokens",
        "github_copilot_organization_cli_prompt_tokens",
        "github_copilot_organization_cli_avg_tokens_per_request",
    ),
    "totals_by_copilot_app": (
        "github_copilot_organization_copilot_app_session",
        "github_copilot_organization_copilot_app_request",
        "github_copilot_organization_copilot_app_prompt",
        "github_copilot_organization_copilot_app_output_tokens",
        "github_copilot_organization_copilot_app_prompt_tokens",
        "github_copilot_organization_copilot_app_avg_tokens_per_request",
    ),
    "totals_by_3rd_party_agent": (
        "github_copilot_organization_third_party_agent_session",
        "github_copilot_organization_third_party_agent_user_initiated_interaction",
    ),
    "totals_by_ai_adoption_phase": (
        "github_copilot_organization_ai_adoption_phase_total_engaged_users",
        "github_copilot_organization_ai_adoption_phase_users_in_phase_28d",
        "github_copilot_organization_ai_adoption_phase_total_pull_requests_merged",
        "github_copilot_organization_ai_adoption_phase_avg_user_initiated_interactions",
        "github_copilot_organization_ai_adoption_phase_avg_code_generation_activities",
        "github_copilot_organization_ai_adoption_phase_avg_code_acceptance_activities",
        "github_copilot_organization_ai_adoption_phase_avg_loc_added",
        "github_copilot_organization_ai_adoption_phase_avg_loc_deleted",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_created",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_reviewed",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_merged",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_median_seconds_to_merge",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_seconds_to_review",
        "github_copilot_organization_ai_adoption_phase_avg_pull_requests_review_cycles",
    ),
    "totals_by_vscode_agent": (
        "github_copilot_organization_vscode_agent_session",
        "github_copilot_organization_vscode_agent_total_user_messages",
    ),
    "totals_by_skill": ("github_copilot_organization_skill_interaction",),
    "totals_by_custom_agent": ("github_copilot_organization_custom_agent_interaction",),
    "totals_by_mcp": ("github_copilot_organization_mcp_interaction",),
    "totals_by_slash_cmd": ("github_copilot_organization_slash_cmd_interaction",),
    "totals_by_plugin": ("github_copilot_organization_plugin_interaction",),
    "copilot_feature_engagement": ("github_copilot_organization_feature_engagement_active_users",),
    "copilot_feature_engagement.totals_by_feature": ("github_copilot_organization_feature_engaged_users",),
}

ENTERPRISE: dict[str, tuple[str, ...]] = {
    "": (
        "github_copilot_enterprise_daily_active_users",
        "github_copilot_enterprise_weekly_active_users",
        "github_copilot_enterprise_monthly_active_users",
        "github_copilot_enterprise_monthly_active_chat_users",
        "github_copilot_enterprise_weekly_active_agent_users",
        "github_copilot_enterprise_monthly_active_agent_users",
        "github_copilot_enterprise_daily_active_cli_users",
        "github_copilot_enterprise_weekly_active_cli_users",
        "github_copilot_enterprise_monthly_active_cli_users",
        "github_copilot_enterprise_daily_active_copilot_app_users",
        "github_copilot_enterprise_weekly_active_copilot_app_users",
        "github_copilot_enterprise_monthly_active_copilot_app_users",
        "github_copilot_enterprise_daily_active_vscode_agent_users",
        "github_copilot_enterprise_weekly_active_vscode_agent_users",
        "github_copilot_enterprise_monthly_active_vscode_agent_users",
        "github_copilot_enterprise_daily_active_copilot_cloud_agent_users",
        "github_copilot_enterprise_weekly_active_copilot_cloud_agent_users",
        "github_copilot_enterprise_monthly_active_copilot_cloud_agent_users",
        "github_copilot_enterprise_daily_active_copilot_code_review_users",
        "github_copilot_enterprise_weekly_active_copilot_code_review_users",
        "github_copilot_enterprise_monthly_active_copilot_code_review_users",
        "github_copilot_enterprise_daily_passive_copilot_code_review_users",
        "github_copilot_enterprise_weekly_passive_copilot_code_review_users",
        "github_copilot_enterprise_monthly_passive_copilot_code_review_users",
        "github_copilot_enterprise_user_initiated_interaction",
        "github_copilot_enterprise_code_generation_activity",
        "github_copilot_enterprise_code_acceptance_activity",
        "github_copilot_enterprise_chat_panel_ask_mode",
        "github_copilot_enterprise_chat_panel_edit_mode",
        "github_copilot_enterprise_chat_panel_agent_mode",
        "github_copilot_enterprise_chat_panel_plan_mode",
        "github_copilot_enterprise_chat_panel_custom_mode",
        "github_copilot_enterprise_chat_panel_unknown_mode",
        "github_copilot_enterprise_loc_suggested_to_add",
        "github_copilot_enterprise_loc_suggested_to_delete",
        "github_copilot_enterprise_loc_added",
        "github_copilot_enterprise_loc_deleted",
        "github_copilot_enterprise_distinct_skill_use",
        "github_copilot_enterprise_distinct_custom_agent_use",
        "github_copilot_enterprise_distinct_mcp_use",
        "github_copilot_enterprise_distinct_slash_cmd_use",
        "github_copilot_enterprise_distinct_plugin_use",
    ),
    "totals_by_ide": (
        "github_copilot_enterprise_ide_code_generation_activity",
        "github_copilot_enterprise_ide_code_acceptance_activity",
        "github_copilot_enterprise_ide_loc_suggested_to_add",
        "github_copilot_enterprise_ide_loc_suggested_to_delete",
        "github_copilot_enterprise_ide_loc_added",
        "github_copilot_enterprise_ide_loc_deleted",
        "github_copilot_enterprise_ide_user_initiated_interaction",
    ),
    "totals_by_feature": (
        "github_copilot_enterprise_feature_code_generation_activity",
        "github_copilot_enterprise_feature_code_acceptance_activity",
        "github_copilot_enterprise_feature_loc_suggested_to_add",
        "github_copilot_enterprise_feature_loc_suggested_to_delete",
        "github_copilot_enterprise_feature_loc_added",
        "github_copilot_enterprise_feature_loc_deleted",
        "github_copilot_enterprise_feature_user_initiated_interaction",
    ),
    "totals_by_model_feature": (
        "github_copilot_enterprise_model_feature_code_generation_activity",
        "github_copilot_enterprise_model_feature_code_acceptance_activity",
        "github_copilot_enterprise_model_feature_loc_suggested_to_add",
        "github_copilot_enterprise_model_feature_loc_suggested_to_delete",
        "github_copilot_enterprise_model_feature_loc_added",
        "github_copilot_enterprise_model_feature_loc_deleted",
        "github_copilot_enterprise_model_feature_user_initiated_interaction",
    ),
    "totals_by_language_feature": (
        "github_copilot_enterprise_language_feature_code_generation_activity",
        "github_copilot_enterprise_language_feature_code_acceptance_activity",
        "github_copilot_enterprise_language_feature_loc_suggested_to_add",
        "github_copilot_enterprise_language_feature_loc_suggested_to_delete",
        "github_copilot_enterprise_language_feature_loc_added",
        "github_copilot_enterprise_language_feature_loc_deleted",
    ),
    "totals_by_language_model": (
        "github_copilot_enterprise_language_model_code_generation_activity",
        "github_copilot_enterprise_language_model_code_acceptance_activity",
        "github_copilot_enterprise_language_model_loc_suggested_to_add",
        "github_copilot_enterprise_language_model_loc_suggested_to_delete",
        "github_copilot_enterprise_language_model_loc_added",
        "github_copilot_enterprise_language_model_loc_deleted",
    ),
    "pull_requests": (
        "github_copilot_enterprise_pull_requests_total_created",
        "github_copilot_enterprise_pull_requests_total_reviewed",
        "github_copilot_enterprise_pull_requests_total_merged",
        "github_copilot_enterprise_pull_requests_total_suggestions",
        "github_copilot_enterprise_pull_requests_total_applied_suggestions",
        "github_copilot_enterprise_pull_requests_total_created_by_copilot",
        "github_copilot_enterprise_pull_requests_total_reviewed_by_copilot",
        "github_copilot_enterprise_pull_requests_total_merged_created_by_copilot",
        "github_copilot_enterprise_pull_requests_total_merged_reviewed_by_copilot",
        "github_copilot_enterprise_pull_requests_total_copilot_suggestions",
        "github_copilot_enterprise_pull_requests_total_copilot_applied_suggestions",
        "github_copilot_enterprise_pull_requests_median_seconds_to_merge",
        "github_copilot_enterprise_pull_requests_median_seconds_to_merge_copilot_authored",
        "github_copilot_enterprise_pull_requests_median_seconds_to_merge_copilot_reviewed",
    ),
    "copilot_suggestions_by_comment_type": (
        "github_copilot_enterprise_pull_requests_comment_type_total_copilot_suggestions",
        "github_copilot_enterprise_pull_requests_comment_type_total_copilot_applied_suggestions",
    ),
    "totals_by_cli": (
        "github_copilot_enterprise_cli_session",
        "github_copilot_enterprise_cli_request",
        "github_copilot_enterprise_cli_prompt",
        "github_copilot_enterprise_cli_output_tokens",
        "github_copilot_enterprise_cli_prompt_tokens",
        "github_copilot_enterprise_cli_avg_tokens_per_request",
    ),
    "totals_by_copilot_app": (
        "github_copilot_enterprise_copilot_app_session",
        "github_copilot_enterprise_copilot_app_request",
        "github_copilot_enterprise_copilot_app_prompt",
        "github_copilot_enterprise_copilot_app_output_tokens",
        "github_copilot_enterprise_copilot_app_prompt_tokens",
        "github_copilot_enterprise_copilot_app_avg_tokens_per_request",
    ),
    "totals_by_3rd_party_agent": (
        "github_copilot_enterprise_third_party_agent_session",
        "github_copilot_enterprise_third_party_agent_user_initiated_interaction",
    ),
    "totals_by_ai_adoption_phase": (
        "github_copilot_enterprise_ai_adoption_phase_total_engaged_users",
        "github_copilot_enterprise_ai_adoption_phase_users_in_phase_28d",
        "github_copilot_enterprise_ai_adoption_phase_total_pull_requests_merged",
        "github_copilot_enterprise_ai_adoption_phase_avg_user_initiated_interactions",
        "github_copilot_enterprise_ai_adoption_phase_avg_code_generation_activities",
        "github_copilot_enterprise_ai_adoption_phase_avg_code_acceptance_activities",
        "github_copilot_enterprise_ai_adoption_phase_avg_loc_added",
        "github_copilot_enterprise_ai_adoption_phase_avg_loc_deleted",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_created",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_reviewed",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_merged",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_median_seconds_to_merge",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_seconds_to_review",
        "github_copilot_enterprise_ai_adoption_phase_avg_pull_requests_review_cycles",
    ),
    "totals_by_vscode_agent": (
        "github_copilot_enterprise_vscode_agent_session",
        "github_copilot_enterprise_vscode_agent_total_user_messages",
    ),
    "totals_by_skill": ("github_copilot_enterprise_skill_interaction",),
    "totals_by_custom_agent": ("github_copilot_enterprise_custom_agent_interaction",),
    "totals_by_mcp": ("github_copilot_enterprise_mcp_interaction",),
    "totals_by_slash_cmd": ("github_copilot_enterprise_slash_cmd_interaction",),
    "totals_by_plugin": ("github_copilot_enterprise_plugin_interaction",),
    "copilot_feature_engagement": ("github_copilot_enterprise_feature_engagement_active_users",),
    "copilot_feature_engagement.totals_by_feature": ("github_copilot_enterprise_feature_engaged_users",),
}


class ReportDay(Row):
    """The day of the figures, as its midnight UTC."""

    day: float


def _day(name: str) -> Table:
    text = "The day of the figures, as its midnight UTC: the newest day with usage that GitHub has finished."
    return Table(ReportDay, (gauge(name, "day", text),))


def _tables(names: Mapping[str, Sequence[str]], latest: str) -> tuple[Table, ...]:
    """The tables of a scope in the order of `SECTIONS`; `latest` is the path of the report that has the engagement."""
    return tuple(
        _table(section, names[section.member], latest if section.member.startswith(ENGAGEMENT) else "")
        for section in SECTIONS
    )


def _table(section: ReportSection, names: Sequence[str], endpoints: str) -> Table:
    return Table(
        section.row,
        tuple(_gauge(name, field, section.help[field]) for name, field in zip(names, section.help, strict=True)),
        section.keys,
        other=("other",) * len(section.keys) if section.can_be_added else None,
        endpoints=endpoints,
    )


def _gauge(name: str, field: str, text: str) -> Family:
    words = "_" + field.removesuffix("_count").removesuffix("_sum").replace("minutes", "seconds")
    if not name.endswith((words, words.replace("_user", "_users"))):
        raise TypeError(f"{name} does not end in GitHub's field {field}")
    return gauge(name, field, text)


TABLES_OF_ORGANIZATION = (
    *_tables(ORGANIZATION, "/orgs/{organization}/copilot/metrics/reports/organization-28-day/latest"),
    _day("github_copilot_organization_report_day_timestamp_seconds"),
)
TABLES_OF_ENTERPRISE = (
    *_tables(ENTERPRISE, "/enterprises/{enterprise}/copilot/metrics/reports/enterprise-28-day/latest"),
    _day("github_copilot_enterprise_report_day_timestamp_seconds"),
)
FIGURES = {section.member: table for section, table in zip(SECTIONS, TABLES_OF_ORGANIZATION, strict=False)}
"""A table with the fields of each member; both scopes have the same fields."""
