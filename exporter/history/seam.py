"""What the state of the exporter says: since when it counts, what it asks per hour, and how it names people.

The past ends where that exporter began, so that nothing counts twice. GitHub shows a request 4 to 6 hours after it was
made: what was made less than 6 hours before the first read was perhaps not visible to it, so the exporter counts it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from exporter.instants import HOUR
from exporter.privacy import Naming
from exporter.settings import Settings
from exporter.state.moving import saved_jobs, target_of
from exporter.state.names import STATE_FILE
from exporter.state.rows import salt_of
from exporter.state.state_file import connect_to_read

LATEST = 6 * HOUR
"""Seconds after which GitHub shows a request, but for incidents."""
PATIENCE = 10.0
"""Seconds to wait while the exporter writes."""


class UnreadableState(Exception):
    """There is a state that cannot be read; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of the exporter; `exists` is False where there is no state.

    `since` is since when each job counts, `series` how many it has, by job key; `hourly` its requests by quota pool.
    """

    exists: bool = False
    since: Mapping[str, int] = field(default_factory=dict)
    hourly: Mapping[str, int] = field(default_factory=dict)
    series: Mapping[str, int] = field(default_factory=dict)
    naming: Naming = field(default_factory=Naming)

    @property
    def began(self) -> int | None:
        """When the exporter began to count; None if it never did."""
        return min(self.since.values(), default=None)


def read(settings: Settings) -> Running:
    """Read the state. Raises `UnreadableState`. It blocks."""
    path = settings.state.path / STATE_FILE
    if not path.exists():
        return Running()
    try:
        with closing(connect_to_read(path, PATIENCE)) as connection:
            return _running(connection, settings)
    except ValueError as error:  # it has the path
        raise UnreadableState(f"{error}; backfill with the version that wrote it") from None
    except (sqlite3.Error, OSError) as error:
        raise UnreadableState(f"{path}: {error}: is it the exporter's folder (state.path)? May you read it?") from None


def _running(connection: sqlite3.Connection, settings: Settings) -> Running:
    since: dict[str, int] = {}
    hourly: dict[str, float] = {}
    series: dict[str, int] = {}
    pools = {str(target): settings.pool_of(target) for target in settings.targets()}
    for key, _saved, snapshot in saved_jobs(connection):
        if snapshot is None:
            continue
        series[key] = snapshot.series()
        if snapshot.counting is not None:
            since[key] = snapshot.counting.since
        section, pool = settings.collectors.get(key.partition(" ")[0]), pools.get(target_of(key))
        if section and section.enabled and pool:
            hourly[pool] = hourly.get(pool, 0.0) + snapshot.requests * HOUR / section.interval
    naming = Naming(settings.privacy.user_names, salt_of(connection) or b"")
    return Running(True, since, {pool: int(requests) for pool, requests in hourly.items()}, series, naming)


def seam(since: int, latest: int = LATEST) -> int:
    """Where the counters of the past end, for a counter of the exporter that began at `since`: a whole hour."""
    return (since - latest) // HOUR * HOUR


def path_of(settings: Settings) -> Path:
    """The state's file, for messages."""
    return settings.state.path / STATE_FILE
