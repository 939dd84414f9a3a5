"""The status page: what runs, what failed and why, how fresh it is. HTML without scripts; everything is escaped."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from exporter.github.dates import Closing
from exporter.serving.store import Entry

_STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{margin:2rem auto;max-width:70rem;padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#d1242f;font-weight:600}.ok{color:#1a7f37}
"""


def status_page(entries: Iterable[Entry], *, version: str, telemetry_path: str, now: float) -> str:
    """The whole page; `now` in epoch seconds."""
    rows = "".join(_row(entry, now) for entry in sorted(entries, key=lambda entry: (entry.job.order, entry.job.key)))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>GitHub Enterprise exporter</title><style>{_STYLE}</style></head><body>
<h1>GitHub Enterprise exporter</h1>
<p>Version {escape(version)} · <a href="{escape(telemetry_path)}">metrics</a> ·
<a href="/-/healthy">healthy</a> · <a href="/-/ready">ready</a></p>
<div class="scroll"><table><thead><tr><th>Collector</th><th>Target</th><th>State</th><th>Last success</th>
<th>Data of</th><th>Next run</th><th>Series</th></tr></thead><tbody>{rows}</tbody></table></div>
</body></html>
"""


def _row(entry: Entry, now: float) -> str:
    snapshot = entry.snapshot
    outcome = snapshot.outcome
    if outcome is None:
        state = "waiting for its first run"
    elif outcome.reason is None:
        state = '<span class="ok">ok</span>'
    else:
        state = f'<span class="bad">{escape(outcome.state)}</span><br>{escape(outcome.message)}'
    state += _closing(snapshot.closing, now)
    folded = f" ({snapshot.folded} folded)" if snapshot.folded else ""
    target = " ".join((str(entry.job.target), *entry.job.subject))
    return (
        f"<tr><td>{escape(entry.job.collector.name)}</td><td>{escape(target)}</td>"
        f"<td>{state}</td><td>{_ago(snapshot.last_success, now)}</td><td>{_ago(snapshot.data_time, now)}</td>"
        f'<td>{_ago(snapshot.next_run, now)}</td><td class="n">{entry.samples}{folded}</td></tr>'
    )


def _closing(closing: Closing, now: float) -> str:
    told = (
        ("deprecated", closing.deprecation),
        ("closes", closing.sunset),
    )
    return "".join(f"<br>{what} {_ago(instant, now)}" for what, instant in told if instant is not None)


def _ago(instant: float | None, now: float) -> str:
    if not instant:
        return "never"
    seconds = abs(now - instant)
    length = next(
        (f"{seconds / unit:.0f} {name}" for unit, name in ((3600, "h"), (60, "min")) if seconds >= 2 * unit), ""
    )
    told = f"{length or f'{seconds:.0f} s'} ago" if instant <= now else f"in {length or f'{seconds:.0f} s'}"
    exact = datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f'<span title="{exact}">{told}</span>'
