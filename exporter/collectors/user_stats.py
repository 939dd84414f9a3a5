"""Requests of a user by app and token: for the watched users and the busiest.

    github_api_insights_user_actor_requests_total{organization="acme",user_id="7",actor_type="classic_pat",actor_id="71"} 1200
    github_api_insights_actor_info{organization="acme",actor_type="classic_pat",actor_id="71",actor_name="laptop",…} 1

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-user-stats
"""  # noqa: E501 - an exposition line is not wrapped

import re
from typing import Annotated

from pydantic import Field

from exporter.catalogue import Calls, Collector
from exporter.collectors.reading.pages import window_params
from exporter.collectors.reading.walks import walk
from exporter.collectors.summary_stats import LATENESS, PERMISSION, window_sums
from exporter.fetching import Api, Ask, Fetched, Subject
from exporter.options import BoundedOptions, Integer
from exporter.privacy import is_app
from exporter.tables import Amount, Labels, Row, Table, Timestamp, counter, gauge, info

_TYPE = re.compile(r"(?!users$)[a-z_]{1,50}")
_ID = re.compile(r"[1-9][0-9]{0,18}")


def is_valid_id(number: str) -> bool:
    """Whether a text is an id that can be part of a path."""
    return _ID.fullmatch(number) is not None


class Options(BoundedOptions):
    """The collector's own settings."""

    top_users: Annotated[Integer, Field(ge=0)] = Field(
        default=10, description="How many of an organization's busiest users are drilled into besides those in `watch`."
    )
    actor_name_substring: str = Field(
        default="",
        max_length=100,
        description="Only actors whose name contains this; another value starts new counters.",
    )


class ActorRow(Row):
    """An app or token: what identifies it, and its names."""

    actor_type: str
    actor_id: int
    actor_name: str | None = None
    integration_id: int | None = None
    oauth_application_id: int | None = None

    def people(self) -> tuple[str, ...]:
        """The name, unless it is that of an app: people name their tokens, and an unknown type may be a token."""
        return () if is_app(self.actor_type) else ("actor_name",)


class UserActorRow(ActorRow):
    """One app or token with the user's requests in the window."""

    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None


USER_ACTORS = Table(
    row=UserActorRow,
    labels=("actor_type", "actor_id"),
    last_seen="last_request_timestamp",
    other=("other", ""),
    families=(
        counter(
            "github_api_insights_user_actor_requests_total",
            "total_request_count",
            "REST API requests (category core) of a user by app or token, since counting began.",
        ),
        counter(
            "github_api_insights_user_actor_rate_limited_requests_total",
            "rate_limited_request_count",
            "Requests of a user by app or token that a primary rate limit refused, since counting began.",
        ),
        gauge(
            "github_api_insights_user_actor_last_request_timestamp_seconds",
            "last_request_timestamp",
            "Time of the newest request that GitHub shows of the user by the app or token.",
        ),
        gauge(
            "github_api_insights_user_actor_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "Time of the newest rate-limited request of the user by the app or token; absent if there is none.",
        ),
    ),
)

ACTORS = Table(
    row=ActorRow,
    labels=("actor_type", "actor_id", "actor_name", "integration_id", "oauth_application_id"),
    display=("actor_name", "integration_id", "oauth_application_id"),
    shared=True,
    endpoints="/orgs/{org}/insights/api/user-stats/{user_id} and subject-stats",
    families=(
        info("github_api_insights_actor_info", "Names of apps and tokens; join it on organization, type and id."),
    ),
)


def subject_of(identity: Labels) -> Subject | None:
    """The actor whose routes `route_stats` can read; None if it cannot."""
    kind, number = identity
    return (kind, number) if _TYPE.fullmatch(kind) and is_valid_id(number) else None


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages, sorted by the actor's name; GitHub calls this order `subject_name`, too."""
    substring = ask.options.actor_name_substring
    filters: dict[str, str | int] = {"actor_name_substring": substring} if substring else {}
    params = {**window_params(ask), "sort": "subject_name", **filters}
    sums = None if substring else window_sums(api, ask)
    return await walk(api, f"/orgs/{ask.target}/insights/api/user-stats/{ask.subject[0]}", params, USER_ACTORS, sums)


COLLECTOR = Collector(
    name="user_stats",
    scope="organization",
    subject=("user_id",),
    endpoint="/orgs/{org}/insights/api/user-stats/{user_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-user-stats",
    lateness=LATENESS,
    permission=PERMISSION,
    fetch=fetch,
    tables=(USER_ACTORS, ACTORS),
    options=Options,
    calls=Calls(listed="actors_of_a_user"),
    top="top_users",
    subject_of=subject_of,
    filters=("actor_name_substring",),
    totals="summary_stats",
)
