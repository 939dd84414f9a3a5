"""How new data are: never newer than GitHub's clock."""

import time
from pathlib import Path

from exporter.collectors.server_statistics.families import Collected
from exporter.collectors.server_statistics.newest import NewestRecords
from exporter.collectors.server_statistics.pages import Pages
from exporter.collectors.usage_reports import known_until
from exporter.collectors.usage_reports.ledger import Ledger
from exporter.collectors.usage_reports.tables import rows_of
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z


def test_with_intervals_of_an_hour_the_newest_data_are_not_of_the_future(tmp_path: Path) -> None:
    clock = SimClock(time.time() // 3600 * 3600 + 600)  # it stands at ten minutes past
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - 60, requests=9)]), clock)
    (tmp_path / "token").write_text("canary")
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        config["collectors"]["time_stats"]["increment"] = "1h"
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            series = 'github_api_insights_newest_data_timestamp_seconds{organization="acme"}'
            newest = until(lambda: exporter.value(series), "the newest data")
            assert clock() - 3600 < newest <= clock() + 1  # `Date` has whole seconds


def test_a_usage_report_with_a_day_to_come_is_as_new_as_today() -> None:
    month = {"newest": "2026-11-30", "rows": 1, "rejected": 0, "created": NOW - 60, "sums": {}}
    ledger = Ledger(figures={" 2026-11": month})
    assert known_until(ledger, NOW) == NOW
    (row,) = rows_of(ledger, (), NOW)
    assert row.value("newest") == NOW // 86_400 * 86_400
    assert known_until(Ledger(), NOW) is None


def test_an_appliance_whose_clock_is_ahead_is_as_new_as_now() -> None:
    ahead, read = "2026-11-21T13:00:00Z", '[{"server_id": "a", "collection_date": "%s"}]'
    newest = NewestRecords()
    pages = Pages(NOW, newest.add)
    pages.feed((read % ahead).encode())
    pages.end_page()
    fetched = newest.fetched(NOW)
    assert fetched.data_time == NOW
    assert [row.value("collection_date") for row in fetched.rows if isinstance(row, Collected)] == [NOW]
