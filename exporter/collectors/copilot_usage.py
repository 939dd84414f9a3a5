"""What Copilot did on the newest day that GitHub has finished: by organization and by enterprise.

    github_copilot_organization_daily_active_users{organization="acme"} 120
    github_copilot_enterprise_ide_loc_added{enterprise="acme-corp",ide="vscode"} 8100
    github_copilot_organization_report_day_timestamp_seconds{organization="acme"} 1763337600

GitHub answers with signed links to the files that hold a day. The day shown is the newest of three, two to four days
ago, that it has; numbers settle within three days, so they are read again at every run. Users' own rows are not
exported.

A field of GitHub's is called here as there, less a `_count` or `_sum` at its end; minutes are told in seconds.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
https://docs.github.com/enterprise-cloud@latest/copilot/reference/copilot-usage-metrics/copilot-usage-metrics
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from sys import intern
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from exporter.catalogue import HOUR, Api, Ask, Calls, Collector, Family, Fetched, Figures, Row, Scope, Table, gauge
from exporter.collecting.reading import decode_json, figures, is_number, label_text
from exporter.collecting.reports import Contradiction, File, Part, Report
from exporter.github.errors import GitHubError, Invalid, LinkExpired, NotFound
from exporter.settings import DownloadHosts, Whole

DAY = 86_400
DAYS_BACK = (2, 3, 4)
MOST_FILES = 100
MOST_BYTES = 256 * 1024 * 1024

Breakdown = Literal[
    "ide",
    "feature",
    "pull_requests",
    "model_feature",
    "language_feature",
    "language_model",
    "cli",
    "copilot_app",
    "third_party_agent",
    "ai_adoption_phase",
]


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    breakdowns: tuple[Breakdown, ...] = Field(
        default=("ide", "feature", "pull_requests"),
        description="What is shown besides the day's totals; there are also model_feature, language_feature, "
        "language_model, cli, copilot_app, third_party_agent and ai_adoption_phase.",
    )
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many rows of a breakdown have series of their own; the rest is summed as `other`."
    )
    download_hosts: DownloadHosts = Field(
        default=("*.b01.azurefd.net",),
        description="Hosts that report files are read from. Hosts of your own network, and plain http, only if named "
        "here literally.",
    )


class Day(Figures):
    """The day's own numbers."""


class Ide(Figures):
    """By editor."""

    ide: str


class Feature(Figures):
    """By feature."""

    feature: str


class ModelFeature(Figures):
    """By model and feature."""

    model: str
    feature: str


class LanguageFeature(Figures):
    """By language and feature."""

    language: str
    feature: str


class LanguageModel(Figures):
    """By language and model."""

    language: str
    model: str


class PullRequests(Figures):
    """Pull requests of the day."""


class CommentType(Figures):
    """Copilot's review suggestions by the kind of comment."""

    comment_type: str


class Cli(Figures):
    """Copilot in the terminal."""


class CopilotApp(Figures):
    """The Copilot app."""


class Agent(Figures):
    """By third-party agent; an agent's name may change, its id does not."""

    agent_id: str


class Phase(Figures):
    """By how far users have adopted AI, in GitHub's four phases."""

    phase_number: str


class Shown(Row):
    """Which day it is: its midnight, UTC."""

    day: float


class Section(NamedTuple):
    """A part of a record: GitHub's name for it, ours (the first words of its families), rows, keys and numbers.

    `other` tells that the numbers may be added up, so that rows without a place are summed. `of` stands in front of
    the help texts.
    """

    member: str
    name: str
    row: type[Figures]
    keys: tuple[str, ...]
    numbers: Mapping[str, str]
    other: bool = False
    of: str = ""


DISTINCT = "Distinct people: do not add up over organizations, days or surfaces."

