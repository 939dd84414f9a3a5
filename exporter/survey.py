"""Asking GitHub how much there is and what may be read: `plan --live` and `doctor`. Nothing is written anywhere.

Every collector's own fetch is run once, against the first page of each list; the drill-down goes where the daemon's
would. Quota pools are asked in parallel, each serially, and within GitHub's limits, though not within our budget.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporter.app import client_of, credentials, wanted_of
from exporter.catalogue import Collector, Subject, TokenKind
from exporter.collecting.asking import Question, ask
from exporter.collecting.forecast import Cost, rows_of
from exporter.collecting.plan import Follow, Job, Target, plan
from exporter.collecting.tick import Clock
from exporter.collecting.windows import Windows
from exporter.github.client import GitHub
from exporter.github.dates import OPEN, Closing
from exporter.github.errors import CredentialRejected, GitHubError
from exporter.github.pacing import Pool
from exporter.github.sampling import Sampler
from exporter.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One job, asked once: what a run costs, or why it does not work.

    `kind` is what kind of token asked, `closing` when GitHub ends the endpoint.
    """

    job: Job
    pool: str
    result: Cost | GitHubError
    kind: TokenKind | None = None
    closing: Closing = OPEN


@dataclass(slots=True)
class Survey:
    """All findings, and the pools as GitHub told."""

    findings: list[Finding] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)


async def survey(
    settings: Settings,
    collectors: Sequence[Collector],
    clock: Clock,
    *,
    whole: bool = True,
) -> Survey:
    """Ask for each job; with `whole` false for one of each collector at each target."""
    made = Survey()
    clients: dict[str, GitHub] = {}
    try:
        works = []
        for target, credential in credentials(settings).items():
            pool = made.pools.setdefault(settings.pool_of(target), Pool(settings.pool_of(target)))
            if credential.name not in clients:
                clients[credential.name] = client_of(credential, pool, settings, clock, lambda *_: None)
            surveyor = _Surveyor(settings, collectors, whole, made.findings.append)
            works.append(surveyor.target(target, clients[credential.name], pool, credential.token_kind()))
        await asyncio.gather(*works)
    except GitHubError as error:  # a client that cannot be made: its certificate authority, say
        raise SystemExit(str(error)) from None
    finally:
        for client in clients.values():
            await client.aclose()
    made.findings.sort(key=lambda finding: (finding.pool, str(finding.job.target), finding.job.order, finding.job.key))
    return made


@dataclass(frozen=True, slots=True)
class _Surveyor:
    settings: Settings
    collectors: Sequence[Collector]
    whole: bool
    tell: Callable[[Finding], None]

    async def target(self, target: Target, client: GitHub, pool: Pool, kind: TokenKind | None) -> None:
        """Every job of one target; what is found leads to more."""
        wanted = wanted_of(self.settings, self.collectors, {})
        seen: dict[Subject, int] = {}
        done: dict[str, Job] = {}
        rejected = await self._greeted(client, pool)
        while new := [
            job
            for job in plan(
                self.collectors, wanted.settings, target, Follow(self.settings.watched_at(target), dict(seen))
            )
            if job.key not in done and (self.whole or not any(job.collector is one.collector for one in done.values()))
        ]:
            # One after another, and those that lead to more first: what they find may change whom the next is about.
            job = min(new, key=lambda one: (one.collector.leads is None, one.order, -one.busy))
            done[job.key] = job
            result: Cost | GitHubError
            async with pool.turn(0):
                result = rejected or await self._asked(job, client, seen)
                closing = pool.closing
            rejected = result if isinstance(result, CredentialRejected) else rejected
            self.tell(Finding(job, pool.name, result, kind, closing))

    async def _greeted(self, client: GitHub, pool: Pool) -> CredentialRejected | None:
        """Learn GitHub's clock and limit by a question that costs nothing, so that no other is asked twice."""
        async with pool.turn(0):
            try:
                await client.get("/rate_limit")
            except CredentialRejected as error:
                return error
            except GitHubError:  # without limits there is no such page, and other faults will show by themselves
                return None
        return None

    async def _asked(self, job: Job, client: GitHub, seen: dict[Subject, int]) -> Cost | GitHubError:
        sampler = Sampler(client)
        try:
            brought = await ask(Question(job, None, Windows()), sampler)
        except GitHubError as error:
            return error
        if job.collector.counting is None:
            tables, rows = job.collector.tables, brought.fetched.rows
            shown = [(table, row) for table in tables for row in rows if isinstance(row, table.row)]
            series = sum(family.of(row) is not None for table, row in shown for family in table.gauges)
            return Cost(sampler.calls, len(rows), series)
        count = 0
        for identity, row in (brought.read.rows if brought.read else {}).items():
            count += 1
            subject = job.collector.leads(identity) if job.collector.leads else None
            if subject and row.numbers[0]:
                seen[subject] = seen.get(subject, 0) + row.numbers[0]
        return Cost(sampler.calls, rows_of(sampler.longest, count))
