"""The metrics of a day in the closed Copilot API: a table for each level of GitHub's answer. Pure data."""

from typing import Any

from pydantic import create_model

from exporter.collectors.reading.nested import Level
from exporter.tables import Family, Figures, Row, Table, gauge, info

ENDPOINT = "/orgs/{org}/copilot/metrics"
_LABEL_OF = {"editors": "editor", "models": "model", "languages": "language", "repositories": "repository"}


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


FAMILIES: dict[Level, tuple[Family, ...]] = {
    (): (
        gauge(
            "github_copilot_metrics_active_users",
            "total_active_users",
            "Users with any Copilot activity on that day, even passive, such as receiving a suggestion.",
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


def _table(path: Level, families: tuple[Family, ...]) -> Table:
    """The table of a level, with the names that lead there as labels; its rows are of a class of their own."""
    labels = tuple(_LABEL_OF[step] for step in path if step in _LABEL_OF)
    keys: dict[str, Any] = dict.fromkeys(labels, (str, ...))
    row = create_model("Figures of " + (".".join(path) or "a day"), __base__=Figures, **keys)
    source = ", ".join((ENDPOINT, ".".join(path))) if path else ENDPOINT
    return Table(row=row, labels=labels, families=families, endpoints=source)


TABLES = {path: _table(path, families) for path, families in FAMILIES.items()}
