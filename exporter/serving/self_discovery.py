"""The exporter's own gauges of its targets, and of how they are discovered."""

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.discovery.status import DiscoveryStatus
from exporter.serving.health import Health


def of_targets(health: Health) -> Iterator[Metric]:
    """Families of the targets that this exporter reads, and of each credential that discovers some."""
    targets = GaugeMetricFamily(
        "github_exporter_targets",
        "Targets that this exporter reads: listed in the configuration, or discovered.",
        labels=("kind", "source"),
    )
    discoverable = [("organization", "discovered"), ("enterprise", "discovered")] if health.discovery else []
    for kind, source in dict.fromkeys((*health.targets, *discoverable)):
        targets.add_metric((kind, source), health.targets.get((kind, source), 0))
    yield targets
    by_credential: dict[str, list[DiscoveryStatus]] = {}
    for status in health.discovery:
        by_credential.setdefault(status.credential, []).append(status)
    yield _success(by_credential)
    yield _last_success(by_credential)
    yield _accounts(by_credential)


def _success(by_credential: dict[str, list[DiscoveryStatus]]) -> Metric:
    success = GaugeMetricFamily(
        "github_exporter_discovery_success",
        "1 if GitHub's newest listing of what the credential discovers was complete; 0 if a listing failed.",
        labels=("credential",),
    )
    for credential, statuses in by_credential.items():
        asked = [status for status in statuses if status.was_asked]
        if asked:
            success.add_metric((credential,), float(all(status.failure is None for status in asked)))
    return success


def _last_success(by_credential: dict[str, list[DiscoveryStatus]]) -> Metric:
    last = GaugeMetricFamily(
        "github_exporter_discovery_last_success_timestamp_seconds",
        "When a listing of what the credential discovers was last complete; of several entries the oldest.",
        labels=("credential",),
    )
    for credential, statuses in by_credential.items():
        times = [status.succeeded_at for status in statuses if status.succeeded_at is not None]
        if times:
            last.add_metric((credential,), min(times))
    return last


def _accounts(by_credential: dict[str, list[DiscoveryStatus]]) -> Metric:
    accounts = GaugeMetricFamily(
        "github_exporter_discovery_accounts",
        "Organizations and enterprises that the credential has discovered, by what becomes of each: collected; absent "
        "from the newest listing, and collected for another day; listed in the configuration; excluded by a pattern; "
        "suspended, an App's installation that may not read; surplus, more than max_targets; refused, rows that name "
        "no target.",
        labels=("credential", "state"),
    )
    for credential, statuses in by_credential.items():
        for state, count in _sums([status for status in statuses if status.succeeded_at is not None]).items():
            accounts.add_metric((credential, state), count)
    return accounts


def _sums(statuses: Sequence[DiscoveryStatus]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for status in statuses:
        sums.update(status.counts)
    return dict(sums)
