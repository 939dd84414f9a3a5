"""Copilot's report files: whatever their form, order, splitting or damage, the figures of one day or `Invalid`."""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.copilot_usage.record_rows import section_rows
from exporter.collectors.copilot_usage.sections import BY_MEMBER, SECTIONS, TOTALS
from exporter.collectors.reading.report_files import File
from exporter.collectors.reading.reports import MOST_ROWS, Contradiction, DayFigures, FieldNumbers, Report
from exporter.errors import Invalid

OLD, NEW = "2026-11-18", "2026-11-19"
ALL = frozenset(section.member for section in SECTIONS if section.member)

Found = dict[tuple[str, tuple[str, ...]], dict[str, float]]
"""The figures of a day by section and key."""


def report(only: str | None = None, wanted: Iterable[str] = ALL) -> Report:
    return Report(section_rows, frozenset(wanted), BY_MEMBER.keys() | {"day_totals"}, only, own=TOTALS)


def read(*files: bytes, only: str | None = None, wanted: Iterable[str] = ALL, cuts: Iterable[int] = ()) -> Report:
    """Files read one after another, each cut there; `Invalid` as the collector would see it."""
    found = report(only, wanted)
    for data in files:
        file = File(found)
        bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, end in pairwise(bounds):
            file.feed(data[start:end])
        file.end()
    found.check()
    return found


def figures(found: Report) -> Found:
    return {(name, key): dict(row) for name, rows in found.figures.sections.items() for key, row in rows.items()}


def of(record: Any, **options: Any) -> Found:
    """What is read of one record."""
    return figures(read(json.dumps(record).encode(), **options))


def counted(record: Any, **options: Any) -> int:
    """How many values of one record could not be read."""
    found = read(json.dumps(record).encode(), **options)
    return found.figures.rejected + found.unplaced


def unknown(record: Any, **options: Any) -> dict[str, int]:
    """What one record holds besides, by field."""
    found = read(json.dumps(record).encode(), **options)
    return {**found.figures.unknown, **found.unknown}


def record(day: str = NEW, users: int = 120) -> dict[str, Any]:
    return {
        "day": day,
        "enterprise_id": "4242",
        "daily_active_users": users,
        "loc_added_sum": 9900,
        "totals_by_ide": [{"ide": "vscode", "loc_added_sum": 8100}, {"ide": "vim", "loc_added_sum": 1800}],
        "totals_by_language_model": [{"language": "python", "model": "gpt", "code_generation_activity_count": 7}],
        "totals_by_cli": {"session_count": 40, "token_usage": {"output_tokens_sum": 9, "avg_tokens_per_request": 4.5}},
        "totals_by_ai_adoption_phase": [{"phase": "No Cohort", "phase_number": 0, "avg_loc_added": 12.25}],
        "pull_requests": {
            "total_merged": 41,
            "median_minutes_to_merge": 212.5,
            "copilot_suggestions_by_comment_type": [{"comment_type": "security", "total_copilot_suggestions": 12}],
        },
    }


READ: Found = {
    ("", ()): {"daily_active_users": 120, "loc_added_sum": 9900},
    ("totals_by_ide", ("vscode",)): {"loc_added_sum": 8100},
    ("totals_by_ide", ("vim",)): {"loc_added_sum": 1800},
    ("totals_by_language_model", ("python", "gpt")): {"code_generation_activity_count": 7},
    ("totals_by_cli", ()): {"session_count": 40, "output_tokens_sum": 9, "avg_tokens_per_request": 4.5},
    ("totals_by_ai_adoption_phase", ("0",)): {"avg_loc_added": 12.25},
    ("pull_requests", ()): {"total_merged": 41, "median_minutes_to_merge": 12750},
    ("copilot_suggestions_by_comment_type", ("security",)): {"total_copilot_suggestions": 12},
}


# Every form.


def lines(*records: Any, end: str = "\n") -> bytes:
    return "".join(json.dumps(one) + end for one in records).encode()


def wrapped(*records: Any) -> dict[str, Any]:
    return {"report_start_day": OLD, "report_end_day": NEW, "enterprise_id": "4242", "day_totals": list(records)}


