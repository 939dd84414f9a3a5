"""The exporter's own gauges of its health: build, clock, state, configuration, credentials, quota pools, pauses."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporter.github.pacing import Pool
from exporter.serving.health import Health, Reload, Shard

BUILD = (version("github-enterprise-exporter"), platform.python_version())

POOL_GAUGES = (
    ("limit", "github_exporter_rate_limit_limit", "Requests per hour that GitHub allows the quota pool."),
    ("remaining", "github_exporter_rate_limit_remaining", "Requests left until the reset, by GitHub's newest answer."),
    ("reset", "github_exporter_rate_limit_reset_timestamp_seconds", "When the pool's rate limit resets."),
    ("hourly", "github_exporter_api_budget_requests", "Requests per hour that we allow ourselves of the pool's limit."),
)
"""The pool's attribute, the name and the help of each gauge that has a sample for each quota pool."""


def of_health(health: Health) -> Iterator[Metric]:
    """Families of the exporter, its configuration, each credential, and each target."""
    build = GaugeMetricFamily(
        "github_exporter_build_info", "Version and Python that run.", labels=("version", "pythonversion")
    )
    build.add_metric(BUILD, 1)
    yield build
    yield GaugeMetricFamily(
        "github_exporter_clock_skew_seconds",
        "GitHub's clock minus ours, by the Date headers of GitHub's answers.",
        value=health.skew,
    )
    yield CounterMetricFamily(
        "github_exporter_state_writes_failed_total",
        "Failed writes of the state folder, and changes of the folder by others while the exporter ran.",
        value=health.state.failed_writes + health.state.changes_by_others,
    )
    yield GaugeMetricFamily(
        "github_exporter_config_last_reload_successful",
        "1 if the configuration was last loaded or reloaded with success; 0 if a reload was refused.",
        value=float(not health.reload.problem),
    )
    yield GaugeMetricFamily(
        "github_exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration that runs was loaded.",
        value=health.reload.at,
    )
    yield from _of_web_config(health.web)
    yield from _of_shard(health.shard)
    yield from _of_credentials(health)


def _of_web_config(reload: Reload) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "github_exporter_web_config_last_reload_successful",
        "1 if the web configuration file was last read with success, or there is none; 0 if its last change was "
        "refused.",
        value=float(not reload.problem),
    )
    yield GaugeMetricFamily(
        "github_exporter_web_config_last_reload_success_timestamp_seconds",
        "When the web configuration in use was read; without a file, when the exporter started.",
        value=reload.at,
    )


def _of_shard(shard: Shard) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "github_exporter_shard_info",
        "Which of the exporters that share the targets this is, from 0 on, and how many it takes part with.",
        labels=("shard", "total_shards"),
    )
    info.add_metric((str(shard.number), str(shard.total)), 1)
    yield info
    yield GaugeMetricFamily(
        "github_exporter_shard_targets", "Targets that this exporter reads.", value=float(shard.targets)
    )
    configured = GaugeMetricFamily(
        "github_exporter_configured_targets",
        "Targets in the configuration, whichever of the exporters that share them reads them.",
        labels=("kind",),
    )
    for kind, count in shard.configured.items():
        configured.add_metric((kind,), count)
    yield configured


def _of_credentials(health: Health) -> Iterator[Metric]:
    expiry = GaugeMetricFamily(
        "github_exporter_credential_expiry_timestamp_seconds",
        "When the credential's token expires, by the header github-authentication-token-expiration of GitHub's "
        "answers; absent where they have none, and for GitHub Apps, whose tokens are renewed every hour.",
        labels=("credential",),
    )
    for credential, instant in health.expiries.items():
        expiry.add_metric((credential,), instant)
    yield expiry
    readable = GaugeMetricFamily(
        "github_exporter_credential_readable",
        "1 if the credential's token or private key can be read now; 0 if not, even while an older one is in use.",
        labels=("credential",),
    )
    for credential, problem in health.credentials.items():
        readable.add_metric((credential,), float(not problem))
    yield readable
    rejected = GaugeMetricFamily(
        "github_exporter_credential_rejected",
        "1 while GitHub rejects the credential at the target, or the credential cannot be read: no collector runs "
        "there; else 0.",
        labels=("credential", "target"),
    )
    for target, is_rejected in health.rejected.items():
        rejected.add_metric((target.credential, str(target)), float(is_rejected))
    yield rejected


def of_pools(pools: Mapping[str, Pool]) -> Iterator[Metric]:
    """Families with a sample for each quota pool."""
    for attribute, name, text in POOL_GAUGES:
        family = GaugeMetricFamily(name, text, labels=("pool",))
        for pool in pools.values():
            if (value := getattr(pool, attribute)) is not None:
                family.add_metric((pool.name,), value)
        yield family
