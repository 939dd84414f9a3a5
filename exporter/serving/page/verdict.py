"""The verdict: what is wrong and what to do about it, in sentences. Pure.

The thresholds are those of the alerts, so that page and alerts agree.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from exporter.discovery.status import DiscoveryStatus
from exporter.errors import CredentialRejected
from exporter.github.dates import EXPIRES_SOON
from exporter.instants import HOUR, utc_time
from exporter.serving.health import Health, Reload
from exporter.serving.page.words import many, sentence, some, span

Level = Literal["ok", "warn", "bad"]
"""Green, amber, red."""

SKEWED = 30.0
"""How many seconds the clocks may differ, as in the alert GithubExporterClockSkewed."""
SCARCE, SPENT = 0.1, 0.9
"""Findings: less than SCARCE of GitHub's limit is left, as in GithubQuotaExhausted; more than SPENT of our budget is
used, as in GithubBudgetTooSmall."""
WRITE_FAILURE_SECONDS = HOUR
"""For how many seconds a failed write of the state is shown after writes work again, as in
GithubExporterStateNotPersisted."""
GAP_SECONDS = 6 * HOUR
"""For how many seconds a gap is shown, as in GithubCountsLost."""
REJECTION_SECONDS = 900.0
"""For how many seconds a cut scrape is shown, as in GithubExporterScrapesRejected."""

PUT_BACK = "Put the file back, readable for the exporter's user; it is read again when it changes."
PLAN = "github-enterprise-exporter plan --live"


class Finding(NamedTuple):
    """A problem in one sentence, the fix, and the cause, which may have several lines."""

    level: Level
    what: str
    fix: str = ""
    cause: str = ""


class LateData(NamedTuple):
    """A collector's data that are older than they should be (`after`, seconds), and the targets."""

    collector: str
    after: float
    fix: str
    targets: Sequence[str]


class Stopped(NamedTuple):
    """How many of a credential's sources are stopped, of how many, and what to do about it."""

    stopped: int
    sources: int
    hint: str = CredentialRejected.hint


