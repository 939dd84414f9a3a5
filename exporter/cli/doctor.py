"""`doctor`: what each credential may read, and how to fix what it may not."""

import asyncio
from collections.abc import Iterator, Sequence
from textwrap import indent, wrap

from exporter import output
from exporter.catalogue import Collector, TokenKind
from exporter.cli.survey import Survey, SurveyEntry, survey
from exporter.cli.tables import table
from exporter.collecting.forecast import Cost
from exporter.collectors import COLLECTORS
from exporter.daemon import SystemClock
from exporter.errors import GENERAL_HINTS, CredentialRejected, GitHubError, HostRefused, LinkExpired, RateLimited
from exporter.github.dates import EXPIRES_SOON
from exporter.github.refusals import of_permission
from exporter.instants import DAY, utc_time
from exporter.jobs import Target
from exporter.settings import Settings, unread_proxy

TOKEN_KINDS: dict[TokenKind, str] = {"classic": "classic", "fine_grained": "fine-grained", "app": "App"}
_KIND_OF_CREDENTIAL: dict[TokenKind, str] = {
    "classic": "a classic token",
    "fine_grained": "a fine-grained token",
    "app": "a GitHub App",
}
# No permission helps a token that is rejected, or one whose limit is used up.
_WITHOUT_PERMISSIONS = (CredentialRejected, RateLimited)
_SUBJECTS = {(): "", ("user_id",): " per user", ("actor_type", "actor_id"): " per actor"}


def main(settings: Settings) -> int:
    """Print what works, and how to fix what does not; 0 if all works, 1 if not."""
    clock, width = SystemClock(), output.width()
    for doubt in unread_proxy(settings):
        print(f"warning: {doubt}")
    result = asyncio.run(survey(settings, COLLECTORS, clock, whole=False))
    print(table([("RESULT", "COLLECTOR", "TARGET", "CREDENTIAL"), *map(_row, result.findings)]))
    for fix, findings in _by_fix(result.findings).items():
        print("\n" + "\n".join(_instructions(fix, findings, width)))
    for finding in result.findings:
        for words in filter(None, (finding.note and f"data are missing: {finding.note}.", _closing(finding))):
            print("\n" + _folded(f"{finding.job.target}: {_name(finding.job.collector)}: {words}", width))
    if not_tried := _not_tried(settings, result):
        print("\nNot tried, for nobody is watched or was seen:")
        for names, targets in not_tried.items():
            print(_folded(f"{', '.join(targets)}: {', '.join(names)}", width, "  "))
    for name, end in result.expiries.items():
        print("\n" + _folded(f"credential {name}: {_ending(end, clock.wall())}", width))
    works = sum(isinstance(finding.result, Cost) for finding in result.findings)
    print(f"\n{works} of {len(result.findings)} endpoints work.")
    return 0 if works == len(result.findings) else 1


def _row(finding: SurveyEntry) -> tuple[str, ...]:
    result = finding.result.reason if isinstance(finding.result, GitHubError) else "works"
    return result, _name(finding.job.collector), str(finding.job.target), finding.job.target.credential


def _name(collector: Collector) -> str:
    """A collector by its name in the configuration, and whom it asks about."""
    return collector.name + _SUBJECTS[collector.subject]


def _by_fix(findings: Sequence[SurveyEntry]) -> dict[str, list[SurveyEntry]]:
    failures: dict[str, list[SurveyEntry]] = {}
    for finding in findings:
        if isinstance(finding.result, GitHubError):
            failures.setdefault(_fix(finding), []).append(finding)
    return failures


def _instructions(fix: str, findings: Sequence[SurveyEntry], width: int | None) -> Iterator[str]:
    """A fix, at which targets it is due, what GitHub said there, and the permissions, if they are the question."""
    yield _folded(fix, width, "fix     ")
    places: dict[tuple[Target, str], list[SurveyEntry]] = {}
    by_needs: dict[str, list[Collector]] = {}
    for finding in findings:
        needs = "" if isinstance(finding.result, _WITHOUT_PERMISSIONS) else finding.job.collector.needs
        places.setdefault((finding.job.target, needs), []).append(finding)
        if needs:
            by_needs.setdefault(needs, []).append(finding.job.collector)
    for (target, _), there in places.items():
        yield _folded(f"{target}: {', '.join(_name(finding.job.collector) for finding in there)}", width, "  at      ")
        yield _folded(str(there[0].result), width, "  GitHub  ")
    for needs, collectors in by_needs.items():
        names = f"{', '.join(dict.fromkeys(map(_name, collectors)))}: " if len(by_needs) > 1 else ""
        yield _folded(f"{names}{needs}", width, "  needs   ")
        yield _folded(", ".join(TOKEN_KINDS[kind] for kind in collectors[0].accepts), width, "  takes   ")
        yield _folded(collectors[0].page, width, "  see     ")


def _fix(finding: SurveyEntry) -> str:
    """What to do about a failure; no permission helps a token of a kind that the endpoint does not accept."""
    accepted, result = finding.job.collector.accepts, finding.result
    if not isinstance(result, GitHubError):
        return ""
    cause_is_open = result.hint in GENERAL_HINTS or of_permission(result.hint)
    # GitHub gives a link only to a token that the endpoint accepts.
    was_accepted = isinstance(result, CredentialRejected | HostRefused | LinkExpired)
    if finding.kind and finding.kind not in accepted and cause_is_open and not was_accepted:
        kinds = " or ".join(TOKEN_KINDS[kind] for kind in accepted)
        return f"give the target a {kinds} token: this endpoint does not take {_KIND_OF_CREDENTIAL[finding.kind]}"
    return result.hint


def _ending(end: float, now: float) -> str:
    days = (end - now) / DAY
    if days <= 0:
        return f"its token has expired on {utc_time(end)}; make a new one"
    text = f"its token expires on {utc_time(end)}, in {days:,.1f} days"
    return text if end - now > EXPIRES_SOON else f"{text}; make a new one and replace it before"


def _closing(finding: SurveyEntry) -> str:
    deprecation, sunset = finding.closing
    since = f"GitHub calls it deprecated since {utc_time(deprecation)}" if deprecation is not None else ""
    end = f"GitHub closes it on {utc_time(sunset)}" if sunset is not None else ""
    return "; ".join(filter(None, (since, end)))


def _not_tried(settings: Settings, result: Survey) -> dict[tuple[str, ...], list[str]]:
    """Drill-down collectors that had no subject to ask about, by the targets where anything could be asked."""
    asked = {(finding.job.target, finding.job.collector.endpoint) for finding in result.findings}
    works = dict.fromkeys(finding.job.target for finding in result.findings if isinstance(finding.result, Cost))
    targets: dict[tuple[str, ...], list[str]] = {}
    for target in works:
        names = tuple(
            _name(collector)
            for collector in COLLECTORS
            if collector.subject
            and (chosen := settings.collectors[collector.name]).enabled
            and collector.runs(target.kind, chosen.options)
            and (target, collector.endpoint) not in asked
        )
        if names:
            targets.setdefault(names, []).append(str(target))
    return targets


def _folded(text: str, width: int | None, label: str = "") -> str:
    """The text behind a label, in lines of a terminal's width. Lines to be pasted stay as they are."""
    words, _, pasted = text.partition("\n")
    margin = " " * len(label)
    lines = [label + words]
    if width is not None:
        lines = wrap(
            words,
            width,
            initial_indent=label,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join([*lines, indent(pasted, margin)] if pasted else lines)
