"""Reads the records of repositories of one day: pull requests and review times, each repository once. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.copilot_repositories.families import (
    MEDIANS,
    PHASES,
    REVIEWED,
    TIMES,
    CommentType,
    Repository,
    RepositoryTimes,
    Reviewed,
    ReviewTime,
)
from exporter.collectors.copilot_usage.record_rows import section_rows
from exporter.collectors.copilot_usage.sections import COMMENT_TYPES, IDENTITY
from exporter.collectors.reading.names import unique
from exporter.collectors.reading.reports import DayFigures, SectionRow
from exporter.collectors.reading.rows import figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.tables import Figures, Labels, Row

MOST_ROWS = 100_000
PULL_REQUESTS, REVIEW_TIMES = "pull_requests", "pull_request_review_times"
KNOWN = ("repo_id", "repo_owner_name", "repo_name", "repo_visibility", PULL_REQUESTS, REVIEW_TIMES, *IDENTITY)
MINUTES = {(statistic, phase): f"{statistic}_minutes_{phase}" for phase in PHASES for statistic in TIMES}
"""GitHub's fields of the times to review, by statistic and phase."""


@dataclass(slots=True)
class RepositoriesOfDay:
    """The figures of the repositories of `day`, by section, repository and key."""

    day: str
    unknown: UnknownFields = field(default_factory=UnknownFields)
    figures: DayFigures = field(default_factory=lambda: DayFigures(most=MOST_ROWS))
    names: dict[str, str] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """How many values could not be read."""
        return self.figures.rejected

    @property
    def has_figures(self) -> bool:
        """Whether any repository has figures."""
        return bool(self.figures.rows)

    def take(self, record: Any) -> None:
        """Add a record; one of another day is skipped."""
        number = record.get("repo_id") if isinstance(record, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            self.figures.rejected += 1
            return
        if record.get("day", self.day) not in (self.day, None):
            return
        self.names[str(number)] = _name_of(record) or str(number)
        self.unknown.take(record, KNOWN)
        rows = (*_pull_requests(record.get(PULL_REQUESTS), self.unknown), *self._review_times(record))
        self.figures.add((section, (str(number), *key), values, bad) for section, key, values, bad in rows)

    def check(self) -> None:
        """Raises `Invalid` if two records of a repository differ, or if there are too many."""
        if self.figures.fault:
            raise self.figures.fault

    def rows(self) -> Iterator[Row]:
        """The rows of the tables."""
        names = unique(self.names)
        for row in (Repository, RepositoryTimes, CommentType, Reviewed, ReviewTime):
            labels = [name for name in row.model_fields if name != "figures"]
            for key, numbers in self.figures.sections.get(SECTION_OF[row], {}).items():
                if row is RepositoryTimes and not MEDIANS.keys() & numbers.keys():
                    continue  # nothing was merged
                values = dict(zip(labels, (names[key[0]], *key[1:]), strict=True))
                yield row.model_construct({*labels, "figures"}, **values, figures=numbers)

    def _review_times(self, record: Mapping[str, Any]) -> Iterator[SectionRow]:
        listed = record.get(REVIEW_TIMES)
        for item in listed if isinstance(listed, list) else [] if listed is None else [listed]:
            who = [item.get(key) for key in ("authored_by", "reviewed_by")] if isinstance(item, dict) else []
            if len(who) != 2 or not all(isinstance(name, str) and name for name in who):
                yield REVIEW_TIMES, (), {}, 1
                continue
            yield from _times(tuple(map(label_text, who)), item, self.unknown)


SECTION_OF: Mapping[type[Figures], str] = {
    Repository: PULL_REQUESTS,
    RepositoryTimes: PULL_REQUESTS,
    CommentType: COMMENT_TYPES,
    Reviewed: REVIEW_TIMES,
    ReviewTime: "phases",
}


def _pull_requests(item: object, unknown: UnknownFields) -> Iterator[SectionRow]:
    if isinstance(item, dict):
        yield from section_rows(PULL_REQUESTS, item, unknown)
    elif item is not None:
        yield PULL_REQUESTS, (), {}, 1


def _times(who: Labels, item: dict[str, Any], unknown: UnknownFields) -> Iterator[SectionRow]:
    merged, unusable = figures(item, REVIEWED, unknown, ("authored_by", "reviewed_by", *MINUTES.values()), REVIEW_TIMES)
    yield REVIEW_TIMES, who, merged, unusable
    for phase in PHASES:
        given = {statistic: item.get(MINUTES[statistic, phase]) for statistic in TIMES}
        yield "phases", (*who, phase), *seconds_of(given)


def seconds_of(minutes: Mapping[str, object]) -> tuple[dict[str, float], int]:
    """Minutes as seconds, and how many values are none."""
    numbers = {name: value * 60 for name, value in minutes.items() if is_number(value)}
    return numbers, sum(value is not None for value in minutes.values()) - len(numbers)


def _name_of(record: Mapping[str, Any]) -> str:
    """A repository's name with its owner's: an enterprise's organizations may have repositories of one name."""
    parts = [record.get(part) for part in ("repo_owner_name", "repo_name")]
    return label_text("/".join(part for part in parts if isinstance(part, str) and part))
