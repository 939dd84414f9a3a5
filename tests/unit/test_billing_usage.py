"""Spend of the month: every number under its name, right to the last digit, and what rivals got wrong."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collecting.attempt import Attempt, Reading
from exporter.collecting.conclude import conclude
from exporter.collectors import billing_usage
from exporter.collectors.billing_usage import COLLECTOR, OF_ORGANIZATION, Options
from exporter.collectors.billing_usage.families import CREDITS_OF_ENTERPRISE, MEANINGS, USAGE_OF_ENTERPRISE
from exporter.collectors.billing_usage.items import Period, Sums
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.keys import Rules
from exporter.errors import GitHubError, Invalid, NotFound
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Ask, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from exporter.tables import Row, Table
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, Respond, client, exposition, job_of, samples, snapshot_of

STORED = ANSWERS / "billing_usage.json"
BOTH = pytest.mark.parametrize("collector", [COLLECTOR, OF_ORGANIZATION], ids=lambda one: one.scope)

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name and its labels, sorted, less the target."""


def item(**changes: Any) -> dict[str, Any]:
    """GitHub's example of an item, changed; None takes a field out."""
    official = json.loads(STORED.read_text())["/enterprises/acme-corp/settings/billing/usage/summary"]
    changed = official["usageItems"][0] | changes
    return {name: value for name, value in changed.items() if value is not None}


def answer(*items: Any, **others: Any) -> dict[str, Any]:
    return {"timePeriod": {"year": 2026, "month": 11}, "enterprise": "GitHub", "usageItems": list(items), **others}


def run(job: Job, respond: Respond, before: Snapshot | None = None, now: float = NOW, places: int = 500) -> Snapshot:
    """The snapshot after one attempt."""
    return conclusion_of(job, client(respond, now=now), before, now=now, places=places).snapshot


def answered(job: Job, summary: Any, credit: Any = None, **how: Any) -> Snapshot:
    """After these answers; without one of AI credits GitHub has none to tell of."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/settings/billing/usage/summary"):
            return httpx.Response(200, json=summary)
        assert request.url.path.endswith("/settings/billing/ai_credit/usage")
        return httpx.Response(200, json=credit) if credit is not None else httpx.Response(404, json={})

    return run(job, respond, **how)


def shown(job: Job, snapshot: Snapshot) -> dict[Series, float]:
    """What a scrape gets of the collector."""
    found = samples(parse_text(exposition(job, snapshot, "text")))
    names = {family.name for table in job.collector.tables for family in table.families}
    target = (job.target.kind, job.target.name)
    series = {}
    for (name, labels), value in found.items():
        if name in names:
            assert target in labels
            series[name, tuple(pair for pair in labels if pair != target)] = value
    return series


def usage(*items: Any) -> dict[Series, float]:
    """What is shown of an enterprise's summary."""
    job = job_of(COLLECTOR)
    snapshot = answered(job, answer(*items))
    assert snapshot.outcome is not None
    assert snapshot.outcome.state == "ok", snapshot.outcome.message
    return shown(job, snapshot)


def one(name: str, product: str = "Actions", sku: str = "actions_linux", unit_type: str = "minutes") -> Series:
    labels = (("product", product), ("sku", sku), ("unit_type", unit_type))
    return f"github_billing_usage_enterprise_{name}", labels


def read(whole: Any, table: Table, unknown: UnknownFields | None = None) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer of this month, and how many of its values and items cannot be used."""
    sums = Sums(table, UnknownFields() if unknown is None else unknown)
    sums.add(whole, Period.month_of(NOW))
    return tuple(sums.rows()), sums.rejected


def rejected(*items: Any, **others: Any) -> int:
    return read(answer(*items, **others), USAGE_OF_ENTERPRISE)[1]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All scalars of a payload, by the names on the way to them."""
    for name, below in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(below, dict | list):
            yield from leaves(below, (*path, str(name)))
        else:
            yield (*path, str(name)), below


