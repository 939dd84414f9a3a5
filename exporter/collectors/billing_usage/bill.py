"""Asks GitHub for the usage of a month or day, and for its AI credits."""

from dataclasses import dataclass

from exporter import worker
from exporter.collectors.billing_usage.families import AI_CREDIT, SUMMARY
from exporter.collectors.billing_usage.items import Period, Sums
from exporter.errors import NotFound
from exporter.fetching import Api
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.tables import Row


@dataclass(frozen=True, slots=True)
class Bill:
    """The sums of an account, over the periods that are read; `root` is the path of its billing."""

    root: str
    usage: Sums
    credits: Sums

    async def read(self, api: Api, period: Period) -> None:
        """Send two requests, always with the month: without it GitHub's answer was not always the month to date."""
        await self._add(api, SUMMARY, self.usage, period)
        try:
            await self._add(api, AI_CREDIT, self.credits, period)
        except NotInstalled:
            raise
        except NotFound:
            if self.credits.sums:
                raise
            # this account has no AI credits

    def rows(self) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
        """The rows of the usage, and those of the AI credits."""
        return tuple(self.usage.rows()), tuple(self.credits.rows())

    @property
    def rejected(self) -> int:
        """How many values and items could not be read."""
        return self.usage.rejected + self.credits.rejected

    async def _add(self, api: Api, path: str, sums: Sums, period: Period) -> None:
        reply = await api.get(self.root + path, period.params())
        await worker.run(lambda: sums.add(decode_json(reply.body), period))
