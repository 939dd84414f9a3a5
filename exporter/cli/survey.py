"""Runs each job once, for `plan --live` and `doctor`: how much there is, and what may be read. Writes nothing.

Every collector's own fetch is run against the first page of each list; files behind links are read to their last byte.
The drill-down selects the same users and actors as the daemon. Quota pools are surveyed in parallel, each pool's jobs
one after another, within GitHub's limits but not within our budget.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from exporter.accesses import credentials_by_target, open_client
from exporter.catalogue import Collector, TokenKind
from exporter.cli.sampling import Sampler
from exporter.clock import Clock
from exporter.collecting.attempt import Question, ask
from exporter.collecting.doubts import note_of
from exporter.collecting.forecast import Cost, rows_of
from exporter.collecting.selection import Candidates, select_jobs
from exporter.collecting.tick import JOB_DEADLINE
from exporter.collecting.unknown import UnknownSubjects, explain, is_unknown
from exporter.counting.windows import Windows
from exporter.errors import CredentialRejected, GitHubError, Unavailable
from exporter.fetching import Subject
from exporter.github.client import GitHub
from exporter.github.credentials import Credential
from exporter.github.dates import OPEN, Closing
from exporter.github.installations import Installation
from exporter.github.pacing import Pool
from exporter.jobs import Job, Target
from exporter.privacy import IDS, hide_subject, people_at
from exporter.settings import Settings
from exporter.tables import Row


@dataclass(frozen=True, slots=True)
class SurveyEntry:
    """One job, run once: what a run costs, or why it does not work.

    `kind` is the kind of the token that was sent, `closing` when GitHub ends the endpoint, `note` which data are
    missing.
    """

    job: Job
    pool: str
    result: Cost | GitHubError
    kind: TokenKind | None = None
    closing: Closing = OPEN
    note: str = ""


@dataclass(slots=True)
class Survey:
    """The findings; the quota pools, with GitHub's limits; and when tokens expire, by the names of credentials."""

    findings: list[SurveyEntry] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)
    expiries: dict[str, float] = field(default_factory=dict)


async def survey(
    settings: Settings,
    collectors: Sequence[Collector],
    clock: Clock,
    *,
    every_job: bool = True,
    granted: Mapping[Target, Mapping[str, str]] = MappingProxyType({}),
) -> Survey:
    """Run every job once; with `every_job` false only one of each endpoint at each target.

    `granted` are the permissions of an App's installation at a target, where its listing has shown them.
    """
    result = Survey()
    clients: dict[str, GitHub] = {}
    try:
        runs = []
        for target, credential in credentials_by_target(settings).items():
            pool = result.pools.setdefault(settings.pool_of(target), Pool(settings.pool_of(target)))
            # An App may be installed on an organization and an enterprise of the same name.
            name = f"{target.kind} {credential.name}" if isinstance(credential, Installation) else credential.name
            if name not in clients:
                clients[name] = open_client(credential, pool, settings, clock, lambda *_: None)
            surveyor = _TargetSurvey(
                settings, collectors, every_job, target, credential, clients[name], pool, granted.get(target)
            )
            runs.append(surveyor.run())
        for findings in await asyncio.gather(*runs):
            result.findings += findings
    except GitHubError as error:  # a client cannot be set up, because of its certificate authorities for example
        raise SystemExit(str(error)) from None
    finally:
        for client in clients.values():
            await client.aclose()
    result.expiries = {name: end for name, client in clients.items() if (end := client.token_expiry) is not None}
    result.findings.sort(
        key=lambda finding: (finding.pool, str(finding.job.target), finding.job.order, finding.job.key)
    )
    return result


