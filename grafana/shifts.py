"""Days from which GitHub counts Copilot's use differently: marks in the graphs that show its figures."""

from collections.abc import Sequence
from datetime import UTC, datetime

from grafana.board import Mark

SHIFTS = {
    "2026-04-10": "Copilot CLI enters the totals: up",
    "2026-06-15": "GitHub's servers count users whom telemetry misses: active users up",
    "2026-07-28": "the Copilot app enters the totals: up",
    "2026-10-06": "agents' sessions come without an editor: interactions and lines of agents down",
}
"""docs/copilot.md, "Levels that move without a change in use"."""
REPORTS = (
    "github_copilot_organization_report_day_timestamp_seconds",
    "github_copilot_enterprise_report_day_timestamp_seconds",
)


def shifts(*panels: str) -> list[Mark]:
    """A mark for each, in the graphs called `panels`, or in all."""
    return [_shift(day, text, panels) for day, text in SHIFTS.items()]


def _shift(day: str, text: str, panels: Sequence[str]) -> Mark:
    """A mark while the figures of that day are shown, by the report of an organization or of the enterprise."""
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    shown = " or ".join(f"max({report}) == {begin:.0f}" for report in REPORTS)
    title = f"GitHub counts differently: {text}"
    return Mark(title, shown, title, panels=panels)
