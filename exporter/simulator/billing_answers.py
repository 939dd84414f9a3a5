"""What the simulated GitHub answers about spend.

/enterprises/ENTERPRISE/settings/billing/reports, …/reports/ID
/enterprises/ENTERPRISE/settings/billing/usage/summary, …/ai_credit/usage, /organizations/ORG/… the same
"""

import re
from datetime import UTC, datetime
from typing import Any

from exporter.simulator.access import admit
from exporter.simulator.apps import allows
from exporter.simulator.estate import DAY, Enterprise, instant_of
from exporter.simulator.estate_answers import Content, Question
from exporter.simulator.exports import PAGE, link_with, order_of, owned
from exporter.simulator.messages import Refused
from exporter.simulator.spend import summary, usage

REPORTS = re.compile(r"/enterprises/([^/]+)/settings/billing/reports(?:/([^/]+))?")
SUMS = re.compile(r"/(enterprises|organizations)/([^/]+)/settings/billing/(usage/summary|ai_credit/usage)")


def answer(question: Question, path: str) -> Content | None:
    """The answer to a path below the API's root; None if it is about something else."""
    for pattern, answers in ((REPORTS, reports), (SUMS, sums)):
        if found := pattern.fullmatch(path):
            name = found[1] if pattern is REPORTS else found[2]
            admit(question.caller, path, name.lower())
            return answers(question, found)
    return None


def reports(question: Question, found: re.Match[str]) -> Content:
    """The list, one export, or a new one."""
    estate, now, request = question.estate, question.now, question.request
    enterprise = owned(estate.enterprise(found[1])).name
    exports = question.exports
    if request.method == "POST" and not found[2]:
        caller = question.caller
        reads = caller.kind == "installation" and not allows(caller.permissions, "enterprise_billing", "write")
        if exports.read_only or reads:
            headers = {"x-accepted-github-permissions": "enterprise_billing=write"}
            raise Refused(403, "Resource not accessible by integration", PAGE, headers)
        made = exports.make(enterprise, order_of(request.body), now)
        if exports.lost_answers:
            exports.lost_answers -= 1
            raise Refused(502, "Server Error", PAGE)
        return 202, exports.told(made, now, link_with(question.files, request.origin, now, dead=False), estate), {}
    listed = exports.listed(enterprise, now)
    dead = exports.dead_links > 0 and not found[2]
    exports.dead_links -= dead
    link = link_with(question.files, request.origin, now, dead=dead)
    if not found[2]:
        return 200, {"usage_report_exports": [exports.told(one, now, link, estate) for one in listed]}, {}
    one = next((one for one in listed if one.id == found[2]), None)
    if one is None:
        raise Refused(404, "Not Found", PAGE)
    return 200, exports.told(one, now, link, estate), {}


def sums(question: Question, found: re.Match[str]) -> Content:
    """The month asked for, so far."""
    kind, name, what = found.groups()
    estate, now, query = question.estate, question.now, question.request.query
    owner = owned(estate.enterprise(name) if kind == "enterprises" else estate.owner(name))
    today = datetime.fromtimestamp(now, UTC)
    year, month = int(query.get("year", today.year)), int(query.get("month", today.month))
    first = instant_of(f"{year:04d}-{month:02d}-01")
    if first is None:
        raise Refused(400, "Invalid month", "/billing/usage")
    days = [day for day in range(first, first + 31 * DAY, DAY) if datetime.fromtimestamp(day, UTC).month == month]
    asked = owner if kind == "enterprises" else Enterprise(owner.name, (name.lower(),))
    known = (row for row in usage(estate, asked, days) if row.shown_from <= now)
    items = summary(known, with_model=what == "ai_credit/usage")
    told: dict[str, Any] = {"timePeriod": {"year": year, "month": month}, kind.removesuffix("s"): name}
    return 200, {**told, "usageItems": items}, {}
