"""A memory as text, for the state. Pure. What is loaded is not trusted: it has bounds, and its names are checked."""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, get_args

from exporter.discovery.memory import Failure, Known, Memory
from exporter.errors import Reason
from exporter.github.listings import LEVELS, NAME, Account

PREFIX = "discovery "
"""What the names of saved memories begin with; the entry's key follows."""
MOST_ACCOUNTS = 250_000
LONGEST_TEXT = 1_000


def dump(memory: Memory) -> str:
    """The memory as text."""
    failure = memory.failure
    return json.dumps(
        {
            "known": [_known(known) for known in memory.known.values()],
            "due": memory.due,
            "succeeded_at": memory.succeeded_at,
            "refused": memory.refused,
            "partial": memory.partial,
            "failures": memory.failures,
            "failure": [failure.reason, failure.message, failure.hint] if failure else None,
        },
        separators=(",", ":"),
    )


def load_all(waits: Iterable[tuple[str, str]]) -> dict[str, Memory]:
    """The memories among the waits of the state, given by name and text; by the keys of their entries."""
    memories: dict[str, Memory] = {}
    for name, text in waits:
        if name.startswith(PREFIX):
            with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):  # of another version
                memories[name.removeprefix(PREFIX)] = load(text)
    return memories


def load(text: str) -> Memory:
    """The memory of a text; raises `ValueError` or `TypeError` for one of another shape."""
    saved = json.loads(text)
    if not isinstance(saved, dict) or not isinstance(saved["known"], list) or len(saved["known"]) > MOST_ACCOUNTS:
        raise ValueError("it is no memory")
    known = [_loaded(item) for item in saved["known"]]
    succeeded = saved["succeeded_at"]
    return Memory(
        {str(one.account): one for one in known},
        _number(saved["due"]),
        None if succeeded is None else _number(succeeded),
        int(_number(saved["refused"])),
        str(saved["partial"])[:LONGEST_TEXT],
        int(_number(saved["failures"])),
        _failure(saved["failure"]),
    )


def _known(known: Known) -> list[Any]:
    account = known.account
    return [account.kind, account.name, account.suspended, account.granted, known.absent]


def _loaded(item: Any) -> Known:
    kind, name, suspended, granted, absent = item
    if kind not in ("organization", "enterprise") or not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("it names no account")
    if granted is not None:
        is_sound = isinstance(granted, Mapping) and all(level in LEVELS for level in granted.values())
        granted = dict(granted) if is_sound else None
    return Known(Account(kind, name, bool(suspended), granted), None if absent is None else _number(absent))


def _failure(item: Any) -> Failure | None:
    if item is None:
        return None
    reason, message, hint = (str(part)[:LONGEST_TEXT] for part in item)
    known: tuple[Reason, ...] = get_args(Reason)
    return next((Failure(one, message, hint) for one in known if one == reason), None)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it is no number")
    return float(value)