BOTH = (record(OLD, 90), record())
BOM = b"\xef\xbb\xbf"
FORMS = {
    "array": json.dumps(BOTH).encode(),
    "array, newest first": json.dumps(BOTH[::-1]).encode(),
    "lines": lines(*BOTH),
    "lines without an end": lines(*BOTH).rstrip(),
    "lines, blank ones between": b"\n\n" + lines(*BOTH, end="\n\n \n") + b"\n\n",
    "lines, CRLF": lines(*BOTH, end="\r\n"),
    "lines, CRLF, BOM": BOM + lines(*BOTH, end="\r\n") + b"\r\n",
    "two values on a line": lines(*BOTH, end=""),
    "an array per line": lines([BOTH[0]], [BOTH[1]]),
    "pretty": json.dumps(BOTH, indent=4).encode(),
    "wrapped": json.dumps(wrapped(*BOTH)).encode(),
    "wrapped, BOM": BOM + json.dumps(wrapped(*BOTH)).encode(),
    "wrapped, the list first": json.dumps({"day_totals": BOTH, "report_end_day": NEW, "enterprise_id": "1"}).encode(),
    "wrapped in an array": json.dumps([wrapped(*BOTH)]).encode(),
    "wrapped in lines": lines(wrapped(BOTH[0]), wrapped(BOTH[1])),
    "several wrappers in an array": json.dumps([wrapped(BOTH[1]), wrapped(BOTH[0])]).encode(),
    "a wrapper and a record": lines(wrapped(BOTH[0]), BOTH[1]),
    "a wrapper in a wrapper": json.dumps(wrapped(wrapped(*BOTH))).encode(),
    "wrapped without a list": json.dumps({"day_totals": wrapped(*BOTH)}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("only", [None, NEW])
def test_every_form_tells_the_same(form: str, only: str | None) -> None:
    found = read(FORMS[form], only=only)
    assert (found.day, figures(found), found.figures.rejected, found.unplaced) == (NEW, READ, 0, 0)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_an_older_day_if_that_is_asked_for(form: str) -> None:
    found = read(FORMS[form], only=OLD)
    assert found.day == OLD
    assert figures(found)["", ()]["daily_active_users"] == 90


@pytest.mark.parametrize("form", FORMS)
def test_every_form_cut_anywhere_into_bytes_tells_the_same(form: str) -> None:
    assert figures(read(FORMS[form], cuts=range(len(FORMS[form])))) == READ


@pytest.mark.parametrize(
    "form", [b"", b" \r\n\t\n", BOM, BOM + b"\n", b"{}", b"[]", b"[{}]", b"{}\n{}\n", b'{"day_totals": []}']
)
def test_a_file_of_nothing_has_no_day(form: bytes) -> None:
    for only in (None, NEW):
        found = read(form, only=only)
        assert (found.day, figures(found)) == ("", {})


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_off_is_invalid_and_not_a_day_of_what_came(form: str) -> None:
    data = FORMS[form].rstrip()
    for length in (len(BOM) + 1, len(data) // 3, len(data) * 3 // 4, len(data) - 1):
        with pytest.raises(Invalid, match=r"cut off|no JSON"):
            read(data[:length])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<html><body>Sorry</body></html>", "no JSON"),
        (b'<?xml version="1.0"?><Error/>', "no JSON"),
        (b'{"day": NaN}', "no JSON"),
        (b'{"day": Infinity}', "no JSON"),
        (b'{"day": -Infinity}', "no JSON"),
        (b'{"daily_active_users": 012}', "no JSON"),
        (b'{"daily_active_users": 1,}', "no JSON"),
        (b"{'day': 1}", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (json.dumps(record()).encode("utf-16"), "no JSON"),
        (lines(record(OLD)) + BOM + lines(record()), "no JSON"),
        (b'{"daily_active_users": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"daily_active_users": 1e99999999999999999999}', "no JSON"),
        (b"9" * 5000, "no JSON"),
        (b'"text', "cut off"),
        (b"[", "cut off"),
        (b"12", "something else than records"),
        (b"null", "something else than records"),
        (b'"text"', "something else than records"),
        (b"[1]", "something else than records"),
        (b"[null]", "something else than records"),
        (b"[[{}]]", "something else than records"),
        (b'{"day_totals": [7]}', "something else than records"),
        (b'{"new":' + b"[" * 50 + b"]" * 50 + b"}", "nested too deeply"),
        (b'{"totals_by_cli":' + b'{"x":' * 50 + b"1" + b"}" * 51, "nested too deeply"),
        (b'{"day_totals":[' * 50 + b"]}" * 50, "nested too deeply"),
        (b"[" * 100_000, "something else than records"),
        (b'{"day_totals":' * 100_000, "nested too deeply"),
        (b'{"new":"' + b"x" * (3 * 2**20) + b'"}', "too long"),
        (b"{" + b",".join(b'"%d":1' % number for number in range(10_001)) + b"}", "more than 10000 values"),
        (b'{"totals_by_cli":{' + b",".join(b'"%d":1' % number for number in range(9_999)) + b"}}", "more than 10000"),
    ],
)
def test_what_is_no_report_is_invalid_and_says_why(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read(data, cuts=range(0, len(data), 65536))


# Fields: any order, any type.


def turned(value: Any) -> Any:
    """The same with the fields of each object in the other order."""
    if isinstance(value, dict):
        return {field: turned(value[field]) for field in reversed(value)}
    return [turned(one) for one in value] if isinstance(value, list) else value


def test_fields_may_come_in_any_order_the_day_last() -> None:
    assert list(turned(record()))[-1] == "day"
    for form in (turned(record()), turned(wrapped(*BOTH)), turned(list(BOTH))):
        for only in (None, NEW):
            assert of(form, only=only) == READ


def test_a_record_without_a_day_is_of_the_day_that_was_asked_for() -> None:
    nameless = {field: value for field, value in record().items() if field != "day"}
    assert of(nameless, only=NEW) == READ
    assert of(nameless) == {}
    assert of(nameless | {"day": None}, only=NEW) == READ


@pytest.mark.parametrize(
    "day", ["", "zzz", "2026-11-19T00:00:00Z", "20261119", "2026-W47-4", "2026-13-01", "19.11.2026", 20261119, True]
)
def test_a_day_that_is_none_is_not_the_newest_and_counts(day: Any) -> None:
    for only in (None, NEW):
        found = read(lines(record(), record() | {"day": day, "daily_active_users": 1}), only=only)
        assert (found.day, figures(found), found.unplaced) == (NEW, READ, 1)


def test_a_wrappers_own_figures_are_no_days_wherever_they_stand() -> None:
    """A total of 28 days is not the total of one."""
    whole = {"daily_active_users": 5000, "totals_by_ide": [{"ide": "vscode", "loc_added_sum": 9}]}
    for wrapper in (
        whole | {"day_totals": list(BOTH)},
        {"day_totals": list(BOTH)} | whole,
        {"day": NEW} | whole | {"day_totals": list(BOTH)},
        {"day_totals": list(BOTH), "day": NEW} | whole,
    ):
        for only in (None, NEW):
            assert of(wrapper, only=only) == READ
    assert of(whole | {"day": NEW, "day_totals": []}) == {}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (None, 0),
        ("120", 1),
        ("", 1),
        (True, 1),
        (-1, 1),
        (-0.5, 1),
        (2**63, 1),
        (10**40, 1),
    ],
)
def test_a_figure_of_another_type_is_absent_and_counted(value: Any, count: int) -> None:
    changed = record() | {"daily_active_users": value}
    assert (of(changed), counted(changed)) == (READ | {("", ()): {"loc_added_sum": 9900}}, count)
    changed = record()
    changed["totals_by_ide"][0]["code_generation_activity_count"] = value
    assert (of(changed), counted(changed)) == (READ, count)


@pytest.mark.parametrize(("value", "count"), [([], 1), ({}, 1), ([120], 1), ({"users": 120, "of": [1, None]}, 2)])
def test_a_list_or_object_where_a_number_should_be_could_not_be_read(value: Any, count: int) -> None:
    changed = record() | {"daily_active_users": value}
    assert (of(changed), counted(changed)) == (READ | {("", ()): {"loc_added_sum": 9900}}, count)
    assert unknown(changed) == {}
    changed = record()
    changed["totals_by_ide"][0]["code_generation_activity_count"] = value
    assert (of(changed), counted(changed), unknown(changed)) == (READ, 1, {})


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9223372036854775808", b"1" + b"0" * 300])
def test_a_number_that_no_float_or_int64_holds_costs_its_own_value_only(number: bytes) -> None:
    found = read(b'{"day":"%s","daily_active_users":%s,"loc_added_sum":3}' % (NEW.encode(), number))
    assert (figures(found), found.figures.rejected) == ({("", ()): {"loc_added_sum": 3}}, 1)


@pytest.mark.parametrize("number", [b"0", b"-0", b"0.0", b"0e5", b"12.25", b"1.5e3", b"9007199254740993", b"1E-7"])
def test_numbers_are_read_as_they_are_written(number: bytes) -> None:
    found = read(b'{"day":"%s","daily_active_users":%s}' % (NEW.encode(), number))
    assert figures(found) == {("", ()): {"daily_active_users": float(number)}}


def test_what_nobody_knows_is_counted_by_its_field_and_could_be_read_all_the_same() -> None:
    changed = record() | {
        "daily_active_robots": 3,
        "robot": "R2",
        "created_at": None,
        "totals_by_robot": [{"robot": "R2", "count": 1, "parts": {"legs": 3, "arms": [1, 1]}}, 4],
    }
    changed["totals_by_ide"][0] |= {"loc_moved_sum": 4, "version": {"sampled_at": "x", "major": 1}}
    changed["totals_by_cli"]["token_usage"] |= {"cached_tokens_sum": 5, "kind": "x"}
    changed["pull_requests"]["copilot_suggestions_by_comment_type"][0]["total_ignored"] = 6
    own = {"daily_active_robots": 1, "robot": 1, "totals_by_robot": 5}
    below = {
        "totals_by_ide.loc_moved_sum": 1,
        "totals_by_ide.version": 1,
        "totals_by_cli.token_usage.cached_tokens_sum": 1,
        "totals_by_cli.token_usage.kind": 1,
        "copilot_suggestions_by_comment_type.total_ignored": 1,
    }
    assert (of(changed), unknown(changed), counted(changed)) == (READ, own | below, 0)
    assert (unknown(changed, wanted=()), counted(changed, wanted=())) == (own, 0)
    assert of(changed, wanted=()) == {("", ()): READ["", ()]}


def test_every_field_that_github_documents_is_known() -> None:
    plain = {"enterprise_id": "1", "organization_id": "2", "etl_id": "x", "day_partition": "x", "created_at": "x"}
    whole = record() | plain | {"entity_id_partition": 7, "day": NEW}
    whole["totals_by_3rd_party_agent"] = [{"agent_id": "A", "agent_name": "Agent", "session_count": 1}]
    whole["totals_by_ai_adoption_phase"] = [{"phase_number": 1, "phase": "Phase 1", "total_engaged_users": 3}]
    assert (unknown(whole), counted(whole)) == ({}, 0)
    wrapper = plain | {"report_start_day": OLD, "report_end_day": NEW, "day_totals": [whole]}
    assert (unknown(wrapper), counted(wrapper)) == ({}, 0)


def test_what_a_wrapper_says_that_nobody_knows_is_counted_on_either_side_of_the_days() -> None:
    engagement = {"active_user_count": 40, "totals_by_feature": [{"feature": "agent_edit", "engaged_user_count": 9}]}
    for wrapper in (
        {"copilot_robot_engagement": engagement, "note": "x", "day_totals": [record()]},
        {"day_totals": [record()], "copilot_robot_engagement": engagement, "note": "x"},
        {"note": "x", "day_totals": [record()], "copilot_robot_engagement": engagement},
    ):
        assert of(wrapper) == READ
        assert (unknown(wrapper), counted(wrapper)) == ({"copilot_robot_engagement": 2, "note": 1}, 0)


def test_a_map_by_login_is_named_itself_and_tells_no_login() -> None:
    changed = record() | {"daily_active_users_by_login": {"octocat": 3, "hubot": {"prompts": 4}}}
    changed["pull_requests"] = {"octocat": 3, "hubot": 4}
    changed["totals_by_cli"]["token_usage"] = {"octocat": {"tokens": 3}}
    assert unknown(changed) == {
        "daily_active_users_by_login": 2,
        "pull_requests": 2,
        "totals_by_cli.token_usage": 1,
    }


@pytest.mark.parametrize("member", sorted(ALL - {"copilot_suggestions_by_comment_type"}))
@pytest.mark.parametrize(
    ("value", "count"),
    [(None, 0), ([], 0), ({}, None), ("none", 1), (5, 1), ([5], 1), ([[5, "x"]], 1), ([None, "x"], 1), ([{}], None)],
)
def test_a_member_of_another_shape_is_absent(member: str, value: Any, count: int | None) -> None:
    keyed = bool(BY_MEMBER[member].keys)
    gone = {key: row for key, row in READ.items() if key[0] != member}
    if member == "pull_requests":
        gone.pop(("copilot_suggestions_by_comment_type", ("security",)))
    changed = record() | {member: value}
    assert of(changed) == gone
    # An object without its keys is a row that could not be read.
    assert counted(changed) == (int(keyed) if count is None else count)


def test_an_object_may_stand_for_a_list_of_one_and_a_list_of_one_for_an_object() -> None:
    changed = record()
    changed["totals_by_cli"] = [changed["totals_by_cli"]]
    changed["totals_by_language_model"] = changed["totals_by_language_model"][0]
    assert of(changed) == READ


@pytest.mark.parametrize("key", [None, "", [], ["vscode"], {"name": "vscode"}, 1.5, True, "missing"])
def test_a_row_whose_key_is_missing_or_no_text_is_left_out_and_counted(key: Any) -> None:
    changed = record()
    row = {"loc_added_sum": 5} if key == "missing" else {"ide": key, "loc_added_sum": 5}
    changed["totals_by_ide"].append(row)
    assert (of(changed), counted(changed)) == (READ, 1)


def test_two_rows_of_a_key_are_united_if_they_agree() -> None:
    changed = record()
    changed["totals_by_ide"] += [dict(changed["totals_by_ide"][0]), {"ide": "vscode", "loc_deleted_sum": 4}]
    assert of(changed) == READ | {("totals_by_ide", ("vscode",)): {"loc_added_sum": 8100, "loc_deleted_sum": 4}}
    changed["totals_by_ide"].append({"ide": "vscode", "loc_added_sum": 8101})
    with pytest.raises(Contradiction, match="loc_added_sum of totals_by_ide has two values"):
        of(changed)


def test_tokens_that_contradict_their_surroundings_are_a_contradiction() -> None:
    changed = record()
    changed["totals_by_cli"]["token_usage"]["session_count"] = 41
    with pytest.raises(Contradiction, match="session_count of totals_by_cli"):
        of(changed)


@pytest.mark.parametrize("text", ["🦀" * 200, "a\0b", "\u2028", '"\\', "x" * 1000, "\ud800x"])
def test_any_text_is_a_key_of_at_most_256_signs_that_utf_8_can_hold(text: str) -> None:
    changed = record() | {"totals_by_ide": [{"ide": text, "loc_added_sum": 5}]}
    keys = [key for section, key in of(changed) if section == "totals_by_ide"]
    assert len(keys) == 1
    assert 0 < len(keys[0][0]) <= 256
    assert "\0" not in keys[0][0].encode().decode()


def test_a_text_of_many_kilobytes_is_no_key_and_costs_its_row_only() -> None:
    changed = record()
    changed["totals_by_ide"].append({"ide": "x" * 100_000, "loc_added_sum": 5})
    changed["note" * 1000] = "y" * 100_000
    assert (of(changed), counted(changed)) == (READ, 1)


# Several files.


def test_files_are_united_fields_of_all_and_rows_by_key() -> None:
    whole = record()
    first = {field: value for field, value in whole.items() if not isinstance(value, list | dict)}
    second = {"day": NEW, **{field: value for field, value in whole.items() if isinstance(value, list | dict)}}
    assert figures(read(lines(first), lines(second))) == READ
    assert figures(read(lines(second), lines(first))) == READ
    assert figures(read(lines(first), b"", lines(second), b"[]", lines(first))) == READ


@pytest.mark.parametrize("forth", [True, False])
def test_a_contradiction_is_one_in_any_order_and_of_the_day_that_is_shown_only(forth: bool) -> None:
    step = 1 if forth else -1
    with pytest.raises(Contradiction, match="daily_active_users of the day has two values"):
        read(*[lines(record()), lines(record(users=121))][::step])
    with pytest.raises(Contradiction):
        read(lines(*[record(), record(OLD), record(users=121)][::step]))
    torn = record() | {"totals_by_ide": [{"ide": "zed", "loc_added_sum": added} for added in (1, 2)]}
    with pytest.raises(Contradiction, match="loc_added_sum of totals_by_ide has two values"):
        read(*[lines(record()), lines(torn)][::step])
    older = [record(OLD, 90), record(OLD, 91), record()]
    for order in ([0, 1, 2], [0, 2, 1], [2, 0, 1]):
        assert figures(read(lines(*[older[index] for index in order][::step]))) == READ
        assert figures(read(*[lines(older[index]) for index in order][::step], only=NEW)) == READ


def test_more_rows_than_a_day_may_have_are_refused_before_they_take_memory() -> None:
    rows = [{"language": f"l{number}", "model": "m", "loc_added_sum": 1} for number in range(MOST_ROWS + 500)]
    kept = report()
    for some in (rows[: MOST_ROWS // 2], rows[MOST_ROWS // 2 :]):
        File(kept).feed(lines({"day": NEW, "totals_by_language_model": some}))
    assert sum(map(len, kept.figures.sections.values())) == MOST_ROWS + 1
    with pytest.raises(Invalid, match="more than 30000 rows"):
        kept.check()
    older = lines({"day": OLD, "totals_by_language_model": rows}, record())
    assert figures(read(older)) == READ


def test_what_was_of_no_day_is_counted_though_nothing_is_shown() -> None:
    """A day whose numbers all became text is no day, but it does not go unseen."""
    found = read(lines({"day": NEW, "daily_active_users": "120", "loc_added_sum": "9"}), only=NEW)
    assert (found.day, found.unplaced) == ("", 2)


def test_numbers_are_a_mapping_like_any() -> None:
    numbers = FieldNumbers(("a", "b"), (1, 2.5))
    assert numbers == {"a": 1, "b": 2.5}
    assert (numbers["b"], numbers.get("c"), len(numbers), list(numbers)) == (2.5, None, 2, ["a", "b"])
    with pytest.raises(KeyError):
        numbers["c"]
    day = DayFigures()
    day.add([("s", (), {"a": 1}, 0), ("s", (), {"b": 2}, 1), ("s", (), {}, 2)])
    assert day.sections["s"][()] == {"a": 1, "b": 2}
    assert (len(day.sections), day.rejected, day.rows) == (1, 3, 1)


# Properties.

WORDS = st.sampled_from(
    [
        *(section.member for section in SECTIONS),
        *("day", "day_totals", "ide", "language", "model", "feature", "phase_number", "comment_type", "token_usage"),
        *("daily_active_users", "loc_added_sum", "session_count", "new"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from([OLD, NEW, "vscode"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5),
    max_leaves=30,
)
ROWS = st.dictionaries(WORDS, SCALARS, max_size=4)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "day": SCALARS,
        "daily_active_users": SCALARS,
        "totals_by_ide": JSON | st.lists(ROWS, max_size=3),
        "totals_by_cli": JSON | ROWS,
        "totals_by_language_model": st.lists(ROWS, max_size=3),
        "totals_by_ai_adoption_phase": st.lists(ROWS, max_size=3),
        "pull_requests": JSON | ROWS,
        "day_totals": JSON | st.lists(ROWS, max_size=3),
        "new": JSON,
    },
)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


def outcome(*files: bytes, only: str | None, cuts: Iterable[int] = ()) -> Any:
    """What comes of it, as a value."""
    try:
        found = read(*files, only=only, cuts=cuts)
    except Invalid:
        return "invalid"
    return found.day, figures(found), found.figures.rejected, found.unplaced


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS | JSON, max_size=4), st.sampled_from([None, NEW]), CUTS, st.booleans())
def test_any_json_is_figures_or_invalid_and_cuts_change_nothing(
    values: list[Any], only: str | None, cuts: list[int], escaped: bool
) -> None:
    data = "\n".join(json.dumps(value, ensure_ascii=escaped) for value in values).encode("utf-8", "replace")
    whole = outcome(data, only=only)
    assert outcome(data, only=only, cuts=cuts) == whole
    assert outcome(data, only=only, cuts=range(len(data))) == whole
    if whole != "invalid":
        assert whole[0] in ("", NEW) if only else True
        assert bool(whole[0]) == bool(whole[1])
        assert all(0 <= value < 2**64 for row in whole[1].values() for value in row.values())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3), CUTS)
