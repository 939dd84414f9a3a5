"""`check`: validates the configuration and prints what would run. Sends no request."""

from collections.abc import Iterator, Sequence

from exporter.accesses import credentials_by_target, network_of
from exporter.cli.discovering import planned
from exporter.cli.tables import table
from exporter.collecting.selection import Candidates, select_jobs
from exporter.collectors import COLLECTORS
from exporter.github.links import serves
from exporter.github.network.system_store import find_system_store
from exporter.jobs import Job, Target
from exporter.options import duration_text
from exporter.settings import DIRECT, Settings, masked_proxy, warnings_of
from exporter.settings.web_config import read


def main(settings: Settings) -> int:
    """Print the jobs, the proxy and certificate authorities of each credential, and warnings."""
    if settings.shard.total > 1:
        print(_shard(settings))
    jobs = _jobs(settings)
    for target, target_jobs in jobs.items():
        if not target_jobs:
            print(f"{target}: nothing is asked; this version has no collector for it")
    rows = [_row(settings, job) for target_jobs in jobs.values() for job in target_jobs]
    if rows or not settings.discover:
        print(table([("COLLECTOR", "TARGET", "SUBJECT", "INTERVAL", "CREDENTIAL", "API"), *rows]) + "\n")
    if discovers := planned(settings):
        print(f"{discovers}\n")
    print(f"{table([('CREDENTIAL', 'ASKS', 'THROUGH', 'CA FILES'), *_routes(settings)])}")
    print(f"\n{_authorities()}")
    top = [
        f"{getattr(settings.collectors[collector.name].options, collector.top)} by {collector.name}"
        for collector in COLLECTORS
        if collector.top and settings.collectors[collector.name].enabled
    ]
    listed = "jobs at listed targets" if settings.discover else "jobs"
    print(f"\n{len(rows)} {listed}, and of each organization the busiest: {', '.join(top) or 'none'}.")
    for warning in (*_unusual_roots(settings), *warnings_of(settings), *_web_warnings(settings)):
        print(f"warning: {warning}")
    print("The configuration is valid.")
    return 0


def _web_warnings(settings: Settings) -> Sequence[str]:
    """Warnings about clients that the web configuration file lets in, perhaps by mistake."""
    path = settings.web.config_file
    config = read(path).config if path else None
    return config.warnings if config else ()


def _shard(settings: Settings) -> str:
    """Which part of the targets this exporter reads."""
    index, total = settings.shard.index, settings.shard.total
    targets, all_targets = len(settings.targets()), len(settings.all_targets())
    return f"This is shard {index} of {total} (0 to {total - 1}): it reads {targets} of {all_targets} targets.\n"


def _jobs(settings: Settings) -> dict[Target, list[Job]]:
    """The jobs of each target that are known before GitHub names its busiest users and apps."""
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
    """Warnings about API roots that are valid but probably a mistake."""
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


def _authorities() -> str:
    """Which certificate authorities every route trusts, besides its CA files."""
    store = find_system_store()
    if store is None:
        return "This machine has no certificate store: the public authorities are those that httpx brings (certifi)."
    places = " and ".join(str(path) for path in store if path)
    return f"Trusted besides CA FILES: this machine's certificate store, {places}."


def _routes(settings: Settings) -> Iterator[tuple[str, ...]]:
    """For each credential in use, the proxy and the certificate authorities for its API and for downloads."""
    exceptions = f", but for {', '.join(settings.no_proxy)}" if settings.no_proxy else ""
    for name in settings.used_credentials():
        root, network = settings.credentials[name].api_url, network_of(settings, name)
        proxy, ca_files = masked_proxy(network.proxy), ", ".join(map(str, network.ca_files))
        yield name, root, masked_proxy(network.proxy_for(root)) or DIRECT, ca_files
        yield name, "downloads", f"{proxy}{exceptions}" if proxy else DIRECT, ca_files
