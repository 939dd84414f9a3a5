"""What GitHub offers: one file per endpoint family. Jobs of a quota pool that are due together run in this order."""

from exporter.catalogue import Collector
from exporter.collectors import subject_stats, summary_stats, time_stats

COLLECTORS: tuple[Collector, ...] = (
    summary_stats.COLLECTOR,
    time_stats.COLLECTOR,
    subject_stats.COLLECTOR,
)