@dataclass(frozen=True, slots=True)
class _TargetSurvey:
    """The survey of one target. `requests` are those of each subject that was seen, `done` the findings by job key."""

    settings: Settings
    collectors: Sequence[Collector]
    every_job: bool
    target: Target
    credential: Credential
    client: GitHub
    pool: Pool
    granted: Mapping[str, str] | None = None
    requests: dict[Subject, int] = field(default_factory=dict)
    done: dict[str, SurveyEntry] = field(default_factory=dict)
    unknown: dict[str, UnknownSubjects] = field(default_factory=dict)

    async def run(self) -> list[SurveyEntry]:
        """The findings of all jobs; subjects that a job sees lead to further jobs."""
        rejected = await self._read_limits()
        while jobs := self._remaining_jobs():
            # One at a time, first those that lead to subjects: what they see may change the selection of others.
            job = min(jobs, key=lambda job: (job.collector.subject_of is None, job.order, -job.busy))
            result: Cost | GitHubError
            async with self.pool.turn(0):
                result, note = (rejected, "") if rejected else await self._run_job(job)
                closing = self.pool.closing
            rejected = result if isinstance(result, CredentialRejected) else rejected
            endpoint = job.collector.endpoint
            if isinstance(result, GitHubError) and is_unknown(job.subject, result):
                self.unknown[endpoint] = self.unknown.get(endpoint, UnknownSubjects()).with_unknown(job.subject, 0.0)
                if self.unknown[endpoint].not_found:
                    explain(result, job.collector.needs)
            kind = self.credential.token_kind()
            self.done[job.key] = SurveyEntry(job, self.pool.name, result, kind, closing, note)
        last_of_endpoint = {finding.job.collector.endpoint: finding for finding in self.done.values()}
        return list((self.done if self.every_job else last_of_endpoint).values())

    def _remaining_jobs(self) -> list[Job]:
        """The jobs that are still to be run; none of an endpoint that does not know its subjects."""
        candidates = Candidates(
            self.settings.watched_at(self.target), dict(self.requests), (), self.unknown, self.granted
        )
        finished_endpoints = {
            finding.job.collector.endpoint
            for finding in self.done.values()
            if not self.every_job and not is_unknown(finding.job.subject, finding.result)
        }
        finished_endpoints |= {endpoint for endpoint, unknown in self.unknown.items() if unknown.not_found}
        jobs = select_jobs(self.collectors, self.settings.collectors, self.target, candidates)
        return [job for job in jobs if job.key not in self.done and job.collector.endpoint not in finished_endpoints]

    async def _read_limits(self) -> CredentialRejected | None:
        """Learn GitHub's clock and limit by a request that is free, so that no other request has to be repeated."""
        async with self.pool.turn(0):
            try:
                await self.client.get("/rate_limit")
            except CredentialRejected as error:
                return error
            except GitHubError:  # an appliance without limits has no such page; other faults are reported by the jobs
                return None
        return None

    async def _run_job(self, job: Job) -> tuple[Cost | GitHubError, str]:
        """What a run costs, and which data it lacks; or why it does not work."""
        sampler = Sampler(self.client)
        deadline = max(JOB_DEADLINE, job.collector.deadline)
        try:
            async with asyncio.timeout(deadline):
                reading = await ask(Question(job, None, Windows()), sampler)
        except GitHubError as error:
            return self._without_people(error, job), ""
        except TimeoutError:
            return Unavailable(f"no complete answer within {deadline:.0f} s"), ""
        fetched = reading.fetched
        if fetched.fault:
            return self._without_people(fetched.fault, job), fetched.note or ""
        if job.collector.counting is None:
            series = _gauge_series(job.collector, fetched.rows)
            return Cost(sampler.calls, len(fetched.rows), series), note_of(job, fetched, {}, series)
        rows = reading.read.rows if reading.read else {}
        for identity, row in rows.items():
            subject = job.collector.subject_of(identity) if job.collector.subject_of else None
            if subject and row.numbers[0]:
                self.requests[subject] = self.requests.get(subject, 0) + row.numbers[0]
        return Cost(sampler.calls, rows_of(sampler.longest, len(rows))), note_of(job, fetched, {}, len(rows))

    def _without_people(self, error: GitHubError, job: Job) -> GitHubError:
        """The failure without people's names if `privacy` hides them; only the state has the key of pseudonyms."""
        if self.settings.privacy.user_names != "login":
            names, people = job.collector.subject, people_at(job.collector.subject, job.subject, IDS)
            hidden = (f"{{{names[at]}}}" if at in people else value for at, value in enumerate(job.subject))
            hide_subject(error, job, tuple(hidden))
        return error


def _gauge_series(collector: Collector, rows: Sequence[Row]) -> int:
    """How many series the rows give."""
    pairs = ((table, row) for table in collector.tables for row in rows if isinstance(row, table.row))
    return sum(family.of(row) is not None for table, row in pairs for family in table.gauges)
