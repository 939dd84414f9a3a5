"""Lay the sources over each other and validate the whole once.

Each source becomes a plain layer of nested mappings; the report knows where its values stand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter.settings.checks import check
from exporter.settings.collectors import CollectorDefaults, file_model
from exporter.settings.environment import read_environment
from exporter.settings.explain import explained
from exporter.settings.file import read_file
from exporter.settings.flags import read_flags
from exporter.settings.model import KINDS, CollectorSettings, Settings
from exporter.settings.report import Report, Where

ASKING = ("run", "check", "plan", "doctor")  # these need targets and credentials
SIMULATOR_ADDRESS = "127.0.0.1:8081"


def parse(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, collectors: Sequence[CollectorDefaults] = ()
) -> tuple[str, Settings]:
    """Read everything; the command and its settings. `environ=None` is the process' environment.

    Raises SettingsError with every problem at once; `--help` and `--version` print and raise SystemExit(0).
    """
    report = Report()
    command, flags = read_flags(argv, report)
    variables = read_environment(environ, report)
    path = (flags.get("config") or variables.get("config") or {}).get("file")
    file = read_file(Path(path), report) if path else {}
    values: dict[str, Any] = {"web": {"listen_address": SIMULATOR_ADDRESS}} if command == "simulate" else {}
    _overlay(values, file or {})
    _make_room(values, variables)
    _overlay(values, variables)
    _overlay(values, flags)
    model = file_model(collectors)
    try:
        valid = model.model_validate(values)
    except ValidationError as error:
        valid = None
        for where, text in explained(error, model, [collector.name for collector in collectors]):
            report.wrong(where, text)
    # What is missing may be in a file that could not be read.
    choices = check(values, report) if command in ASKING and file is not None else {}
    if report.problems or valid is None:
        raise report.error()
    return command, _settings(valid, choices, collectors)


def _overlay(low: dict[str, Any], high: Mapping[str, Any]) -> None:
    for key, value in high.items():
        if isinstance(value, dict) and isinstance(low.get(key), dict):
            _overlay(low[key], value)
        else:
            low[key] = value


def _make_room(values: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Take the file's kind of credential out of `default`, if the environment gives one: both would stand there."""
    match values, variables:
        case {"credentials": {"default": dict(low)}}, {"credentials": {"default": high}} if high.keys() & set(KINDS):
            for key in KINDS:
                low.pop(key, None)


def _settings(valid: Settings, choices: Mapping[Where, str], collectors: Sequence[CollectorDefaults]) -> Settings:
    """Give every target its credential and split each collector's own options from the common keys."""
    values = {name: getattr(valid, name) for name in Settings.model_fields}
    for section in ("organizations", "enterprises", "appliances"):
        values[section] = tuple(
            entry.model_copy(update={"credential": choices.get((section, index), entry.credential)})
            for index, entry in enumerate(values[section])
        )
    values["collectors"] = {}
    for collector in collectors:
        given = getattr(valid.collectors, collector.name)
        own = {name: getattr(given, name) for name in collector.options.model_fields}
        values["collectors"][collector.name] = CollectorSettings.model_construct(
            enabled=given.enabled,
            interval=given.interval,
            max_age=given.max_age,
            options=collector.options.model_construct(given.model_fields_set & own.keys(), **own),
        )
    return Settings.model_construct(**values)
