"""Declarations check themselves, so that a mistake cannot reach a scrape."""

from collections.abc import Callable
from typing import get_args

import pytest

from exporter.catalogue import Collector, Scope
from exporter.collectors import COLLECTORS
from exporter.fetching import Fetched
from exporter.options import CollectorOptions
from exporter.tables import Amount, Row, Table, counter, gauge, info


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


def collector(*tables: Table, options: type = CollectorOptions, top: str = "") -> Collector:
    return Collector(
        "things", "organization", "/things", "https://docs.github.com", "Late.", fetch, tables, options=options, top=top
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
        (lambda: table(shared=True), "belongs to one job"),
        (lambda: table(dated="seen"), "has no field 'seen'"),
        (lambda: table(dated="requests"), "cannot count, be shared or summed"),
        (lambda: table(stays=60.0), "`stays` counts from the instant"),
        (lambda: table(labels=("thing_id", "requests"), display=("thing_id",), other=("", "")), "stand behind"),
        (lambda: collector(table(families=()), top="top_things"), "no option 'top_things'"),
    ],
)
def test_a_wrong_declaration_fails_and_names_the_metric(declare: Callable[[], object], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        declare()


def test_a_label_must_not_shadow_the_targets() -> None:
    class Shadow(Row):
        organization: str
        requests: Amount

    shadow = Table(row=Shadow, labels=("organization",), families=(gauge("github_things", "requests", "Things."),))
    with pytest.raises(TypeError, match="'organization' is that of the target"):
        collector(shadow)


def test_no_two_tables_share_a_family() -> None:
    tables = {id(declared): declared for one in COLLECTORS for declared in one.tables}
    names = [family.name for declared in tables.values() for family in declared.families]
    assert len(set(names)) == len(names)


def test_only_rows_that_tell_of_the_target_are_filled_by_several_collectors_of_a_target() -> None:
    for scope in get_args(Scope):
        declared = [table for one in COLLECTORS if one.scope == scope for table in one.tables]
        assert all(table.shared for table in declared if declared.count(table) > 1)


def test_collectors_of_one_name_differ_in_whom_they_ask_about_and_share_their_settings() -> None:
    assert len({(one.name, one.scope, one.subject) for one in COLLECTORS}) == len(COLLECTORS)
    settings = {(one.name, one.interval, one.max_age, one.enabled) for one in COLLECTORS}
    assert len(settings) == len({one.name for one in COLLECTORS})


def test_every_collector_names_the_permission_that_it_needs() -> None:
    assert all(one.needs for one in COLLECTORS)


def test_help_says_where_a_value_comes_from_and_that_it_is_cached() -> None:
    for one in COLLECTORS:
        for declared in one.tables:
            for family in declared.families:
                text = one.help(declared, family)
                assert (declared.endpoints or one.endpoint) in text
                assert "cached" in text
