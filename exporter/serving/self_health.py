"""Metrics of how the exporter itself is: its configuration, its credentials, and which collectors wait for them."""

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.exposition.store import Entry
from exporter.serving.health import Health, Reload

PREFIX = "github_exporter_"


def of_health(health: Health) -> Iterator[Metric]:
    """Families that have a sample for the exporter, for each credential, and for each target."""
    yield GaugeMetricFamily(
        PREFIX + "config_last_reload_successful",
        "1 if the configuration was last loaded or reloaded with success; 0 if a reload was refused.",
        value=float(not health.reload.problem),
    )
    yield GaugeMetricFamily(
        PREFIX + "config_last_reload_success_timestamp_seconds",
        "When the configuration that runs was loaded.",
        value=health.reload.at,
    )
    yield from _of_web_config(health.web)
    readable = GaugeMetricFamily(
        PREFIX + "credential_readable",
        "1 if the credential's token or private key can be read now; 0 if not, even while an older one is in use.",
        labels=("credential",),
    )
    for credential, problem in health.credentials.items():
        readable.add_metric((credential,), float(not problem))
    yield readable
    rejected = GaugeMetricFamily(
        PREFIX + "credential_rejected",
        "1 while GitHub refuses the credential at the target, or there is none to be read: all collectors stand still.",
        labels=("credential", "target"),
    )
    for target, is_rejected in health.rejected.items():
        rejected.add_metric((target.credential, str(target)), float(is_rejected))
    yield rejected


def _of_web_config(reload: Reload | None) -> Iterator[Metric]:
    successful = GaugeMetricFamily(
        PREFIX + "web_config_last_reload_successful",
        "1 if the web configuration file was last read with success, 0 if its last change was refused; absent without "
        "such a file.",
    )
    at = GaugeMetricFamily(
        PREFIX + "web_config_last_reload_success_timestamp_seconds",
        "When the web configuration in use was read; absent without a web configuration file.",
    )
    if reload is not None:
        successful.add_metric((), float(not reload.problem))
        at.add_metric((), reload.at)
    yield successful
    yield at


def of_paused(entries: Iterable[Entry], health: Health) -> Iterator[Metric]:
    """A sample for each collector at each target."""
    paused = GaugeMetricFamily(
        PREFIX + "collector_paused",
        "1 while the collector waits for its credential, which GitHub refused, or for a limit of GitHub's to end.",
        labels=("collector", "target"),
    )
    places = dict.fromkeys((entry.job.collector.name, entry.job.target) for entry in entries)
    waiting = frozenset(health.paused)
    for collector, target in places:
        paused.add_metric((collector, str(target)), float(target in waiting))
    yield paused
