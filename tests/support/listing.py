"""An organization's subjects behind the real client: pages in any order, sums, and how much was asked."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from exporter.collecting.attempt import Attempt, Question, Reading, ask
from exporter.collecting.conclude import Conclusion, conclude
from exporter.collectors import subject_stats
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import GitHubError
from exporter.exposition.snapshot import Snapshot
from exporter.instants import DAY, HOUR, utc_time
from tests.support.jobs import client, job_of

JOB = job_of(subject_stats.COLLECTOR)
START = 1_795_262_400  # 2026-11-21T12:00:00Z
RULES = Rules(500, 31.0 * 24 * HOUR)
LAST, TOTAL = "last_request_timestamp", "total_request_count"


@dataclass
class Subjects:
    """GitHub: `rows` by number are [requests, rate-limited, last request]. `surplus` is what only the sums show."""

    rows: dict[int, list[int]]
    names: dict[int, str] = field(default_factory=dict)
    surplus: int = 0
    unreadable: int | None = None
    limited: bool = False
    """Whether a limit refuses the list by its newest rows."""
    asked: list[str] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """As the walk's first page found it."""
    before_answer: Any = None
    """Called with the number of the request, from 1, before it is answered."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        kind = "sums" if "summary-stats" in request.url.path else f"{params['sort']} {params.get('page', '1')}"
        self.asked.append(kind.replace("subject_name", "name").replace(LAST, "newest"))
        if self.before_answer:
            self.before_answer(len(self.asked))
        if kind == "sums":
            total, limited = (sum(row[index] for row in self.rows.values()) for index in (0, 1))
            return httpx.Response(200, json={TOTAL: total + self.surplus, "rate_limited_request_count": limited})
        if self.limited and kind.startswith(LAST):
            return httpx.Response(429, headers={"retry-after": "60"})
        page, size, is_newest = int(params.get("page", 1)), int(params["per_page"]), params["sort"] == LAST
        if page == 1:
            of_row = (lambda number: (self.rows[number][2], number)) if is_newest else str
            self.order = sorted(self.rows, key=of_row, reverse=params["direction"] == "desc")
        order = self.order
        chosen, more = order[size * (page - 1) : size * page], len(order) > size * page
        link = {"link": f'<{request.url.copy_set_param("page", page + 1)}>; rel="next"'} if more else {}
        return httpx.Response(200, json=[self._item(number) for number in chosen], headers=link)

    def _item(self, number: int) -> dict[str, Any]:
        requests, limited, last = self.rows[number]
        return {
            "subject_type": "user",
            "subject_id": number,
            "subject_name": self.names.get(number, f"name {number}"),
            TOTAL: "many" if number == self.unreadable else requests,
            "rate_limited_request_count": limited,
            LAST: utc_time(last),
            "last_rate_limited_timestamp": None,
        }

    def request(self, *numbers: int, at: int, count: int = 1) -> None:
        """Requests that are visible at once."""
        for number in numbers:
            row = self.rows.setdefault(number, [0, 0, at])
            row[0] += count
            row[2] = max(row[2], at)


def subjects(count: int, at: int = START) -> Subjects:
    """So many subjects, each with a few requests before `at`."""
    return Subjects({number: [1 + number % 7, 0, at - 60 - number] for number in range(1, count + 1)})


def tick(github: Subjects, before: Snapshot, now: float, *, windows: Windows | None = None) -> Conclusion:
    """One run; `github.asked` then has its requests only."""
    github.asked.clear()

    async def result() -> Reading | GitHubError:
        api = client(github, now=now)
        try:
            return await ask(Question(JOB, before.counting, windows or Windows(), walks=before.walks), api)
        except GitHubError as error:
            return error
        finally:
            await api.aclose()

    attempt = Attempt(asyncio.run(result()), now, 1.0, 0.0, requests=len(github.asked))
    return conclude(JOB, before, attempt, RULES)


def counted(snapshot: Snapshot) -> dict[int, int]:
    """Of each subject, the requests in the open window."""
    assert snapshot.counting
    return {
        int(key[1]): known.counts[0].current - known.counts[0].base for key, known in snapshot.counting.keys.items()
    }


def day(count: int, share: float, interval: int = 1800) -> tuple[int, int]:
    """The requests of a day's runs, and what whole walks would have sent, if this share of the subjects is active.

    A tenth of what a fold costs more is in the requests, because there is one in ten days. All counts are compared with
    the truth after each run.
    """
    random, github = Random(count), subjects(count)
    snapshot = tick(github, Snapshot(), START).snapshot
    whole, requests, runs = len(github.asked), 0, DAY // interval
    for run in range(1, runs + 1):
        now = START + run * interval
        active = random.sample(range(1, count + 1), int(count * share))
        for number in active:
            github.request(number, at=now - random.randrange(interval))
        snapshot = tick(github, snapshot, now).snapshot
        requests += len(github.asked)
        assert counted(snapshot) == {number: row[0] for number, row in github.rows.items()}
    tick(github, snapshot, START + 10 * DAY)
    assert len(github.asked) > 4 * (whole - 2)
    return requests + (len(github.asked) - whole) // 10, runs * whole
