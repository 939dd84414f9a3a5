"""Settings from the configuration file: refuses keys it must not have, keeps names as text, makes paths absolute."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.github.secret_files.encodings import kind_of_pem
from exporter.github.secret_files.tokens import is_github_token
from exporter.settings.model import SECTIONS
from exporter.settings.names import COMMAND_FLAGS, FLAGS
from exporter.settings.problems import NO_CLEAR_TOKEN, ProblemReport, Where
from exporter.settings.yaml_file import folder_of, mapping_in

_PATHS = ("token_file", "private_key_file", "ca_file")

_NAMES = frozenset({"name", "credential", "organization", "enterprise", "pool", "app_client_id", "id"})
_NO_TEXT = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp", "value"))


def read_file(path: Path, report: ProblemReport) -> dict[str, Any] | None:
    """The settings of a file; None if it is no configuration, which is then a problem in the report."""
    values = mapping_in(path, report, lambda node: _read_names_as_text(node, (), set()))
    return None if values is None else _anchored(_usable(values, report), folder_of(path), report)


def _usable(values: dict[str, Any], report: ProblemReport) -> dict[str, Any]:
    """The settings, without empty sections and without keys that are not allowed in the file, which are reported."""
    if isinstance(credentials := values.get("credentials"), dict):
        for name, credential in credentials.items():
            if isinstance(credential, dict) and "token" in credential:
                report.secrets.add(str(credential["token"]))
                report.wrong(("credentials", name, "token"), NO_CLEAR_TOKEN)
    if "config" in values:
        report.wrong(("config",), f"unknown key: the file is named by {FLAGS['config', 'file']}")
    if "discovered" in values:
        report.wrong(("discovered",), "unknown key: GitHub says what is discovered; how it is asked is in discover")
    commands = {"healthcheck", "state_command", *(command for command, *_ in COMMAND_FLAGS)}
    for command in sorted(commands & values.keys()):
        report.wrong((command,), f"unknown key: {command} is a command")
    not_in_file = {"config", "discovered", *commands}
    sections = {key: value for key, value in values.items() if value is not None and key not in not_in_file}
    if isinstance(collectors := sections.get("collectors"), dict):
        sections["collectors"] = {name: {} if value is None else value for name, value in collectors.items()}
    return sections


def _read_names_as_text(node: yaml.Node, where: Where, seen: set[int]) -> None:
    """Keep names as text: YAML reads 2024 as a number, 0123 as 83, `on` as true, 2024-01-01 as a day.

    An empty name stays None, and so does null.
    """
    if isinstance(node, yaml.ScalarNode):
        if _is_name(where) and node.tag in _NO_TEXT:
            node.tag = "tag:yaml.org,2002:str"
        return
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if where == ("credentials",):
                _read_names_as_text(key, (*where, "name"), seen)
            _read_names_as_text(value, (*where, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _read_names_as_text(item, (*where, index), seen)


def _is_name(where: Where) -> bool:
    match where:
        case (section, int()) if section in (*SECTIONS.values(), "discover"):
            return True
        case ("discover", int(), "include" | "exclude", *_):
            return True
        case (*_, key):
            return key in _NAMES
    return False


def _anchored(values: dict[str, Any], folder: Path, report: ProblemReport) -> dict[str, Any]:
    """Make relative paths of the file absolute: they start at its folder, wherever the exporter was started.

    The report keeps them as written, for messages.
    """
    for section, key in _paths(values):
        path = section[key]
        if isinstance(path, str) and _is_relative(path):
            section[key] = str(folder / path)
            report.relative[section[key]] = path
    return values


def _is_relative(path: str) -> bool:
    """Whether it is a relative path. A secret in place of a path is not: it stays unchanged, and is refused later."""
    is_secret = is_github_token(path.strip()) or kind_of_pem(path)
    return bool(path.strip()) and not is_secret and not Path(path).is_absolute()


def _paths(values: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The sections and keys that may hold a path."""
    credentials = values.get("credentials")
    for section in (values, *(credentials.values() if isinstance(credentials, dict) else ())):
        if isinstance(section, dict):
            yield from ((section, key) for key in _PATHS if key in section)
    for name, key in (("state", "path"), ("web", "config_file")):
        section = values.get(name)
        if isinstance(section, dict) and key in section:
            yield section, key
