"""The collectors, one file or folder per endpoint family. Jobs of a pool that are due together run in this order."""

from exporter.catalogue import Collector
from exporter.collectors import (
    appliance_stats,
    billing_usage,
    copilot_metrics,
    copilot_seats,
    copilot_usage,
    licenses,
    route_stats,
    server_statistics,
    subject_stats,
    summary_stats,
    time_stats,
    usage_reports,
    user_stats,
)

COLLECTORS: tuple[Collector, ...] = (
    summary_stats.COLLECTOR,
    time_stats.COLLECTOR,
    subject_stats.COLLECTOR,
    summary_stats.OF_USER,
    summary_stats.OF_ACTOR,
    user_stats.COLLECTOR,
    route_stats.COLLECTOR,
    time_stats.OF_USER,
    time_stats.OF_ACTOR,
    server_statistics.COLLECTOR,
    server_statistics.OF_ORGANIZATION,
    appliance_stats.COLLECTOR,
    licenses.COLLECTOR,
    licenses.OF_APPLIANCE,
    copilot_usage.COLLECTOR,
    copilot_usage.OF_ENTERPRISE,
    copilot_seats.COLLECTOR,
    copilot_seats.OF_ENTERPRISE,
    copilot_metrics.COLLECTOR,
    usage_reports.COLLECTOR,
    billing_usage.COLLECTOR,
    billing_usage.OF_ORGANIZATION,
)
