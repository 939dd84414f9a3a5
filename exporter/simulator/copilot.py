"""Days with Copilot: GitHub's reports of an organization or enterprise, in all their forms.

https://docs.github.com/enterprise-cloud@latest/copilot/reference/copilot-usage-metrics/copilot-usage-metrics
"""

import json
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from exporter.instants import DAY, day_of
from exporter.simulator.estate import Estate, midnight, shared_out

IDES = {"vscode": 70, "intellij": 18, "visualstudio": 8, "neovim": 4}
FEATURES = {
    "code_completion": 50,
    "chat_panel_ask_mode": 12,
    "chat_panel_edit_mode": 3,
    "chat_panel_agent_mode": 20,
    "chat_inline": 4,
    "agent_edit": 9,
    "others": 2,
}
LANGUAGES = {"typescript": 30, "python": 26, "go": 14, "java": 12, "ruby": 8, "terraform": 4, "others": 6}
MODELS = {"claude-sonnet-4.6": 40, "gpt-5.4": 34, "auto": 18, "unknown": 3, "others": 5}
MODES = {"ask": 34, "edit": 3, "agent": 58, "plan": 3, "custom": 1, "unknown": 1}
COMMENTS = {"bug_risk": 40, "security": 12, "performance": 9, "others": 20}
ENGAGED_FEATURES = {
    "code_completion": 72,
    "agent_edit": 46,
    "copilot_code_review_active": 21,
    "copilot_code_review_passive": 18,
    "copilot_cloud_agent": 14,
    "copilot_cli": 12,
    "copilot_app": 4,
}
CUSTOMIZATIONS = {
    "skill": {"other": 9},
    "custom_agent": {"general-purpose": 5, "other": 2},
    "mcp": {"github-mcp-server": 12, "other": 3},
    "slash_cmd": {"/plan": 6, "/model": 3, "custom": 1},
    "plugin": {"other": 2},
}
PHASES = {"No Cohort": 30, "Phase 1": 44, "Phase 2": 19, "Phase 3": 7}
LINES = ("loc_suggested_to_add_sum", "loc_suggested_to_delete_sum", "loc_added_sum", "loc_deleted_sum")
WEEKEND = (5, 6)
FINISHED = 2 * DAY  # seconds from a day's midnight to that of the day on which GitHub has it
LONGEST_AGO = 365 * DAY


