"""Notes for the operator about missing exports: sentences without full stop. Pure; instants are epoch seconds."""

from collections.abc import Iterator, Mapping
from typing import Any

from exporter.collectors.usage_reports.exports import Choice, Period
from exporter.instants import utc_time


def notes_of(
    report_type: str,
    spans: tuple[Period, Period],
    choices: Mapping[str, Choice],
    figures: Mapping[str, Any],
    now: float,
) -> Iterator[str]:
    """Notes about the running month; `choices` and `figures` are by month, of the report type that has the spend.

    There is no note while an export is processing, nor in the first days of a month if the last month has figures:
    GitHub may have booked nothing yet.
    """
    running, before = spans
    choice, last = choices.get(running.month), figures.get(running.month)
    begins = running.has_just_begun(now) and bool(figures.get(before.month))
    if choice is None or choice.pending or (last and last.get("doubted")):
        return
    month = running.month
    if choice.usable is None and last is None and not begins:
        yield (
            f"no {report_type} export covers {month}, so its spend is missing: make one on GitHub's billing pages, "
            "from the 1st on, or set collectors.usage_reports.create: true"
        )
    elif choice.usable is None and last:
        yield (
            f"GitHub lists no {report_type} export of {month} any more: the figures are of the one made at "
            f"{utc_time(last['created'])}; make one, or set collectors.usage_reports.create: true"
        )
    elif last and not last["rows"] and not running.has_just_begun(now):
        yield (
            f"the export of {month} made at {utc_time(last['created'])} has no rows: compare it with GitHub's "
            "billing pages, and if there was use, make another one"
        )


def doubts_of(figures: Mapping[str, Any], max_age: float) -> Iterator[str]:
    """Notes about months whose newest export has no rows though an earlier one had; `figures` are by kind and month."""
    for name, last in figures.items():
        kind, month = name.split(" ")
        if since := last.get("doubted"):
            yield (
                f"the newest {kind + ' ' if kind else ''}export of {month} has no rows, though one before it had "
                f"{last['rows']:,}: their figures, of {utc_time(last['created'])}, stay until "
                f"{utc_time(since + max_age)}; compare it with GitHub's billing pages, and make another one"
            )
