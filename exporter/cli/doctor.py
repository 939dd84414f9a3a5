"""`doctor`: what each credential may read, and how to fix what it may not."""

import asyncio
from collections.abc import Iterator, Sequence
from textwrap import indent, wrap

from exporter import output
from exporter.catalogue import Collector, TokenKind
from exporter.cli.discovering import discover, shown
from exporter.cli.survey import Survey, SurveyEntry, survey
from exporter.cli.tables import table
from exporter.clock import SystemClock
from exporter.collecting.forecast import Cost
from exporter.collectors import COLLECTORS
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
    """Print what works, and how to fix what does not; exit code 0 if everything works, 1 if not."""
    clock, width = SystemClock(), output.width()
    for warning in unread_proxy(settings):
        print(f"warning: {warning}")
    discovered = discover(settings, clock)
    settings = discovered.settings
    if settings.discover:
        print("\n".join([*shown(discovered, clock.wall()), ""]))
    result = asyncio.run(survey(settings, COLLECTORS, clock, every_job=False, granted=discovered.discoveries.granted))
    print(table([("RESULT", "COLLECTOR", "TARGET", "CREDENTIAL"), *map(_row, result.findings)]))
    for fix, findings in _by_fix(result.findings).items():
        print("\n" + "\n".join(_instructions(fix, findings, width)))
    for finding in result.findings:
        for text in filter(None, (finding.note and f"data are missing: {finding.note}.", _closing(finding))):
            print("\n" + _folded(f"{finding.job.target}: {_name(finding.job.collector)}: {text}", width))
    if not_tried := _not_tried(settings, result):
        print("\nNot tried, because no user or app is watched or was seen:")
        for names, targets in not_tried.items():
            print(_folded(f"{', '.join(targets)}: {', '.join(names)}", width, "  "))
    for name, end in result.expiries.items():
        print("\n" + _folded(f"credential {name}: {_expiry(end, clock.wall())}", width))
    working = sum(isinstance(finding.result, Cost) for finding in result.findings)
    print(f"\n{working} of {len(result.findings)} endpoints work.")
    return 0 if working == len(result.findings) and discovered.works else 1


def _row(finding: SurveyEntry) -> tuple[str, ...]:
    result = finding.result.reason if isinstance(finding.result, GitHubError) else "works"
    return result, _name(finding.job.collector), str(finding.job.target), finding.job.target.credential


def _name(collector: Collector) -> str:
    """A collector by its name in the configuration, with the kind of its subject."""
    return collector.name + _SUBJECTS[collector.subject]


def _by_fix(findings: Sequence[SurveyEntry]) -> dict[str, list[SurveyEntry]]:
    failures: dict[str, list[SurveyEntry]] = {}
    for finding in findings:
        if isinstance(finding.result, GitHubError):
            failures.setdefault(_fix(finding), []).append(finding)
    return failures


def _instructions(fix: str, findings: Sequence[SurveyEntry], width: int | None) -> Iterator[str]:
    """A fix, the targets that need it, GitHub's messages there, and the permissions, if they may be the cause."""
    yield _folded(fix, width, "fix     ")
    places: dict[tuple[Target, str], list[SurveyEntry]] = {}
    by_needs: dict[str, list[Collector]] = {}
    for finding in findings:
        needs = "" if isinstance(finding.result, _WITHOUT_PERMISSIONS) else finding.job.collector.needs
        places.setdefault((finding.job.target, needs), []).append(finding)
        if needs:
            by_needs.setdefault(needs, []).append(finding.job.collector)
    for (target, _), group in places.items():
        yield _folded(f"{target}: {', '.join(_name(finding.job.collector) for finding in group)}", width, "  at      ")
        yield _folded(str(group[0].result), width, "  GitHub  ")
    for needs, collectors in by_needs.items():
        names = f"{', '.join(dict.fromkeys(map(_name, collectors)))}: " if len(by_needs) > 1 else ""
        yield _folded(f"{names}{needs}", width, "  needs   ")
        yield _folded(", ".join(TOKEN_KINDS[kind] for kind in collectors[0].accepts), width, "  takes   ")
        yield _folded(collectors[0].page, width, "  see     ")


def _fix(finding: SurveyEntry) -> str:
    """What to do about a failure. If the endpoint does not accept the token's kind, that comes before permissions."""
    accepted, result = finding.job.collector.accepts, finding.result
    if not isinstance(result, GitHubError):
        return ""
    is_cause_unknown = result.hint in GENERAL_HINTS or of_permission(result.hint)
    # GitHub gives a link only to a token that the endpoint accepts.
    was_accepted = isinstance(result, CredentialRejected | HostRefused | LinkExpired)
    if finding.kind and finding.kind not in accepted and is_cause_unknown and not was_accepted:
        kinds = " or ".join(TOKEN_KINDS[kind] for kind in accepted)
        return f"give the target a {kinds} token: this endpoint does not take {_KIND_OF_CREDENTIAL[finding.kind]}"
    return result.hint


def _expiry(end: float, now: float) -> str:
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
    """Targets where something works, by the names of their enabled drill-down collectors that had no subject."""
    tried = {(finding.job.target, finding.job.collector.endpoint) for finding in result.findings}
    working = dict.fromkeys(finding.job.target for finding in result.findings if isinstance(finding.result, Cost))
    targets: dict[tuple[str, ...], list[str]] = {}
    for target in working:
        names = tuple(
            _name(collector)
            for collector in COLLECTORS
            if collector.subject
            and (section := settings.collectors[collector.name]).enabled
            and collector.runs(target.kind, section.options)
            and (target, collector.endpoint) not in tried
        )
        if names:
            targets.setdefault(names, []).append(str(target))
    return targets


def _folded(text: str, width: int | None, label: str = "") -> str:
    """The text after a label, folded to the terminal's width. The lines after the first one are YAML and stay."""
    first, _, yaml = text.partition("\n")
    margin = " " * len(label)
    lines = [label + first]
    if width is not None:
        lines = wrap(
            first,
            width,
            initial_indent=label,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join([*lines, indent(yaml, margin)] if yaml else lines)
