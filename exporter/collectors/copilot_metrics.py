"""Copilot by editor, model, language and repository on the newest day: the API that GitHub closed on 2026-04-02.

    github_copilot_metrics_active_users{organization="acme"} 24
    github_copilot_metrics_code_completions_editor_engaged_users{organization="acme",editor="vscode"} 13
    github_copilot_metrics_code_completions_code_acceptances{organization="acme",editor="vscode",model="default",language="ruby"} 253

Off by default; for servers that still have the API. Each level of an answer has families of its own, so that a sum over
a family never adds up totals and parts.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization
"""  # noqa: E501 - an exposition line is not wrapped

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, create_model

from exporter.catalogue import PAGE_SIZE, Collector, Permission
from exporter.collectors.reading.days import is_day
from exporter.collectors.reading.nested import NestedRows, Path
from exporter.collectors.reading.pages import MOST_BYTES
from exporter.collectors.reading.rows import MOST_ROWS
from exporter.errors import Invalid, NotFound, Retired
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.instants import HOUR, epoch
from exporter.options import BoundedOptions, Day, Whole
from exporter.tables import Family, Figures, Row, Table, gauge, info

ENDPOINT = "/orgs/{org}/copilot/metrics"
_PLAIN = ("date", "name", "is_custom_model", "custom_model_training_date")
_LABEL_OF = {"editors": "editor", "models": "model", "languages": "language", "repositories": "repository"}


class Options(BoundedOptions):
    """The collector's own settings."""

    since: Day = Field(default="", description="Only days from this one on; GitHub accepted at most 100 days ago.")
    until: Day = Field(default="", description="Only days up to this one; the newest of them is shown.")
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many rows of each breakdown are shown, the busiest; the others are left out."
    )


class NewestDay(Row):
    """The day that is shown: its midnight UTC, epoch seconds."""

    date: float


class Model(Row):
    """The texts of a model; empty where GitHub gives none."""

    model: str
    is_custom_model: str = ""
    custom_model_training_date: str = ""


NEWEST_DAY = Table(
    row=NewestDay,
    families=(
        gauge(
            "github_copilot_metrics_date_timestamp_seconds",
            "date",
            "The day of all github_copilot_metrics_…, the newest in GitHub's answer, as its midnight UTC.",
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
    return gauge(name, "total_engaged_users", f"Users who {who} on that day; a user may be in several rows.")


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
    """The table of a level, with the names that lead there as labels; its rows are of a class of their own."""
    labels = tuple(_LABEL_OF[step] for step in path if step in _LABEL_OF)
    keys: dict[str, Any] = dict.fromkeys(labels, (str, ...))
    row = create_model("Figures of " + (".".join(path) or "a day"), __base__=Figures, **keys)
    source = ", ".join((ENDPOINT, ".".join(path))) if path else ENDPOINT
    return Table(row=row, labels=labels, families=families, endpoints=source)


TABLES = {path: _table(path, families) for path, families in FAMILIES.items()}


def _model(name: str, item: dict[str, Any]) -> tuple[Model, int]:
    """The texts of a model, and how many of them are unusable."""
    custom, trained = item.get("is_custom_model"), item.get("custom_model_training_date")
    unusable = (not isinstance(custom, bool | None)) + (not isinstance(trained, str | None))
    is_custom = str(custom).lower() if isinstance(custom, bool) else ""
    date = trained if isinstance(trained, str) else ""
    return Model(model=name, is_custom_model=is_custom, custom_model_training_date=date), unusable


def _midnight(entry: Any) -> float | None:
    """The midnight of an entry's `date`; None if it has none."""
    date = entry.get("date") if isinstance(entry, dict) else None
    return epoch(date) if isinstance(date, str) and is_day(date) else None


NO_DAYS = "GitHub's answer has no day; look at since and until, and at the policy for Copilot metrics"


@dataclass(slots=True)
class _Newest:
    """The entry of the newest day of all pages, in any order; older ones are not held."""

    midnight: float | None = None
    entry: Any = None
    count: int = 0
    unusable: int = 0
    is_contradicted: bool = False

    def add(self, entries: Sequence[Any]) -> None:
        """Add a page."""
        self.count += len(entries)
        for entry in entries:
            midnight = _midnight(entry)
            if midnight is None:
                self.unusable += 1
            elif self.midnight is None or midnight > self.midnight:
                self.midnight, self.entry, self.is_contradicted = midnight, entry, False
            elif midnight == self.midnight and entry != self.entry:
                self.is_contradicted = True


def read(entries: Sequence[Any]) -> Fetched:
    """The newest day of all entries; `Invalid` if two of its entries contradict each other."""
    newest = _Newest()
    newest.add(entries)
    return _fetched(newest)


def _fetched(newest: _Newest) -> Fetched:
    unusable = newest.unusable
    if newest.is_contradicted:
        raise Invalid("two entries of one date differ")
    if newest.midnight is None:
        if unusable:
            raise Invalid(f"none of {unusable} entries has a date")
        doubts = tuple(Doubt(table, NO_DAYS) for table in (NEWEST_DAY, *TABLES.values(), MODELS))
        return Fetched((), note=NO_DAYS, doubts=doubts)
    nested = NestedRows(TABLES, _PLAIN)
    nested.add(newest.entry)
    models = [_model(names[-1], item) for path, names, item in nested.objects if path[-1:] == ("models",)]
    rows: list[Row] = [NewestDay(date=newest.midnight), *dict.fromkeys(model for model, _ in models)]
    rejected = unusable + nested.rejected + sum(count for _, count in models)
    return Fetched((*rows, *nested.with_figures()), rejected, newest.midnight, unknown=nested.unknown)


async def fetch(api: Api, ask: Ask) -> Fetched:
    """All days, for GitHub does not document their order. Its 404 means that the API is closed."""
    days = {"since": ask.options.since, "until": ask.options.until}
    params: dict[str, str | int] = {**{name: day for name, day in days.items() if day}, "per_page": PAGE_SIZE}
    newest, held = _Newest(), 0
    try:
        async for reply in api.pages(f"/orgs/{ask.target}/copilot/metrics", params):
            await asyncio.to_thread(_add_page, newest, reply.body)
            held += len(reply.body)
            if newest.count > MOST_ROWS or held > MOST_BYTES:
                raise Invalid(f"more than {MOST_ROWS} days, or than {MOST_BYTES} bytes")
    except NotInstalled:
        raise  # the App is missing there, and can be installed
    except NotFound as error:
        raise Retired(str(error)) from None
    return await asyncio.to_thread(_fetched, newest)


def _add_page(newest: _Newest, body: bytes) -> None:
    page = decode_json(body)
    if not isinstance(page, list):
        raise Invalid("the answer is no array of days")
    newest.add(page)


COLLECTOR = Collector(
    name="copilot_metrics",
    scope="organization",
    endpoint=ENDPOINT,
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization",
    lateness=(
        "GitHub closed this API on 2026-04-02 and answers 404 since; while it was open, it had a day's figures on the "
        "day after."
    ),
    interval=24 * HOUR,
    max_age=72 * HOUR,
    options=Options,
    enabled=False,
    permission=Permission(
        app="organization permission “GitHub Copilot Business” or “Administration” (read)",
        classic="scope `manage_billing:copilot` or `read:org`",
        besides="GitHub has closed this API",
    ),
    fetch=fetch,
    tables=(NEWEST_DAY, *TABLES.values(), MODELS),
    filters=("since", "until"),
)
