"""The queries in the documentation, asked of a real Prometheus that scrapes the demo."""

import re
from pathlib import Path

import pytest

from tests.support.harness import Prometheus, until
from tests.support.rules import RECORDED_NAMES, catalogue

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
QUERIES = [
    pytest.param(query.strip(), id=f"{page.name}-{number}")
    for page in PAGES
    if page.parent.name != "runbooks"  # what they ask is there when something is wrong
    for number, query in enumerate(re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL), start=1)
]
NO_METRICS = {
    "github_app_user_to_server",
    "github_com_two_factor_auth",
    "github_connect",
    "github_pat_abcdef",
    "github_time",
}
"""A kind of actor, two members of GitHub's, a token's form, a function."""
ROUTE = "github_api_insights_route_requests_total"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """The page on other exporters names theirs; `github_x_` and `github_x_…` stand for all that begin so."""
    if page.name == "migrating.md":
        return
    known = catalogue() | RECORDED_NAMES | NO_METRICS
    named = set(re.findall(r"(?<![\w:/.])(github_[a-z0-9_]+?(?:_(?=…|\b)|\b(?![-./]\w)))(?!\w)", page.read_text()))
    assert {name for name in named if not any(one == name or one.startswith(name) for one in known)} == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("Github*.md")), ids=lambda page: page.stem)
def test_every_command_of_a_runbook_links_to_its_forms_in_a_container(page: Path) -> None:
    """What stands there must be the names that the deployments have."""
    commands = re.findall(r"`github-enterprise-exporter \w+[^`]*`(.{0,60})", page.read_text(), re.DOTALL)
    assert [rest for rest in commands if not rest.startswith(" ([in a container](README.md#commands-in-a-cont")] == []
    index = (page.parent / "README.md").read_text()
    assert "\n## Commands in a container\n" in index
    for form in (
        "docker exec github-exporter github-enterprise-exporter ",
        "exec github-enterprise-exporter-0 -- github-",
    ):
        assert form in index
    assert "--name github-exporter " in (ROOT / "docs" / "deploying.md").read_text()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_documentation_answers(query: str, demo: Prometheus) -> None:
    # Nobody may be throttled just now; a rise in steps of 15 s is there after two of them.
    result = demo.query(query) if "> 0" in query else until(lambda: demo.query(query), "an answer", 90, every=1)
    assert all(float(one["value"][1]) == float(one["value"][1]) for one in result), "no value is NaN"


def test_one_query_names_the_runaway_bot_its_actor_and_its_route(demo: Prometheus) -> None:
    text = (ROOT / "docs" / "api-insights.md").read_text()
    query = next(one for one in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) if ROUTE in one)
    wanted = ("Inventory Sync", "installation", "GET", "/organizations/:organization_id/repos")
    labels = ("actor_name", "actor_type", "http_method", "api_route")

    def culprits() -> list[tuple[str, ...]]:
        found = (one["metric"] for one in demo.query(query) if one["metric"]["organization"] == "acme")
        return [tuple(one[label] for label in labels) for one in found]

    # The first seconds hold a handful of requests, of which any route may have the most.
    until(lambda: culprits() == [wanted], "the bot's route leads", 60, every=1)


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
