"""Who used an organization's API: apps and users, with what was refused by a rate limit.

    github_api_insights_subject_requests_total{organization="acme",subject_type="installation",subject_id="954453",subject_name="CI"} 544665
    github_api_insights_subject_last_request_timestamp_seconds{organization="acme",subject_type="installation",…} 1726674183

Beyond `max_series` subjects the rest is summed under `subject_type="other"`, so that totals stay whole.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-subject-stats
"""  # noqa: E501 - an exposition line is not wrapped

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from exporter import catalogue
from exporter.catalogue import (
    Amount,
    Api,
    Ask,
    Calls,
    Collector,
    Fetched,
    Labels,
    Row,
    Table,
    Timestamp,
    counter,
    gauge,
)
from exporter.collecting.reading import walk, window
from exporter.collectors.summary_stats import LATENESS, NEEDS, RECONCILIATION, Difference, total
from exporter.collectors.user_stats import ACTORS, Actor, askable
from exporter.settings import Whole


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many subjects have series of their own; the rest is summed as `other`."
    )
    subject_name_substring: str = Field(
        default="", max_length=100, description="Only subjects whose name contains this; another word counts anew."
    )


class Subject(Row):
    """One app or user in the window."""

    subject_type: str
    subject_id: int
    subject_name: str | None = None
    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None

    def people(self) -> tuple[str, ...]:
        """An app's name is no person's."""
        return () if self.subject_type == "installation" else ("subject_name",)


SUBJECTS = Table(
    row=Subject,
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
            "The subject's newest request that GitHub shows.",
        ),
        gauge(
            "github_api_insights_subject_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "The subject's newest request that a primary rate limit refused; absent if none was.",
        ),
    ),
)


def leads(identity: Labels) -> catalogue.Subject | None:
    """An app is an actor itself; whose tokens a user has, `user_stats` tells."""
    kind, number = identity
    if not askable(number):
        return None
    return {"installation": ("installation", number), "user": (number,)}.get(kind.lower())


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages by name, an order in which no subject moves while others make requests.

    The organization's total of the same window is asked for before and after: if it stood still, it is compared.
    """
    wanted = ask.options.subject_name_substring
    compared = not wanted and not ask.partial
    before = await total(api, ask, ask.start, ask.end) if compared else None
    only: dict[str, str | int] = {"subject_name_substring": wanted} if wanted else {}
    params = {**window(ask), "sort": "subject_name", "direction": "asc", **only}
    fetched = await walk(api, f"/orgs/{ask.target}/insights/api/subject-stats", params, SUBJECTS)
    rows = [row for row in fetched.rows if isinstance(row, Subject)]
    told: list[Row] = [
        Actor(actor_type=row.subject_type, actor_id=row.subject_id, actor_name=row.subject_name)
        for row in rows
        if row.subject_type == "installation"
    ]
    if before is not None and not fetched.rejected and await total(api, ask, ask.start, ask.end) == before:
        difference = sum(row.total_request_count for row in rows) - before
        told.append(Difference(between="subjects", requests=difference))
    return Fetched((*rows, *told), fetched.rejected)


COLLECTOR = Collector(
    name="subject_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/subject-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-subject-stats",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    tables=(SUBJECTS, ACTORS, RECONCILIATION),
    options=Options,
    calls=Calls(single=2, listed="subjects"),
    leads=leads,
    filters=("subject_name_substring",),
)
