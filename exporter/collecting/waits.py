"""Waits that survive a restart: rejected credentials, limits, the hour's spending, unknown subjects.

The clock may have been ahead when they were saved. So a restored wait ends no later than if it began now, and is saved
so: otherwise each start would begin it again.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import structlog

from exporter import worker
from exporter.catalogue import Collector
from exporter.clock import Clock
from exporter.collecting.access import MINUTE, Access
from exporter.collecting.unknown import ASK_AGAIN_AFTER, UnknownSubjects, is_unknown, load
from exporter.errors import CredentialRejected, GitHubError, OverBudget, Unavailable
from exporter.github.hour import HOUR_WINDOW, LONGEST_WINDOW
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.jobs import Job, Target
from exporter.state.database import Restored, State, Wait

log = structlog.get_logger(__name__)

_ONCE = " once"
"""Follows the fingerprint in the state if the credential was refused only once."""
_UNKNOWN = "unknown "
"""What the names of waits for unknown subjects begin with."""


class Waits:
    """Saves what a response means for all jobs of a credential or a pool: a refusal, a limit, the requests spent."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._pools: set[str] = set()
        """The pools whose limits are known: a reload restores nothing that may be older."""
        self._limited: set[str] = set()
        """The pools whose saved limit is not known to be over."""

    async def restore(self, accesses: Iterable[Access], restored: Restored) -> None:
        """Apply the saved waits that are not over, to the pools and credentials that are new to this process."""
        for access in accesses:
            await self._restore_limit(access.pool, restored)
            await self._restore_refusal(access, restored)

    async def _restore_limit(self, pool: Pool, restored: Restored) -> None:
        name, latest = f"pool {pool.name}", self._clock.wall() + LONGEST_WINDOW
        limited = restored.waits.get(name)
        if limited and pool.name not in self._pools:
            pool.blocked_until = max(pool.blocked_until, min(limited.until, latest))
            self._limited.add(pool.name)
            if limited.until > latest:
                await self._save(name, Wait(latest))
        self._pools.add(pool.name)

    async def _restore_refusal(self, access: Access, restored: Restored) -> None:
        name, now = f"credential {access.credential.name}", self._clock.wall()
        paused = restored.waits.get(name)
        if paused is None:
            return
        mark, _, once = paused.mark.partition(" ")
        if mark and mark == await worker.run(access.fingerprint, self._state.salt):
            refused_at = min(paused.until - HOUR, now)
            access.refused_once, access.rejected = bool(once), mark
            access.paused_until = refused_at + (MINUTE if once else HOUR)
            if paused.until - HOUR > now:
                await self._save(name, Wait(now + HOUR, paused.mark))

    def restore_spending(self, accesses: Iterable[Access], restored: Restored) -> None:
        """Count the requests that were sent within the hour before the restart: they are part of its budget."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        for pool in {id(access.pool): access.pool for access in accesses}.values():
            saved = restored.waits.get(f"spent {pool.name}")
            if saved is None:
                continue
            since = max(0.0, wall - (saved.until - HOUR))
            with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):  # of another version
                spent = json.loads(saved.mark)
                sent = [(float(ago), int(requests)) for ago, requests in spent["sent"]]
                limit = spent["limit"] if spent["limit"] is None else int(spent["limit"])
                pool.limit = pool.limit or limit
                for ago, requests in sent:
                    if ago + since < HOUR_WINDOW:
                        pool.spending.add("", now - ago - since, requests)

    async def record(self, access: Access, error: GitHubError | None, fingerprint: str) -> bool:
        """Save what a run has shown; returns whether a rejected credential works again.

        `fingerprint` is that of the token that the run sent.
        """
        pool, name, works_again = access.pool, access.credential.name, False
        if blocked := pool.blocked(access.github.now()):
            self._limited.add(pool.name)
            await self._save(f"pool {pool.name}", Wait(blocked - access.github.skew))
        elif error is None and pool.name in self._limited:
            await self._save(f"pool {pool.name}", Wait(0.0))
            self._limited.discard(pool.name)
        if pool.hourly is not None:
            spent = {"limit": pool.limit, "sent": pool.spending.by_minute(self._clock.monotonic())}
            await self._save(f"spent {pool.name}", Wait(self._clock.wall() + HOUR, json.dumps(spent)))
        now = self._clock.wall()
        if isinstance(error, CredentialRejected):
            was_refused_once = access.refused_once
            access.refuse(fingerprint, now)
            if access.refused_once:
                log.warning("GitHub refused a credential: it is tried again in a minute", credential=name)
            elif was_refused_once:
                log.error("GitHub rejects a credential: tried once an hour until its token changes", credential=name)
            # Saved for an hour, so that a restart does not reset the count of refusals.
            mark = f"{fingerprint}{_ONCE}" if access.refused_once else fingerprint
            await self._save(f"credential {name}", Wait(now + HOUR, mark))
        elif access.rejected is not None and isinstance(error, Unavailable | OverBudget):
            access.paused_until = now + MINUTE  # no response has shown whether the credential is good
        elif access.rejected is not None:
            access.paused_until, access.rejected, works_again = 0.0, None, True
            await self._save(f"credential {name}", Wait(0.0))
        return works_again

    async def _save(self, name: str, wait: Wait) -> None:
        await worker.run(self._state.wait, name, wait)


class Unknowns:
    """The subjects that GitHub does not know, by endpoint, target and credential."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._by_name: dict[str, UnknownSubjects] = {}

    async def restore(self, restored: Restored) -> None:
        """Apply what was saved."""
        now = self._clock.wall()
        for name, wait in restored.waits.items():
            if name.startswith(_UNKNOWN):
                with suppress(ValueError, TypeError):  # of another version
                    saved = load(wait.mark)
                    self._by_name[name] = saved.not_after(now)
                    if any(then > now for then in saved.since.values()):
                        await self._save(name, self._by_name[name])

    def get(self, collector: Collector, target: Target) -> UnknownSubjects:
        """The unknown subjects of a collector's endpoint at a target."""
        return self._by_name.get(_name(collector, target), UnknownSubjects()).current(self._clock.wall())

    def by_endpoint(
        self, target: Target, answering: Collection[str], collectors: Iterable[Collector]
    ) -> Mapping[str, UnknownSubjects]:
        """The unknown subjects of all endpoints at a target; those in `answering` exist, however many are unknown."""
        unknown = {collector.endpoint: self.get(collector, target) for collector in collectors if collector.subject}
        return {name: state.with_known() if name in answering else state for name, state in unknown.items()}

    async def learn(self, job: Job, error: GitHubError | None) -> UnknownSubjects:
        """Save whether GitHub knows a job's subject; returns the endpoint's state after it."""
        before = self.get(job.collector, job.target)
        after = before
        if is_unknown(job.subject, error):
            after = before.with_unknown(job.subject, self._clock.wall())
        elif error is None:
            after = before.with_known()
        if after is not before:
            await self._save(_name(job.collector, job.target), after)
        return after

    async def forget(self, target: Target, collectors: Iterable[Collector]) -> None:
        """Let all subjects of a target be asked about again at once."""
        for collector in collectors:
            if (name := _name(collector, target)) in self._by_name:
                await self._save(name, UnknownSubjects())

    def shift(self, seconds: float) -> None:
        """Move all instants by so many seconds, after the wall clock was set."""
        self._by_name = {name: unknown.shifted(seconds) for name, unknown in self._by_name.items()}

    async def _save(self, name: str, unknown: UnknownSubjects) -> None:
        self._by_name[name] = unknown
        until = max(unknown.since.values(), default=0.0) + ASK_AGAIN_AFTER
        await worker.run(self._state.wait, name, Wait(until, unknown.dump()))


def _name(collector: Collector, target: Target) -> str:
    return f"{_UNKNOWN}{collector.endpoint} {target} {target.credential}"
