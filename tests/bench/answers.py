"""GitHub as a collector sees it, without a network: pages of the series of one round."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.catalogue import PAGE_SIZE
from exporter.github.exchange import Reply
from tests.bench import series as made


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Answers:
    """Answers what the two collectors ask; `turn` is the round whose values it gives."""

    skew = 0.0

    def __init__(self, series: int) -> None:
        self.series, self.turn = series, 0

    def now(self) -> float:
        """This machine's clock."""
        return time.time()

    async def get(self, path: str, _params: dict[str, str | int] | None = None) -> Reply:
        """Nothing asks for one answer."""
        raise AssertionError(path)

    async def post(self, path: str, _content: Mapping[str, Any]) -> Reply:
        """Nothing is made."""
        raise AssertionError(path)

    def download(self, url: str, _hosts: Sequence[str], _most: int) -> AsyncGenerator[bytes, None]:
        """Nothing is downloaded."""
        raise AssertionError(url)

    async def pages(self, path: str, _params: dict[str, str | int] | None = None) -> AsyncIterator[Reply]:
        """`/orgs/org-3/insights/api/subject-stats` or `…/route-stats/installation/900007`."""
        parts = path.split("/")
        if parts[-1] == "subject-stats":
            first, row = int(parts[2][4:]) * made.SUBJECTS_OF_AN_ORGANIZATION, self._subject
            last = first + made.SUBJECTS_OF_AN_ORGANIZATION
        else:
            first, row = (int(parts[-1]) - 900_000) * made.ROUTES_OF_AN_ACTOR, self._route
            last = first + made.ROUTES_OF_AN_ACTOR
        last = min(last, made.keys(self.series))
        for begin in range(first, last, PAGE_SIZE):
            await asyncio.sleep(0)  # as for an answer that comes by a network
            rows = [row(number) for number in range(begin, min(begin + PAGE_SIZE, last))]
            yield Reply(200, {}, json.dumps(rows).encode(), path)

    def _counts(self, number: int) -> dict[str, int]:
        return {
            "total_request_count": made.requests(number, self.turn),
            "rate_limited_request_count": made.refused(number, self.turn),
        }

    def _subject(self, number: int) -> dict[str, Any]:
        _organization, kind, identity, name = made.subject(number)
        newest = _instant(made.newest(number, self.turn))
        told = {"subject_type": kind, "subject_id": int(identity), "subject_name": name}
        return {**told, **self._counts(number), "last_request_timestamp": newest}

    def _route(self, number: int) -> dict[str, Any]:
        *_actor, method, route = made.route(number, self.series)
        return {"http_method": method, "api_route": route, **self._counts(number)}