def test_any_damage_is_figures_or_invalid_and_cuts_change_nothing(
    form: str, at: int, junk: bytes, gone: int, cuts: list[int]
) -> None:
    data = FORMS[form]
    at %= len(data)
    damaged = data[:at] + junk + data[at + gone :]
    assert outcome(damaged, only=None, cuts=cuts) == outcome(damaged, only=None)


@st.composite
def splits(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A record, and the same in parts: each scalar and row in one part at least, rows maybe by columns."""
    names = st.sampled_from(["a", "b", "c", "d"])
    columns = st.dictionaries(
        st.sampled_from(["loc_added_sum", "loc_deleted_sum", "code_generation_activity_count"]),
        st.integers(0, 5),
        min_size=1,
    )
    totals = draw(st.dictionaries(st.sampled_from(["daily_active_users", "loc_added_sum"]), st.integers(0, 9)))
    tables: dict[str, Mapping[tuple[str, ...], dict[str, int]]] = {
        "totals_by_ide": draw(st.dictionaries(st.tuples(names), columns)),
        "totals_by_language_model": draw(st.dictionaries(st.tuples(names, names), columns)),
    }
    number = draw(st.integers(1, 4))
    somewhere = st.sets(st.integers(0, number - 1), min_size=1)
    whole: dict[str, Any] = {"day": NEW, **totals}
    files: list[dict[str, Any]] = [{"day": NEW} for _ in range(number)]
    for field, value in totals.items():
        for index in draw(somewhere):
            files[index][field] = value
    for member, rows in tables.items():
        for key, row in rows.items():
            keys = dict(zip(BY_MEMBER[member].keys, key, strict=True))
            whole.setdefault(member, []).append(keys | row)
            for field, value in row.items():
                for index in draw(somewhere):
                    files[index].setdefault(member, []).append(keys | {field: value})
    return whole, draw(st.permutations(files))


@settings(max_examples=150, deadline=None)
@given(splits(), st.booleans(), st.booleans(), st.data())
def test_parts_in_any_order_and_any_split_are_the_same_day(
    split: tuple[dict[str, Any], list[dict[str, Any]]], one_file: bool, with_older: bool, data: st.DataObject
) -> None:
    whole, files = split
    expected = outcome(lines(whole), only=None)
    others = [record(OLD, users) for users in (1, 2)] if with_older and expected[0] else []
    mixed = data.draw(st.permutations([*files, *others]))
    texts = [lines(*mixed)] if one_file else [lines(one) for one in mixed]
    assert outcome(*texts, only=None) == expected
    assert outcome(*texts, only=NEW) == outcome(lines(whole), only=NEW) == expected


@settings(max_examples=100, deadline=None)
@given(splits(), st.data())
def test_a_contradicting_part_is_found_wherever_it_stands(
    split: tuple[dict[str, Any], list[dict[str, Any]]], data: st.DataObject
) -> None:
    whole, files = split
    spoilt = {"day": NEW, "daily_active_users": whole.get("daily_active_users", 5) + 1}
    mixed = data.draw(st.permutations([*files, {"day": NEW, "daily_active_users": spoilt["daily_active_users"] - 1}]))
    at = data.draw(st.integers(0, len(mixed)))
    with pytest.raises(Contradiction):
        read(*(lines(one) for one in [*mixed[:at], spoilt, *mixed[at:]]))
