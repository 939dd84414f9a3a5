"""The past of the month's usage: each day is asked for, and added to the days of its month before.

The sums of a day are shown when it is over. Those of a month's last day are shown in its last hour, for at midnight the
exporter begins with the next month; so on the first of a month nothing is shown.

GitHub has the usage of the last 24 months, as it has booked it by now: late bookings and corrections are in it.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise
"""

from collections.abc import Callable, Coroutine
from typing import Any

from exporter import worker
from exporter.collectors.billing_usage.bill import Bill
from exporter.collectors.billing_usage.items import Period
from exporter.errors import Invalid, NotFound
from exporter.fetching import Api, Ask
from exporter.github.apps import NotInstalled
from exporter.instants import DAY, HOUR, epoch
from exporter.past import YEAR, Part, Past, PastAnswer, Shown

REACH = 2 * YEAR
MARGIN = 31 * DAY
"""The sums of a month need its first day, so a month is not asked for once GitHub may have dropped that."""
REQUESTS_OF_DAY = 2


def past(fetch: Callable[[Api, Ask, Part], Coroutine[Any, Any, PastAnswer]]) -> Past:
    """How it is asked; `fetch` reads a month."""
    return Past(fetch, "month", REACH, shown_after=DAY, margin=MARGIN, list_parts=list_months)


async def list_months(_api: Api, ask: Ask) -> tuple[Part, ...]:
    """The months of the time that is asked for, each up to its last day that is over."""
    over, parts = ask.end // DAY * DAY, list[Part]()
    start = _first_day(ask.start)
    while start < ask.end:
        end = min(_next_month(start), over)
        parts.append(Part(start, end, requests=REQUESTS_OF_DAY * ((end - start) // DAY)))
        start = _next_month(start)
    return tuple(parts)


async def fetch_month(api: Api, bill: Bill, part: Part) -> PastAnswer:
    """The sums of a month, day by day. After a day that GitHub's answer does not have, those of the others are unknown.

    Other failures are raised: the month is asked for again.
    """
    shown, end, missing = list[Shown](), _next_month(part.start), ""
    for day in range(part.start, part.end, DAY):
        period = Period.day_of(day)
        try:
            await bill.read(api, period)
        except NotInstalled:
            raise
        except (Invalid, NotFound) as error:
            missing = f"{error}; the sums from {period} on need this day"
            break
        usage, credits_ = await worker.run(bill.rows)
        at = min(day + DAY, end - HOUR)
        shown.append(Shown(at, (*usage, *credits_), until=min(at + DAY, end)))
    return PastAnswer(tuple(shown), rejected=bill.rejected, missing=missing)


def _first_day(instant: float) -> int:
    """When the month of an instant began."""
    return int(epoch(f"{Period.month_of(instant)}-01"))


def _next_month(start: int) -> int:
    return _first_day(start + 31 * DAY)
