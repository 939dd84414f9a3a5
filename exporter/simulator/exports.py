"""Usage report exports: requested, completed after a while, deleted after a month.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from exporter.instants import DAY, day_of, utc_time
from exporter.simulator.estate import Enterprise, Estate, instant_of
from exporter.simulator.messages import Refusal
from exporter.simulator.signed import SignedFiles, origin_of
from exporter.simulator.spend import COLUMNS, report, usage

Link = Callable[[int, str, Callable[[], bytes]], str]
"""A link to a file: its place among the files of the export, its name, its content."""

PAGE = "/billing/usage-reports"
RETENTION = 31 * DAY
LONGEST = {"summarized": 366, "detailed": 31, "premium_request": 31, "ai_credit": 31}


@dataclass(slots=True)
class SimulatedExport:
    """One export. Its files have the data that GitHub had when it was requested."""

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

    - `seconds`: how long a new export takes; it fails for the report types in `failing`.
    - `files`: how many files its rows are in; these are on `hosts` in turn, if empty on the host of the API.
    - `links_in_list`: if false, only an export that is requested by its id has links.
    - `links_twice`: each link is listed twice.
    - `lost_answers`: how many requests that create an export get no response.
    - `read_only`: nobody may create an export.
    - `created`: all exports, the newest last.
    """

    seed: int | str = 0
    seconds: float = 8.0
    failing: set[str] = field(default_factory=set)
    files: int = 1
    hosts: tuple[str, ...] = ()
    links_in_list: bool = True
    links_twice: bool = False
    dead_links: int = 0
    lost_answers: int = 0
    read_only: bool = False
    created: list[SimulatedExport] = field(default_factory=list)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        """Ids follow from the seed."""
        self._random = Random(f"{self.seed}:exports")

    def make(
        self, enterprise: str, content: dict[str, Any], now: float, *, ready: float | None = None
    ) -> SimulatedExport:
        """Create an export; raises `Refusal` (400)."""
        report_type, start = content.get("report_type"), content.get("start_date")
        end = content.get("end_date") or day_of(now)
        first, last = (instant_of(day) if isinstance(day, str) else None for day in (start, end))
        if report_type not in COLUMNS or first is None or last is None:
            raise Refusal(400, "Invalid request: report_type, start_date or end_date", PAGE)
        if last < first or (last - first) // DAY >= LONGEST[report_type]:
            raise Refusal(400, "The date range is too long for this report type", PAGE)
        number = f"{self._random.getrandbits(128):032x}"
        identity = f"{number[:8]}-{number[8:12]}-4{number[13:16]}-8{number[17:20]}-{number[20:]}"
        due = now + self.seconds if ready is None else ready
        export = SimulatedExport(
            identity, enterprise, report_type, str(start), end, now, due, report_type in self.failing
        )
        self.created.append(export)
        return export

    def listed(self, enterprise: str, now: float) -> list[SimulatedExport]:
        """An enterprise's exports of the last month, newest first."""
        return [
            export
            for export in reversed(self.created)
            if export.enterprise == enterprise and now - export.created < RETENTION
        ]

    def entry(self, export: SimulatedExport, now: float, link: Link, estate: Estate) -> dict[str, Any]:
        """An export in GitHub's response; links are signed anew each time."""
        status = "processing" if now < export.ready else "failed" if export.failed else "completed"
        entry: dict[str, Any] = {
            "id": export.id,
            "report_type": export.report_type,
            "start_date": export.start,
            "end_date": export.end,
            "status": status,
            "created_at": utc_time(export.created),
            "actor": "monalisa",
        }
        if status == "completed":
            links = [
                link(part, f"{export.id}-{part}.csv", partial(self._written, estate, export, part))
                for part in range(self.files)
            ]
            entry["download_urls"] = links * 2 if self.links_twice else links
        return entry

    def _written(self, estate: Estate, export: SimulatedExport, part: int) -> bytes:
        enterprise = estate.enterprise(export.enterprise)
        first, last = instant_of(export.start), instant_of(export.end)
        assert enterprise is not None
        assert first is not None
        assert last is not None
        rows = [
            row for row in usage(estate, enterprise, range(first, last + 1, DAY)) if row.shown_from <= export.created
        ]
        return report(rows[part :: self.files], export.report_type).encode()


def order_of(body: bytes) -> dict[str, Any]:
    """The body of a request to make one; raises `Refusal` (400)."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refusal(400, "Problems parsing JSON", PAGE)
    return content


def link_with(files: SignedFiles, hosts: Sequence[str], origin: str, now: float, *, dead: bool) -> Link:
    """The function that makes links to an export's files."""
    return lambda part, name, body: files.link(origin_of(hosts, part, origin), name, body, now, dead=dead)


def owned(enterprise: Enterprise | None) -> Enterprise:
    """The enterprise; raises `Refusal` (404) for None."""
    if enterprise is None:
        raise Refusal(404, "Not Found", PAGE)
    return enterprise