def record(estate: Estate, name: str, day: int) -> dict[str, Any]:
    """The day of an organization or enterprise, with every field that GitHub documents."""
    chance = estate.random(name, day)
    seats = people(estate, name)
    weekend = (day // DAY + 3) % 7 in WEEKEND
    active = round(seats * (0.06 if weekend else 0.55) * chance.uniform(0.9, 1.1))
    prompts, generations = active * chance.randrange(6, 9), active * chance.randrange(40, 50)
    lines = (generations * 3, 0, generations * 2, generations // 3)
    activity = {
        "user_initiated_interaction_count": prompts,
        "code_generation_activity_count": generations,
        "code_acceptance_activity_count": generations // 3,
        **dict(zip(LINES, lines, strict=True)),
    }
    without_prompts = {field: value for field, value in activity.items() if field != "user_initiated_interaction_count"}
    return {
        "day": day_of(day),
        **identity(estate, name),
        **_users(active, seats),
        **{f"chat_panel_{mode}_mode": count for mode, count in _shares(prompts, MODES)},
        **activity,
        "totals_by_ide": [{"ide": ide, **part} for ide, part in _rows(activity, IDES)],
        "totals_by_feature": [{"feature": feature, **part} for feature, part in _rows(activity, FEATURES)],
        "totals_by_language_feature": [
            {"language": language, "feature": feature, **part}
            for language, of_language in _rows(without_prompts, LANGUAGES)
            for feature, part in _rows(of_language, FEATURES)
        ],
        "totals_by_language_model": [
            {"language": language, "model": model, **part}
            for language, of_language in _rows(without_prompts, LANGUAGES)
            for model, part in _rows(of_language, MODELS)
        ],
        "totals_by_model_feature": [
            {"model": model, "feature": feature, **part}
            for model, of_model in _rows(activity, MODELS)
            for feature, part in _rows(of_model, {"chat_panel_agent_mode": 6, "chat_panel_ask_mode": 4})
        ],
        "totals_by_cli": sessions_of(active // 7 + 1),
        "totals_by_copilot_app": sessions_of(active // 30 + 1),
        "totals_by_3rd_party_agent": [
            {
                "agent_id": "A_100",
                "agent_name": "Example Agent",
                "user_initiated_interaction_count": 5,
                "session_count": 5,
            }
        ],
        "totals_by_ai_adoption_phase": list(_phases(seats, active)),
        "totals_by_vscode_agent": {"session_count": active // 10, "total_user_messages": active // 2},
        **_customizations(active),
        "pull_requests": pull_requests(active),
    }


def engagement(estate: Estate, name: str) -> dict[str, Any]:
    """Who used which feature in 28 days; a person counts under several."""
    users = people(estate, name) * 4 // 5
    features = [
        {"feature": feature, "engaged_user_count": users * share // 100} for feature, share in ENGAGED_FEATURES.items()
    ]
    return {"copilot_feature_engagement": {"active_user_count": users, "totals_by_feature": features}}


def people(estate: Estate, name: str) -> int:
    """The number of seats; an enterprise has fewer people than its organizations together."""
    enterprise = estate.enterprise(name)
    if enterprise:
        return sum(people(estate, organization) for organization in enterprise.organizations) * 9 // 10
    return estate.random(name).randrange(60, 400)


def identity(estate: Estate, name: str) -> dict[str, str]:
    """The ids of an enterprise or organization in a report."""
    owner = estate.enterprise(name)
    if owner:
        return {"enterprise_id": str(crc32(owner.name.encode()))}
    owner = estate.owner(name)
    assert owner is not None
    return {**identity(estate, owner.name), "organization_id": str(crc32(name.encode()))}


def is_there(estate: Estate, name: str, day: int, now: float) -> bool:
    """Whether GitHub has a day's report: up to two days ago, for a year, unless it is missing or late."""
    copilot, key = estate.copilot, (name, day_of(day))
    if key in copilot.missing or now < copilot.late.get(key, 0):
        return False
    return max(midnight(estate.since), midnight(now) - LONGEST_AGO) <= day <= midnight(now) - FINISHED


def current_record(estate: Estate, name: str, day: int, now: float) -> dict[str, Any]:
    """A day's record as GitHub has it now: a revised one has one more active user."""
    record_of_day = record(estate, name, day)
    if estate.copilot.revised.get((name, day_of(day)), float("inf")) <= now:
        record_of_day["daily_active_users"] += 1
    return record_of_day | estate.copilot.added


def files(estate: Estate, name: str, records: list[dict[str, Any]], whole: dict[str, Any] | None = None) -> list[bytes]:
    """The files of a report; the first has the day's own numbers. `whole` is what belongs to all days of a report."""
    number, form = estate.copilot.files.get(name, 1), estate.copilot.forms.get(name, "object")
    parts = [[_part(entry, index, number) for entry in records] for index in range(number)]
    return [written(part, form, {**identity(estate, name), **(whole or {})}) for part in parts]


def seats(estate: Estate, organization: str) -> dict[str, Any]:
    """`/orgs/{org}/copilot/billing`."""
    total = people(estate, organization)
    return {
        "seat_breakdown": {
            "total": total,
            "added_this_cycle": total // 12,
            "pending_invitation": 2,
            "pending_cancellation": 3,
            "active_this_cycle": total * 4 // 5,
            "inactive_this_cycle": total - total * 4 // 5,
        },
        "seat_management_setting": "assign_selected",
        "ide_chat": "enabled",
        "platform_chat": "enabled",
        "cli": "enabled",
        "public_code_suggestions": "block",
        "plan_type": "enterprise",
    }


def _users(active: int, seats: int) -> dict[str, int]:
    monthly, weekly = seats * 4 // 5, seats * 7 // 10
    agents, reviews = active // 9, active // 6
    return {
        "daily_active_users": active,
        "daily_active_cli_users": active // 7,
        "daily_active_copilot_app_users": active // 30,
        "daily_active_vscode_agent_users": active // 12,
        "weekly_active_vscode_agent_users": weekly // 12,
        "monthly_active_vscode_agent_users": monthly // 11,
        "weekly_active_cli_users": weekly // 7,
        "monthly_active_cli_users": monthly // 6,
        "weekly_active_copilot_app_users": weekly // 30,
        "monthly_active_copilot_app_users": monthly // 25,
        "weekly_active_agent_users": weekly * 2 // 5,
        "daily_active_copilot_cloud_agent_users": agents,
        "weekly_active_users": weekly,
        "weekly_active_copilot_cloud_agent_users": weekly // 9,
        "monthly_active_users": monthly,
        "monthly_active_chat_users": monthly * 3 // 4,
        "monthly_active_agent_users": monthly // 2,
        "monthly_active_copilot_cloud_agent_users": monthly // 6,
        "daily_active_copilot_code_review_users": reviews,
        "weekly_active_copilot_code_review_users": weekly // 4,
        "monthly_active_copilot_code_review_users": monthly // 3,
        "daily_passive_copilot_code_review_users": reviews + 3,
        "weekly_passive_copilot_code_review_users": weekly // 3,
        "monthly_passive_copilot_code_review_users": monthly // 2,
    }


def _customizations(active: int) -> dict[str, Any]:
    """What people used in Copilot CLI; names of customers are `other` or `custom`."""
    found: dict[str, Any] = {}
    for kind, shares in CUSTOMIZATIONS.items():
        found[f"distinct_{kind}_use_count"] = len(shares) + active // 40
        rows = [{kind: name, "interaction_count": share * active // 10} for name, share in shares.items()]
        found[f"totals_by_{kind}"] = rows
    return found


def sessions_of(sessions: int) -> dict[str, Any]:
    """So many sessions of the CLI or the app."""
    requests = sessions * 14
    tokens = {"output_tokens_sum": requests * 1_200, "prompt_tokens_sum": requests * 34_000}
    return {
        "session_count": sessions,
        "request_count": requests,
        "prompt_count": sessions * 3,
        "token_usage": {**tokens, "avg_tokens_per_request": 35_200.5},
    }


def _phases(seats: int, active: int) -> Iterator[dict[str, Any]]:
    for number, (phase, users) in enumerate(_shares(seats, PHASES)):
        yield {
            "phase": phase,
            "phase_number": number,
            "total_engaged_users": users * active // seats,
            "users_in_phase_28d": users,
            "total_pull_requests_merged": number * active // 20,
            **{
                f"avg_{what}": round((number + 1) * factor, 2)
                for what, factor in {
                    "user_initiated_interactions": 3.5,
                    "code_generation_activities": 7.25,
                    "code_acceptance_activities": 2.0,
                    "loc_added": 45.0,
                    "loc_deleted": 11.5,
                    "pull_requests_created": 0.4,
                    "pull_requests_reviewed": 0.3,
                    "pull_requests_merged": 0.25,
                    "pull_requests_median_minutes_to_merge": 90.5,
                    "pull_requests_minutes_to_review": 35.0,
                    "pull_requests_review_cycles": 1.4,
                }.items()
            },
        }


def pull_requests(active: int) -> dict[str, Any]:
    """The pull requests of so many active people."""
    created, suggestions = active // 2 + 4, active + 12
    return {
        "total_created": created,
        "total_reviewed": created - 2,
        "total_merged": created * 2 // 3,
        "median_minutes_to_merge": 212.5,
        "total_suggestions": suggestions * 2,
        "total_applied_suggestions": suggestions // 2,
        "total_created_by_copilot": created // 7,
        "total_reviewed_by_copilot": created // 2,
        "total_merged_created_by_copilot": created // 12,
        "total_merged_reviewed_by_copilot": created // 3,
        "median_minutes_to_merge_copilot_authored": 180.0,
        "median_minutes_to_merge_copilot_reviewed": 205.0,
        "total_copilot_suggestions": suggestions,
        "total_copilot_applied_suggestions": suggestions // 3,
        "copilot_suggestions_by_comment_type": [
            {"comment_type": kind, "total_copilot_suggestions": count, "total_copilot_applied_suggestions": count // 3}
            for kind, count in _shares(suggestions, COMMENTS)
        ],
    }


def _rows(totals: dict[str, int], shares: dict[str, int]) -> Iterator[tuple[str, dict[str, int]]]:
    """One row per key; the rows add up to the totals."""
    columns = {field: shared_out(value, shares.values()) for field, value in totals.items()}
    for index, key in enumerate(shares):
        yield key, {field: column[index] for field, column in columns.items()}


def _shares(total: int, shares: dict[str, int]) -> Iterator[tuple[str, int]]:
    yield from zip(shares, shared_out(total, shares.values()), strict=True)


def _part(record: dict[str, Any], index: int, number: int) -> dict[str, Any]:
    """One file's share of a record: a part of each list, and in every file the fields that identify the day."""
    everywhere = ("day", "enterprise_id", "organization_id", "daily_active_users")
    part = {field: record[field] for field in everywhere if field in record}
    for field, value in record.items():
        if isinstance(value, list):
            part[field] = value[index::number]
        elif index == 0:
            part[field] = value
    return part


def written(records: list[dict[str, Any]], form: str, around: dict[str, Any]) -> bytes:
    """A file with records; `around` stands beside them if they are wrapped."""
    if form == "lines":
        return b"\xef\xbb\xbf" + b"".join(json.dumps(entry).encode() + b"\r\n" for entry in records) + b"\n"
    if form == "array":
        return json.dumps(records).encode()
    if form == "wrapped" or len(records) != 1:
        span = {"report_start_day": records[0]["day"], "report_end_day": records[-1]["day"]} if records else {}
        return json.dumps({**span, **around, "day_totals": records}).encode()
    return json.dumps(records[0]).encode()