# Every number.


@BOTH
def test_every_number_of_the_official_examples_is_one_series_and_no_series_is_more(collector: Collector) -> None:
    """Less the price (rows of several prices are one sum; it is the gross amount by its quantity) and the period."""
    scope = collector.scope
    path = {"enterprise": "/enterprises/acme-corp", "organization": "/organizations/acme"}[scope]
    words = {"Quantity": "_quantity", "Amount": "_amount_usd"}
    wanted, left_out = {}, set()
    for part, kind in {"usage/summary": "usage", "ai_credit/usage": "ai_credit"}.items():
        payload = json.loads(STORED.read_text())[f"{path}/settings/billing/{part}"]
        (example,) = payload["usageItems"]
        texts = {field.replace("unitType", "unit_type"): text for field, text in example.items() if type(text) is str}
        for (*_, field), value in leaves(payload):
            if type(value) is str:
                continue
            word = next((word for word in words if field.endswith(word)), "")
            if not word:
                left_out.add(field)
                continue
            name = f"github_billing_{kind}_{scope}_{field.removesuffix(word)}{words[word]}"
            wanted[name, tuple(sorted(texts.items()))] = float(value)
    assert len(wanted) == 12
    assert left_out == {"pricePerUnit", "year"}
    job = job_of(collector)
    snapshot = snapshot_of(job)
    assert shown(job, snapshot) == wanted
    assert snapshot.data_time == NOW
    assert {name for name, _ in wanted} == {f.name for table in collector.tables for f in table.families}


@BOTH
def test_what_is_declared(collector: Collector) -> None:
    assert (collector.interval, collector.max_age) == (7200.0, 86400.0)
    assert collector.calls.requests(object()) == 2  # type: ignore[arg-type] # nothing of it is listed, so no size is read
    assert collector.runs("enterprise", Options()) == (collector is COLLECTOR)
    assert not collector.runs("organization", Options())
    assert collector.runs("organization", Options(organizations=True)) == (collector is OF_ORGANIZATION)
    for table in collector.tables:
        for family in table.families:
            text = collector.help(table, family)
            assert "Month to date (UTC)" in text
            assert ("/ai_credit/usage, " if "ai_credit" in family.name else "/usage/summary, ") + family.field in text


@BOTH
def test_a_month_without_usage_is_a_success_with_nothing_to_show(collector: Collector) -> None:
    job = job_of(collector)
    snapshot = answered(job, answer(), answer())
    assert snapshot.outcome is not None
    assert snapshot.outcome.state == "ok"
    assert shown(job, snapshot) == {}


# What rivals got wrong.


def test_spend_that_a_discount_covers_is_no_zero() -> None:
    covered = item(grossQuantity=500, grossAmount=4, discountQuantity=500, discountAmount=4, netQuantity=0, netAmount=0)
    assert usage(covered) == {
        one("gross_amount_usd"): 4,
        one("discount_amount_usd"): 4,
        one("net_amount_usd"): 0,
        one("gross_quantity"): 500,
        one("discount_quantity"): 500,
        one("net_quantity"): 0,
    }


def test_only_net_read_leaves_gross_absent_and_not_zero() -> None:
    found = usage(item(grossAmount=None, discountAmount=None))
    assert one("net_amount_usd") in found
    assert not {one("gross_amount_usd"), one("discount_amount_usd")} & found.keys()


@BOTH
def test_a_value_that_falls_is_a_gauge_that_falls(collector: Collector) -> None:
    assert {family.kind for table in collector.tables for family in table.families} == {"gauge"}
    assert not [f.name for table in collector.tables for f in table.families if f.name.endswith("_total")]
    job = job_of(collector)
    first = answered(job, answer(item(netAmount=8)))
    after = answered(job, answer(item(netAmount=-2.5)), before=first)
    name = f"github_billing_usage_{collector.scope}_net_amount_usd"
    for snapshot, value in ((first, 8), (after, -2.5)):
        assert [found for (series, _), found in shown(job, snapshot).items() if series == name] == [value]
        assert f"# TYPE {name} gauge" in exposition(job, snapshot, "text")


