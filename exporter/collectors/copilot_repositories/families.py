"""The metrics of pull requests by repository, by scope. Pure data.

A metric has the name of GitHub's field; minutes become seconds.
"""

from collections.abc import Mapping, Sequence

from exporter.collectors.copilot_usage.sections import PULLS, REVIEW
from exporter.tables import Family, Figures, Table, gauge

TOTALS = {field: text for field, text in PULLS.items() if field.startswith("total_")}
MEDIANS = {field: text for field, text in PULLS.items() if field not in TOTALS}
MERGED = {"total_merged": "Pull requests merged on the day of which the times to review are, by author and reviewer."}
TIMES = {
    "median": "Median time of a phase of review, of pull requests merged on the day, by author and reviewer.",
    "p90": "Time of a phase of review that nine of ten pull requests merged on the day did not exceed.",
}
PHASES = ("ready_to_first_review", "first_to_final_review", "final_review_to_merge")


class Repository(Figures):
    """A repository's pull requests of the day."""

    repository: str


class RepositoryTimes(Figures):
    """The times to merge of a repository's pull requests."""

    repository: str


class CommentType(Figures):
    """A repository's review suggestions of a type."""

    repository: str
    comment_type: str


class Reviewed(Figures):
    """A repository's merged pull requests of which the times to review are."""

    repository: str
    authored_by: str
    reviewed_by: str


class ReviewTime(Figures):
    """The time of a phase of review."""

    repository: str
    authored_by: str
    reviewed_by: str
    phase: str


ORGANIZATION: Mapping[type[Figures], Sequence[str]] = {
    Repository: (
        "github_copilot_organization_repository_pull_requests_total_created",
        "github_copilot_organization_repository_pull_requests_total_reviewed",
        "github_copilot_organization_repository_pull_requests_total_merged",
        "github_copilot_organization_repository_pull_requests_total_suggestions",
        "github_copilot_organization_repository_pull_requests_total_applied_suggestions",
        "github_copilot_organization_repository_pull_requests_total_created_by_copilot",
        "github_copilot_organization_repository_pull_requests_total_reviewed_by_copilot",
        "github_copilot_organization_repository_pull_requests_total_merged_created_by_copilot",
        "github_copilot_organization_repository_pull_requests_total_merged_reviewed_by_copilot",
        "github_copilot_organization_repository_pull_requests_total_copilot_suggestions",
        "github_copilot_organization_repository_pull_requests_total_copilot_applied_suggestions",
    ),
    RepositoryTimes: (
        "github_copilot_organization_repository_pull_requests_median_seconds_to_merge",
        "github_copilot_organization_repository_pull_requests_median_seconds_to_merge_copilot_authored",
        "github_copilot_organization_repository_pull_requests_median_seconds_to_merge_copilot_reviewed",
    ),
    CommentType: (
        "github_copilot_organization_repository_pull_requests_comment_type_total_copilot_suggestions",
        "github_copilot_organization_repository_pull_requests_comment_type_total_copilot_applied_suggestions",
    ),
    Reviewed: ("github_copilot_organization_repository_review_time_total_merged",),
    ReviewTime: (
        "github_copilot_organization_repository_review_time_median_seconds",
        "github_copilot_organization_repository_review_time_p90_seconds",
    ),
}
ENTERPRISE: Mapping[type[Figures], Sequence[str]] = {
    Repository: (
        "github_copilot_enterprise_repository_pull_requests_total_created",
        "github_copilot_enterprise_repository_pull_requests_total_reviewed",
        "github_copilot_enterprise_repository_pull_requests_total_merged",
        "github_copilot_enterprise_repository_pull_requests_total_suggestions",
        "github_copilot_enterprise_repository_pull_requests_total_applied_suggestions",
        "github_copilot_enterprise_repository_pull_requests_total_created_by_copilot",
        "github_copilot_enterprise_repository_pull_requests_total_reviewed_by_copilot",
        "github_copilot_enterprise_repository_pull_requests_total_merged_created_by_copilot",
        "github_copilot_enterprise_repository_pull_requests_total_merged_reviewed_by_copilot",
        "github_copilot_enterprise_repository_pull_requests_total_copilot_suggestions",
        "github_copilot_enterprise_repository_pull_requests_total_copilot_applied_suggestions",
    ),
    RepositoryTimes: (
        "github_copilot_enterprise_repository_pull_requests_median_seconds_to_merge",
        "github_copilot_enterprise_repository_pull_requests_median_seconds_to_merge_copilot_authored",
        "github_copilot_enterprise_repository_pull_requests_median_seconds_to_merge_copilot_reviewed",
    ),
    CommentType: (
        "github_copilot_enterprise_repository_pull_requests_comment_type_total_copilot_suggestions",
        "github_copilot_enterprise_repository_pull_requests_comment_type_total_copilot_applied_suggestions",
    ),
    Reviewed: ("github_copilot_enterprise_repository_review_time_total_merged",),
    ReviewTime: (
        "github_copilot_enterprise_repository_review_time_median_seconds",
        "github_copilot_enterprise_repository_review_time_p90_seconds",
    ),
}
_HELP: Mapping[type[Figures], Mapping[str, str]] = {
    Repository: TOTALS,
    RepositoryTimes: MEDIANS,
    CommentType: {field: f"{text}." for field, text in REVIEW.items()},
    Reviewed: MERGED,
    ReviewTime: TIMES,
}
_CAN_BE_ADDED = (Repository, CommentType, Reviewed)
"""Rows beyond `max_series` are summed as `other`; medians cannot be."""


def _tables(names: Mapping[type[Figures], Sequence[str]]) -> tuple[Table, ...]:
    return tuple(_table(row, names[row], help_texts) for row, help_texts in _HELP.items())


def _table(row: type[Figures], names: Sequence[str], help_texts: Mapping[str, str]) -> Table:
    labels = tuple(field for field in row.model_fields if field != "figures")
    families = tuple(_gauge(name, field, help_texts[field]) for name, field in zip(names, help_texts, strict=True))
    source = "pull_requests" if row in (Repository, RepositoryTimes, CommentType) else "pull_request_review_times"
    return Table(
        row,
        families,
        labels,
        other=("other",) * len(labels) if row in _CAN_BE_ADDED else None,
        computed_from=source,
    )


def _gauge(name: str, field: str, text: str) -> Family:
    if not name.removesuffix("_seconds").endswith("_" + field.replace("minutes", "seconds")):
        raise TypeError(f"{name} does not end in GitHub's field {field}")
    return gauge(name, field, text)


TABLES_OF_ORGANIZATION, TABLES_OF_ENTERPRISE = _tables(ORGANIZATION), _tables(ENTERPRISE)
REVIEWED = TABLES_OF_ORGANIZATION[3]