TOTALS = {
    "daily_active_users": f"People who used Copilot on the day. {DISTINCT}",
    "weekly_active_users": f"People who used Copilot in the 7 days up to the day. {DISTINCT}",
    "monthly_active_users": f"People who used Copilot in the 28 days up to the day. {DISTINCT}",
    "monthly_active_chat_users": f"People who used chat in the 28 days up to the day. {DISTINCT}",
    "monthly_active_agent_users": f"People who used agent mode in the 28 days up to the day. {DISTINCT}",
    "daily_active_cli_users": f"People who used Copilot CLI on the day; absent if nobody did. {DISTINCT}",
    "daily_active_copilot_app_users": f"People who used the Copilot app on the day. {DISTINCT}",
    "daily_active_copilot_cloud_agent_users": f"People who used the cloud agent on the day. {DISTINCT}",
    "weekly_active_copilot_cloud_agent_users": f"People who used the cloud agent in the 7 days up to it. {DISTINCT}",
    "monthly_active_copilot_cloud_agent_users": f"People who used the cloud agent in the 28 days up to it. {DISTINCT}",
    "daily_active_copilot_code_review_users": f"People who engaged with code review on the day. {DISTINCT}",
    "weekly_active_copilot_code_review_users": f"People who engaged with code review in 7 days up to it. {DISTINCT}",
    "monthly_active_copilot_code_review_users": f"People who engaged with code review in 28 days up to it. {DISTINCT}",
    "daily_passive_copilot_code_review_users": f"People only assigned code review on the day. {DISTINCT}",
    "weekly_passive_copilot_code_review_users": f"People only assigned code review in 7 days up to it. {DISTINCT}",
    "monthly_passive_copilot_code_review_users": f"People only assigned code review in 28 days up to it. {DISTINCT}",
    "user_initiated_interaction_count": "Prompts that people sent to Copilot on the day.",
    "code_generation_activity_count": "Times that Copilot gave code on the day; no unit of prompts.",
    "code_acceptance_activity_count": "Times that people accepted code of Copilot on the day.",
    "chat_panel_ask_mode": "Prompts in the chat panel's ask mode on the day.",
    "chat_panel_edit_mode": "Prompts in the chat panel's edit mode on the day.",
    "chat_panel_agent_mode": "Prompts in the chat panel's agent mode on the day.",
    "chat_panel_plan_mode": "Prompts in the chat panel's plan mode on the day.",
    "chat_panel_custom_mode": "Prompts in a custom mode of the chat panel on the day.",
    "chat_panel_unknown_mode": "Prompts in the chat panel on the day whose mode is not known.",
    "loc_suggested_to_add_sum": "Lines of code that Copilot suggested to add on the day.",
    "loc_suggested_to_delete_sum": "Lines of code that Copilot suggested to delete on the day.",
    "loc_added_sum": "Lines of code added by Copilot on the day.",
    "loc_deleted_sum": "Lines of code deleted by Copilot on the day.",
}
LINES = {
    "code_generation_activity_count": "Times that Copilot gave code on the day",
    "code_acceptance_activity_count": "Times that people accepted code of Copilot on the day",
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
    "total_merged_created_by_copilot": "Pull requests merged on the day that Copilot had created.",
    "total_merged_reviewed_by_copilot": "Pull requests merged on the day that Copilot had reviewed.",
    **{field: f"{text}." for field, text in REVIEW.items()},
    "median_minutes_to_merge": "Median time to merge of what was merged on the day; absent if nothing was.",
    "median_minutes_to_merge_copilot_authored": "The same of pull requests that Copilot created.",
    "median_minutes_to_merge_copilot_reviewed": "The same of pull requests that Copilot reviewed.",
}
SESSIONS = {
    "session_count": "Sessions on the day; not part of the figures by editor.",
    "request_count": "Requests to models on the day.",
    "prompt_count": "Prompts on the day.",
    "output_tokens_sum": "Tokens that models answered with on the day.",
    "prompt_tokens_sum": "Tokens that models were asked with on the day.",
    "avg_tokens_per_request": "Tokens of a request on the day, on average.",
}
AGENTS = {
    "session_count": "Sessions of the agent on the day",
    "user_initiated_interaction_count": "Jobs that people gave the agent on the day",
}
PHASES = {
    "total_engaged_users": f"People in the phase. {DISTINCT}",
    "total_pull_requests_merged": "Pull requests merged by people in the phase.",
    "avg_user_initiated_interactions": "Prompts of a person in the phase, on average.",
    "avg_code_generation_activities": "Times that Copilot gave code to a person in the phase, on average.",
    "avg_code_acceptance_activities": "Times that a person in the phase accepted code, on average.",
    "avg_loc_added": "Lines of code added for a person in the phase, on average.",
    "avg_loc_deleted": "Lines of code deleted for a person in the phase, on average.",
    "avg_pull_requests_created": "Pull requests created by a person in the phase, on average.",
    "avg_pull_requests_reviewed": "Pull requests reviewed by a person in the phase, on average.",
    "avg_pull_requests_merged": "Pull requests merged of a person in the phase, on average.",
    "avg_pull_requests_median_minutes_to_merge": "Median time to merge of a person in the phase, on average.",
    "avg_pull_requests_minutes_to_review": "Time to review of a person in the phase, on average.",
    "avg_pull_requests_review_cycles": "Review cycles of a pull request of a person in the phase, on average.",
}