@BOTH
@pytest.mark.parametrize(
    ("at", "year", "month"),
    [
        ("2026-11-21T12:00:00Z", "2026", "11"),
        ("2026-12-31T23:59:59Z", "2026", "12"),
        ("2027-01-01T00:00:00Z", "2027", "1"),
        ("2028-02-29T23:59:59Z", "2028", "2"),
    ],
)
def test_the_month_is_always_sent_and_it_is_that_of_utc(collector: Collector, at: str, year: str, month: str) -> None:
    asked = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, dict(request.url.params)))
        period = {"year": int(year), "month": int(month)}
        return httpx.Response(200, json={"timePeriod": period, "usageItems": []})

    now = datetime.fromisoformat(at).timestamp()
    snapshot = run(job_of(collector), respond, now=now)
    root = {"enterprise": "/enterprises/acme-corp", "organization": "/organizations/acme"}[collector.scope]
    assert asked == [
        (f"{root}/settings/billing/{part}", {"year": year, "month": month})
        for part in ("usage/summary", "ai_credit/usage")
    ]
    assert snapshot.data_time == now
    assert snapshot.outcome is not None
    assert snapshot.outcome.state == "ok"


def test_the_new_year_begins_with_its_own_usage() -> None:
    spent = {(2026, 12): 310.0, (2027, 1): 0.25}

    def respond(request: httpx.Request) -> httpx.Response:
        if "ai_credit" in request.url.path:
            return httpx.Response(404, json={})
        year, month = (int(request.url.params[name]) for name in ("year", "month"))
        return httpx.Response(
            200,
            json={
                "timePeriod": {"year": year, "month": month},
                "usageItems": [item(grossAmount=spent[year, month])],
            },
        )

    job, border = job_of(COLLECTOR), datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    before = run(job, respond, now=border - 1)
    after = run(job, respond, before, now=border)
    assert shown(job, before)[one("gross_amount_usd")] == 310
    assert shown(job, after)[one("gross_amount_usd")] == 0.25


def test_what_was_used_only_last_month_is_gone() -> None:
    job = job_of(COLLECTOR)
    last = answered(job, answer(item(), item(sku="actions_macos")))
    assert {labels for _, labels in shown(job, answered(job, answer(item()), before=last))} == {one("")[1]}


def test_no_row_is_lost_for_its_unit_type() -> None:
    found = usage(item(grossQuantity=3), item(unitType="GigabyteHours", grossQuantity=0.125))
    assert found[one("gross_quantity")] == 3
    assert found[one("gross_quantity", unit_type="GigabyteHours")] == 0.125


def test_rows_of_several_prices_are_added_up_and_not_the_first_or_last_of_them() -> None:
    prices = [item(pricePerUnit=price, grossAmount=0.1, grossQuantity=0.1) for price in range(10)]
    found = usage(*prices)
    assert len(found) == 6
    assert found[one("gross_amount_usd")] == 1.0, "the sum of ten floats would be 0.9999999999999999"
    assert found[one("gross_quantity")] == 1.0
    assert found[one("net_amount_usd")] == 80


def test_each_model_has_its_credits() -> None:
    job = job_of(COLLECTOR)
    models = [item(model=model, grossAmount=amount) for model, amount in (("GPT-5", 1), ("o3", 2), ("GPT-5", 0.5))]
    found = shown(job, answered(job, answer(), answer(*models)))
    name = "github_billing_ai_credit_enterprise_gross_amount_usd"
    assert {dict(labels)["model"]: value for (series, labels), value in found.items() if series == name} == {
        "GPT-5": 1.5,
        "o3": 2,
    }


def test_names_are_those_that_github_prints() -> None:
    found = usage(item(product="Git LFS", sku="Copilot AI Credits"), item(product="git lfs", sku="copilot ai credits"))
    assert len(found) == 12
    assert one("net_amount_usd", product="Git LFS", sku="Copilot AI Credits") in found


