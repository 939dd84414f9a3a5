"""The queries in the documentation, asked of a real Prometheus that scrapes the demo."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Prometheus, get, until

ROOT = Path(__file__).parent.parent
QUERIES = [
    pytest.param(query.strip(), id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, query in enumerate(re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL), start=1)
]
ROUTE = "github_api_insights_route_requests_total"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus beside the demo, once every organization's counters have moved at every level."""
    folder = tmp_path_factory.mktemp("docs")
    output = folder / "demo.log"
    with output.open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log
        )
    try:
        found = until(lambda: re.search(r"http://localhost:(\d+)/metrics", output.read_text()), "the demo listens")
        with Prometheus(folder / "prometheus", f"127.0.0.1:{found[1]}") as prometheus:
            until(lambda: _moves(f"http://127.0.0.1:{found[1]}/metrics"), "counters move at every level", 60, every=1)
            seen = time.monotonic() + 15
            until(lambda: time.monotonic() > seen, "a few more scrapes")
            yield prometheus
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(15) == 0


def _moves(url: str) -> bool:
    body = get(url)[1]
    return all(
        re.search(
            rf'^github_api_insights_{family}requests_total\{{organization="{name}".*\}} [1-9]', body, re.MULTILINE
        )
        for family in ("", "subject_", "user_actor_", "route_")
        for name in ("acme", "globex")
    )


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_documentation_answers(query: str, demo: Prometheus) -> None:
    result = demo.query(query)
    if "> 0" not in query:  # nobody may be throttled just now
        assert result
    assert all(float(one["value"][1]) == float(one["value"][1]) for one in result), "no value is NaN"


def test_one_query_names_the_runaway_bot_its_actor_and_its_route(demo: Prometheus) -> None:
    text = (ROOT / "docs" / "api-insights.md").read_text()
    query = next(one for one in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) if ROUTE in one)
    (culprit,) = (one["metric"] for one in demo.query(query) if one["metric"]["organization"] == "acme")
    assert culprit["actor_name"] == "Inventory Sync"
    assert culprit["actor_type"] == "installation"
    assert (culprit["http_method"], culprit["api_route"]) == ("GET", "/organizations/:organization_id/repos")


def test_what_is_drilled_adds_up_to_no_more_than_the_total(demo: Prometheus) -> None:
    """The last scrape's counters: routes of an actor are the actor's requests, subjects are the organization's."""
    actor = 'actor_type="installation"'
    routes = {
        (one["metric"]["organization"], one["metric"]["actor_id"]): float(one["value"][1])
        for one in demo.query(f"sum by (organization, actor_id) ({ROUTE}{{{actor}}})")
    }
    (bot,) = demo.query('github_api_insights_actor_info{organization="acme",actor_name="Inventory Sync"}')
    (watched,) = demo.query(f'github_api_insights_actor_requests_total{{organization="acme",{actor}}}')
    assert watched["metric"]["actor_id"] == bot["metric"]["actor_id"]
    assert routes["acme", bot["metric"]["actor_id"]] > 0
    for organization in ("acme", "globex", "initech"):
        (total,) = demo.query(f'github_api_insights_requests_total{{organization="{organization}"}}')
        ((subjects),) = demo.query(f'sum(github_api_insights_subject_requests_total{{organization="{organization}"}})')
        (drilled,) = demo.query(f'sum({ROUTE}{{organization="{organization}"}})')
        # They are read some seconds apart.
        assert float(subjects["value"][1]) == pytest.approx(float(total["value"][1]), rel=0.5, abs=200)
        assert float(drilled["value"][1]) <= 1.5 * float(total["value"][1]) + 200
