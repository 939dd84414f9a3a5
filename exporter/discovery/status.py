"""What the status page, `/api/v1/status`, the metrics and `doctor` show of each entry of `discover`. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.catalogue import Collector
from exporter.discovery.asking import way_of
from exporter.discovery.discoveries import Discoveries
from exporter.discovery.memory import Failure, Memory
from exporter.jobs import CollectorSettings, Target
from exporter.settings import Settings
from exporter.settings.discover import DiscoverEntry

STATES = ("collected", "absent", "listed", "excluded", "suspended", "surplus", "refused")
"""What becomes of the accounts of a listing; each is in one state. `absent` ones are collected, too."""


class Lacking(NamedTuple):
    """A permission that the App lacks, the collectors that are left out for it, and the targets."""

    needs: str
    collectors: Sequence[str]
    targets: Sequence[str]


class DiscoveryStatus(NamedTuple):
    """An entry of `discover`. Instants are epoch seconds; `counts` has every state of `STATES`."""

    credential: str
    enterprise: str
    way: str
    was_asked: bool = False
    succeeded_at: float | None = None
    due: float = 0.0
    failure: Failure | None = None
    partial: str = ""
    counts: Mapping[str, int] = dict.fromkeys(STATES, 0)
    absent: Sequence[str] = ()
    suspended: Sequence[str] = ()
    lacking: Sequence[Lacking] = ()


def statuses_of(
    settings: Settings, memories: Mapping[str, Memory], discoveries: Discoveries, collectors: Sequence[Collector]
) -> list[DiscoveryStatus]:
    """The status of each entry."""
    statuses = []
    for entry in settings.discover:
        name = entry.credential or ""
        is_app = settings.credentials[name].app_client_id is not None
        lacking = lacking_of(name, discoveries, collectors, settings.collectors) if is_app else []
        statuses.append(status_of(entry, memories.get(entry.key, Memory()), discoveries, lacking, is_app=is_app))
    return statuses


def status_of(
    entry: DiscoverEntry, memory: Memory, discoveries: Discoveries, lacking: Sequence[Lacking], *, is_app: bool
) -> DiscoveryStatus:
    """The status of an entry."""
    fates = discoveries.fates.get(entry.key, {})
    absent = [name for name, fate in fates.items() if fate == "collected" and memory.known[name].absent is not None]
    counts = Counter[str](fates.values())
    counts["collected"] -= len(absent)
    counts["absent"], counts["refused"] = len(absent), memory.refused
    return DiscoveryStatus(
        credential=entry.credential or "",
        enterprise=entry.enterprise or "",
        way=way_of(entry, is_app=is_app),
        was_asked=memory.was_asked,
        succeeded_at=memory.succeeded_at,
        due=memory.due,
        failure=memory.failure,
        partial=memory.partial,
        counts={state: counts[state] for state in STATES},
        absent=absent,
        suspended=[name for name, fate in fates.items() if fate == "suspended"],
        lacking=[] if entry.enterprise else lacking,
    )


def lacking_of(
    credential: str,
    discoveries: Discoveries,
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
) -> list[Lacking]:
    """The permissions that an App's installations lack for collectors that are enabled."""
    granted = {target: names for target, names in discoveries.granted.items() if target.credential == credential}
    by_needs: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for collector in collectors:
        for target in _without(collector, granted, settings):
            names, targets = by_needs.setdefault(_needs(collector), ({}, {}))
            names[collector.name] = None
            targets[str(target)] = None
    return [Lacking(needs, list(names), list(targets)) for needs, (names, targets) in by_needs.items()]


def _without(
    collector: Collector, granted: Mapping[Target, Mapping[str, str]], settings: Mapping[str, CollectorSettings]
) -> Iterable[Target]:
    section = settings[collector.name]
    if not section.enabled:
        return ()
    return (
        target
        for target, permissions in granted.items()
        if collector.runs(target.kind, section.options) and collector.permission.is_lacking(permissions)
    )


def _needs(collector: Collector) -> str:
    permission = collector.permission
    return f"the {permission.app}" if "app" in permission.kinds else "a classic token: GitHub takes no App here"