SECTIONS = (
    Section("", "", Day, (), TOTALS),
    Section("totals_by_ide", "ide", Ide, ("ide",), ALL, other=True),
    Section("totals_by_feature", "feature", Feature, ("feature",), ALL, other=True),
    Section("totals_by_model_feature", "model_feature", ModelFeature, ("model", "feature"), ALL, other=True),
    Section(
        "totals_by_language_feature", "language_feature", LanguageFeature, ("language", "feature"), LINES, other=True
    ),
    Section("totals_by_language_model", "language_model", LanguageModel, ("language", "model"), LINES, other=True),
    Section("pull_requests", "pull_requests", PullRequests, (), PULLS),
    Section(
        "copilot_suggestions_by_comment_type",
        "pull_requests_comment_type",
        CommentType,
        ("comment_type",),
        REVIEW,
        other=True,
    ),
    Section("totals_by_cli", "cli", Cli, (), SESSIONS, of="Copilot CLI: "),
    Section("totals_by_copilot_app", "copilot_app", CopilotApp, (), SESSIONS, of="Copilot app: "),
    Section("totals_by_3rd_party_agent", "third_party_agent", Agent, ("agent_id",), AGENTS, other=True),
    Section("totals_by_ai_adoption_phase", "ai_adoption_phase", Phase, ("phase_number",), PHASES),
)
BY_MEMBER = {section.member: section for section in SECTIONS}


def family(scope: Scope, section: Section, field: str, text: str) -> Family:
    """A number of GitHub's as a family of ours."""
    words = (section.name, field.removesuffix("_count").removesuffix("_sum").replace("minutes", "seconds"))
    by = f", by {' and '.join(section.keys)}." if section.keys and not text.endswith(".") else ""
    return gauge(f"github_copilot_{scope}_{'_'.join(filter(None, words))}", field, f"{section.of}{text}{by}")


def tables(scope: Scope) -> tuple[Table, ...]:
    """The tables of a scope, in the order of `SECTIONS`, and the one of the day."""
    made = [
        Table(
            section.row,
            tuple(family(scope, section, *number) for number in section.numbers.items()),
            section.keys,
            other=("other",) * len(section.keys) if section.other else None,
        )
        for section in SECTIONS
    ]
    name = f"github_copilot_{scope}_report_day_timestamp_seconds"
    day = gauge(
        name, "day", "The day that the figures are of, by its midnight UTC; the newest that GitHub has finished."
    )
    return (*made, Table(Shown, (day,)))


TABLES: dict[Scope, tuple[Table, ...]] = {scope: tables(scope) for scope in ("organization", "enterprise")}
NUMBERS = dict(zip(BY_MEMBER, TABLES["organization"], strict=False))


def parts(member: str, found: dict[str, Any]) -> Iterator[Part]:
    """A member of a record, or its own scalars, as rows."""
    section = BY_MEMBER[member]
    inner = found.pop("copilot_suggestions_by_comment_type", None) if section.member == "pull_requests" else None
    for row in inner if isinstance(inner, list) else ():
        if isinstance(row, dict):
            yield from parts("copilot_suggestions_by_comment_type", row)
    given = [found.pop(key, None) for key in section.keys]
    if not all(isinstance(value, str | int) and not isinstance(value, bool) and value != "" for value in given):
        yield member, (), {}, 1
        return
    key = tuple(intern(label_text(value)) for value in given)
    tokens = found.pop("token_usage", None) if section.numbers is SESSIONS else None
    for numbers in (found, tokens):
        told, rejected = figures(numbers, NUMBERS[member])
        in_seconds = {field: value * 60 if "minutes" in field else value for field, value in told.items()}
        yield member, key, in_seconds, rejected + within(numbers)


def within(found: object) -> int:
    """How many numbers stand in what an object holds besides plain values: none of them has a family."""
    inner = [value for value in found.values() if isinstance(value, dict | list)] if isinstance(found, dict) else []
    count = 0
    while inner:
        value = inner.pop()
        inner.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        count += is_number(value)
    return count


def rows_of(report: Report) -> Iterator[Row]:
    """The day's rows; they are no input any more, and need not be copied to be checked."""
    for section in SECTIONS:
        fields = {*section.keys, "figures"}
        for key, numbers in report.shown.sections.get(section.member, {}).items():
            yield section.row.model_construct(fields, **dict(zip(section.keys, key, strict=True)), figures=numbers)