# What is odd.


@pytest.mark.parametrize("field", sorted(MEANINGS))
@pytest.mark.parametrize("value", [None, "8", True, [8], {"usd": 8}, 2**63, -(2**63)])
def test_a_number_that_is_none_is_absent_and_counted(field: str, value: Any) -> None:
    odd = item(**{field: value})
    found = usage(odd)
    assert found.keys() < usage(item()).keys()
    assert (len(found), rejected(odd)) == (5, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_a_number_that_no_float_holds_is_absent_and_counted(number: str) -> None:
    body = json.dumps(answer(item(netAmount="TESTS"))).replace('"TESTS"', number).encode()
    rows, counted = read(decode_json(body), USAGE_OF_ENTERPRISE)
    assert [row.value("netAmount") for row in rows] == [None]
    assert counted == 1


def test_a_sum_that_misses_a_part_is_absent_and_not_too_low() -> None:
    items = (item(grossAmount=1), item(grossAmount=None), item(grossAmount=2))
    found = usage(*items)
    assert one("gross_amount_usd") not in found
    assert found[one("net_amount_usd")] == 24
    assert rejected(*items) == 1


@pytest.mark.parametrize(
    "odd", [{"product": None}, {"sku": None}, {"product": ""}, {"sku": 7}, {"product": ["Actions"]}]
)
def test_an_item_without_a_product_or_sku_is_skipped_and_counted(odd: dict[str, Any]) -> None:
    assert usage(item(**odd), item()) == usage(item())
    assert rejected(item(**odd), item()) == 1


@pytest.mark.parametrize("odd", [None, 7, "Actions", [], [item()]])
def test_what_is_no_item_is_skipped_and_counted(odd: Any) -> None:
    assert rejected(odd, item()) == 1


@pytest.mark.parametrize("items", [[{}], [None, 7], [item(sku=None), item(product=None)]])
def test_items_of_which_none_can_be_used_are_no_empty_month(items: list[Any]) -> None:
    job = job_of(COLLECTOR)
    first = answered(job, answer(item()))
    after = answered(job, answer(*items), before=first)
    assert after.outcome is not None
    assert after.outcome.state == "invalid"
    assert shown(job, after) == shown(job, first)


@pytest.mark.parametrize("odd", [None, 7, ["minutes"]])
def test_a_unit_or_model_that_is_none_is_an_empty_label_and_counted(odd: Any) -> None:
    rows, counted = read(answer(item(unitType=odd, model=odd)), CREDITS_OF_ENTERPRISE)
    assert [row.model_dump(include={"unit_type", "model"}) for row in rows] == [{"unit_type": "", "model": ""}]
    assert counted == 2


def test_names_that_would_be_one_label_are_one_row() -> None:
    job = job_of(COLLECTOR)
    found = shown(job, answered(job, answer(item(sku="a\0", netAmount=1), item(sku="a\ufffd", netAmount=2))))
    assert found[one("net_amount_usd", sku="a\ufffd")] == 3


def test_numbers_that_github_adds_later_are_counted() -> None:
    later = item(taxAmount=1.5, note="text", exempt=True)
    assert usage(later) == usage(item())
    found = UnknownFields()
    body = answer(later, totalAmount=9, repository="acme/api", costCenter={"id": "1", "name": "x"})
    assert read(body, USAGE_OF_ENTERPRISE, found)[1] == 0
    assert found == {
        "usageItems.taxAmount": 1,
        "usageItems.note": 1,
        "usageItems.exempt": 1,
        "totalAmount": 1,
    }


@pytest.mark.parametrize("nothing", [{}, {"usageItems": None}, {"usageItems": []}])
def test_no_items_are_no_usage(nothing: Any) -> None:
    job = job_of(COLLECTOR)
    snapshot = answered(job, nothing, nothing, before=answered(job, answer(item()), answer(item(model="o3"))))
    assert snapshot.outcome is not None
    assert snapshot.outcome.state == "ok"
    assert shown(job, snapshot) == {}


@BOTH
@pytest.mark.parametrize("part", ["usage/summary", "ai_credit/usage"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"7", b"[" * 100_000, b'{"usageItems": {}}'])
def test_an_answer_that_cannot_be_read_is_invalid(collector: Collector, part: str, body: bytes) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body if request.url.path.endswith(part) else b"{}")

    after = run(job_of(collector), respond)
    assert after.outcome is not None
    assert after.outcome.state == "invalid"


