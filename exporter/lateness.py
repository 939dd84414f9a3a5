"""From which age on data are late although their runs succeed; alerts and status page use the same numbers."""

from typing import NamedTuple

STATUS_PAGE = "https://www.githubstatus.com"


class Late(NamedTuple):
    """The age in seconds from which on a collector's data are late, what to do about it, and the alert's name."""

    after: float
    fix: str
    alert: str = "GithubDailyDataLate"
