"""Reads the members of a record into rows of a report, and turns a report into the rows of the tables. Pure."""

from collections.abc import Iterator
from sys import intern
from typing import Any

from exporter.collectors.copilot_usage.families import FIGURES, ReportDay
from exporter.collectors.copilot_usage.sections import BELOW, BY_MEMBER, PLAIN, SECTIONS, TOKENS
from exporter.collectors.reading.reports import DayFigures, Report, SectionRow
from exporter.collectors.reading.rows import figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.instants import epoch
from exporter.tables import Row


def section_rows(member: str, item: dict[str, Any], unknown: UnknownFields) -> Iterator[SectionRow]:
    """The rows of a member of a record, or of the record's own scalars (""); `unknown` counts unknown fields."""
    section = BY_MEMBER[member]
    if member in BELOW:
        field, section_of_rows = BELOW[member]
        yield from _rows_of_list(section_of_rows, item.pop(field, None), unknown)
    names = [item.get(key) for key in section.keys]
    if not all(isinstance(name, str | int) and not isinstance(name, bool) and name != "" for name in names):
        yield member, (), {}, 1
        return
    key = tuple(intern(label_text(name)) for name in names)
    known = (*section.keys, *PLAIN.get(member, ()))
    tokens = item.pop(TOKENS, None) if "session_count" in section.help and not section.keys else None
    for numbers, place in ((item, member), (tokens, f"{member}.{TOKENS}")):
        if isinstance(numbers, dict):
            values, unusable = figures(numbers, FIGURES[member], unknown, known, place)
            in_seconds = {field: value * 60 if "minutes" in field else value for field, value in values.items()}
            yield member, key, in_seconds, unusable
        elif numbers is not None:
            yield member, key, {}, 1
    if member == "":
        yield member, (), {}, sum(item.get(name) is not None for name in filter(None, BY_MEMBER))


def _rows_of_list(member: str, items: object, unknown: UnknownFields) -> Iterator[SectionRow]:
    for item in items if isinstance(items, list) else [] if items is None else [items]:
        if isinstance(item, dict):
            yield from section_rows(member, item, unknown)
        else:
            yield member, (), {}, 1


def rows_of(report: Report) -> Iterator[Row]:
    """The table rows of the report's day."""
    yield ReportDay(day=epoch(report.day))
    yield from section_table_rows(report.figures)


def section_table_rows(figures_of_report: DayFigures) -> Iterator[Row]:
    """The table rows of figures, which `section_rows` has validated."""
    for section in SECTIONS:
        fields = {*section.keys, "figures"}
        for key, numbers in figures_of_report.sections.get(section.member, {}).items():
            yield section.row.model_construct(fields, **dict(zip(section.keys, key, strict=True)), figures=numbers)
