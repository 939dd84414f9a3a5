"""What `check`, `plan` and `doctor` print."""

import asyncio
import sys
from collections.abc import Iterator, Sequence

from exporter.app import SystemClock, credentials, wanted_of
from exporter.catalogue import Collector, Sizes, TokenKind
from exporter.collecting.forecast import Cost, Line, Load, advice, expected, line, loads, stated
from exporter.collecting.plan import Follow, Job, Target, plan
from exporter.github.budget import Budget
from exporter.github.dates import clock_time
from exporter.github.errors import CredentialRejected, GitHubError
from exporter.settings import Settings, duration_text
from exporter.survey import Finding, Survey, survey

LIMIT_OF_APP = 15_000.0
LIMIT_OF_TOKEN = 5_000.0
"""GitHub's usual limits per hour, of an App on an organization of Enterprise Cloud, and of a user."""

DOES_NOT_FIT = 2
TOKEN_KINDS: dict[TokenKind, str] = {"classic": "classic", "fine_grained": "fine-grained", "app": "App"}
_KIND_OF_CREDENTIAL: dict[TokenKind, str] = {
    "classic": "a classic token",
    "fine_grained": "a fine-grained token",
    "app": "a GitHub App",
}


def check(settings: Settings, collectors: Sequence[Collector]) -> int:
    """Print what would run."""
    rows = [("COLLECTOR", "TARGET", "SUBJECT", "INTERVAL", "CREDENTIAL", "API")]
    asked = credentials(settings)
    wanted = wanted_of(settings, collectors, {})
    for target in settings.targets():
        follow = Follow(settings.watched_at(target))
        jobs = plan(collectors, wanted.settings, target, follow) if target in asked else []
        for job in jobs:
            interval = duration_text(job.settings.interval)
            api_url = settings.credentials[target.credential].api_url
            rows.append((job.collector.name, str(target), "/".join(job.subject), interval, target.credential, api_url))
        if not jobs:
            print(f"{target}: nothing is asked; this version has no collector for it")
    print(columns(rows))
    top = [
        f"{getattr(settings.collectors[one.name].options, one.top)} by {one.name}"
        for one in collectors
        if one.top and settings.collectors[one.name].enabled
    ]
    print(f"\n{len(rows) - 1} jobs, and of each organization the busiest: {', '.join(top) or 'none'}.")
    print("The configuration is valid.")
    return 0


def plan_command(settings: Settings, collectors: Sequence[Collector]) -> int:
    """Print what it will cost; 2 if it does not fit into a budget, 1 if GitHub could not be asked."""
    budget = Budget(settings.budget.share, settings.budget.reserve)
    failed: list[Finding] = []
    if settings.plan.live:
        found = asyncio.run(survey(settings, collectors, SystemClock()))
        lines, failed = _live(found), [one for one in found.findings if isinstance(one.result, GitHubError)]
        made = loads(lines, {name: pool.limit for name, pool in found.pools.items()}, budget)
        print("By what GitHub shows now:\n")
    else:
        made = loads(_stated(settings, collectors), _usual_limits(settings), budget)
        print(
            f"By stated sizes: {settings.plan.subjects:,} apps and users per organization, and GitHub's usual limits."
        )
        print("`plan --live` asks GitHub instead.\n")
    rows: list[tuple[str, ...]] = [("POOL", "COLLECTOR", "JOBS", "REQUESTS/HOUR", "OF LIMIT", "SERIES")]
    for load in made:
        rows += [_row(load, one) for one in load.lines]
    print(columns(rows), end="\n\n")
    intervals = {name: one.interval for name, one in settings.collectors.items()}
    for load in made:
        print(_sentence(load))
        if not load.fits:
            print("  It does not fit: what comes last waits, for hours or for ever. Do one of these:")
            print("\n".join(f"  - {text}" for text in advice(load, intervals)))
    for one in failed:
        print(f"not asked: {one.job.collector.name} {one.job.target}: {one.result}", file=sys.stderr)
    series = sum(one.series for load in made for one in load.lines)
    print(f"{series:,} series from GitHub of at most {settings.limits.max_series:,} (limits.max_series).")
    if not all(load.fits for load in made) or series > settings.limits.max_series:
        return DOES_NOT_FIT
    return 1 if failed else 0


