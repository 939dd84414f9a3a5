"""Writes the files of a backfill, each once all of its parts are there. It blocks: call it in the worker."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from exporter.history.folder import SUFFIX, Folder
from exporter.history.month import FilePlan, lines
from exporter.history.samples import families_of
from exporter.history.sources import Source
from exporter.history.spans import months, next_month
from exporter.history.spool import Spool
from exporter.instants import epoch, utc_time


@dataclass(slots=True)
class Files:
    """The files of all sources; those of one collector at one target are in one file per month."""

    spool: Spool
    folder: Folder
    step: int
    sources: Mapping[str, Sequence[Source]]
    _written: set[tuple[str, str]] = field(default_factory=set)

    def write_ready(self, file: str) -> None:
        """Write the months of a file that no part is missing of any more."""
        self._write(file, up_to=self._ready_until(file))

    def _ready_until(self, file: str) -> float:
        """Until when everything is read."""
        until = float("inf")
        for source in self.sources[file]:
            if not self.spool.has_parts(source.job.key):
                return 0.0
            first = self.spool.first_open(source.job.key)
            if first is not None:
                until = min(until, first + source.past.shown_after)
        return until

    def _write(self, file: str, up_to: float) -> None:
        all_of_it = self.sources[file]
        begin, end = min(source.start for source in all_of_it), max(source.end for source in all_of_it)
        for month in months(begin, end + 1):
            is_ready = up_to >= min(epoch(f"{next_month(month)}-01"), end)
            if not is_ready:
                return
            if (file, month) not in self._written and f"{file}.{month}{SUFFIX}" not in self.folder.files:
                self._write_month(file, month)
            self._written.add((file, month))

    def _write_month(self, file: str, month: str) -> None:
        sources = self.sources[file]
        plan = FilePlan(
            file=file,
            families=families_of([source.job for source in sources]),
            begin=int(epoch(f"{month}-01")),
            end=int(epoch(f"{next_month(month)}-01")),
            step=self.step,
            ages={source.job.key: source.job.max_age for source in sources},
            longest={source.job.key: source.past.longest for source in sources},
            spans={source.job.key: (source.start, source.end) for source in sources},
        )
        facts: dict[str, Any] = {
            "from": utc_time(max(plan.begin, min(source.start for source in sources))),
            "to": utc_time(min(plan.end, max(source.end for source in sources))),
            "series": 0,
            "samples": 0,
        }
        self.folder.write(f"{file}.{month}{SUFFIX}", lines(self.spool, plan, facts), facts)

    def write_again(self, files: AbstractSet[str]) -> None:
        """Forget that files are written: parts of them that could not be read are read again."""
        names = [name for name in self.folder.files if name.rpartition(".2")[0] in files]
        if names:
            self.folder.write_again(names)
