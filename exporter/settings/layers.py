"""The layers of settings merged and validated once: flags over environment over file over defaults.

Each layer is read into nested mappings; the report has where each value was set.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from exporter.catalogue import Collector
from exporter.jobs import CollectorSettings
from exporter.settings.checks import check, check_backfill, chosen_credentials
from exporter.settings.collectors_section import by_name, file_model
from exporter.settings.config_file import read_file
from exporter.settings.environment import host_name, read_environment
from exporter.settings.flags import read_flags
from exporter.settings.model import KINDS, Settings, ShardSection
from exporter.settings.names import NEED_TARGETS, OWN_ADDRESSES, SERVE
from exporter.settings.problems import ProblemReport, Where
from exporter.settings.shards import ordinal
from exporter.settings.validation_errors import explained
from exporter.settings.web_config import read


class Layered(BaseSettings, Settings):
    """Settings from several mappings, which pydantic-settings merges; the first has precedence.

    `merged` is the merged mapping before validation.
    """

    model_config = SettingsConfigDict(case_sensitive=True)
    layers: ClassVar[Sequence[Mapping[str, Any]]] = ()
    merged: ClassVar[dict[str, Any]] = {}

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # the sources of pydantic-settings are not used
        cls, settings_cls: type[BaseSettings], **_unused: Any
    ) -> tuple[InitSettingsSource, ...]:
        """Only the layers: pydantic-settings' own sources have no line numbers and report one error at a time."""
        return tuple(InitSettingsSource(settings_cls, dict(layer)) for layer in cls.layers)

    @model_validator(mode="before")
    @classmethod
    def keep(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keep the merged mapping."""
        cls.merged.update(values)
        return values


def parse(
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    collectors: Sequence[Collector] = (),
    *,
    reload: bool = False,
) -> tuple[str, Settings]:
    """The command and its settings. `environ=None` is the process' environment.

    A `reload` leaves out the web configuration file: the server itself reads it when it changes.

    Raises SettingsError with every problem at once; `--help` and `--version` print and raise SystemExit(0).
    """
    report = ProblemReport()
    command, flags = read_flags(argv, report)
    variables = read_environment(environ, report, collectors)
    path = (flags.get("config") or variables.get("config") or {}).get("file")
    file = read_file(Path(path), report) if path else {}
    of_command = {"web": {"listen_address": OWN_ADDRESSES[command]}} if command in OWN_ADDRESSES else {}
    _drop_replaced_credential(file or {}, variables)
    model = file_model(collectors, Layered)
    model.layers, model.merged = (flags, variables, file or {}, of_command), {}
    try:
        valid = model()
    except ValidationError as error:
        valid = None
        for where, text in explained(error, model, list(by_name(collectors))):
            report.wrong(where, text)
    values = model.merged
    # A file that could not be read may have the settings that seem to be missing.
    complete = command in NEED_TARGETS and file is not None
    choices = chosen_credentials(values) if command == "state" else {}
    if complete:
        choices = check(values, report, contents=command == "check")
    if command == "backfill":
        check_backfill(values, report, list(by_name(collectors)))
    if command in SERVE and not reload:
        _check_web_config(values, report)
    shard = valid.shard if valid else ShardSection()
    if (command in NEED_TARGETS and command != "plan") or (command == "state" and shard.total > 1):  # plan tells of all
        shard = _shard(shard, report, is_needed=command != "state")
    if report.problems or valid is None:
        raise report.error()
    return command, _settings(valid, choices, collectors).model_copy(update={"shard": shard})


def _shard(given: ShardSection, report: ProblemReport, *, is_needed: bool) -> ShardSection:
    """Which shard this exporter is, by the settings or else by the host's name."""
    index, total, place = given.index, given.total, ("shard", "index")
    if total == 1 and index is None:
        return given
    if index is None and (index := ordinal(host_name())) is None:
        if not is_needed:
            return given
        numbers = f"0 to {total - 1}"
        report.wrong(place, f"set which of the {total} shards this is, {numbers}: the host's name does not end in -N")
        return given
    if index is not None and index >= total:
        report.wrong(place, f"there is no shard {index}: with a total of {total} they are numbered 0 to {total - 1}")
    return given.model_copy(update={"index": index})


def _check_web_config(values: Mapping[str, Any], report: ProblemReport) -> None:
    """Report what is wrong in the web configuration file, if there is one."""
    path = (values.get("web") or {}).get("config_file")
    if isinstance(path, str) and path.strip() and (error := read(Path(path)).error):
        report.problems += error.problems


def _drop_replaced_credential(values: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Remove the file's token or App from the credential `default`, if the environment gives another."""
    match values, variables:
        case {"credentials": {"default": dict(low)}}, {"credentials": {"default": high}} if high.keys() & set(KINDS):
            for key in KINDS:
                low.pop(key, None)


def _settings(valid: Settings, choices: Mapping[Where, str], collectors: Sequence[Collector]) -> Settings:
    """The validated settings: each target and entry with its credential, each collector with its own options apart."""
    values = {name: getattr(valid, name) for name in Settings.model_fields}
    for section in ("organizations", "enterprises", "appliances", "discover"):
        values[section] = tuple(
            entry.model_copy(update={"credential": choices.get((section, index), entry.credential)})
            for index, entry in enumerate(values[section])
        )
    values["collectors"] = {
        name: _collector_settings(getattr(valid.collectors, name), collector)
        for name, collector in by_name(collectors).items()
    }
    return Settings.model_construct(**values)


def _collector_settings(section: Any, collector: Collector) -> CollectorSettings:
    """A collector's section: its own options separate from the keys that every collector has."""
    own = {name: getattr(section, name) for name in collector.options.model_fields}
    options = collector.options.model_construct(section.model_fields_set & own.keys(), **own)
    return CollectorSettings(section.enabled, section.interval, section.max_age, options)
