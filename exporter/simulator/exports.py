"""Usage report exports: asked for, made in a while, kept for a month.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

from exporter.simulator.estate import DAY, Enterprise, Estate, day_of, instant_of
from exporter.simulator.messages import Refused
from exporter.simulator.signed import SignedFiles
from exporter.simulator.spend import COLUMNS, report, usage

Link = Callable[[str, Callable[[], bytes]], str]

PAGE = "/billing/usage-reports"
KEPT = 31 * DAY
LONGEST = {"summarized": 366, "detailed": 31, "premium_request": 31, "ai_credit": 31}


@dataclass(slots=True)
class Made:
    """One export. Its files are made when it is complete, of what GitHub knew when it was asked for."""

    id: str
    enterprise: str
    report_type: str
    start: str
    end: str
    created: float
    ready: float
    failed: bool = False


@dataclass(slots=True)
class Exports:
    """All exports; what is set here may be changed at any time.

    A new one takes `seconds`, fails for the types in `failing`, and has its rows in so many `files`. `lost_answers`
    are how many requests to make one are done without an answer; with `read_only` nobody may make one.
    """

    seed: int | str = 0
    seconds: float = 8.0
    failing: set[str] = field(default_factory=set)
    files: int = 1
    dead_links: int = 0
    lost_answers: int = 0
    read_only: bool = False
    made: list[Made] = field(default_factory=list)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        """Ids follow from the seed."""
        self._random = Random(f"{self.seed}:exports")

    def make(self, enterprise: str, content: dict[str, Any], now: float, *, ready: float | None = None) -> Made:
        """Take an order; raises `Refused` (400)."""
        report_type, start = content.get("report_type"), content.get("start_date")
        end = content.get("end_date") or day_of(now)
        first, last = (instant_of(day) if isinstance(day, str) else None for day in (start, end))
        if report_type not in COLUMNS or first is None or last is None:
            raise Refused(400, "Invalid request: report_type, start_date or end_date", PAGE)
        if last < first or (last - first) // DAY >= LONGEST[report_type]:
            raise Refused(400, "The date range is too long for this report type", PAGE)
        number = f"{self._random.getrandbits(128):032x}"
        identity = f"{number[:8]}-{number[8:12]}-4{number[13:16]}-8{number[17:20]}-{number[20:]}"
        due = now + self.seconds if ready is None else ready
        made = Made(identity, enterprise, report_type, str(start), end, now, due, report_type in self.failing)
        self.made.append(made)
        return made

    def listed(self, enterprise: str, now: float) -> list[Made]:
        """Newest first; a month old ones are gone."""
        return [one for one in reversed(self.made) if one.enterprise == enterprise and now - one.created < KEPT]

    def told(self, one: Made, now: float, link: Link, estate: Estate) -> dict[str, Any]:
        """An export as GitHub tells it; links are signed anew each time."""
        status = "processing" if now < one.ready else "failed" if one.failed else "completed"
        told: dict[str, Any] = {
            "id": one.id,
            "report_type": one.report_type,
            "start_date": one.start,
            "end_date": one.end,
            "status": status,
            "created_at": datetime.fromtimestamp(one.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actor": "monalisa",
        }
        if status == "completed":
            told["download_urls"] = [
                link(f"{one.id}-{part}.csv", partial(self._written, estate, one, part)) for part in range(self.files)
            ]
        return told

    def _written(self, estate: Estate, one: Made, part: int) -> bytes:
        enterprise = estate.enterprise(one.enterprise)
        first, last = instant_of(one.start), instant_of(one.end)
        assert enterprise is not None
        assert first is not None
        assert last is not None
        known = [row for row in usage(estate, enterprise, range(first, last + 1, DAY)) if row.shown_from <= one.created]
        return report(known[part :: self.files], one.report_type).encode()


def order_of(body: bytes) -> dict[str, Any]:
    """The body of a request to make one; raises `Refused` (400)."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "Problems parsing JSON", PAGE)
    return content


def link_with(files: SignedFiles, origin: str, now: float, *, dead: bool) -> Link:
    """How links to an export's files are made."""
    return lambda name, body: files.link(origin, name, body, now, dead=dead)


def owned(enterprise: Enterprise | None) -> Enterprise:
    """Or 404."""
    if enterprise is None:
        raise Refused(404, "Not Found", PAGE)
    return enterprise
