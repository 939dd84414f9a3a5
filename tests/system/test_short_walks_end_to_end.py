"""Short walks by the real process: what it asks, what it counts, what it saves, also over a restart."""

import re
import time
from collections.abc import Mapping
from pathlib import Path

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import INSIGHTS, Exporter, SimClock, config_for, simulated, until

SUCCESS = 'github_exporter_collector_success{collector="subject_stats",target="organization/acme"}'
SAVED = 'github_exporter_requests_saved_total{pool="github"}'
PATIENCE = 90.0


def counters(exporter: Exporter) -> Mapping[int, int]:
    found = re.findall(
        r'^github_api_insights_subject_requests_total{.*subject_id="(\d+)".*} (\d+)$', exporter.metrics(), re.MULTILINE
    )
    return {int(number): int(value) for number, value in found}


def test_only_pages_with_news_are_asked_for_and_every_request_is_counted(tmp_path: Path) -> None:
    clock = SimClock(time.time() // HOUR * HOUR + 600)  # no hour ends during the test
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    github = SimulatedGitHub(World.of([Event("acme", "user", one, int(clock()) - one) for one in range(1, 451)]), clock)
    truth = dict.fromkeys(range(1, 451), 0)

    def requests(*numbers: int) -> None:
        github.world.add(*(Event("acme", "user", one, int(clock()), requests=one) for one in numbers))
        for one in numbers:
            truth[one] = truth.get(one, 0) + one

    def lists() -> list[str]:
        """The pages of lists that were asked for, in the order of names (whole walks) or by the newest requests."""
        return [record.query["sort"] for record in github.log if record.path.endswith("subject-stats")]

    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        for collector in INSIGHTS:
            config["collectors"][collector.name]["enabled"] = collector.name in ("summary_stats", "subject_stats")
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: exporter.value(SUCCESS) == 1, "the list was read whole", PATIENCE)
            assert lists() == ["subject_name"] * 5
            requests(3, 400, 451)
            until(lambda: counters(exporter) == truth, "the news are counted", PATIENCE)
            assert set(lists()[5:]) == {"last_request_timestamp"}
            until(lambda: (exporter.value(SAVED) or 0) > 0, "what was saved is counted", PATIENCE)
            exporter.kill()
            requests(5)
            exporter.start()
            until(lambda: counters(exporter) == truth, "those of the absence, too", PATIENCE)
            assert set(lists()[5:]) == {"last_request_timestamp"}, "no list is read whole after a restart"