async def fetch(reports: str, api: Api, ask: Ask) -> Fetched:
    """The newest finished day; `reports` is the path of the reports, less the period."""
    path = reports.format(ask.target)
    today = ask.end // DAY * DAY
    unread: list[GitHubError] = []
    known, unplaced = False, 0
    for back in DAYS_BACK:
        day = datetime.fromtimestamp(today - back * DAY, UTC).date().isoformat()
        try:
            report = await read(api, ask, f"{path}-1-day", day)
        except NotFound:
            continue  # not ready; whether there is anything at all, the 28 days tell
        except Unread as error:
            unread.append(error.why)
            continue
        known = True
        unplaced += report.unplaced
        if report.day:
            break
    else:
        try:
            report = await read(api, ask, f"{path}-28-day/latest")
            unplaced += report.unplaced
        except Unread as error:
            raise error.why from None
        except NotFound:
            if unread:
                raise unread[0] from None
            if known:
                return Fetched((), unplaced)
            raise
    return await asyncio.to_thread(shown, report, ask, unread, unplaced)


def shown(report: Report, ask: Ask, unread: list[GitHubError], unplaced: int) -> Fetched:
    """What is shown of a report; never an older day than now because a newer one could not be read."""
    day = datetime.fromisoformat(report.day).replace(tzinfo=UTC).timestamp() if report.day else None
    if unread and (day is None or (ask.shown is not None and day < ask.shown)):
        raise unread[0]
    if day is None:
        return Fetched((), unplaced)
    return Fetched((*rows_of(report), Shown(day=day)), report.shown.rejected + unplaced + len(unread), day)


class Unread(Exception):
    """A report that GitHub has, whose files could not be read."""

    def __init__(self, why: GitHubError) -> None:
        super().__init__(str(why))
        self.why = why


async def read(api: Api, ask: Ask, path: str, day: str | None = None) -> Report:
    """A report with all its files; one without a day if there is nothing yet. A link that expired is asked for anew."""
    chosen = {section.member for section in SECTIONS if section.name in ask.options.breakdowns}
    for last_try in (False, True):
        report = Report(parts, chosen, BY_MEMBER.keys() | {"day_totals"}, only=day)
        reply = await api.get(path, {"day": day} if day else None)
        try:
            for link in links(reply.body) if reply.status == 200 else []:  # else 204: nothing yet
                file = File(report)
                async with aclosing(api.download(link, ask.options.download_hosts, MOST_BYTES)) as pieces:
                    async for piece in pieces:
                        file.feed(piece)
                        await asyncio.sleep(0)  # a scrape may be waiting
                file.end()
            report.check()
        except LinkExpired as error:
            if last_try:
                raise Unread(error) from None
        except Contradiction:
            raise
        except GitHubError as error:
            raise Unread(error) from None
        else:
            return report
    raise AssertionError("the second try returns or raises")


def links(body: bytes) -> list[str]:
    """The signed links of an answer; none if there is no report yet."""
    answer = decode_json(body)
    found = answer.get("download_links") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(link, str) for link in found) or len(found) > MOST_FILES:
        raise Invalid(f"the answer has no download_links, or more than {MOST_FILES}")
    return found


def _collector(scope: Scope, reports: str, needs: str, anchor: str) -> Collector:
    return Collector(
        name="copilot_usage",
        scope=scope,
        endpoint=f"{reports.format(f'{{{scope}}}')}-1-day",
        page=f"https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics#{anchor}",
        lateness="GitHub finishes a day within two days, and its numbers settle within three.",
        needs=needs,
        fetch=partial(fetch, reports),
        tables=TABLES[scope],
        interval=6 * HOUR,
        max_age=72 * HOUR,
        options=Options,
        calls=Calls(single=2),
    )


COLLECTOR = _collector(
    "organization",
    "/orgs/{}/copilot/metrics/reports/organization",
    "organization permission “Organization Copilot metrics” (read) for a GitHub App or fine-grained token; scope "
    "`read:org` for a classic token; an owner or “View Organization Copilot Metrics”; policy “Copilot usage metrics” "
    "enabled everywhere",
    "get-copilot-organization-usage-metrics-for-a-specific-day",
)
OF_ENTERPRISE = _collector(
    "enterprise",
    "/enterprises/{}/copilot/metrics/reports/enterprise",
    "enterprise permission “Enterprise Copilot metrics” (read) for a GitHub App or fine-grained token; scope "
    "`manage_billing:copilot` or `read:enterprise` for a classic token; an enterprise owner, billing manager or “View "
    "Enterprise Copilot Metrics”; policy “Copilot usage metrics” enabled everywhere",
    "get-copilot-enterprise-usage-metrics-for-a-specific-day",
)
