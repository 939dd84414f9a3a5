"""Copilot by editor, model, language and repository on the newest day: the API that GitHub closed on 2026-04-02.

    github_copilot_metrics_active_users{organization="acme"} 24
    github_copilot_metrics_code_completions_editor_engaged_users{organization="acme",editor="vscode"} 13
    github_copilot_metrics_code_completions_code_acceptances{organization="acme",editor="vscode",model="default",language="ruby"} 253

Off by default; for servers that still speak it. Each level of an answer has families of its own, so that no sum over
one of them takes totals and parts together.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization
"""  # noqa: E501 - an exposition line is not wrapped

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from exporter.catalogue import (
    HOUR,
    PAGE_SIZE,
    Api,
    Ask,
    Collector,
    Family,
    Fetched,
    Figures,
    Row,
    Table,
    gauge,
    info,
)
from exporter.collecting.nested import Found, Path, odd
from exporter.collecting.reading import decode_json
from exporter.github.apps import NotInstalled
from exporter.github.errors import Invalid, NotFound, Retired
from exporter.settings import Day, Whole

ENDPOINT = "/orgs/{org}/copilot/metrics"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LABEL_OF = {"editors": "editor", "models": "model", "languages": "language", "repositories": "repository"}


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Day = Field(default="", description="Only days from this one on; GitHub took at most 100 days ago.")
    until: Day = Field(default="", description="Only days up to this one; the newest of them is shown.")
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many rows of each breakdown are shown, the busiest; the rest is left out."
    )


class Shown(Row):
    """The day that is shown: its midnight UTC, epoch seconds."""

    date: float


class Model(Row):
    """What GitHub tells of a model besides its figures; empty where it does not."""

    model: str
    is_custom_model: str = ""
    custom_model_training_date: str = ""


SHOWN = Table(
    row=Shown,
    families=(
        gauge(
            "github_copilot_metrics_date_timestamp_seconds",
            "date",
            "The day that all github_copilot_metrics_… describe, the newest that GitHub tells of: its midnight UTC.",
        ),
    ),
)

MODELS = Table(
    row=Model,
    labels=tuple(Model.model_fields),
    computed_from="is_custom_model, custom_model_training_date",
    families=(info("github_copilot_metrics_model_info", "Whether a model is a custom one, and when it was trained."),),
)


def _engaged(name: str, who: str) -> Family:
    return gauge(name, "total_engaged_users", f"Users who {who} on that day.")


def _engaged_by(name: str, who: str) -> Family:
    return gauge(name, "total_engaged_users", f"Users who {who} on that day; who is in several rows counts in each.")


FAMILIES: dict[Path, tuple[Family, ...]] = {
    (): (
        gauge(
            "github_copilot_metrics_active_users",
            "total_active_users",
            "Users with activity in any Copilot feature on that day, passive activity such as receiving a suggestion "
            "included.",
        ),
        _engaged(
            "github_copilot_metrics_engaged_users",
            "engaged with any Copilot feature, such as accepting a suggestion, prompting chat or having a pull request "
            "summarised",
        ),
    ),
    ("copilot_ide_code_completions",): (
        _engaged(
            "github_copilot_metrics_code_completions_engaged_users",
            "accepted a code suggestion, in whole or in part, in any editor",
        ),
    ),
    ("copilot_ide_code_completions", "languages"): (
        _engaged_by(
            "github_copilot_metrics_code_completions_language_engaged_users",
            "accepted a code suggestion in the language",
        ),
    ),
    ("copilot_ide_code_completions", "editors"): (
        _engaged_by(
            "github_copilot_metrics_code_completions_editor_engaged_users", "accepted a code suggestion in the editor"
        ),
    ),
    ("copilot_ide_code_completions", "editors", "models"): (
        _engaged_by(
            "github_copilot_metrics_code_completions_editor_model_engaged_users",
            "accepted a code suggestion of the model in the editor",
        ),
    ),
    ("copilot_ide_code_completions", "editors", "models", "languages"): (
        gauge(
            "github_copilot_metrics_code_completions_code_suggestions",
            "total_code_suggestions",
            "Code suggestions made on that day.",
        ),
        gauge(
            "github_copilot_metrics_code_completions_code_acceptances",
            "total_code_acceptances",
            "Code suggestions accepted on that day, in whole or in part.",
        ),
        gauge(
            "github_copilot_metrics_code_completions_code_lines_suggested",
            "total_code_lines_suggested",
            "Lines of code that completions suggested on that day.",
        ),
        gauge(
            "github_copilot_metrics_code_completions_code_lines_accepted",
            "total_code_lines_accepted",
            "Lines of suggested code that were accepted on that day.",
        ),
        _engaged_by(
            "github_copilot_metrics_code_completions_editor_model_language_engaged_users",
            "accepted a code suggestion of the model in the editor and language",
        ),
    ),
    ("copilot_ide_chat",): (
        _engaged("github_copilot_metrics_chat_engaged_users", "prompted Copilot Chat in any editor"),
    ),
    ("copilot_ide_chat", "editors"): (
        _engaged_by("github_copilot_metrics_chat_editor_engaged_users", "prompted Copilot Chat in the editor"),
    ),
    ("copilot_ide_chat", "editors", "models"): (
        gauge("github_copilot_metrics_chat_chats", "total_chats", "Chats that users began in the editor on that day."),
        gauge(
            "github_copilot_metrics_chat_chat_insertion_events",
            "total_chat_insertion_events",
            "Times that users took code from Copilot Chat with “Insert Code” on that day.",
        ),
        gauge(
            "github_copilot_metrics_chat_chat_copy_events",
            "total_chat_copy_events",
            "Times that users copied code from Copilot Chat, by keyboard or “Copy”, on that day.",
        ),
        _engaged_by(
            "github_copilot_metrics_chat_editor_model_engaged_users",
            "prompted Copilot Chat with the model in the editor",
        ),
    ),
    ("copilot_dotcom_chat",): (
        _engaged("github_copilot_metrics_dotcom_chat_engaged_users", "prompted Copilot Chat on github.com"),
    ),
    ("copilot_dotcom_chat", "models"): (
        gauge(
            "github_copilot_metrics_dotcom_chat_chats",
            "total_chats",
            "Chats that users began on github.com on that day.",
        ),
        _engaged_by(
            "github_copilot_metrics_dotcom_chat_model_engaged_users",
            "prompted Copilot Chat with the model on github.com",
        ),
    ),
    ("copilot_dotcom_pull_requests",): (
        _engaged("github_copilot_metrics_pull_requests_engaged_users", "had Copilot write a pull request's summary"),
    ),
    ("copilot_dotcom_pull_requests", "repositories"): (
        _engaged_by(
            "github_copilot_metrics_pull_requests_repository_engaged_users",
            "had Copilot write a pull request's summary in the repository",
        ),
    ),
    ("copilot_dotcom_pull_requests", "repositories", "models"): (
        gauge(
            "github_copilot_metrics_pull_requests_pr_summaries_created",
            "total_pr_summaries_created",
            "Summaries of pull requests that Copilot wrote in the repository on that day.",
        ),
        _engaged_by(
            "github_copilot_metrics_pull_requests_repository_model_engaged_users",
            "had the model write a pull request's summary in the repository",
        ),
    ),
}


