"""Asking GitHub how much there is and what may be read: `plan --live` and `doctor`. Nothing is written anywhere.

Every collector's own fetch is run once, against the first page of each list; files behind links are read to their last
byte. The drill-down goes where the daemon's would. Quota pools are asked in parallel, each serially, and within
GitHub's limits, though not within our budget.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.accesses import credentials_by_target, open_client
from exporter.catalogue import Collector, TokenKind
from exporter.cli.sampling import Sampler
from exporter.collecting.attempt import Question, ask
from exporter.collecting.clock import Clock
from exporter.collecting.doubts import note_of
from exporter.collecting.forecast import Cost, rows_of
from exporter.collecting.selection import Candidates, select_jobs
from exporter.collecting.unknown import UnknownSubjects, explain, is_unknown
from exporter.counting.windows import Windows
from exporter.daemon import JOB_DEADLINE
from exporter.errors import CredentialRejected, GitHubError, Unavailable
from exporter.fetching import Subject
from exporter.github.client import GitHub
from exporter.github.dates import OPEN, Closing
from exporter.github.pacing import Pool
from exporter.jobs import Job, Target
from exporter.privacy import IDS, hide_subject, people_at
from exporter.settings import Settings


@dataclass(frozen=True, slots=True)
class SurveyEntry:
    """One job, asked once: what a run costs, or why it does not work.

    `kind` is what kind of token asked, `closing` when GitHub ends the endpoint, `note` which data are missing.
    """

    job: Job
    pool: str
    result: Cost | GitHubError
    kind: TokenKind | None = None
    closing: Closing = OPEN
    note: str = ""


@dataclass(slots=True)
class Survey:
    """All findings, the pools as GitHub told, and when the tokens of credentials end, by the credentials' names."""

    findings: list[SurveyEntry] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)
    expiries: dict[str, float] = field(default_factory=dict)


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
        for target, credential in credentials_by_target(settings).items():
            pool = made.pools.setdefault(settings.pool_of(target), Pool(settings.pool_of(target)))
            if credential.name not in clients:
                clients[credential.name] = open_client(credential, pool, settings, clock, lambda *_: None)
            surveyor = _Surveyor(settings, collectors, whole, made.findings.append)
            works.append(surveyor.target(target, clients[credential.name], pool, credential.token_kind()))
        await asyncio.gather(*works)
    except GitHubError as error:  # a client that cannot be made: its certificate authority, say
        raise SystemExit(str(error)) from None
    finally:
        for client in clients.values():
            await client.aclose()
    made.expiries = {name: end for name, one in clients.items() if (end := one.token_expiry) is not None}
    made.findings.sort(key=lambda finding: (finding.pool, str(finding.job.target), finding.job.order, finding.job.key))
    return made


@dataclass(frozen=True, slots=True)
class _Surveyor:
    settings: Settings
    collectors: Sequence[Collector]
    whole: bool
    tell: Callable[[SurveyEntry], None]

    async def target(self, target: Target, client: GitHub, pool: Pool, kind: TokenKind | None) -> None:
        """Every job of one target; what is found leads to more."""
        seen: dict[Subject, int] = {}
        done: dict[str, SurveyEntry] = {}
        unknown: dict[str, UnknownSubjects] = {}
        rejected = await self._greeted(client, pool)
        while new := self._open(target, Candidates(self.settings.watched_at(target), dict(seen), (), unknown), done):
            # One after another, and those that lead to more first: what they find may change whom the next is about.
            job = min(new, key=lambda job: (job.collector.subject_of is None, job.order, -job.busy))
            result: Cost | GitHubError
            async with pool.turn(0):
                result, note = (rejected, "") if rejected else await self._asked(job, client, seen)
                closing = pool.closing
            rejected = result if isinstance(result, CredentialRejected) else rejected
            endpoint = job.collector.endpoint
            if isinstance(result, GitHubError) and is_unknown(job.subject, result):
                unknown[endpoint] = unknown.get(endpoint, UnknownSubjects()).with_unknown(job.subject, 0.0)
                if unknown[endpoint].not_found:
                    explain(result, job.collector.needs)
            done[job.key] = SurveyEntry(job, pool.name, result, kind, closing, note)
        last = {finding.job.collector.endpoint: finding for finding in done.values()}
        for finding in (done if self.whole else last).values():
            self.tell(finding)

    def _open(self, target: Target, follow: Candidates, done: Mapping[str, SurveyEntry]) -> list[Job]:
        """The jobs that are still to be asked for; of an endpoint that knows no subject there are none."""
        answered_endpoints = {
            finding.job.collector.endpoint
            for finding in done.values()
            if not self.whole and not is_unknown(finding.job.subject, finding.result)
        }
        answered_endpoints |= {endpoint for endpoint, unknown in follow.unknown.items() if unknown.not_found}
        jobs = select_jobs(self.collectors, self.settings.collectors, target, follow)
        return [job for job in jobs if job.key not in done and job.collector.endpoint not in answered_endpoints]

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

    def _anonymous(self, error: GitHubError, job: Job) -> GitHubError:
        """Let a failure name nobody who must not be named; without the state there are no pseudonyms."""
        if self.settings.privacy.user_names != "login":
            people = people_at(job.collector.subject, job.subject, IDS)
            names = job.collector.subject
            hide_subject(
                error, job, tuple(f"{{{names[at]}}}" if at in people else word for at, word in enumerate(job.subject))
            )
        return error

    async def _asked(self, job: Job, client: GitHub, seen: dict[Subject, int]) -> tuple[Cost | GitHubError, str]:
        """What a run costs, and which data it lacks; or why it does not work."""
        sampler = Sampler(client)
        deadline = max(JOB_DEADLINE, job.collector.deadline)
        try:
            async with asyncio.timeout(deadline):
                brought = await ask(Question(job, None, Windows()), sampler)
        except GitHubError as error:
            return self._anonymous(error, job), ""
        except TimeoutError:
            return Unavailable(f"no complete answer within {deadline:.0f} s"), ""
        fetched = brought.fetched
        if fetched.fault:
            return self._anonymous(fetched.fault, job), fetched.note or ""
        if job.collector.counting is None:
            tables, rows = job.collector.tables, fetched.rows
            shown = [(table, row) for table in tables for row in rows if isinstance(row, table.row)]
            series = sum(family.of(row) is not None for table, row in shown for family in table.gauges)
            return Cost(sampler.calls, len(rows), series), note_of(job, fetched, {}, series)
        count = 0
        for identity, row in (brought.read.rows if brought.read else {}).items():
            count += 1
            subject = job.collector.subject_of(identity) if job.collector.subject_of else None
            if subject and row.numbers[0]:
                seen[subject] = seen.get(subject, 0) + row.numbers[0]
        return Cost(sampler.calls, rows_of(sampler.longest, count)), note_of(job, fetched, {}, count)
