"""What the status page says of failures: in words, with GitHub's own, with the fix; alike ones together."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from exporter.github.errors import Reason
from exporter.serving.page_words import DOCS, when
from exporter.serving.snapshot import Outcome
from exporter.serving.store import Entry

MOST_NAMED = 8
Failure = tuple[Entry, Outcome, Reason]


class Advice(NamedTuple):
    """What a failure is; what to do about it, to be formatted with `credential`, `target`, `collector` and `needs`."""

    what: str
    fix: str
    runbook: str


ADVICE: dict[Reason, Advice] = {
    "credential": Advice(
        "GitHub rejects the credential",
        "Replace the token of credential “{credential}”; of a GitHub App check client id, private key and this "
        "machine's clock. Files are read again when they change.",
        "GithubCredentialRejected",
    ),
    "forbidden": Advice(
        "forbidden",
        "Give credential “{credential}” what this needs: {needs}.",
        "GithubCollectorFailing",
    ),
    "not_found": Advice(
        "not found",
        "Check the name “{target}”, that a GitHub App is installed there and that the plan has this feature; GitHub "
        "also says so to a credential without permission. This needs: {needs}.",
        "GithubCollectorFailing",
    ),
    "retired": Advice(
        "closed by GitHub",
        "Switch it off: collectors.{collector}.enabled: false.",
        "GithubEndpointRetired",
    ),
    "rate_limited": Advice(
        "rate limited",
        "Nothing, it goes on by itself. If this stays: longer intervals, or a GitHub App, which has quotas of its own.",
        "GithubCollectorUnavailable",
    ),
    "unavailable": Advice(
        "no answer",
        "Nothing if it passes, it is tried again. Else check network, DNS, proxy and certificate authority (ca_file).",
        "GithubCollectorUnavailable",
    ),
    "invalid": Advice(
        "an answer that cannot be used",
        "Do what the message says. Else: take out options that narrow the request, upgrade or report it.",
        "GithubCollectorUnavailable",
    ),
}


def failures(entries: Iterable[Entry], now: float) -> Iterator[str]:
    """An article for each fix that is to be made."""
    alike: dict[tuple[str, ...], list[Failure]] = {}
    for entry in entries:
        outcome = entry.snapshot.outcome
        if outcome and outcome.reason:
            alike.setdefault(_fix_of(entry, outcome, outcome.reason), []).append((entry, outcome, outcome.reason))
    return (_article(found, now) for found in alike.values())


def _fix_of(entry: Entry, outcome: Outcome, reason: Reason) -> tuple[str, ...]:
    """Failures that are the same here are mended together."""
    job = entry.job
    apart: dict[Reason, tuple[str, ...]] = {
        "forbidden": (job.collector.needs,),
        "not_found": (job.collector.needs, str(job.target)),
        "retired": (job.collector.name,),
        "invalid": (job.collector.name, outcome.message),
    }
    return (reason, job.target.credential, *apart.get(reason, ()))


def _article(found: Sequence[Failure], now: float) -> str:
    entry, outcome, reason = found[0]
    job, snapshot = entry.job, entry.snapshot
    advice = ADVICE[reason]
    fix = advice.fix.format(
        credential=job.target.credential,
        target=job.target.name,
        collector=job.collector.name,
        needs=job.collector.needs,
    )
    names = list(dict.fromkeys(f"{one.job.collector.name} of {one.job.target}" for one, *_ in found))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    tries = "once" if snapshot.failures < 2 else f"{snapshot.failures} times in a row"
    shown = "The last good figures are shown" if entry.samples else "No figures are shown"
    return (
        f'<article><h3>{escape(", ".join(names[:MOST_NAMED]))}{more}: <span class="bad">{advice.what}</span></h3>'
        f"<p>{escape(outcome.message)}</p><p><strong>Fix:</strong> {escape(fix)}</p>"
        f'<p class="dim">{shown}; last success {when(snapshot.last_success, now)}; it failed '
        f"{tries}; tried again {when(max(snapshot.next_run, now), now)}.</p>"
        f'<p><a href="{escape(job.collector.page)}">GitHub\'s page</a>'
        f'<a href="{DOCS}/runbooks/{advice.runbook}.md">Runbook</a></p></article>'
    )
