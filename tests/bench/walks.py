"""Requests of a day's runs with short walks, as a share of what whole walks send, by subjects and activity."""

from collections.abc import Sequence

from tests.support.listing import day

SUBJECTS = (1_000, 10_000)
ACTIVE = (0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.5)


def table(subjects: Sequence[int] = SUBJECTS, active: Sequence[float] = ACTIVE) -> str:
    """A line for each number of subjects; the columns are the shares of them that are active between two runs."""
    lines = ["requests with short walks / whole walks, by the share of subjects that are active in half an hour:"]
    lines.append(f"{'subjects':>10}" + "".join(f"{share:>8.0%}" for share in active))
    for count in subjects:
        ratios = (requests / whole for requests, whole in (day(count, share) for share in active))
        lines.append(f"{count:>10,}" + "".join(f"{ratio:>8.3f}" for ratio in ratios))
    return "\n".join(lines)
