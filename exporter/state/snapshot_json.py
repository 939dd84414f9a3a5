"""A snapshot as JSON, as the state file holds it.

Some keys differ from the names of the fields, which were renamed later: a state file of any version must open.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, get_args

from exporter.counting.keys import Count, Counting, Key
from exporter.counting.short_walks import WalkHistory
from exporter.errors import OutcomeState, Reason
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Outcome, Snapshot
from exporter.github.dates import Closing

ROWS_AT_ONCE = 200


def dump(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON data.

    Versions, and which series are new, are left out: they belong to one process; after a restart every series is new.
    """
    outcome, counting = snapshot.outcome, snapshot.counting
    return {
        "gauges": {family: list(samples) for family, samples in snapshot.gauges.items()},
        "dates": {family: list(gauge.dates) for family, gauge in snapshot.gauges.items() if gauge.dates is not None},
        "counting": counting and _dump_counting(counting),
        "outcome": outcome and list(astuple(outcome)),
        "last_success": snapshot.last_success,
        "data_time": snapshot.data_time,
        "next_run": snapshot.next_run,
        "failures": snapshot.failures,
        "left_out": snapshot.left_out,
        "requests": snapshot.requests,
        "sums": snapshot.sums,
        "closing": snapshot.closing,
        "brought": snapshot.gauges_read_at,
        "memory": snapshot.memory,
        "unknown": snapshot.unknown,
        "note": snapshot.note,
        "held": dict(snapshot.earlier_reads),
        "renamed": snapshot.names_changed,
        "walks": snapshot.walks and list(astuple(snapshot.walks)),
    }


def load(data: Mapping[str, Any]) -> Snapshot:
    """The snapshot of JSON data; raises one of `rows.UNREADABLE` for data of a wrong shape."""
    dates = data.get("dates", {})
    return Snapshot(
        gauges={
            family: column(_samples(samples), dates=dates.get(family)) for family, samples in data["gauges"].items()
        },
        counting=data["counting"] and _load_counting(data["counting"]),
        outcome=data["outcome"] and _load_outcome(data["outcome"]),
        last_success=_instant(data["last_success"]),
        data_time=_instant(data["data_time"]),
        next_run=_instant(data["next_run"]) or 0.0,
        failures=int(data["failures"]),
        left_out=int(data["left_out"]),
        requests=int(data.get("requests", 0)),
        sums=(sums := data.get("sums")) and tuple(map(int, sums)),
        closing=Closing(*map(_instant, data.get("closing", ()))),
        gauges_read_at=_instant(data.get("brought")),
        memory=data.get("memory"),
        unknown=tuple(map(str, data.get("unknown", ()))),
        note=str(data.get("note", "")),
        earlier_reads={str(family): float(read_at) for family, read_at in data.get("held", {}).items()},
        names_changed=bool(data.get("renamed", False)),
        walks=(walks := data.get("walks")) and WalkHistory(*map(int, walks)),
    )


def in_pieces(data: Any) -> Iterator[str]:
    """JSON text in pieces, each encoded from at most `ROWS_AT_ONCE` rows: a long call to the encoder holds the GIL."""
    encoded = json.JSONEncoder(separators=(",", ":")).encode
    if isinstance(data, dict) and data:
        for at, (key, value) in enumerate(data.items()):
            yield "," if at else "{"
            yield encoded({key: 0})[1:-2]
            yield from in_pieces(value)
        yield "}"
    elif isinstance(data, list) and len(data) > ROWS_AT_ONCE:
        for at in range(0, len(data), ROWS_AT_ONCE):
            yield "," if at else "["
            yield encoded(data[at : at + ROWS_AT_ONCE])[1:-1]
        yield "]"
    else:
        yield encoded(data)


def _instant(value: float | None) -> float | None:
    """A saved instant; raises `ValueError` for one that is not finite, and `TypeError` for another type."""
    if value is not None and not math.isfinite(value):
        raise ValueError("no instant")
    return value if value is None else float(value)


def _load_outcome(data: Sequence[Any]) -> Outcome:
    at, duration, state, reason, *words = data
    if state not in get_args(OutcomeState) or reason not in (None, *get_args(Reason)):
        raise ValueError("no state or reason")
    return Outcome(_instant(at) or 0.0, _instant(duration) or 0.0, state, reason, *map(str, words))


def _dump_counting(counting: Counting) -> dict[str, Any]:
    return {
        "anchor": counting.anchor,
        "read_at": counting.read_at,
        "since": counting.since,
        "strict": counting.strict,
        "other": counting.other,
        "other_shown": counting.other_new_since is not None,
        "keys": [
            [identity, key.labels, key.counts, key.last_active, key.has_series, key.reads_ahead]
            for identity, key in counting.keys.items()
        ],
    }


def _samples(data: Sequence[Any]) -> list[tuple[tuple[str, ...], float]]:
    samples = [(tuple(map(str, labels)), float(value)) for labels, value in data]
    if len(dict(samples)) < len(samples) or not all(math.isfinite(value) for _, value in samples):
        raise ValueError("a series is there twice, or has no number")
    return samples


def _load_counting(data: Mapping[str, Any]) -> Counting:
    other = tuple(int(number) for number in data["other"])
    free = (None,) * len(other)
    keys = {
        tuple(map(str, identity)): Key(
            tuple(map(str, labels)),
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