def _table(path: Path, families: tuple[Family, ...]) -> Table:
    """What stands at one place, with the keys that lead there as labels; its rows are of a class of their own."""
    labels = tuple(_LABEL_OF[step] for step in path if step in _LABEL_OF)
    keys: dict[str, Any] = dict.fromkeys(labels, (str, ...))
    row = create_model("Figures of " + (".".join(path) or "a day"), __base__=Figures, **keys)
    source = ", ".join((ENDPOINT, ".".join(path))) if path else ENDPOINT
    return Table(row=row, labels=labels, families=families, endpoints=source)


TABLES = {path: _table(path, families) for path, families in FAMILIES.items()}


def _model(name: str, item: dict[str, Any]) -> tuple[Model, int]:
    """What an entry tells of a model, and how many of these values are unusable."""
    custom, trained = item.get("is_custom_model"), item.get("custom_model_training_date")
    unusable = (not isinstance(custom, bool) and odd(custom)) + (not isinstance(trained, str) and odd(trained))
    is_custom = str(custom).lower() if isinstance(custom, bool) else ""
    date = trained if isinstance(trained, str) else ""
    return Model(model=name, is_custom_model=is_custom, custom_model_training_date=date), unusable


def _midnight(entry: Any) -> float | None:
    """Which day an entry tells of; None if it does not say so in its `date`."""
    date = entry.get("date") if isinstance(entry, dict) else None
    if not isinstance(date, str) or not _DATE.fullmatch(date):
        return None
    try:
        return datetime.fromisoformat(f"{date}T00:00:00+00:00").timestamp()
    except ValueError:
        return None


def read(entries: Sequence[Any]) -> Fetched:
    """The newest day of all entries, whatever their order; `Invalid` if they contradict each other or themselves."""
    days: dict[float, dict[str, Any]] = {}
    unusable = 0
    for entry in entries:
        midnight = _midnight(entry)
        if midnight is None:
            unusable += 1
        elif days.setdefault(midnight, entry) != entry:
            raise Invalid("two entries of one date differ")
    if not days:
        if unusable:
            raise Invalid(f"none of {unusable} entries has a date")
        return Fetched(())
    newest = max(days)
    found = Found(TABLES)
    found.take(days[newest])
    models = [_model(names[-1], item) for path, names, item in found.objects if path[-1:] == ("models",)]
    told: list[Row] = [Shown(date=newest), *dict.fromkeys(model for model, _ in models)]
    rejected = unusable + found.rejected + sum(count for _, count in models)
    return Fetched((*told, *found.told()), rejected, newest)


async def fetch(api: Api, ask: Ask) -> Fetched:
    """All days that GitHub tells of, for it says nothing of their order. Its 404 means that the API is closed."""
    days = {"since": ask.options.since, "until": ask.options.until}
    params: dict[str, str | int] = {**{name: day for name, day in days.items() if day}, "per_page": PAGE_SIZE}
    entries: list[Any] = []
    try:
        async for reply in api.pages(f"/orgs/{ask.target}/copilot/metrics", params):
            page = decode_json(reply.body)
            if not isinstance(page, list):
                raise Invalid("the answer is no array of days")
            entries += page
    except NotInstalled:
        raise  # the App is missing there, and can be installed
    except NotFound as error:
        raise Retired(str(error)) from None
    return read(entries)


COLLECTOR = Collector(
    name="copilot_metrics",
    scope="organization",
    endpoint=ENDPOINT,
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization",
    lateness=(
        "GitHub closed this API on 2026-04-02 and answers 404 since; while it was open, a day's figures were there on "
        "the day after."
    ),
    interval=24 * HOUR,
    max_age=72 * HOUR,
    options=Options,
    enabled=False,
    needs=(
        "GitHub closed this API; it wanted the organization permission “GitHub Copilot Business” or “Administration” "
        "(read) of a GitHub App or fine-grained token, or the scope manage_billing:copilot or read:org of a classic "
        "token"
    ),
    fetch=fetch,
    tables=(SHOWN, *TABLES.values(), MODELS),
    filters=("since", "until"),
)
