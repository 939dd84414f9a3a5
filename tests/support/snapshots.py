"""A snapshot with every field set."""

from exporter.counting.keys import Count, Counting, Key
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Outcome, Snapshot
from tests.support.jobs import NOW

KEY = Key(("user", "1", "ada"), (Count(1, 2, 3, 4, 5), Count(0, 0, 0, 0, 0)), NOW, True, (None, None), 2)
COUNTING = Counting(1, 2, 3, True, {("user", "1"): KEY}, (7, 8), (None, None))
SNAPSHOT = Snapshot(
    gauges={"github_x_seconds": column([(("a", "b"), 1.5), (("c", "d"), float(2**60))])},
    counting=COUNTING,
    outcome=Outcome(NOW, 0.25, "unavailable", "unavailable", "GitHub answered 502", "wait"),
    last_success=NOW - 60,
    data_time=NOW - 61,
    next_run=NOW + 60,
    failures=3,
    left_out=4,
    requests=5,
    sums=(6, 7),
    unknown=("daily_active_robots", "totals_by_robot"),
)
