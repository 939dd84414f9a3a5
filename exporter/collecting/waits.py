"""What credentials and quota pools wait for, also over a restart: rejections, limits, and the hour's spending."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress

from exporter.catalogue import HOUR
from exporter.collecting.access import Access
from exporter.collecting.tick import Clock
from exporter.github.budget import LONG
from exporter.github.errors import CredentialRejected, GitHubError, OverBudget, RateLimited, Unavailable
from exporter.state import Restored, State, Wait


class Waits:
    """Keeps what an answer means for all jobs of a credential or a pool."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def restore(self, accesses: Iterable[Access], restored: Restored) -> None:
        """Take over what was kept, as far as it still holds."""
        now = self._clock.wall()
        for access in accesses:
            limited = restored.waits.get(f"pool {access.pool.name}")
            if limited and limited.until <= now + HOUR:
                access.pool.blocked_until = limited.until
            paused = restored.waits.get(f"credential {access.credential.name}")
            if paused and paused.mark and paused.mark == access.fingerprint(self._state.salt):
                access.paused_until, access.rejected = min(paused.until, now + HOUR), paused.mark

    def restore_spending(self, accesses: Iterable[Access], restored: Restored) -> None:
        """What was sent within the hour before a restart is of this hour's budget."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        for pool in {id(access.pool): access.pool for access in accesses}.values():
            kept = restored.waits.get(f"spent {pool.name}")
            if kept is None:
                continue
            since = wall - (kept.until - HOUR)
            with suppress(ValueError, TypeError, KeyError):  # of another version
                spent = json.loads(kept.mark)
                pool.limit = pool.limit or spent["limit"]
                for ago, requests in spent["sent"]:
                    if 0 <= ago + since < LONG:
                        pool.spending.add("", now - ago - since, requests)

    async def after(self, access: Access, error: GitHubError | None, fingerprint: str) -> bool:
        """Keep what a run tells; true if a rejected credential works again. `fingerprint` is the one it ran with."""
        pool, works_again = access.pool, False
        if pool.hourly is not None:
            spent = {"limit": pool.limit, "sent": pool.spending.by_minute(self._clock.monotonic())}
            await self._keep(f"spent {pool.name}", Wait(self._clock.wall() + HOUR, json.dumps(spent)))
        if isinstance(error, CredentialRejected):
            access.paused_until, access.rejected = self._clock.wall() + HOUR, fingerprint
            await self._keep(f"credential {access.credential.name}", Wait(access.paused_until, fingerprint))
        elif access.rejected is not None and not isinstance(error, Unavailable | OverBudget):
            access.paused_until, access.rejected, works_again = 0.0, None, True
            await self._keep(f"credential {access.credential.name}", Wait(0.0))
        if isinstance(error, RateLimited) and not isinstance(error, OverBudget):
            await self._keep(f"pool {pool.name}", Wait(error.until - access.github.skew))
        return works_again

    async def _keep(self, name: str, wait: Wait) -> None:
        await asyncio.to_thread(self._state.wait, name, wait)
