"""What the simulated GitHub answers about spend.

/enterprises/ENTERPRISE/settings/billing/reports, …/reports/ID
/enterprises/ENTERPRISE/settings/billing/usage/summary, …/ai_credit/usage, /organizations/ORG/… the same
"""

import re
from datetime import UTC, datetime
from typing import Any

from exporter.instants import DAY
from exporter.simulator.access import admit
from exporter.simulator.estate import Enterprise, instant_of
from exporter.simulator.estate_answers import Content, Context
from exporter.simulator.exports import PAGE, link_with, order_of, owned
from exporter.simulator.messages import Refusal
from exporter.simulator.spend import summary, usage

REPORTS = re.compile(r"/enterprises/([^/]+)/settings/billing/reports(?:/([^/]+))?")
SUMS = re.compile(r"/(enterprises|organizations)/([^/]+)/settings/billing/(usage/summary|ai_credit/usage)")


def answer(context: Context, path: str) -> Content | None:
    """The answer to a path below the API's root; None if it is about something else."""
    for pattern, answers in ((REPORTS, reports), (SUMS, sums)):
        if match := pattern.fullmatch(path):
            name = match[1] if pattern is REPORTS else match[2]
            admit(context.caller, path, name.lower())
            return answers(context, match)
    return None


def reports(context: Context, match: re.Match[str]) -> Content:
    """The list, one export, or a new one."""
    estate, now, request = context.estate, context.now, context.request
    enterprise = owned(estate.enterprise(match[1])).name
    exports = context.exports
    if request.method == "POST" and not match[2]:
        if exports.read_only:
            headers = {"x-accepted-github-permissions": "enterprise_billing=read"}
            raise Refusal(403, "Resource not accessible by integration", PAGE, headers)
        export = exports.make(enterprise, order_of(request.body), now)
        if exports.lost_answers:
            exports.lost_answers -= 1
            raise Refusal(502, "Server Error", PAGE)
        link = link_with(context.files, exports.hosts, request.origin, now, dead=False)
        return 202, exports.entry(export, now, link, estate), {}
    newest_first = exports.listed(enterprise, now)
    dead = exports.dead_links > 0 and not match[2]
    exports.dead_links -= dead
    link = link_with(context.files, exports.hosts, request.origin, now, dead=dead)
    if not match[2]:
        entries = [exports.entry(export, now, link, estate) for export in newest_first]
        if not exports.links_in_list:
            for entry in entries:
                entry.pop("download_urls", None)
        return 200, {"usage_report_exports": entries}, {}
    requested = next((export for export in newest_first if export.id == match[2]), None)
    if requested is None:
        raise Refusal(404, "Not Found", PAGE)
    return 200, exports.entry(requested, now, link, estate), {}


def sums(context: Context, match: re.Match[str]) -> Content:
    """The month asked for, or a day of it, so far."""
    kind, name, what = match.groups()
    estate, now, query = context.estate, context.now, context.request.query
    owner = owned(estate.enterprise(name) if kind == "enterprises" else estate.owner(name))
    today = datetime.fromtimestamp(now, UTC)
    year, month = int(query.get("year", today.year)), int(query.get("month", today.month))
    first = instant_of(f"{year:04d}-{month:02d}-01")
    if first is None:
        raise Refusal(400, "Invalid month", "/billing/usage")
    days = [day for day in range(first, first + 31 * DAY, DAY) if datetime.fromtimestamp(day, UTC).month == month]
    period = {"year": year, "month": month}
    if (text := query.get("day")) is not None:
        if not text.isdecimal() or not 1 <= int(text) <= len(days):
            raise Refusal(400, "Invalid day", "/billing/usage")
        period["day"] = int(text)
        days = [days[int(text) - 1]]
    account = owner if kind == "enterprises" else Enterprise(owner.name, (name.lower(),))
    rows = (row for row in usage(estate, account, days) if row.shown_from <= now)
    items = summary(rows, with_model=what == "ai_credit/usage")
    head: dict[str, Any] = {"timePeriod": period, kind.removesuffix("s"): name}
    return 200, {**head, "usageItems": items}, {}
