"""By which apps and tokens a user asked: for the watched users and the busiest.

    github_api_insights_user_actor_requests_total{organization="acme",user_id="7",actor_type="classic_pat",actor_id="71"} 1200
    github_api_insights_actor_info{organization="acme",actor_type="classic_pat",actor_id="71",actor_name="laptop",…} 1

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-user-stats
"""  # noqa: E501 - an exposition line is not wrapped

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from exporter.catalogue import (
    Amount,
    Api,
    Ask,
    Calls,
    Collector,
    Fetched,
    Labels,
    Row,
    Subject,
    Table,
    Timestamp,
    counter,
    gauge,
    info,
)
from exporter.collecting.reading import walk, window
from exporter.collectors.summary_stats import LATENESS, NEEDS
from exporter.settings import Whole

APPS = ("installation", "oauth_app", "github_app_user_to_server")
_TYPE = re.compile(r"(?!users$)[a-z_]{1,50}")
_ID = re.compile(r"[1-9][0-9]{0,18}")


def askable(number: str) -> bool:
    """Whether it is an id that a path may hold."""
    return _ID.fullmatch(number) is not None


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_users: Annotated[Whole, Field(ge=0)] = Field(
        default=10, description="How many of an organization's busiest users are followed besides those in `watch`."
    )
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many actors of a user have series of their own; the rest is summed as `other`."
    )
    actor_name_substring: str = Field(
        default="", max_length=100, description="Only actors whose name contains this; another word counts anew."
    )


class Actor(Row):
    """What identifies an app or token, and its names."""

    actor_type: str
    actor_id: int
    actor_name: str | None = None
    integration_id: int | None = None
    oauth_application_id: int | None = None

    def people(self) -> tuple[str, ...]:
        """A token is named by the person who made it, an app by its makers; what is new may be a token."""
        return () if self.actor_type in APPS else ("actor_name",)


class UserActor(Actor):
    """One app or token by which the user asked in the window."""

    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None


USER_ACTORS = Table(
    row=UserActor,
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
            "The newest request of the user by the app or token that GitHub shows.",
        ),
        gauge(
            "github_api_insights_user_actor_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "The newest of them that a primary rate limit refused; absent if none was.",
        ),
    ),
)

ACTORS = Table(
    row=Actor,
    labels=("actor_type", "actor_id", "actor_name", "integration_id", "oauth_application_id"),
    display=("actor_name", "integration_id", "oauth_application_id"),
    shared=True,
    endpoints="/orgs/{org}/insights/api/user-stats/{user_id} and subject-stats",
    families=(
        info("github_api_insights_actor_info", "Names of apps and tokens; join it on organization, type and id."),
    ),
)


def leads(identity: Labels) -> Subject | None:
    """Each is an actor that `route_stats` can ask about."""
    kind, number = identity
    return (kind, number) if _TYPE.fullmatch(kind) and askable(number) else None


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages by name, an order that does not move. GitHub calls the actor's name `subject_name` here, too."""
    wanted = ask.options.actor_name_substring
    only: dict[str, str | int] = {"actor_name_substring": wanted} if wanted else {}
    params = {**window(ask), "sort": "subject_name", "direction": "asc", **only}
    return await walk(api, f"/orgs/{ask.target}/insights/api/user-stats/{ask.subject[0]}", params, USER_ACTORS)


COLLECTOR = Collector(
    name="user_stats",
    scope="organization",
    subject=("user_id",),
    endpoint="/orgs/{org}/insights/api/user-stats/{user_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-user-stats",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    tables=(USER_ACTORS, ACTORS),
    options=Options,
    calls=Calls(listed="actors_of_a_user"),
    top="top_users",
    leads=leads,
    filters=("actor_name_substring",),
    still="summary_stats",
)
