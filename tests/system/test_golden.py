"""One collector, stored answers, one `/metrics` text: through the real client, counting and rendering.

`exporter/simulator/answers/NAME.json` is what GitHub answers to that endpoint (or to several, by path),
`tests/golden/NAME.prom` and `.om` what a scrape then gets. A counter begins at 0, so at first GitHub has nothing to
tell; the golden text shows what it then added.
"""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.text import Format
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.jobs import TESTS, exposition, job_of, samples, snapshot_of

SUFFIX: dict[Format, str] = {"text": "prom", "openmetrics": "om"}


def named(collector: Collector) -> str:
    """The golden file of a collector; those that share a name differ in whom they ask about."""
    alike = [one for one in COLLECTORS if one.name == collector.name]
    if len({one.scope for one in alike}) > 1:
        return f"{collector.name}.{collector.scope}"
    whose = {("user_id",): ".user", ("actor_type", "actor_id"): ".actor"}.get(collector.subject, "")
    return collector.name + (whose if len(alike) > 1 else "")


def expected(job: Job, snapshot: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What the snapshot holds, written down without the renderer."""
    found = {}
    for table in job.collector.tables:
        names = job.collector.labels(table)
        for family in table.gauges:
            prefix = (job.target.name,) if table.shared else job.prefix
            for labels, value in snapshot.gauges.get(family.name, ()):
                pairs = zip(names, (*prefix, *labels), strict=True)
                found[family.name, tuple(sorted(pairs))] = value
        if table.counters and snapshot.counting:
            for labels, numbers in snapshot.counting.series():
                for family, value in zip(table.counters, numbers, strict=True):
                    pairs = zip(names, (*job.prefix, *labels), strict=True)
                    found[family.name, tuple(sorted(pairs))] = float(value)
    return found


@pytest.mark.parametrize("form", ["text", "openmetrics"])
@pytest.mark.parametrize("collector", COLLECTORS, ids=named)
def test_golden(collector: Collector, form: Format, request: pytest.FixtureRequest) -> None:
    """The text equals the golden one, gzip or not, and Prometheus' own parser reads the snapshot's values from it."""
    job = job_of(collector)
    snapshot = snapshot_of(job)
    text = exposition(job, snapshot, form)
    golden = TESTS / "golden" / f"{named(collector)}.{SUFFIX[form]}"
    if request.config.getoption("--golden-update"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert exposition(job, snapshot, form, compressed=True) == text
    parse = parse_openmetrics if form == "openmetrics" else parse_text
    assert samples(parse(text)) == expected(job, snapshot)


def test_every_collector_file_is_registered_and_every_stored_answer_belongs_to_one() -> None:
    places = (TESTS.parent / "exporter" / "collectors").iterdir()
    modules = {path.stem for path in places} - {"__init__", "__pycache__", "reading"}
    names = {collector.name for collector in COLLECTORS}
    assert names == modules
    assert {path.stem for path in ANSWERS.glob("*.json")} == names
