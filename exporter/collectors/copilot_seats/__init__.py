"""Copilot seats of organizations and enterprises, how many are used, by whom, and an organization's Copilot policies.

    github_copilot_seats{organization="acme"} 12
    github_copilot_seats_inactive_this_cycle{organization="acme"} 11
    github_copilot_settings_info{organization="acme",plan_type="business",seat_management_setting="assign_selected",…} 1
    github_copilot_organization_seats_by_activity{organization="acme",last_activity="30d"} 4
    github_copilot_enterprise_seats{enterprise="acme-corp"} 310

The summary of an organization is read at every interval, the list of seats once a day: it has a page for each hundred,
and activity is up to a day late anyway. In between, its counts come from the collector's memory.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#get-copilot-seat-information-and-settings-for-an-organization
"""

from dataclasses import dataclass, field
from typing import Any

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission
from exporter.collectors.copilot_seats.summary import NO_SEATS, POLICIES, SEATS, Seats, read
from exporter.collectors.copilot_seats.tables import (
    SEATS_OF_ENTERPRISE,
    SEATS_OF_ORGANIZATION,
    TABLES_OF_ENTERPRISE,
    TABLES_OF_ORGANIZATION,
)
from exporter.collectors.copilot_seats.walk import rows_of, walk
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import CredentialRejected, GitHubError, RateLimited
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.github.decoding import decode_json
from exporter.instants import DAY, HOUR
from exporter.options import BoundedOptions
from exporter.tables import Row


@dataclass(slots=True)
class _Walked:
    """The rows of the newest walk, when it was, and what this run found out."""

    rows: tuple[Row, ...] = ()
    at: float | None = None
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    fault: GitHubError | None = None


async def _seats(api: Api, ask: Ask, path: str) -> _Walked:
    """The seats, walked if the newest walk is a day old. If that fails, its counts stay for another `max_age`."""
    walked = _remembered(ask.memory.value)
    age = None if walked.at is None else ask.end - walked.at
    if age is not None and 0 <= age < DAY - ask.interval / 2:
        return walked
    try:
        counts = await walk(api, path, float(ask.end))
        memory = await worker.run(counts.memory)
    except (CredentialRejected, RateLimited):
        raise  # the next run is soon enough
    except GitHubError as error:
        is_old = age is None or age > DAY + ask.max_age
        return _Walked(fault=error) if is_old else _Walked(walked.rows, walked.at, fault=error)
    ask.memory.value = memory
    return _Walked(tuple(rows_of(memory)), counts.now, counts.rejected, counts.unknown)


def _remembered(memory: Any) -> _Walked:
    """The newest walk; nothing if there was none, or if it cannot be read."""
    try:
        return _Walked(tuple(rows_of(memory)), float(memory["at"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return _Walked()


async def fetch(api: Api, ask: Ask) -> Fetched:
    """The summary, which describes the present, and the seats of an organization."""
    reply = await api.get(f"/orgs/{ask.target}/copilot/billing")
    unknown = UnknownFields()
    rows, unusable = await worker.run(lambda: read(decode_json(reply.body), unknown))
    walked = await _seats(api, ask, SEATS_OF_ORGANIZATION.format(org=ask.target))
    unknown.join(walked.unknown)
    has_seats = any(isinstance(row, Seats) and row.figures for row in rows)
    return Fetched(
        (*rows, *walked.rows),
        unusable + walked.rejected,
        data_time=float(ask.end),
        fault=walked.fault,
        unknown=unknown,
        note=None if has_seats else NO_SEATS,
        doubts=() if has_seats else (Doubt(SEATS, NO_SEATS),),
    )


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """The seats of an enterprise, for which GitHub has no summary."""
    walked = await _seats(api, ask, SEATS_OF_ENTERPRISE.format(enterprise=ask.target))
    if walked.fault and not walked.rows:
        raise walked.fault
    return Fetched(walked.rows, walked.rejected, data_time=walked.at, fault=walked.fault, unknown=walked.unknown)


COLLECTOR = Collector(
    name="copilot_seats",
    scope="organization",
    endpoint="/orgs/{org}/copilot/billing",
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#get-copilot-seat-information-and-settings-for-an-organization",
    lateness="The answer describes the moment of the request.",
    interval=2 * HOUR,
    max_age=24 * HOUR,
    options=BoundedOptions,
    permission=Permission(
        app="organization permission “GitHub Copilot Business”, in newer screens “Organization Copilot seat "
        "management”, or “Administration” (read)",
        classic="scope `manage_billing:copilot` or `read:org`, of an organization owner",
        granted=("organization_copilot_seat_management", "organization_administration"),
    ),
    fetch=fetch,
    tables=(SEATS, POLICIES, *TABLES_OF_ORGANIZATION),
    calls=Calls(single=1, listed="seats", is_daily=True),
)
OF_ENTERPRISE = Collector(
    name="copilot_seats",
    scope="enterprise",
    endpoint=SEATS_OF_ENTERPRISE,
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#list-all-copilot-seat-assignments-for-an-enterprise",
    lateness="The answer describes the moment of the request.",
    interval=2 * HOUR,
    max_age=24 * HOUR,
    options=BoundedOptions,
    # GitHub's description allows Apps, its tables of permissions have none for this path.
    permission=Permission(
        classic="scope `manage_billing:copilot` or `read:enterprise`, of an enterprise owner or billing manager"
    ),
    fetch=fetch_enterprise,
    tables=TABLES_OF_ENTERPRISE,
    calls=Calls(listed="seats", is_daily=True),
)
