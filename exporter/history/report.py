"""What a backfill has written, what is missing and why, and what to do next."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from exporter.history.folder import MANIFEST, Folder
from exporter.history.sources import Source
from exporter.history.spool import Spool
from exporter.instants import utc_time
from exporter.privacy import Naming

LONGEST_BLOCK = "162h"
"""Of the blocks that promtool makes: it reads a file once for each of them, and the default is 2 hours."""


def gaps_of(spool: Spool, sources: Mapping[str, Source], naming: Naming) -> tuple[list[dict[str, Any]], bool]:
    """What is missing, neighbours joined; and whether some of it could not be read and is worth another try."""
    gaps: list[dict[str, Any]] = []
    failed = False
    for gap in spool.gaps():
        failed = failed or gap.state == "failed"
        source = sources.get(gap.job)
        title = naming.title(source.job) if source else gap.job
        last = gaps[-1] if gaps else {}
        same = (last.get("source"), last.get("why")) == (title, gap.why)
        if same and last["to"] == utc_time(gap.start):
            last["to"] = utc_time(gap.end)
            continue
        if same and last["from"] == utc_time(gap.start):
            continue  # another subject of the same time
        gaps.append(
            {"source": title, "from": utc_time(gap.start), "to": utc_time(gap.end), "state": gap.state, "why": gap.why}
        )
    return gaps, failed


def report(folder: Folder) -> str:
    """The text at the end."""
    samples, size = (sum(file[key] for file in folder.files.values()) for key in ("samples", "bytes"))
    files = f"{len(folder.files):,} files with {samples:,} samples, {size / 1e6:,.1f} MB"
    if not folder.files:
        files = "No file, because there is no sample: GitHub has none, or the step is longer than the time. 0 files"
    text = [f"{files}, are in {folder.path} ({MANIFEST} lists them).", *_gap_lines(folder.gaps)]
    if not folder.is_complete:
        text.append("Incomplete: run the same command again to retry what failed; the files are written anew then.")
    if folder.files and folder.is_complete:
        text += ["", "Next:", *_commands(folder)]
    return "\n".join(text) + "\n"


def _gap_lines(gaps: Sequence[Mapping[str, Any]]) -> list[str]:
    most = 20
    lines = [f"  {gap['source']}, {gap['from']} to {gap['to']}: {gap['why']}" for gap in gaps[:most]]
    if len(gaps) > most:
        lines.append(f"  and {len(gaps) - most} more")
    return ["Gaps:", *lines] if lines else []


def _commands(folder: Folder) -> list[str]:
    """How Prometheus gets the files."""
    path = quote(str(folder.path))
    promtool = f"promtool tsdb create-blocks-from --max-block-duration={LONGEST_BLOCK} openmetrics"
    return [
        f'  for file in {path}/*.om; do {promtool} "$file" {path}/blocks; done',
        f"  mv {path}/blocks/* PROMETHEUS_DATA/",
    ]
