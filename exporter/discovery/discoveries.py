"""Which targets follow from what all entries of `discover` have found, and what became of each account. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from exporter.discovery.memory import Memory
from exporter.github.listings import Account
from exporter.jobs import Target
from exporter.settings.discover import DiscoverEntry

Fate = Literal["collected", "listed", "excluded", "suspended", "surplus"]
"""What becomes of an account: `listed` ones are in the configuration, or another entry has found them before;
`surplus` ones are more than `max_targets`."""


@dataclass(frozen=True, slots=True)
class Discoveries:
    """The targets, the permissions of an App at each where they are known, and by entry the fate of each account."""

    targets: tuple[Target, ...] = ()
    granted: Mapping[Target, Mapping[str, str]] = field(default_factory=dict)
    fates: Mapping[str, Mapping[str, Fate]] = field(default_factory=dict)


def discoveries_of(
    entries: Iterable[DiscoverEntry], memories: Mapping[str, Memory], listed: Iterable[Target]
) -> Discoveries:
    """What the entries have found; the first entry that has found an account collects from it."""
    taken = {str(target) for target in listed}
    targets: list[Target] = []
    granted: dict[Target, Mapping[str, str]] = {}
    fates: dict[str, dict[str, Fate]] = {}
    for entry in entries:
        fates[entry.key] = own = {}
        room = entry.max_targets
        for name, known in memories.get(entry.key, Memory()).known.items():
            own[name] = fate = _fate(known.account, entry, taken, room)
            if fate != "collected":
                continue
            room -= 1
            taken.add(name)
            target = Target(known.account.kind, known.account.name, entry.credential or "")
            targets.append(target)
            if known.account.granted is not None:
                granted[target] = known.account.granted
    return Discoveries(tuple(targets), granted, fates)


def _fate(account: Account, entry: DiscoverEntry, taken: Collection[str], room: int) -> Fate:
    if not _matches(account.name, entry.include) or _matches(account.name, entry.exclude):
        return "excluded"
    if str(account) in taken:
        return "listed"
    if account.suspended:
        return "suspended"
    return "collected" if room > 0 else "surplus"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
