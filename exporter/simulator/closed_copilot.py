"""The Copilot metrics API as it was until GitHub closed it on 2026-04-02: days by editor, model and language.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics
"""

from collections.abc import Collection, Mapping
from email.utils import formatdate
from typing import Any

from exporter.instants import DAY, day_of
from exporter.simulator.copilot import people
from exporter.simulator.estate import Estate, instant_of, midnight, shared_out
from exporter.simulator.messages import Refusal

PAGE = "/copilot/copilot-metrics"
CLOSED = 1_775_088_000  # 2026-04-02
LONGEST_SPAN = 100
WEEK = 7 * DAY
"""Without figures of the chat on the web, at first. A weekday without them would be missing in every such `demo`."""
HEADERS = {"deprecation": "@1769644800", "sunset": formatdate(CLOSED, usegmt=True)}
"""GitHub gave notice on 2026-01-29."""

EDITORS = ("vscode", "neovim", "JetBrains")
LANGUAGES = ("python", "typescript", "go")
MODELS: dict[str, dict[str, Any]] = {
    "default": {"is_custom_model": False, "custom_model_training_date": None},
    "a-custom-model": {"is_custom_model": True, "custom_model_training_date": "2025-11-01"},
}


def days(estate: Estate, organization: str, now: float, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The days asked for, oldest first; yesterday is the newest."""
    first, last = midnight(now) - LONGEST_SPAN * DAY, midnight(now) - DAY
    bounds = {"since": first, "until": last}
    for name in bounds:
        if name in query:
            instant = instant_of(query[name][:10])
            if instant is None or instant < first:
                raise Refusal(422, f"Invalid {name}", PAGE)
            bounds[name] = instant
    start = max(bounds["since"], midnight(estate.since))
    return [_day(estate, organization, day) for day in range(start, min(bounds["until"], last) + 1, DAY)]


def _day(estate: Estate, organization: str, day: int) -> dict[str, Any]:
    engaged = people(estate, organization) // 2
    has_web_chat = day >= midnight(estate.since) + WEEK
    return {
        "date": day_of(day),
        "total_active_users": engaged + engaged // 5,
        "total_engaged_users": engaged,
        "copilot_ide_code_completions": {
            "total_engaged_users": engaged,
            "languages": [_named(name, users) for name, users in _users(engaged, LANGUAGES)],
            "editors": [
                {**_named(editor, users), "models": [_completions(model, users) for model in MODELS]}
                for editor, users in _users(engaged, EDITORS)
            ],
        },
        "copilot_ide_chat": {
            "total_engaged_users": engaged // 2,
            "editors": [
                {**_named(editor, users), "models": [_chats(model, users) for model in MODELS]}
                for editor, users in _users(engaged // 2, EDITORS)
            ],
        },
        "copilot_dotcom_chat": {
            "total_engaged_users": engaged // 3,
            "models": [
                {**_model(model, users), "total_chats": users * 3} for model, users in _users(engaged // 3, MODELS)
            ],
        }
        if has_web_chat
        else None,
        "copilot_dotcom_pull_requests": {
            "total_engaged_users": engaged // 4,
            "repositories": [
                {
                    **_named(f"{organization}/{repository}", users),
                    "models": [
                        {**_model(model, some), "total_pr_summaries_created": some + 2}
                        for model, some in _users(users, MODELS)
                    ],
                }
                for repository, users in _users(engaged // 4, ("web", "api"))
            ],
        },
    }


def _completions(model: str, users: int) -> dict[str, Any]:
    return {
        **_model(model, users),
        "languages": [
            {
                **_named(language, some),
                "total_code_suggestions": some * 40,
                "total_code_acceptances": some * 13,
                "total_code_lines_suggested": some * 55,
                "total_code_lines_accepted": some * 17,
            }
            for language, some in _users(users, LANGUAGES)
        ],
    }


def _chats(model: str, users: int) -> dict[str, Any]:
    return {
        **_model(model, users),
        "total_chats": users * 4,
        "total_chat_insertion_events": users,
        "total_chat_copy_events": users * 2,
    }


def _model(name: str, users: int) -> dict[str, Any]:
    return {"name": name, **MODELS[name], "total_engaged_users": users}


def _named(name: str, users: int) -> dict[str, Any]:
    return {"name": name, "total_engaged_users": users}


def _users(total: int, names: Collection[str]) -> list[tuple[str, int]]:
    return list(zip(names, shared_out(total, range(len(names), 0, -1)), strict=True))
