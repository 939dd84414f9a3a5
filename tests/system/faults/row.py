"""What a fault is, as data: who does what to whom, and what the exporter must make of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from exporter.errors import Reason
from exporter.simulator.faults import Fault

Actor = Literal["GitHub", "network", "disk", "clock", "operator", "client"]
Column = Literal["alive", "answers", "last figures", "others", "reason", "secrets", "recovers", "exact"]
COLUMNS: Mapping[Column, str] = {
    "alive": "the process runs to the end, writes no traceback, and ends with 0 when it is asked to",
    "answers": "`/metrics` answers 200 in less than a second, from the first to the last scrape",
    "last figures": "counters stay and never fall; gauges are there until they are older than `max_age`, no longer",
    "others": "no other collector, and no other organization, fails",
    "reason": "the right reason is counted and no other, and the log says it once; or the named metric shows it",
    "secrets": "no credential is in log, metrics, page, API, state, or the environment of another process",
    "recovers": "it works again when the fault has ended, without any help",
    "exact": "in the end the counters are equal to what the simulated GitHub counted",
}
"""What must hold for each fault."""


class Place(Protocol):
    """Where a fault happens: an organization that has a credential, an address and figures of its own."""

    name: str
    scene: Any

    def disturb(self, fault: Fault, *, everything: bool = False) -> None:
        """Let the row's endpoint, or all that this credential asks for, fail like this."""

    def calm(self) -> None:
        """End that."""


Act: TypeAlias = Callable[[Any], None]


def nothing(_place: Place) -> None:
    """Do nothing: the fault ends by itself."""


@dataclass(frozen=True)
class Row:
    """One fault.

    - `reason`: as which the failed attempts must be counted; None if no attempt may fail.
    - `collector`: the one that it hits; `everything`: all that use the credential are hit, as by a limit.
    - `shows`: a line of `/metrics` that must be there while the fault lasts.
    - `lasts`: for how many seconds at least; it lasts until the reason, or the line, was seen.
    - `back`: after how many seconds at most the exporter asks again by itself, where it waits for longer than a minute.
    - `stops`: the fault ends or stops the process, so that it cannot answer for a while.
    - `also`: another reason that may be counted, of collectors that wait with it.
    - `web_config`: the web configuration that the exporter has; `network`: the organization has a port of its own.
    """

    name: str
    actor: Actor
    begin: Act
    end: Act
    reason: Reason | None
    collector: str = "summary_stats"
    everything: bool = False
    shows: str = ""
    lasts: float = 0.0
    back: float = 0.0
    stops: bool = False
    also: Reason | None = None
    web_config: str = ""
    network: Literal["", "http", "https"] = ""


def answers(name: str, fault: Fault, reason: Reason | None, **more: Any) -> Row:
    """GitHub answers an endpoint, or all requests of a credential, in some manner."""
    everything = more.get("everything", False)
    return Row(
        name,
        "GitHub",
        lambda place: place.disturb(fault, everything=everything),
        lambda place: place.calm(),
        reason,
        **more,
    )