def doctor(settings: Settings, collectors: Sequence[Collector]) -> int:
    """Print what each credential may read, and what is missing; 0 if all works, 1 if not."""
    found = asyncio.run(survey(settings, collectors, SystemClock(), whole=False))
    rows = [("CREDENTIAL", "TARGET", "ENDPOINT", "TAKES", "RESULT")]
    for one in found.findings:
        result = one.result.state if isinstance(one.result, GitHubError) else "works"
        takes = ", ".join(TOKEN_KINDS[kind] for kind in one.job.collector.accepts)
        rows.append((one.job.target.credential, str(one.job.target), _endpoint(one), takes, result))
    print(columns(rows))
    failed: dict[tuple[Target, str], list[Finding]] = {}
    for one in found.findings:
        if isinstance(one.result, GitHubError):
            failed.setdefault((one.job.target, one.job.collector.needs + one.result.hint), []).append(one)
    for (target, _), alike in failed.items():
        print(f"\n{target}: {', '.join(_endpoint(one) for one in alike)}")
        print(f"  GitHub  {alike[0].result}")
        print(f"  needs   {alike[0].job.collector.needs}")
        print(f"  fix     {_fix(alike[0])}")
        print(f"  see     {alike[0].job.collector.page}")
    for one in found.findings:
        if told := _closing(one):
            print(f"\n{one.job.target}: {_endpoint(one)}: {told}")
    for target, collector in _not_tried(settings, collectors, found):
        print(f"\n{target}: {collector.endpoint} was not tried, for nobody is watched or was seen")
    works = sum(isinstance(one.result, Cost) for one in found.findings)
    print(f"\n{works} of {len(found.findings)} endpoints work.")
    return 0 if works == len(found.findings) else 1


def _fix(found: Finding) -> str:
    """What to do about a failure; no permission helps a token of a kind that the endpoint does not take."""
    takes = found.job.collector.accepts
    if found.kind and found.kind not in takes and not isinstance(found.result, CredentialRejected):
        wanted = " or ".join(TOKEN_KINDS[kind] for kind in takes)
        return f"give the target a {wanted} token: this endpoint does not take {_KIND_OF_CREDENTIAL[found.kind]}"
    return str(getattr(found.result, "hint", ""))


def _closing(found: Finding) -> str:
    deprecation, sunset = found.closing
    since = f"GitHub calls it deprecated since {clock_time(deprecation)}" if deprecation is not None else ""
    end = f"GitHub closes it on {clock_time(sunset)}" if sunset is not None else ""
    return "; ".join(filter(None, (since, end)))


def _not_tried(
    settings: Settings, collectors: Sequence[Collector], found: Survey
) -> Iterator[tuple[Target, Collector]]:
    """Drill-down endpoints for which there was nobody to ask about, where asking was possible at all."""
    asked = {(one.job.target, one.job.collector.endpoint) for one in found.findings}
    works = dict.fromkeys(one.job.target for one in found.findings if isinstance(one.result, Cost))
    for target in works:
        for collector in collectors:
            chosen = settings.collectors[collector.name]
            runs = chosen.enabled and collector.runs(target.kind, chosen.options)
            if runs and collector.subject and (target, collector.endpoint) not in asked:
                yield target, collector


def columns(rows: Sequence[Sequence[str]]) -> str:
    """A table with columns as wide as they must be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _endpoint(found: Finding) -> str:
    return found.job.collector.endpoint


def _live(found: Survey) -> list[Line]:
    costs: dict[tuple[str, str], list[Finding]] = {}
    for one in found.findings:
        costs.setdefault((one.pool, one.job.collector.name), []).append(one)
    return [
        line(pool, [(one.job, 1, one.result) for one in group if not isinstance(one.result, GitHubError)])
        for (pool, _name), group in costs.items()
        if any(not isinstance(one.result, GitHubError) for one in group)
    ]


def _stated(settings: Settings, collectors: Sequence[Collector]) -> list[Line]:
    wanted, sizes = wanted_of(settings, collectors, {}), Sizes(subjects=settings.plan.subjects)
    groups: dict[tuple[str, str], list[tuple[Job, int, Cost]]] = {}
    for target in credentials(settings):
        for job, times in stated(collectors, wanted.settings, target, settings.watched_at(target)):
            key = (settings.pool_of(target), job.collector.name)
            groups.setdefault(key, []).append((job, times, expected(job, sizes)))
    return [line(pool, group) for (pool, _name), group in groups.items()]


def _usual_limits(settings: Settings) -> dict[str, float | None]:
    limits: dict[str, float | None] = {}
    for target in settings.targets():
        app = settings.credentials[target.credential].app_client_id
        limit = None if target.kind == "appliance" else LIMIT_OF_APP if app else LIMIT_OF_TOKEN
        limits[settings.pool_of(target)] = limit
    return limits


def _row(load: Load, one: Line) -> tuple[str, ...]:
    share = f"{one.hourly / load.limit:.1%}" if load.limit else ""
    return (load.pool, one.collector, f"{one.jobs:,}", f"{one.hourly:,.0f}", share, f"{one.series:,}")


def _sentence(load: Load) -> str:
    if load.limit is None or load.budget is None:
        return f"pool {load.pool}: {load.hourly:,.0f} requests per hour; GitHub names no limit."
    return (
        f"pool {load.pool}: {load.hourly:,.0f} of {load.budget:,} requests per hour, "
        f"the budget of a limit of {load.limit:,.0f}."
    )
