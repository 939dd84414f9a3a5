"""Subjects of one endpoint at one target that GitHub answers with 404. Pure.

Each is skipped for a day, and its place goes to another. Three in a row are no coincidence: GitHub does not show the
endpoint to this credential, or the busiest have all left. Then the endpoint counts as not found. The job of the last of
the three stays as its witness, and one other subject is tried per interval until GitHub knows one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.errors import GitHubError, NotFound
from exporter.fetching import Subject
from exporter.github.apps import NotInstalled
from exporter.instants import DAY

MOST_IN_A_ROW = 3
ASK_AGAIN_AFTER = DAY


@dataclass(frozen=True, slots=True)
class UnknownSubjects:
    """The subjects that are unknown, and since when.

    `since` is when GitHub last answered 404 (epoch seconds, our clock). `in_a_row` are the newest unknown subjects, in
    order, without a known one since.
    """

    since: Mapping[Subject, float] = field(default_factory=dict)
    in_a_row: tuple[Subject, ...] = ()

    @property
    def not_found(self) -> bool:
        """Whether the endpoint counts as not found."""
        return len(self.in_a_row) >= MOST_IN_A_ROW

    @property
    def witness(self) -> tuple[Subject, ...]:
        """The subject whose job shows that the endpoint is not found."""
        return self.in_a_row[-1:] if self.not_found else ()

    def with_unknown(self, subject: Subject, now: float) -> "UnknownSubjects":
        """The state after a 404 for a subject. A subject that is unknown again counts once in `in_a_row`."""
        row = (*(other for other in self.in_a_row if other != subject), subject)
        return UnknownSubjects({**self.since, subject: now}, row[-MOST_IN_A_ROW:])

    def with_known(self) -> "UnknownSubjects":
        """The state after an answer for any subject: the endpoint exists."""
        return replace(self, in_a_row=()) if self.in_a_row else self

    def next_run(self, subject: Subject, interval: float) -> float:
        """The earliest instant to ask about a subject; 0 if there is none to wait for."""
        again = self.since[subject] + ASK_AGAIN_AFTER if subject in self.since else 0.0
        tries = [self.since[witness] + interval for witness in self.witness if witness in self.since]
        return max([again, *tries])

    def current(self, now: float) -> "UnknownSubjects":
        """The state without subjects that may be asked about again, because a day has passed."""
        since = {subject: then for subject, then in self.since.items() if then + ASK_AGAIN_AFTER > now}
        return self if len(since) == len(self.since) else replace(self, since=since)

    def not_after(self, now: float) -> "UnknownSubjects":
        """The current state without instants later than `now`: the clock may have been ahead when it was saved."""
        return replace(self, since={subject: min(then, now) for subject, then in self.since.items()}).current(now)

    def shifted(self, seconds: float) -> "UnknownSubjects":
        """The state with its instants moved by so many seconds, after the clock was set."""
        return replace(self, since={subject: then + seconds for subject, then in self.since.items()})

    def dump(self) -> str:
        """The text that `load` reads."""
        return json.dumps([list(self.since.items()), self.in_a_row])


def load(text: str) -> UnknownSubjects:
    """Read what `dump` wrote; raises `ValueError` or `TypeError` for a wrong shape."""
    data: Any = json.loads(text)
    since, in_a_row = data
    return UnknownSubjects({tuple(subject): float(then) for subject, then in since}, tuple(map(tuple, in_a_row)))


def is_unknown(subject: Subject, error: object) -> bool:
    """Whether the failure of an attempt means that GitHub does not know its subject."""
    return bool(subject) and isinstance(error, NotFound) and not isinstance(error, NotInstalled)


def explain(error: GitHubError, needs: str) -> None:
    """Complete the hint of the 404 by which an endpoint counts as not found; `needs` is the permission."""
    error.hint = (
        f"GitHub knows none of three in a row: give the credential what this needs: {needs}; if they have left, or are "
        "wrong in `watch`, nothing: one other is tried per interval, and each again after a day"
    )
