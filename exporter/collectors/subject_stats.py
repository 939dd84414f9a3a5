"""Requests to an organization's API by app and user, and how many of them a rate limit refused.

    github_api_insights_subject_requests_total{organization="acme",subject_type="installation",subject_id="954453",subject_name="CI"} 544665
    github_api_insights_subject_last_request_timestamp_seconds{organization="acme",subject_type="installation",…} 1726674183

Subjects beyond `max_series` are summed under `subject_type="other"`, so that the totals are complete.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-subject-stats
"""  # noqa: E501 - an exposition line is not wrapped

from collections.abc import Iterable
from dataclasses import replace

from pydantic import Field

from exporter.catalogue import Calls, Collector
from exporter.collectors.reading.hours import KEPT, read_hours
from exporter.collectors.reading.pages import ListSums, window_params
from exporter.collectors.reading.walks import walk
from exporter.collectors.summary_stats import LATENESS, PERMISSION, RECONCILIATION, DifferenceRow, window_sums
from exporter.collectors.user_stats import ACTORS, ActorRow, is_valid_id
from exporter.fetching import Api, Ask, Fetched, Subject
from exporter.options import BoundedOptions
from exporter.past import CountedHours, Part, Past, PastAnswer
from exporter.privacy import is_app
from exporter.tables import Amount, Labels, Row, Table, Timestamp, counter, gauge


class Options(BoundedOptions):
    """The collector's own settings."""

    subject_name_substring: str = Field(
        default="",
        max_length=100,
        description="Only subjects whose name contains this; another value starts new counters.",
    )


class SubjectRow(Row):
    """One app or user in the window."""

    subject_type: str
    subject_id: int
    subject_name: str | None = None
    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None

    def people(self) -> tuple[str, ...]:
        """The name, unless it is an app's."""
        return () if is_app(self.subject_type) else ("subject_name",)


SUBJECTS = Table(
    row=SubjectRow,
    labels=("subject_type", "subject_id", "subject_name"),
    display=("subject_name",),
    last_seen="last_request_timestamp",
    other=("other", "", "other"),
    families=(
        counter(
            "github_api_insights_subject_requests_total",
            "total_request_count",
            "REST API requests (category core) by subject, since counting began.",
        ),
        counter(
            "github_api_insights_subject_rate_limited_requests_total",
            "rate_limited_request_count",
            "Requests of the subject that a primary rate limit refused, since counting began.",
        ),
        gauge(
            "github_api_insights_subject_last_request_timestamp_seconds",
            "last_request_timestamp",
            "Time of the newest request that GitHub shows of the subject.",
        ),
        gauge(
            "github_api_insights_subject_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "Time of the newest rate-limited request of the subject; absent if there is none.",
        ),
    ),
)


def subject_of(identity: Labels) -> Subject | None:
    """An app can be drilled into directly; a user's tokens come from `user_stats`."""
    kind, number = identity
    if not is_valid_id(number):
        return None
    return {"installation": ("installation", number), "user": (number,)}.get(kind.lower())


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages, sorted by name, because new requests do not change that order; or those with news.

    The organization's sums of the same window are fetched before and after the walk. If they did not change, they are
    compared with the sum of the rows.
    """
    substring = ask.options.subject_name_substring
    sums = window_sums(api, ask)
    if not (substring or ask.partial or (ask.known and ask.known.most_pages)):
        await sums.fetch_or_none()  # else the short walk begins with them
    filters: dict[str, str | int] = {"subject_name_substring": substring} if substring else {}
    params = {**window_params(ask), "sort": "subject_name", **filters}
    path = f"/orgs/{ask.target}/insights/api/subject-stats"
    fetched = await walk(api, path, params, SUBJECTS, None if substring else sums)
    rows = [row for row in fetched.rows if isinstance(row, SubjectRow)]
    more_rows: list[Row] = [
        ActorRow(actor_type=row.subject_type, actor_id=row.subject_id, actor_name=row.subject_name)
        for row in rows
        if row.subject_type == "installation"
    ]
    walked, asked = fetched.walk, len(sums.answers)
    if not (substring or ask.partial or fetched.rejected):
        more_rows += await _difference(rows, sums, fetched)
    if walked:
        walked = replace(walked, requests=walked.requests + len(sums.answers) - asked)
    return replace(fetched, rows=(*rows, *more_rows), walk=walked)


async def _difference(rows: Iterable[SubjectRow], sums: ListSums, fetched: Fetched) -> list[Row]:
    """The sum of all rows less GitHub's, if that was the same before and after the walk; a short walk proves 0."""
    if fetched.walk and fetched.walk.unseen is not None:
        return [DifferenceRow(between="subjects", requests=0)]
    if not sums.answers:
        return []
    before = sums.answers[0]
    after = sums.answers[-1] if len(sums.answers) > 1 else await sums.fetch_or_none()
    if after != before:
        return []
    difference = sum(row.total_request_count for row in rows) - before[0]
    return [DifferenceRow(between="subjects", requests=difference)]


async def list_past(api: Api, ask: Ask) -> tuple[Part, ...]:
    """The busiest subjects of the whole time, each of which is read on its own, and the rest, if there is one."""
    substring = ask.options.subject_name_substring
    filters: dict[str, str | int] = {"subject_name_substring": substring} if substring else {}
    path = f"/orgs/{ask.target}/insights/api/subject-stats"
    params = {**window_params(ask), "sort": "subject_name", **filters}
    fetched = await walk(api, path, params, SUBJECTS, None if substring else window_sums(api, ask))
    rows = sorted(
        (row for row in fetched.rows if isinstance(row, SubjectRow)),
        key=lambda row: (-row.total_request_count, row.subject_type, row.subject_id),
    )
    shown = [row for row in rows[: ask.options.max_series] if subject_of((row.subject_type, str(row.subject_id)))]
    parts = [Part(ask.start, ask.end, (row.subject_type, str(row.subject_id), _name(row, ask))) for row in shown]
    if len(shown) < len(rows) and not substring:
        parts.append(Part(ask.start, ask.end, ("other", "0", "")))
    return tuple(parts)


async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read the requests of a subject by hour, or those of the organization, of which the other subjects are the rest.

    A filter by name leaves no rest: the organization's requests are not those of the names.
    """
    kind, number, name = part.subject
    is_rest = kind == "other"
    hours, rejected = await read_hours(api, replace(ask, subject=subject_of((kind, number)) or ()), part)
    row = SubjectRow(
        subject_type=kind,
        subject_id=int(number),
        subject_name=name,
        total_request_count=0,
        rate_limited_request_count=0,
    )
    return PastAnswer(counted=(CountedHours(row, hours, is_total=is_rest),), rejected=rejected)


def _name(row: SubjectRow, ask: Ask) -> str:
    name = row.subject_name or ""
    return ask.name_form(name) if name and row.people() else name


COLLECTOR = Collector(
    name="subject_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/subject-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-subject-stats",
    lateness=LATENESS,
    permission=PERMISSION,
    fetch=fetch,
    tables=(SUBJECTS, ACTORS, RECONCILIATION),
    options=Options,
    past=Past(fetch_past, "whole", reach=KEPT, list_parts=list_past),
    calls=Calls(single=2, listed="subjects"),
    subject_of=subject_of,
    filters=("subject_name_substring",),
    deadline=15 * 60.0,  # seconds: a fold has four reads, and each may need three walks over thousands of subjects
)
