"""The exporter's own counters of runs, requests, gaps and more, each moved by one method.

Those of the web server are in `self_metrics.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from exporter.catalogue import Collector
from exporter.errors import GitHubError, Reason
from exporter.exposition.answers import OwnFamily
from exporter.github.pacing import Pool
from exporter.jobs import Job, Target
from exporter.serving.health import Gap
from exporter.serving.self_lines import CounterLines, HistogramLines

STATUSES = ("200", "401", "403", "404", "422", "429", "500", "502", "503", "error")
"""The values of the label `status` that begin at 0."""
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class SelfCounters:
    """The counters; `now` gives epoch seconds.

    `version` rises with each change of a value; `gaps` has the newest gap of each collector.
    """

    def __init__(self, pools: Mapping[str, Pool], now: Callable[[], float]) -> None:
        self.families: list[CounterLines | HistogramLines] = []
        self.version = 0
        self.gaps: dict[str, Gap] = {}
        self._pools, self._now = pools, now
        by_target, by_collector = ("collector", "target"), ("collector",)
        self._runs = self._counter("github_exporter_collector_runs_total", "Attempts that ended.", by_target)
        self._errors = self._counter(
            "github_exporter_collector_errors_total",
            "Attempts that gave no complete snapshot, by reason.",
            (*by_target, "reason"),
        )
        self._revisions = self._counter(
            "github_exporter_downward_revisions_total",
            "Counts that GitHub revised downward; the published counter does not fall.",
            by_collector,
        )
        self._gaps = self._counter(
            "github_exporter_gap_seconds_total",
            "Seconds that no window covered before GitHub's 31 days had passed (gaps); requests in them are not "
            "counted.",
            by_collector,
        )
        self._unknown = self._counter(
            "github_exporter_unknown_values_total",
            "Rows or values of GitHub's answers that could not be read, and values of fields unknown to this version.",
            by_collector,
        )
        self._unreadable = self._counter(
            "github_exporter_unreadable_values_total",
            "Rows or values of GitHub's answers that could not be read: the figures lack them.",
            by_collector,
        )
        self._requests = self._counter(
            "github_exporter_api_requests_total", "Requests sent to GitHub, by status.", ("pool", "status")
        )
        self._saved = self._counter(
            "github_exporter_requests_saved_total",
            "Requests that were not needed because short walks read only the pages of a list with news.",
            ("pool",),
        )
        self._seconds = self._request_durations()

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> CounterLines:
        counter = CounterLines(name, text, labels)
        self.families.append(counter)
        return counter

    def _request_durations(self) -> HistogramLines:
        name, text = "github_exporter_api_request_duration_seconds", "How long GitHub took to answer."
        durations = HistogramLines(name, text, ("pool",), SECONDS)
        self.families.append(durations)
        return durations

    def render(self) -> Iterator[OwnFamily]:
        """The families that have samples."""
        return (family for family in (lines.render() for lines in self.families) if family[-1])

    def expect(self, runs: Iterable[tuple[Collector, Target]]) -> None:
        """Let the counters of the pools, and of these collectors at these targets, begin at 0."""
        for pool in self._pools:
            self._seconds.begin(pool)
            self._saved.begin(pool)
            for status in STATUSES:
                self._requests.begin(pool, status)
        for collector, target in runs:
            self._expect(collector, str(target))
        self.version += 1

    def _expect(self, collector: Collector, target: str) -> None:
        name = collector.name
        self._runs.begin(name, target)
        self._unknown.begin(name)
        self._unreadable.begin(name)
        for reason in get_args(Reason):
            self._errors.begin(name, target, reason)
        if collector.counting:
            self._revisions.begin(name)
            self._gaps.begin(name)

    def record_run(self, job: Job, error: GitHubError | None) -> None:
        """Count an attempt that ended, with the error that it ended with."""
        name, target = job.collector.name, str(job.target)
        self._runs.inc(name, target)
        if error:
            self._errors.inc(name, target, error.reason)
        self.version += 1

    def record_data(self, job: Job, revisions: int, gap: int, unreadable: int, unknown: int) -> None:
        """Count what an attempt read: counts revised downward, seconds of a gap, unreadable values, unknown ones."""
        if job.collector.counting:
            self._revisions.inc(job.collector.name, by=revisions)
            self._gaps.inc(job.collector.name, by=gap)
            if gap:
                self.gaps[job.collector.name] = Gap(gap, self._now())
        self._unreadable.inc(job.collector.name, by=unreadable)
        self._unknown.inc(job.collector.name, by=unknown)
        self.version += 1

    def record_saved(self, pool: str, requests: int) -> None:
        """Count the requests that a short walk saved."""
        self._saved.inc(pool, by=requests)
        self.version += 1

    def record_request(self, pool: str, status: str, seconds: float) -> None:
        """Count a request that was answered with this status, or failed (`error`)."""
        self._requests.inc(pool, status)
        self._seconds.observe(pool, value=seconds)
        self.version += 1
