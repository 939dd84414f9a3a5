"""What the simulated GitHub answers about GHES, licences and Copilot.

/enterprise-installation/ENTERPRISE_OR_ORG/server-statistics
/enterprise/stats/all, /enterprise/stats/security-products          below an appliance's own root, /NAME/api/v3
/enterprise/settings/license                                        likewise
/enterprises/ENTERPRISE/consumed-licenses, …/license-sync-status
/orgs/ORG/copilot/metrics/reports/organization-1-day, …-28-day/latest
/enterprises/ENTERPRISE/copilot/metrics/reports/enterprise-1-day, …-28-day/latest
/orgs/ORG/copilot/metrics/reports/repos-1-day, users-1-day, user-teams-1-day, and the same of an enterprise
/orgs/ORG/copilot/billing, /orgs/ORG/copilot/billing/seats, /orgs/ORG/copilot/metrics
/enterprises/ENTERPRISE/copilot/billing/seats
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from exporter.instants import DAY, day_of
from exporter.simulator import closed_copilot, copilot, copilot_people, copilot_repositories, licences
from exporter.simulator.access import Caller, admit
from exporter.simulator.estate import Appliance, Estate, instant_of, midnight
from exporter.simulator.exports import Exports
from exporter.simulator.ghes import all_stats, security_products, server_statistics
from exporter.simulator.messages import LARGEST_PAGE, Page, Refusal, Request, link_header, page_of
from exporter.simulator.signed import SignedFiles, origin_of
from exporter.simulator.stored import stored

_APPLIANCE = re.compile(r"/([^/]+)/api/v3(/.*)")
_STATISTICS = re.compile(r"/enterprise-installation/([^/]+)/server-statistics")
_REPORT = re.compile(
    r"/(orgs|enterprises)/([^/]+)/copilot/metrics/reports/(organization|enterprise)-(1-day|28-day/latest)"
)
_RECORDS = re.compile(r"/(orgs|enterprises)/([^/]+)/copilot/metrics/reports/(repos|users|user-teams)-1-day")
_SEATS = re.compile(r"/orgs/([^/]+)/copilot/billing")
_SEATS_LIST = re.compile(r"/(orgs|enterprises)/([^/]+)/copilot/billing/seats")
_CLOSED = re.compile(r"/orgs/([^/]+)/copilot/metrics")
_LICENSES = re.compile(r"/enterprises/([^/]+)/(consumed-licenses|license-sync-status)")
_DAYS_OF_LATEST = 28
_SEATS_OF_A_PAGE = 50

Content = tuple[int, Any, Mapping[str, str]]
"""Status, content (None: no body) and further headers."""


class Context(NamedTuple):
    """One request to answer."""

    estate: Estate
    files: SignedFiles
    exports: Exports
    request: Request
    caller: Caller
    now: float


def appliance_of(estate: Estate, path: str) -> tuple[Appliance, str] | None:
    """Whose root a path is below, and the path below it."""
    match = _APPLIANCE.fullmatch(path)
    appliance = estate.appliance(match[1]) if match else None
    return (appliance, match[2]) if match and appliance else None


def of_appliance(estate: Estate, appliance: Appliance, path: str, caller: Caller, now: float) -> Content:
    """The answer of an appliance to a site administrator; for others the page does not exist."""
    if not caller.unlimited and (caller.kind != "classic" or not caller.site_admin):
        raise Refusal(404, "Not Found", "/enterprise-admin/admin-stats")
    if path == "/enterprise/stats/all":
        return 200, all_stats(estate, appliance, now), {}
    if path == "/enterprise/settings/license":
        return 200, licences.of_appliance(appliance, now), {}
    if path == "/enterprise/stats/security-products":
        if not appliance.old:
            return 200, security_products(appliance), {}
    elif (body := stored(path)) is not None:
        return 200, body, {}
    raise Refusal(404, "Not Found", "/enterprise-admin/admin-stats")


def answer(context: Context, path: str) -> Content | None:
    """The answer to a path below the API's root; None if it is about something else."""
    if context.request.method != "GET":
        return None
    matches = ((answers, pattern.fullmatch(path)) for pattern, answers in _ROUTES.items())
    return next((answers(context, match) for answers, match in matches if match), None)


def _statistics(context: Context, match: re.Match[str]) -> Content:
    estate, request = context.estate, context.request
    owner = estate.enterprise(match[1]) or estate.owner(match[1])
    if owner is None:
        raise Refusal(404, "Not Found", "/enterprise-admin/admin-stats")
    name = match[1].lower()
    admit(context.caller, f"/{'enterprises' if owner.name == name else 'orgs'}/{name}/server-statistics", name)
    # Appliances are connected to the enterprise; an organization has none.
    appliances = owner.appliances if owner.name == name else ()
    days = server_statistics(estate, appliances, context.now, request.query)
    return _paged(request, days, page_of(request.pairs)) if estate.statistics_in_pages else (200, days, {})


