"""What is waited for, also over a restart: rejections, limits, the hour's spending, subjects that are unknown.

State may have been saved by a clock that was ahead. So whatever is taken over ends no later than if it began now.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import structlog

from exporter.catalogue import Collector
from exporter.collecting.access import MINUTE, Access
from exporter.collecting.clock import Clock
from exporter.collecting.unknown import LEFT_ALONE, UnknownSubjects, is_unknown, load
from exporter.errors import CredentialRejected, GitHubError, OverBudget, Unavailable
from exporter.github.budget import LONG
from exporter.github.responses import LONGEST_WINDOW
from exporter.instants import HOUR
from exporter.jobs import Job, Target
from exporter.state.database import Restored, State, Wait

log = structlog.get_logger(__name__)

_DOUBTED = " once"
"""Behind the fingerprint in state: GitHub refused the credential once only."""
_UNKNOWN = "unknown "


class Waits:
    """Keeps what an answer means for all jobs of a credential or a pool."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def restore(self, accesses: Iterable[Access], restored: Restored) -> None:
        """Take over what was kept, as far as it still holds."""
        now = self._clock.wall()
        for access in accesses:
            limited = restored.waits.get(f"pool {access.pool.name}")
            if limited:
                access.pool.blocked_until = min(limited.until, now + LONGEST_WINDOW)
            paused = restored.waits.get(f"credential {access.credential.name}")
            if paused is None:
                continue
            mark, _, doubted = paused.mark.partition(" ")
            if mark and mark == access.fingerprint(self._state.salt):
                refused = min(paused.until - HOUR, now)
                access.doubted, access.rejected = bool(doubted), mark
                access.paused_until = refused + (MINUTE if doubted else HOUR)

    def restore_spending(self, accesses: Iterable[Access], restored: Restored) -> None:
        """What was sent within the hour before a restart is of this hour's budget."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        for pool in {id(access.pool): access.pool for access in accesses}.values():
            kept = restored.waits.get(f"spent {pool.name}")
            if kept is None:
                continue
            since = max(0.0, wall - (kept.until - HOUR))
            with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):  # of another version
                spent = json.loads(kept.mark)
                sent = [(float(ago), int(requests)) for ago, requests in spent["sent"]]
                limit = spent["limit"] if spent["limit"] is None else int(spent["limit"])
                pool.limit = pool.limit or limit
                for ago, requests in sent:
                    if ago + since < LONG:
                        pool.spending.add("", now - ago - since, requests)

    async def after(self, access: Access, error: GitHubError | None, fingerprint: str) -> bool:
        """Keep what a run tells; true if a rejected credential works again. `fingerprint` is the one it ran with."""
        pool, name, works_again = access.pool, access.credential.name, False
        if pool.hourly is not None:
            spent = {"limit": pool.limit, "sent": pool.spending.by_minute(self._clock.monotonic())}
            await self._keep(f"spent {pool.name}", Wait(self._clock.wall() + HOUR, json.dumps(spent)))
        now = self._clock.wall()
        if isinstance(error, CredentialRejected):
            before = access.doubted
            access.refuse(fingerprint, now)
            if access.doubted:
                log.warning("GitHub refused a credential: it is tried again in a minute", credential=name)
            elif before:
                log.error("GitHub rejects a credential: only a try an hour until it changes", credential=name)
            # Saved for an hour, so that a restart does not reset the count of refusals.
            mark = f"{fingerprint}{_DOUBTED}" if access.doubted else fingerprint
            await self._keep(f"credential {name}", Wait(now + HOUR, mark))
        elif access.rejected is not None and isinstance(error, Unavailable | OverBudget):
            access.paused_until = now + MINUTE  # nobody looked at the credential
        elif access.rejected is not None:
            access.paused_until, access.rejected, works_again = 0.0, None, True
            await self._keep(f"credential {name}", Wait(0.0))
        if blocked := pool.blocked(access.github.now()):
            await self._keep(f"pool {pool.name}", Wait(blocked - access.github.skew))
        return works_again

    async def _keep(self, name: str, wait: Wait) -> None:
        await asyncio.to_thread(self._state.wait, name, wait)


class Unknowns:
    """The subjects that GitHub does not know, by endpoint, target and credential."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._known: dict[str, UnknownSubjects] = {}

    def restore(self, restored: Restored) -> None:
        """Take over what was kept."""
        for name, wait in restored.waits.items():
            if name.startswith(_UNKNOWN):
                with suppress(ValueError, TypeError):  # of another version
                    self._known[name] = load(wait.mark).restored(self._clock.wall())

    def of(self, collector: Collector, target: Target) -> UnknownSubjects:
        """What is known of an endpoint now."""
        return self._known.get(_name(collector, target), UnknownSubjects()).at(self._clock.wall())

    def at(
        self, target: Target, answering: Collection[str], collectors: Iterable[Collector]
    ) -> Mapping[str, UnknownSubjects]:
        """The same of all endpoints of a target; those that are `answering` are there, however many are unknown."""
        known = {one.endpoint: self.of(one, target) for one in collectors if one.subject}
        return {name: one.answered() if name in answering else one for name, one in known.items()}

    async def learn(self, job: Job, error: GitHubError | None) -> UnknownSubjects:
        """Keep what an answer tells of its subject."""
        before = self.of(job.collector, job.target)
        after = before
        if is_unknown(job.subject, error):
            after = before.missed(job.subject, self._clock.wall())
        elif error is None:
            after = before.answered()
        if after is not before:
            await self._keep(_name(job.collector, job.target), after)
        return after

    async def forget(self, target: Target, collectors: Iterable[Collector]) -> None:
        """Let all subjects of a target be asked about again."""
        for collector in collectors:
            if (name := _name(collector, target)) in self._known:
                await self._keep(name, UnknownSubjects())

    def shift(self, seconds: float) -> None:
        """The wall clock was set."""
        self._known = {name: unknown.shifted(seconds) for name, unknown in self._known.items()}

    async def _keep(self, name: str, unknown: UnknownSubjects) -> None:
        self._known[name] = unknown
        until = max(unknown.since.values(), default=0.0) + LEFT_ALONE
        await asyncio.to_thread(self._state.wait, name, Wait(until, unknown.dump()))


def _name(collector: Collector, target: Target) -> str:
    return f"{_UNKNOWN}{collector.endpoint} {target} {target.credential}"