@dataclass(frozen=True, slots=True)
class Facts:
    """How many sources are in each condition, and findings about their data.

    `stopped` is by rejected credential; `paused` wait for a rate limit; `failing` fail for another reason; `late` had
    no success for too long; `not_run` wait for their first run. `warnings` are findings about missing data.
    """

    sources: int = 0
    stopped: Mapping[str, Stopped] = field(default_factory=dict)
    paused: int = 0
    failing: int = 0
    late: int = 0
    not_run: int = 0
    late_data: Sequence[LateData] = ()
    warnings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst finding, and all others, the bad ones first."""

    top: Finding
    more: Sequence[Finding] = ()


def verdict(facts: Facts, health: Health, now: float) -> Verdict:
    """The verdict; `now` in epoch seconds."""
    findings = [
        *_of_state(health, now),
        *_of_credentials(facts.stopped, health),
        *_of_failures(facts),
        *_of_limits(facts),
        *_of_discovery(health.discovery),
        *_of_reload(health),
        *_of_web_config(health.web),
        *_of_expiries(facts.stopped, health.expiries, now),
        *_of_lateness(facts),
        *facts.warnings,
        *_of_gaps(health, now),
        *_of_quotas(health),
        *_of_clock(health.skew),
        *_of_scrapes(health.rejected_at, now),
        *_of_first_runs(facts, health.discovery),
    ]
    findings.sort(key=lambda finding: finding.level != "bad")
    if not findings:
        return Verdict(Finding("ok", "All is well."))
    return Verdict(findings[0], findings[1:])


def _of_state(health: Health, now: float) -> Iterator[Finding]:
    state = health.state
    if state.problem:
        failed = f" {many(state.failed_writes, 'write')} failed since the start." if state.failed_writes else ""
        yield Finding("bad", f"State cannot be written.{failed}", f"{state.problem}. A restart now would lose counts.")
    elif state.failed_writes and now - state.failed_at < WRITE_FAILURE_SECONDS:
        yield Finding(
            "warn",
            f"A write of the state failed {utc_time(state.failed_at)}; it can be written again.",
            "Look in the log for the cause. Nothing is lost unless the exporter restarted in the meantime.",
        )
    if state.incident:
        yield Finding("warn", "The saved state was damaged or changed.", f"{state.incident}.")


def _of_credentials(stopped: Mapping[str, Stopped], health: Health) -> Iterator[Finding]:
    """A finding for each credential that is rejected or cannot be read, never two for one."""
    for credential, (count, sources, hint) in stopped.items():
        problem = health.credentials.get(credential)
        cause = "cannot be read" if problem else "is rejected"
        yield Finding(
            "bad",
            f"Credential {credential} {cause}: {count} of {many(sources, 'source')} stopped.",
            PUT_BACK if problem else sentence(hint),
            f"{problem}." if problem else "",
        )
    for credential, problem in health.credentials.items():
        if problem and credential not in stopped:
            yield Finding(
                "warn",
                f"Credential {credential} cannot be read; the last one read stays in use.",
                f"{PUT_BACK} After a restart there would be none.",
                f"{problem}.",
            )


def _of_failures(facts: Facts) -> Iterator[Finding]:
    if facts.failing:
        verb = "fails" if facts.failing == 1 else "fail"
        yield Finding("bad", f"{facts.failing} of {many(facts.sources, 'source')} {verb}.")


def _of_limits(facts: Facts) -> Iterator[Finding]:
    if facts.paused:
        yield Finding(
            "warn",
            f"{facts.paused} of {many(facts.sources, 'source')} paused by a rate limit.",
            "Nothing to do if this is rare: runs resume when the limit resets, which the table of quota pools shows.",
        )


def _of_discovery(statuses: Sequence[DiscoveryStatus]) -> Iterator[Finding]:
    for status in statuses:
        if status.failure:
            stays = (
                "What was found before is collected." if status.succeeded_at is not None else "Nothing was found yet."
            )
            what = f"Discovery by credential {status.credential} fails ({status.way}). {stays}"
            yield Finding("warn", what, sentence(status.failure.hint), sentence(status.failure.message))
        if status.absent:
            yield Finding(
                "warn",
                f"GitHub's listing for credential {status.credential} lacks {some(status.absent)}.",
                "If that is meant, there is nothing to do: what stays absent for a day is not collected any more. Else "
                "install the App there again, or give the token's user its role back.",
            )
        if surplus := status.counts["surplus"]:
            what = (
                f"Credential {status.credential} discovers {many(surplus, 'target')} more than max_targets: left out."
            )
            yield Finding("warn", what, "Raise discover[].max_targets, or narrow include and exclude.")


def _of_reload(health: Health) -> Iterator[Finding]:
    if health.reload.problem:
        yield Finding(
            "warn",
            f"The configuration was not reloaded: the one loaded {utc_time(health.reload.at)} is still in use.",
            "Correct it, test it with `github-enterprise-exporter check`, and reload again (SIGHUP or POST /-/reload).",
            health.reload.problem,
        )


def _of_web_config(reload: Reload) -> Iterator[Finding]:
    if reload.problem:
        yield Finding(
            "warn",
            f"The web configuration was not reloaded: the one loaded {utc_time(reload.at)} is still in use.",
            "Correct the file: it is read again when it changes. `github-enterprise-exporter check "
            "--web.config.file=FILE` tests it.",
            reload.problem,
        )


def _of_expiries(stopped: Collection[str], expiries: Mapping[str, float], now: float) -> Iterator[Finding]:
    for credential, end in expiries.items():
        if end - now < EXPIRES_SOON and credential not in stopped:
            is_over = end <= now
            yield Finding(
                "bad" if is_over else "warn",
                f"The token of credential “{credential}” {'expired' if is_over else 'expires'} {utc_time(end)}.",
                "Make a new token with the same permissions and replace it.",
            )


def _of_lateness(facts: Facts) -> Iterator[Finding]:
    for late in facts.late_data:
        what = f"Data of {late.collector} are late: older than {span(late.after)} at {some(late.targets)}."
        yield Finding("warn", what, late.fix)
    if facts.late:
        what = f"{many(facts.late, 'source')} {'is' if facts.late == 1 else 'are'} late."
        yield Finding(
            "warn",
            what if facts.failing or facts.stopped else f"Nothing fails, but {what}",
            "There was no success for two intervals or more. The table of quota pools shows which pool is paused; what "
            f"does not fit into its budget is shown by: {PLAN}",
        )


def _of_gaps(health: Health, now: float) -> Iterator[Finding]:
    for collector, (seconds, at) in health.gaps.items():
        if now - at < GAP_SECONDS:
            yield Finding(
                "warn",
                f"{collector} has a gap of {span(seconds)}, found {utc_time(at)}: requests in it are not counted.",
                "It cannot be filled; what was counted before stays. The exporter was off, failed, or its clock was "
                "wrong.",
            )


def _of_quotas(health: Health) -> Iterator[Finding]:
    for pool, share in health.left.items():
        if share < SCARCE:
            what = f"Only {share:.0%} of GitHub's hourly limit is left in quota pool {pool}: other clients use it up."
            yield Finding("warn", what, "Give the exporter a GitHub App or a user of its own.")
    for pool, share in health.spent.items():
        if share > SPENT:
            yield Finding(
                "warn",
                f"Quota pool {pool} has used {share:.0%} of its budget within an hour.",
                "Runs are paused while the budget is used up. If this stays: longer intervals, a narrower drill-down "
                "(top_actors, top_users), a GitHub App, or a larger budget.share. What each collector uses is shown "
                f"by: {PLAN}",
            )


def _of_clock(skew: float) -> Iterator[Finding]:
    if abs(skew) > SKEWED:
        what = f"This machine's clock is {abs(skew):,.0f} s {'behind' if skew > 0 else 'ahead of'} GitHub's."
        yield Finding("warn", what, "Synchronise the clock (NTP): ages and lateness are wrong by as much.")


def _of_scrapes(rejected_at: float, now: float) -> Iterator[Finding]:
    if now - rejected_at < REJECTION_SECONDS:
        yield Finding(
            "warn",
            "Slow scrapes were cut: more than --web.max-requests ran at the same time.",
            "Find out who scrapes besides Prometheus, and how often, or raise --web.max-requests.",
        )


def _of_first_runs(facts: Facts, discovery: Sequence[DiscoveryStatus]) -> Iterator[Finding]:
    if not facts.sources and discovery:
        yield Finding("warn", "Nothing is collected.", "Nothing that a collector may read has been discovered.")
    elif not facts.sources:
        yield Finding("warn", "Nothing is collected.", "No collector is enabled for any target.")
    elif facts.not_run:
        yield Finding("warn", f"Waiting for the first run: {facts.not_run} of {many(facts.sources, 'source')}.")