def _report(context: Context, match: re.Match[str]) -> Content:
    kind, name, scope, period = match.groups()
    estate, now, name = context.estate, context.now, name.lower()
    exists = estate.enterprise(name) if kind == "enterprises" else estate.owner(name)
    if exists is None or (scope == "organization") != (kind == "orgs"):
        raise Refusal(404, "Not Found", "/copilot/copilot-usage-metrics")
    admit(context.caller, match[0], name)
    if period != "1-day":
        last = midnight(now) - copilot.FINISHED
        first = last - (_DAYS_OF_LATEST - 1) * DAY
        latest = [day for day in range(first, last + 1, DAY) if copilot.is_there(estate, name, day, now)]
        span = {"report_start_day": day_of(first), "report_end_day": day_of(last)}
        return 200, {**_links(context, name, latest, copilot.engagement(estate, name)), **span}, {}
    day = instant_of(context.request.query.get("day", ""))
    if day is None:
        raise Refusal(422, "day is missing or no date", "/copilot/copilot-usage-metrics")
    if copilot.is_there(estate, name, day, now):
        return 200, {**_links(context, name, [day]), "report_day": day_of(day)}, {}
    if kind == "orgs":
        return 204, None, {}
    raise Refusal(404, "Not Found", "/copilot/copilot-usage-metrics")


def _records(context: Context, match: re.Match[str]) -> Content:
    """A report of one day with many records, in two files of different form."""
    kind, name, what = match.groups()
    estate, now, name = context.estate, context.now, name.lower()
    if (estate.enterprise(name) if kind == "enterprises" else estate.owner(name)) is None:
        raise Refusal(404, "Not Found", "/copilot/copilot-usage-metrics")
    admit(context.caller, match[0], name)
    day = instant_of(context.request.query.get("day", ""))
    if day is None:
        raise Refusal(422, "day is missing or no date", "/copilot/copilot-usage-metrics")
    if copilot.is_there(estate, f"{what} of {name}", day, now):
        records = RECORDS[what](estate, name, day)
        bodies = [copilot.written(records[::2], "lines", {}), copilot.written(records[1::2], "array", {})]
        return 200, {**_signed(context, name, bodies), "report_day": day_of(day)}, {}
    if kind == "orgs" or what == "repos":
        return 204, None, {}
    raise Refusal(404, "Not Found", "/copilot/copilot-usage-metrics")


RECORDS = {
    "repos": copilot_repositories.records,
    "users": copilot_people.activity,
    "user-teams": copilot_people.memberships,
}
"""The records of a day, by the beginning of the report's name."""


def _links(context: Context, name: str, days: list[int], whole: dict[str, Any] | None = None) -> dict[str, Any]:
    estate, now = context.estate, context.now
    records = [copilot.current_record(estate, name, day, now) for day in days]
    return _signed(context, name, copilot.files(estate, name, records, whole))


def _signed(context: Context, name: str, bodies: list[bytes]) -> dict[str, Any]:
    estate, files, now = context.estate, context.files, context.now
    dead = estate.copilot.dead_links.get(name, 0) > 0
    estate.copilot.dead_links[name] = max(0, estate.copilot.dead_links.get(name, 0) - 1)
    links = [
        files.link(
            origin_of(estate.copilot.hosts, index, context.request.origin),
            f"{name}-{index + 1}.json",
            partial(bytes, body),
            now,
            dead=dead,
        )
        for index, body in enumerate(bodies)
    ]
    return {"download_links": links}


def _seats(context: Context, match: re.Match[str]) -> Content:
    if context.estate.owner(match[1]) is None:
        raise Refusal(404, "Not Found", "/copilot/copilot-user-management")
    admit(context.caller, match[0], match[1].lower())
    return 200, copilot.seats(context.estate, match[1].lower()), {}


def _seats_list(context: Context, match: re.Match[str]) -> Content:
    kind, name, estate = match[1], match[2].lower(), context.estate
    if (estate.enterprise(name) if kind == "enterprises" else estate.owner(name)) is None:
        raise Refusal(404, "Not Found", "/copilot/copilot-user-management")
    admit(context.caller, match[0], name)
    seats = copilot_people.seats(estate, name, context.now)
    page = page_of([("per_page", str(_SEATS_OF_A_PAGE)), *context.request.pairs])
    status, listed, link = _paged(context.request, seats, page)
    return status, {"total_seats": copilot.people(estate, name), "seats": listed}, link


def _closed(context: Context, match: re.Match[str]) -> Content:
    estate, request = context.estate, context.request
    if estate.copilot.retired or estate.owner(match[1]) is None:
        raise Refusal(404, "Not Found", closed_copilot.PAGE)
    admit(context.caller, match[0], match[1].lower())
    days = closed_copilot.days(estate, match[1].lower(), context.now, request.query)
    page = page_of(
        [("per_page", str(LARGEST_PAGE)), *request.pairs]
    )  # a hundred days are a page unless one asks for less
    status, content, link = _paged(request, days, page)
    return status, content, {**closed_copilot.HEADERS, **link}


def _licenses(context: Context, match: re.Match[str]) -> Content:
    enterprise = context.estate.enterprise(match[1])
    if enterprise is None:
        raise Refusal(404, "Not Found", licences.PAGE)
    admit(context.caller, match[0], enterprise.name)
    if match[2] == "license-sync-status":
        return 200, licences.sync_status(enterprise, context.now), {}
    users = licences.users(enterprise)
    status, page, link = _paged(context.request, users, page_of(context.request.pairs))
    return status, {**licences.totals(users), "users": page}, link


def _paged(request: Request, rows: list[dict[str, Any]], page: Page) -> Content:
    return 200, rows[page.rows], link_header(f"{request.origin}{request.path}", request.pairs, page, len(rows))


_ROUTES: Mapping[re.Pattern[str], Callable[[Context, re.Match[str]], Content]] = {
    _STATISTICS: _statistics,
    _REPORT: _report,
    _RECORDS: _records,
    _SEATS: _seats,
    _SEATS_LIST: _seats_list,
    _CLOSED: _closed,
    _LICENSES: _licenses,
}
