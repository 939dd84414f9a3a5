"""The immutable answer of one job, and its form as JSON data."""

import marshal
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import Any

from isal import isal_zlib

from exporter.collecting.counters import Count, Counting, Key, Numbers
from exporter.github.dates import OPEN, Closing
from exporter.github.errors import Reason, State
from exporter.serving.columns import CHUNK, Column, column


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `at` is when it began (epoch seconds, our clock), `duration` in seconds."""

    at: float
    duration: float
    state: State = "ok"
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known of one job; the only state that a tick reads and makes. Instants are epoch seconds.

    `gauges` maps families to samples. `data_time` is the instant that the values describe, `next_run` when the job is
    due again, `failures` the attempts in a row that failed, `left_out` rows that got no series for want of room,
    `requests` what a run costs, `sums` the target's totals as they were known before the newest read, `closing` when
    GitHub ends the endpoint, `brought` when the gauges came, `memory` what the collector remembers as JSON data.
    """

    version: int = 0
    gauges: Mapping[str, Column] = field(default_factory=dict)
    counting: Counting | None = None
    outcome: Outcome | None = None
    last_success: float | None = None
    data_time: float | None = None
    next_run: float = 0.0
    failures: int = 0
    left_out: int = 0
    requests: int = 0
    sums: Numbers | None = None
    closing: Closing = OPEN
    brought: float | None = None
    memory: Any = None

    def gauges_at(self, now: float, max_age: float) -> Mapping[str, Column]:
        """The gauges, or none when the run that brought them is too long ago. Counters never age."""
        return self.gauges if now <= self.gauges_end(max_age) else {}

    def gauges_end(self, max_age: float) -> float:
        """Until when (epoch seconds) gauges are shown."""
        brought = self.last_success if self.brought is None else self.brought
        return -math.inf if brought is None else brought + max_age

    @property
    def folded(self) -> int:
        """How many rows have no series of their own."""
        return self.left_out + (self.counting.hidden if self.counting else 0)

    def series(self) -> int:
        """How many series the snapshot has, while its gauges are fresh."""
        counters = 0
        if self.counting:
            shown = len(self.counting.keys) - self.counting.hidden + (self.counting.other_held is not None)
            counters = shown * len(self.counting.other)
        return counters + sum(len(samples) for samples in self.gauges.values())


def unnamed(snapshot: Snapshot) -> Snapshot:
    """The snapshot without any name that can change: identities and counts only, gauges come with the next read."""
    counting = snapshot.counting
    if counting:
        keys = {
            identity: replace(key, labels=(*identity, *("" for _ in key.labels[len(identity) :])))
            for identity, key in counting.keys.items()
        }
        counting = replace(counting, keys=keys)
    return replace(snapshot, counting=counting, gauges={}, memory=None)


@dataclass(frozen=True, slots=True)
class Rest:
    """A snapshot between two ticks: no Python object is kept for each of its series.

    `snapshot` is without its counting, which `counted` has packed. `folded` is how many rows have no series of their
    own, `waiting` whether series are held, `since` when counting began.
    """

    snapshot: Snapshot
    counted: bytes | None
    series: int
    folded: int
    waiting: bool
    since: int | None

    def whole(self) -> Snapshot:
        """The snapshot as it was, made anew for each who asks."""
        return replace(self.snapshot, counting=_unpacked(self.counted)) if self.counted else self.snapshot


def at_rest(snapshot: Snapshot) -> Rest:
    """What is kept of a snapshot."""
    counting = snapshot.counting
    return Rest(
        replace(snapshot, counting=None),
        _packed(counting) if counting else None,
        snapshot.series(),
        snapshot.folded,
        counting is not None and counting.waiting,
        counting.since if counting else None,
    )


def _packed(counting: Counting) -> bytes:
    rows = [
        (identity, key.labels, tuple(map(tuple, key.counts)), key.seen, key.shown, key.held, key.outgrown)
        for identity, key in counting.keys.items()
    ]
    # In chunks, for marshal holds the interpreter, and so the scrapes, until it ends.
    chunks = [marshal.dumps(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
    source = (counting.anchor, counting.read_at, counting.since, counting.strict, counting.shape)
    return isal_zlib.compress(marshal.dumps((*source, chunks, counting.other, counting.other_held)), level=1)


def _unpacked(packed: bytes) -> Counting:
    anchor, read_at, since, strict, shape, chunks, other, other_held = _loaded(isal_zlib.decompress(packed))
    keys = {
        identity: Key(labels, tuple(starmap(Count, counts)), *rest)
        for chunk in chunks
        for identity, labels, counts, *rest in _loaded(chunk)
    }
    return Counting(anchor, read_at, since, strict, keys, other, other_held, shape)


def _loaded(dumped: bytes) -> Any:
    return marshal.loads(dumped)  # noqa: S302 - made by `_packed`, and never leaves the process


def dump(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON data. Versions and holds are of one process: after a restart every series is held anew."""
    outcome, counting = snapshot.outcome, snapshot.counting
    return {
        "gauges": {family: list(samples) for family, samples in snapshot.gauges.items()},
        "counting": counting and _dump_counting(counting),
        "outcome": outcome and [outcome.at, outcome.duration, outcome.state, outcome.reason, outcome.message],
        "last_success": snapshot.last_success,
        "data_time": snapshot.data_time,
        "next_run": snapshot.next_run,
        "failures": snapshot.failures,
        "left_out": snapshot.left_out,
        "requests": snapshot.requests,
        "sums": snapshot.sums,
        "closing": snapshot.closing,
        "brought": snapshot.brought,
        "memory": snapshot.memory,
    }


def load(data: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `dump` made; raises what a wrong shape raises."""
    return Snapshot(
        gauges={
            family: column((tuple(map(str, labels)), float(value)) for labels, value in samples)
            for family, samples in data["gauges"].items()
        },
        counting=data["counting"] and _load_counting(data["counting"]),
        outcome=data["outcome"] and Outcome(*data["outcome"]),
        last_success=data["last_success"],
        data_time=data["data_time"],
        next_run=float(data["next_run"]),
        failures=int(data["failures"]),
        left_out=int(data["left_out"]),
        requests=int(data.get("requests", 0)),
        sums=(sums := data.get("sums")) and tuple(map(int, sums)),
        closing=Closing(*data.get("closing", ())),
        brought=data.get("brought"),
        memory=data.get("memory"),
    )


def _dump_counting(counting: Counting) -> dict[str, Any]:
    return {
        "anchor": counting.anchor,
        "read_at": counting.read_at,
        "since": counting.since,
        "strict": counting.strict,
        "other": counting.other,
        "other_shown": counting.other_held is not None,
        "keys": [
            [identity, key.labels, key.counts, key.seen, key.shown, key.outgrown]
            for identity, key in counting.keys.items()
        ],
    }


def _load_counting(data: Mapping[str, Any]) -> Counting:
    other = tuple(int(number) for number in data["other"])
    free = (None,) * len(other)
    keys = {
        tuple(identity): Key(
            tuple(labels),
            tuple(Count(*map(int, count)) for count in counts),
            float(seen),
            bool(shown),
            free,
            int(outgrown),
        )
        for identity, labels, counts, seen, shown, outgrown in data["keys"]
    }
    return Counting(
        int(data["anchor"]),
        int(data["read_at"]),
        int(data["since"]),
        bool(data["strict"]),
        keys,
        other,
        free if data["other_shown"] else None,
    )
