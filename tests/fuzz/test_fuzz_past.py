"""Answers of GitHub about its past, up to the points that `backfill` saves: figures, or a `GitHubError`."""

import asyncio
import math
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS
from exporter.errors import GitHubError
from exporter.fetching import Ask
from exporter.history.samples import Samples, families_of
from exporter.history.spans import Mark
from exporter.history.spool import Spool
from exporter.instants import DAY
from exporter.past import Part, Past, PastAnswer
from exporter.privacy import Naming
from tests.support.any_answers import Answers, any_answers, name_of, responds
from tests.support.fuzzing import check_words, examples
from tests.support.jobs import NOW, client, job_of

START = int(NOW) // DAY * DAY - 3 * DAY
PASTS = [collector for collector in COLLECTORS if collector.past and collector.name != "usage_reports"]
"""Those of usage reports wait for exports; their files are read as others are."""


def answer(collector: Collector, past: Past, answers: Answers) -> PastAnswer | None:
    """What a day of the past shows; None if it cannot be read."""
    job, respond = job_of(collector), responds(answers)
    request = Ask(job.target.name, job.subject, job.settings.options, START, START + DAY)

    async def fetch() -> PastAnswer | None:
        github = client(respond, respond)
        try:
            parts = await past.list_parts(github, request) if past.list_parts else (Part(START, START + DAY),)
            return await past.fetch(github, request, parts[0]) if parts else None
        except GitHubError as error:
            check_words(error, "golden", "sig=")
            return None
        finally:
            await github.aclose()

    return asyncio.run(fetch())


@pytest.mark.parametrize("collector", PASTS, ids=name_of)
@examples(5)
@given(data=st.data())
def test_fuzz_any_answer_about_the_past(collector: Collector, data: st.DataObject) -> None:
    assert collector.past
    shown = answer(collector, collector.past, data.draw(any_answers(collector)))
    if shown is None:
        return
    job = job_of(collector)
    numbers = {family.name: number for number, family in enumerate(families_of([job]))}
    samples = Samples(job, numbers, Naming(), (), 500)
    try:
        gauges = list(samples.gauges(shown))
    except GitHubError as error:
        check_words(error)
        return
    assert all(math.isfinite(point.value) for point in gauges)
    marks = {one.thing: [Mark(one.at, "figures")] for one in shown.shown}
    with TemporaryDirectory() as folder, closing(Spool(Path(folder) / "unfinished.db")) as spool:
        spool.add_parts("job", [Part(START, START + DAY)])
        increments = samples.increments(shown)
        spool.keep("x", "job", 0, state="done", marks=marks, gauges=gauges, increments=increments)
        assert [point for _, point in spool.gauges("x", -(2**62), 2**62)] or not gauges