@pytest.mark.parametrize(
    ("period", "good"),
    [
        (None, True),
        ("2026-11", True),
        ({}, True),
        ({"year": 2025}, True),
        ({"year": 2026, "month": 11}, True),
        ({"year": None, "month": 11}, True),
        ({"month": 11}, True),
        ({"year": 2026, "month": 10}, False),
        ({"year": 2025, "month": 11}, False),
        ({"month": 12}, False),
        ({"year": 2026, "month": []}, False),
    ],
)
def test_an_answer_of_another_month_is_invalid(period: Any, good: bool) -> None:
    job = job_of(COLLECTOR)
    after = answered(job, answer(item(), timePeriod=period))
    assert after.outcome is not None
    assert after.outcome.state == ("ok" if good else "invalid")
    assert bool(shown(job, after)) is good


# What GitHub says instead.


@BOTH
def test_ai_credits_that_are_not_there_are_no_error(collector: Collector) -> None:
    job = job_of(collector)
    first = answered(job, answer(item()), answer(item(model="o3")))
    after = answered(job, answer(item()), before=first)
    assert after.outcome is not None
    assert (after.outcome.state, after.outcome.reason) == ("ok", None)
    assert shown(job, after) == {series: v for series, v in shown(job, first).items() if "ai_credit" not in series[0]}
    assert len(shown(job, first)) == 12


@BOTH
@pytest.mark.parametrize(
    ("part", "status", "state"),
    [
        ("usage/summary", 404, "not_found"),
        ("usage/summary", 403, "forbidden"),
        ("ai_credit/usage", 400, "invalid"),
        ("ai_credit/usage", 401, "forbidden"),
        ("ai_credit/usage", 403, "forbidden"),
        ("ai_credit/usage", 410, "retired"),
        ("ai_credit/usage", 500, "unavailable"),
        ("ai_credit/usage", 503, "unavailable"),
    ],
)
def test_anything_else_fails_and_keeps_what_was_shown(collector: Collector, part: str, status: int, state: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status if request.url.path.endswith(part) else 200, json={"message": "No."})

    job = job_of(collector)
    first = answered(job, answer(item()), answer(item(model="o3")))
    after = run(job, respond, first)
    assert after.outcome is not None
    assert after.outcome.state == state
    assert shown(job, after) == shown(job, first)


class Reply:
    status = 200
    body = b"{}"


class Lacking:
    """An API where AI credits fail."""

    skew = 0.0

    def __init__(self, error: GitHubError) -> None:
        self.error = error

    async def get(self, path: str, _params: Any = None) -> Reply:
        if "ai_credit" in path:
            raise self.error
        return Reply()


def test_a_missing_app_is_no_missing_feature() -> None:
    question = Ask("acme-corp", (), Options(), int(NOW), int(NOW))
    lacking: Any = Lacking(NotInstalled("not installed"))
    with pytest.raises(NotInstalled):
        asyncio.run(billing_usage.fetch_enterprise(lacking, question))
    lacking = Lacking(NotFound("not here"))
    assert asyncio.run(billing_usage.fetch_enterprise(lacking, question)) == Fetched((), data_time=NOW)


# Beyond `max_series`.


