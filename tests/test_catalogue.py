"""Declarations check themselves, so that a mistake cannot reach a scrape."""

from collections.abc import Callable

import pytest

from exporter.catalogue import Amount, Collector, Fetched, NoOptions, Row, Table, counter, gauge, info
from exporter.collectors import COLLECTORS


class Thing(Row):
    """A row."""

    thing_id: int
    requests: Amount


def table(**change: object) -> Table:
    parts: dict[str, object] = {
        "row": Thing,
        "labels": ("thing_id",),
        "other": ("",),
        "families": (counter("github_things_total", "requests", "Things."),),
    }
    return Table(**{**parts, **change})  # type: ignore[arg-type] # a wrong declaration is what is tried


async def fetch(*_: object) -> Fetched:
    return Fetched(())


def collector(*tables: Table, options: type = NoOptions) -> Collector:
    return Collector(
        "things", "organization", "/things", "https://docs.github.com", "Late.", fetch, tables, options=options
    )


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: counter("github_things", "requests", "Things."), "ends in _total"),
        (lambda: gauge("github_things_total", "requests", "Things."), "does not end in"),
        (lambda: gauge("github_things_count", "requests", "Things."), "does not end in"),
        (lambda: gauge("github_things_bucket", "requests", "Things."), "does not end in"),
        (lambda: gauge("github_things", "requests", " "), "help text is empty"),
        (lambda: gauge("github_camelCase", "requests", "Things."), "snake_case"),
        (lambda: gauge("things_of_mine", "requests", "Things."), "snake_case"),
        (lambda: info("github_things", "Things."), "ends in _info"),
        (lambda: table(families=(counter("github_things_total", "request", "Things."),)), "has no field 'request'"),
        (lambda: table(labels=("thing",)), "has no field 'thing'"),
        (lambda: table(last_seen="seen"), "has no field 'seen'"),
        (lambda: table(other=None), "needs `other`"),
        (lambda: table(display=("requests",)), "display names no label"),
        (lambda: collector(table()), "needs the option max_series"),
        (lambda: collector(table(labels=(), other=None), table(labels=(), other=None)), "at most one table counts"),
    ],
)
def test_a_wrong_declaration_fails_and_names_the_metric(declare: Callable[[], object], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        declare()


def test_a_label_must_not_shadow_the_targets() -> None:
    class Shadow(Row):
        organization: str
        requests: Amount

    with pytest.raises(TypeError, match="reserved"):
        Table(row=Shadow, labels=("organization",), families=(gauge("github_things", "requests", "Things."),))


def test_no_two_collectors_share_a_family_or_a_name() -> None:
    names = [family.name for one in COLLECTORS for declared in one.tables for family in declared.families]
    assert len(set(names)) == len(names)
    assert len({one.name for one in COLLECTORS}) == len(COLLECTORS)


def test_help_says_where_a_value_comes_from_and_that_it_is_cached() -> None:
    for one in COLLECTORS:
        for declared in one.tables:
            for family in declared.families:
                text = one.help(declared, family)
                assert one.endpoint in text
                assert "cached" in text
