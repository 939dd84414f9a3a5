"""A GitHub for the bench: `python -m tests.bench.github SERIES`, with the series of one round on real pages.

It serves `subject-stats` and `route-stats` by HTTP, 100 rows a page, with GitHub's headers. Commands on standard input,
each answered by "done SECONDS READS": `hold ROUND` serves that round from now on, `move` serves a new round after each
whole read of all lists. READS is how often all lists were read since the last command.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, cast

import uvloop

from tests.bench import series as made

PAGE_SIZE = 100
PATH = re.compile(
    r"/orgs/org-(?P<organization>\d+)/insights/api/(?:subject-stats|route-stats/installation/(?P<actor>\d+))"
)
PAGE = re.compile(r"[?&]page=(\d+)")
HEADERS = """HTTP/1.1 200 OK
Date: {date}
Content-Type: application/json; charset=utf-8
Cache-Control: private, max-age=60, s-maxage=60
X-GitHub-Media-Type: github.v3; format=json
x-github-api-version-selected: 2022-11-28
X-RateLimit-Limit: 100000000
X-RateLimit-Remaining: 99999999
X-RateLimit-Reset: {reset}
X-RateLimit-Resource: core
Server: github.com
X-GitHub-Request-Id: 0001:2:3:4:5
{link}Content-Length: {size}

"""


class Lists:
    """The lists of all organizations and actors, and the round that they show."""

    def __init__(self, series: int) -> None:
        self.series, self.root = series, ""
        keys = made.keys(series)
        subjects = -(-min(made.SUBJECTS_OF_AN_ORGANIZATION, keys) // PAGE_SIZE)
        routes = -(-min(made.ROUTES_OF_AN_ACTOR, keys) // PAGE_SIZE)
        self.pages_in_a_read = subjects * made.organizations(series) + routes * made.actors(series)
        self.moving, self.round, self.sent = False, 0, 0

    def reply(self, target: str) -> bytes:
        """The whole answer to `GET target`."""
        if self.moving and self.sent % self.pages_in_a_read == 0:
            self.round += 1
        self.sent += 1
        path, _, query = target.partition("?")
        found, asked = PATH.fullmatch(path), PAGE.search(f"?{query}")
        assert found, target
        page = int(asked[1]) if asked else 1
        first, last = self._range(found)
        begin = first + (page - 1) * PAGE_SIZE
        end = min(begin + PAGE_SIZE, last)
        row = self._route if found["actor"] else self._subject
        body = json.dumps([row(number) for number in range(begin, end)]).encode()
        rest = PAGE.sub("", f"?{query}").lstrip("?&")
        link = f'Link: <{self.root}{path}?{rest}&page={page + 1}>; rel="next"\n' if end < last else ""
        now = time.time()
        head = HEADERS.format(date=formatdate(now, usegmt=True), reset=int(now) + 3600, link=link, size=len(body))
        return head.replace("\n", "\r\n").encode() + body

    def reads(self) -> float:
        """How often all lists were read since this was last asked."""
        reads, self.sent = self.sent / self.pages_in_a_read, 0
        return reads

    def _range(self, found: re.Match[str]) -> tuple[int, int]:
        size, first = made.SUBJECTS_OF_AN_ORGANIZATION, int(found["organization"])
        if found["actor"]:
            size, first = made.ROUTES_OF_AN_ACTOR, int(found["actor"]) - made.FIRST_ACTOR
        return first * size, min((first + 1) * size, made.keys(self.series))

    def _counts(self, number: int) -> dict[str, int]:
        return {
            # One request was there before the exporter began to count: a list without any would be doubted.
            "total_request_count": 1 + made.requests(number, self.round),
            "rate_limited_request_count": made.refused(number, self.round),
        }

    def _subject(self, number: int) -> dict[str, Any]:
        _organization, kind, identity, name = made.subject(number)
        newest = f"{datetime.fromtimestamp(made.newest(number, self.round), UTC):%Y-%m-%dT%H:%M:%SZ}"
        subject = {"subject_type": kind, "subject_id": int(identity), "subject_name": name}
        return {**subject, **self._counts(number), "last_request_timestamp": newest}

    def _route(self, number: int) -> dict[str, Any]:
        *_actor, method, route = made.route(number, self.series)
        return {"http_method": method, "api_route": route, **self._counts(number)}


class Connection(asyncio.Protocol):
    """Answers each whole request in turn."""

    def __init__(self, lists: Lists) -> None:
        self.lists, self.waiting = lists, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not registered as such

    def data_received(self, data: bytes) -> None:
        """Take requests in; none of them has a body."""
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            request, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            self.transport.write(self.lists.reply(request.split(b" ", 2)[1].decode()))


def lines() -> Iterator[list[str]]:
    """The commands."""
    return (line.split() for line in sys.stdin)


async def main(series: int) -> None:
    """Serve until standard input ends."""
    lists, loop, commands = Lists(series), asyncio.get_running_loop(), ThreadPoolExecutor(1)
    server = await loop.create_server(lambda: Connection(lists), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lists.root = f"http://127.0.0.1:{port}"
    print("port", port, flush=True)
    words = lines()
    while command := await loop.run_in_executor(commands, next, words, None):
        lists.moving = command[0] == "move"
        if command[0] == "hold":
            lists.round = int(command[1])
        print("done", 0, lists.reads(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