def test_the_dearest_have_series_and_the_rest_is_summed() -> None:
    job = job_of(COLLECTOR)
    amounts = {f"sku{n:02}": n + 0.25 for n in range(20)} | {"correction": -3.5}
    items = [item(sku=sku, grossAmount=amount, grossQuantity=1e6 - amount) for sku, amount in amounts.items()]
    snapshot = answered(job, answer(*items), places=5)
    dearest = sorted(amounts, key=lambda sku: -amounts[sku])[:5]
    found = shown(job, snapshot)
    gross = {dict(labels)["sku"]: value for (name, labels), value in found.items() if name.endswith("gross_amount_usd")}
    rest = sum(amount for sku, amount in amounts.items() if sku not in dearest)
    assert gross == {sku: amounts[sku] for sku in dearest} | {"other": rest}
    assert found[one("gross_amount_usd", product="other", sku="other", unit_type="other")] == rest
    assert sum(gross.values()) == sum(amounts.values())
    assert snapshot.left_out == 16


def test_other_is_right_to_less_than_a_millionth_of_a_cent() -> None:
    job = job_of(COLLECTOR)
    amounts = [Fraction(n * 7919 % 100_000, 1000) for n in range(1, 501)]
    items = [item(sku=f"sku{n}", netAmount=float(amount), grossAmount=1) for n, amount in enumerate(amounts)]
    found = shown(job, answered(job, answer(*items), places=1))
    net = [value for (name, _), value in found.items() if name.endswith("net_amount_usd")]
    assert len(net) == 2
    assert abs(sum(map(Fraction, net), Fraction()) - sum(amounts, Fraction())) < Fraction(1, 100_000_000)


def test_a_product_called_other_is_not_the_sum_of_others() -> None:
    job = job_of(COLLECTOR)
    itself = item(product="other", sku="other", unitType="other", grossAmount=100)
    found = shown(job, answered(job, answer(itself, item(), item(sku="b")), places=1))
    name = "github_billing_usage_enterprise_gross_amount_usd"
    assert sorted(value for (series, _), value in found.items() if series == name) == [16, 100]


# Whatever comes.

NUMBERS = (
    st.integers(1 - 2**63, 2**63 - 1) | st.floats(-(2.0**62), 2.0**62) | st.decimals(-1000, 1000, places=6).map(float)
)


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_sums_are_exact(numbers: list[float]) -> None:
    items = [item(netAmount=number) for number in numbers]
    body = json.dumps(answer(*items)).encode()
    ((row,), counted) = read(decode_json(body), USAGE_OF_ENTERPRISE)
    assert row.value("netAmount") == float(sum(Fraction(str(number)) for number in numbers))
    assert counted == 0


WORDS = [*item(), "model", "usageItems", "timePeriod", "year", "month", "enterprise"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("other"),
    lambda below: st.lists(below) | st.dictionaries(st.sampled_from(WORDS) | st.text(), below),
    max_leaves=15,
)
ITEMS = st.dictionaries(st.sampled_from(WORDS), ANYTHING).map(lambda changes: {**item(model="o3"), **changes})
ODD_ANSWERS = (
    ANYTHING
    | st.lists(ITEMS | ANYTHING).map(lambda items: answer(*items))
    | ANYTHING.map(lambda odd: answer(item(), timePeriod=odd))
)


@given(ODD_ANSWERS, st.sampled_from([USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE]), st.integers(1, 3))
def test_no_answer_fails_otherwise_than_as_invalid(whatever: Any, table: Any, places: int) -> None:
    try:
        rows, counted = read(decode_json(json.dumps(whatever).encode()), table)
    except Invalid:
        return
    job = job_of(COLLECTOR)
    brought = Reading(Fetched(rows, counted), int(NOW))
    snapshot = conclude(job, Snapshot(), Attempt(brought, NOW, 0.5, 0.0), Rules(places, 1e9)).snapshot
    assert snapshot.outcome is not None
    assert snapshot.outcome.state in ("ok", "invalid")
    assert all(abs(value) < 2**70 for value in shown(job, snapshot).values())
