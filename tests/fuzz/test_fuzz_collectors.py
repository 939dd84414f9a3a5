"""Answers of GitHub to every collector, through client, rows, counting, rendering and the state.

Whatever GitHub answers: no exception but a `GitHubError`, a text that Prometheus' parsers read, each series once, no
value that is no number, and no counter that falls.
"""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS
from exporter.counting.counters import release
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job
from exporter.state.snapshot_json import dump, in_pieces, load
from tests.support.any_answers import Answers, any_answers, bodies, name_of, responds, tree_of
from tests.support.attempts import conclusion_of
from tests.support.fuzzing import examples
from tests.support.jobs import NOW, client, exposition, job_of, samples

STATUSES = [200] * 20 + [202, 204, 304, 400, 403, 404, 410, 422, 429, 500, 502]
SLOW = ("usage_reports",)
"""Collectors that start a process for each answer."""


def ticked(job: Job, before: Snapshot, answers: Answers, status: int, now: float) -> Snapshot:
    """The snapshot after one run; it can be saved and shown, and its error is a line without a secret."""

    respond = responds(answers, status)
    github = client(respond, respond, now=now)
    conclusion = conclusion_of(job, github, before, data_time=before.data_time, now=now)
    if conclusion.error:
        text = f"{conclusion.error} {conclusion.error.hint}"
        assert "\n" not in str(conclusion.error)
        assert "golden" not in text
        assert "sig=" not in text
    snapshot = conclusion.snapshot
    assert load(json.loads("".join(in_pieces(dump(snapshot))))).gauges.keys() == snapshot.gauges.keys()
    return snapshot


def shown(job: Job, snapshot: Snapshot, now: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The series that a scrape gets, each once, each a number; those of both formats are the same."""
    found = samples(parse_text(exposition(job, snapshot, "text", now=now)))
    assert samples(parse_openmetrics(exposition(job, snapshot, "openmetrics", now=now))) == found
    assert all(map(math.isfinite, found.values()))
    return found


def check(collector: Collector, runs: list[tuple[Answers, int]]) -> None:
    """Runs one after another, an hour apart; the counters are released after each, as scrapes do."""
    job, snapshot, counters = job_of(collector), Snapshot(), dict[Any, float]()
    for number, (answers, status) in enumerate(runs):
        now = NOW + 3600 * number
        snapshot = ticked(job, snapshot, answers, status, now)
        if (table := collector.counting) and snapshot.counting:
            upto = (snapshot.version,) * len(table.counters)
            snapshot = replace(snapshot, counting=release(snapshot.counting, upto))
        found = {series: value for series, value in shown(job, snapshot, now).items() if series[0].endswith("_total")}
        assert all(value >= counters.get(series, 0.0) for series, value in found.items()), "a counter has fallen"
        counters = found


def runs_of(collector: Collector) -> st.SearchStrategy[list[tuple[Answers, int]]]:
    good = st.just((bodies(tree_of(collector)), 200))
    return st.lists(
        st.one_of(st.tuples(any_answers(collector), st.sampled_from(STATUSES)), good), min_size=1, max_size=3
    )


@pytest.mark.parametrize("collector", [one for one in COLLECTORS if one.name not in SLOW], ids=name_of)
@examples(6)
@given(data=st.data())
def test_fuzz_any_answer(collector: Collector, data: st.DataObject) -> None:
    check(collector, data.draw(runs_of(collector)))


@pytest.mark.parametrize("collector", [one for one in COLLECTORS if one.name in SLOW], ids=name_of)
@examples(3)
@given(data=st.data())
def test_fuzz_any_answer_and_file_of_spend(collector: Collector, data: st.DataObject) -> None:
    check(collector, data.draw(runs_of(collector)))
