"""Subjects of one endpoint at one target that GitHub answers with 404. Pure.

Each is left alone for a day, and its place goes to another. Three in a row are no coincidence: GitHub does not show the
endpoint to this credential, or the busiest have all left. Then the endpoint counts as not found, for which the last of
them stands, and one other subject is tried per interval until GitHub knows one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.errors import GitHubError, NotFound
from exporter.fetching import Subject
from exporter.github.apps import NotInstalled
from exporter.instants import HOUR

MOST_IN_A_ROW = 3
LEFT_ALONE = 24 * HOUR


@dataclass(frozen=True, slots=True)
class UnknownSubjects:
    """When (epoch seconds, our clock) which subject was unknown, and those without a known one since, in order."""

    since: Mapping[Subject, float] = field(default_factory=dict)
    in_a_row: tuple[Subject, ...] = ()

    @property
    def not_found(self) -> bool:
        """Whether the endpoint counts as not found."""
        return len(self.in_a_row) >= MOST_IN_A_ROW

    @property
    def witness(self) -> tuple[Subject, ...]:
        """The subject that stands for an endpoint that is not found; its job is kept, so that everybody sees it."""
        return self.in_a_row[-1:] if self.not_found else ()

    def missed(self, subject: Subject, now: float) -> "UnknownSubjects":
        """GitHub does not know the subject. The same subject again counts once in `in_a_row`."""
        row = (*(other for other in self.in_a_row if other != subject), subject)
        return UnknownSubjects({**self.since, subject: now}, row[-MOST_IN_A_ROW:])

    def answered(self) -> "UnknownSubjects":
        """GitHub knows a subject, so the endpoint is there."""
        return replace(self, in_a_row=()) if self.in_a_row else self

    def next_run(self, subject: Subject, interval: float) -> float:
        """Before when a subject must not be asked about; 0 if it may be at any time."""
        alone = self.since[subject] + LEFT_ALONE if subject in self.since else 0.0
        tries = [self.since[witness] + interval for witness in self.witness if witness in self.since]
        return max([alone, *tries])

    def at(self, now: float) -> "UnknownSubjects":
        """As it is now: after a day a subject may be asked about again."""
        since = {subject: then for subject, then in self.since.items() if then + LEFT_ALONE > now}
        return self if len(since) == len(self.since) else replace(self, since=since)

    def restored(self, now: float) -> "UnknownSubjects":
        """As it was saved, perhaps by a clock that was ahead: no wait is longer than one that begins now."""
        return replace(self, since={subject: min(then, now) for subject, then in self.since.items()}).at(now)

    def shifted(self, seconds: float) -> "UnknownSubjects":
        """The instants moved by so many seconds, after the clock was set."""
        return replace(self, since={subject: then + seconds for subject, then in self.since.items()})

    def dump(self) -> str:
        """As text for the state."""
        return json.dumps([list(self.since.items()), self.in_a_row])


def load(text: str) -> UnknownSubjects:
    """What `dump` made; raises what a wrong shape raises."""
    data: Any = json.loads(text)
    since, in_a_row = data
    return UnknownSubjects({tuple(subject): float(then) for subject, then in since}, tuple(map(tuple, in_a_row)))


def is_unknown(subject: Subject, error: object) -> bool:
    """Whether an attempt says that GitHub does not know its subject."""
    return bool(subject) and isinstance(error, NotFound) and not isinstance(error, NotInstalled)


def explain(error: GitHubError, needs: str) -> None:
    """Complete the hint of the 404 by which an endpoint counts as not found; `needs` is the permission."""
    error.hint = (
        f"GitHub knows none of three in a row: give the credential what this needs: {needs}; if they have left, or are "
        "wrong in `watch`, nothing: one other is tried per interval, and each again after a day"
    )
