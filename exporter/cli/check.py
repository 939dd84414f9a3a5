"""`check`: what would run, by a configuration that is valid. Nothing is requested from GitHub."""

from collections.abc import Iterator, Sequence

from exporter.accesses import credentials_by_target, network_of
from exporter.cli.tables import table
from exporter.collecting.selection import Candidates, select_jobs
from exporter.collectors import COLLECTORS
from exporter.github.links import serves
from exporter.jobs import Job, Target
from exporter.options import duration_text
from exporter.settings import DIRECT, Settings, doubts, masked_proxy
from exporter.settings.web_config import read


def main(settings: Settings) -> int:
    """Print the jobs, each credential's way to GitHub, and warnings."""
    jobs = _jobs(settings)
    for target, of_target in jobs.items():
        if not of_target:
            print(f"{target}: nothing is asked; this version has no collector for it")
    rows = [_row(settings, job) for of_target in jobs.values() for job in of_target]
    print(table([("COLLECTOR", "TARGET", "SUBJECT", "INTERVAL", "CREDENTIAL", "API"), *rows]))
    print(f"\n{table([('CREDENTIAL', 'ASKS', 'THROUGH', 'CA FILES'), *_ways(settings)])}")
    top = [
        f"{getattr(settings.collectors[collector.name].options, collector.top)} by {collector.name}"
        for collector in COLLECTORS
        if collector.top and settings.collectors[collector.name].enabled
    ]
    print(f"\n{len(rows)} jobs, and of each organization the busiest: {', '.join(top) or 'none'}.")
    for doubt in (*_unusual_roots(settings), *doubts(settings), *_web_warnings(settings)):
        print(f"warning: {doubt}")
    print("The configuration is valid.")
    return 0


def _web_warnings(settings: Settings) -> Sequence[str]:
    """What the web configuration file lets in more than the operator may think."""
    path = settings.web.config_file
    config = read(path).config if path else None
    return config.warnings if config else ()


def _jobs(settings: Settings) -> dict[Target, list[Job]]:
    """The jobs of each target that are known before GitHub is asked whom it has."""
    credentials = credentials_by_target(settings)
    return {
        target: select_jobs(COLLECTORS, settings.collectors, target, Candidates(settings.watched_at(target)))
        if target in credentials
        else []
        for target in settings.targets()
    }


def _row(settings: Settings, job: Job) -> tuple[str, ...]:
    credential = job.target.credential
    api_url = settings.credentials[credential].api_url
    interval = duration_text(job.settings.interval)
    return job.collector.name, str(job.target), "/".join(job.subject), interval, credential, api_url


def _unusual_roots(settings: Settings) -> Iterator[str]:
    """API roots that are allowed and hardly meant."""
    for name, credential in settings.credentials.items():
        root = credential.api_url
        if serves(root) == "unknown":
            yield (
                f"credentials.{name}.api_url: {root} has none of the forms that GitHub documents "
                "(https://api.github.com, https://api.SUBDOMAIN.ghe.com, https://HOST/api/v3): is it a proxy of yours?"
            )
    for target in settings.targets():
        root = settings.credentials[target.credential].api_url
        if target.kind != "appliance" and serves(root) == "appliance":
            yield (
                f"{target} is asked at {root}, an appliance, which has none of what is collected from "
                "organizations and enterprises: that is at https://api.github.com or https://api.SUBDOMAIN.ghe.com"
            )


def _ways(settings: Settings) -> Iterator[tuple[str, ...]]:
    """For each credential in use, the proxy and the authorities for its API and for downloads."""
    around = f", but for {', '.join(settings.no_proxy)}" if settings.no_proxy else ""
    for name in dict.fromkeys(target.credential for target in settings.targets()):
        root, network = settings.credentials[name].api_url, network_of(settings, name)
        proxy, trusted = masked_proxy(network.proxy), ", ".join(map(str, network.ca_files))
        yield name, root, masked_proxy(network.proxy_for(root)) or DIRECT, trusted
        yield name, "downloads", f"{proxy}{around}" if proxy else DIRECT, trusted
