"""Settings from the file: YAML, with the line of every key, so that messages can name it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.github.secret_files.encodings import decoded, kind_of_pem
from exporter.github.secret_files.tokens import is_github_token
from exporter.regular_files import read_file_or_pipe, unreadable
from exporter.settings.model import SECTIONS
from exporter.settings.names import COMMAND_FLAGS, FLAGS
from exporter.settings.report import NO_CLEAR_TOKEN, ProblemReport, Where
from exporter.settings.yaml_errors import in_plain_words

_MAX_BYTES = 1 << 20
_PATHS = ("token_file", "private_key_file", "ca_file")

_NAMES = frozenset({"name", "credential", "organization", "pool", "app_client_id", "id"})
_NO_TEXT = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp", "value"))


class _Unusable(Exception):
    """The file can be read, but is no configuration; `str()` says why, `line` where, if that is known."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.line = line


def read_file(path: Path, report: ProblemReport) -> dict[str, Any] | None:
    """The settings of a file; None if it is no configuration, which is then a problem in the report."""
    report.file = path.name
    line = None
    try:
        return _anchored(_usable(_load(path, report), report), _folder(path), report)
    except _Unusable as error:
        text, line = str(error), error.line
    except OSError as error:
        text = f"{path} {unreadable(error)}"
    except (yaml.YAMLError, ValueError, RecursionError):
        text = "is not valid YAML in UTF-8: a character or a value in it cannot be read"
    report.add(report.file, text, line)
    return None


def _folder(path: Path) -> Path:
    """Where relative paths start; of a pipe, such as a shell's `<(…)`, which has no folder, the working directory."""
    return path.absolute().parent if path.is_file() else Path.cwd()


def _load(path: Path, report: ProblemReport) -> object:
    content = read_file_or_pipe(path, _MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise _Unusable("is larger than 1 MiB; is it the right file?")
    text = decoded(content)
    if text is None:
        raise _Unusable("is not valid YAML in UTF-8 or UTF-16: a character in it cannot be read")
    try:
        return _parsed(text, report)
    except yaml.MarkedYAMLError as error:
        line, why = in_plain_words(error, text)
    raise _Unusable(why, line)


def _parsed(text: str, report: ProblemReport) -> object:
    loader = yaml.SafeLoader(text)
    node = loader.get_single_node()
    if node is None:
        return {}
    _read_names_as_text(node, (), set())
    _note_lines(node, (), report, set())
    return loader.construct_document(node)


def _usable(values: object, report: ProblemReport) -> dict[str, Any]:
    """The settings, without keys that the file must not have and without empty sections."""
    if not isinstance(values, dict):
        raise _Unusable("must be a mapping (key: value) at its top")
    if isinstance(credentials := values.get("credentials"), dict):
        for name, credential in credentials.items():
            if isinstance(credential, dict) and "token" in credential:
                report.secrets.add(str(credential["token"]))
                report.wrong(("credentials", name, "token"), NO_CLEAR_TOKEN)
    if "config" in values:
        report.wrong(("config",), f"unknown key: the file is named by {FLAGS['config', 'file']}")
    commands = {command for command, *_ in COMMAND_FLAGS}
    for command in sorted(commands & values.keys()):
        report.wrong((command,), f"unknown key: {command} is a command")
    not_in_file = {"config", *commands}
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
        case (section, int()) if section in SECTIONS.values():
            return True
        case (*_, key):
            return key in _NAMES
    return False


def _note_lines(node: yaml.Node, where: Where, report: ProblemReport, seen: set[int]) -> None:
    """Note the line of each key and item, and report duplicate keys, which PyYAML accepts."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*where, str(key.value))
            line = key.start_mark.line + 1
            if place in report.lines and key.tag != "tag:yaml.org,2002:merge":
                dotted = ".".join(map(str, place))
                text = f"this key was already given in line {report.lines[place]}; keep one"
                report.add(f"{report.file}: {dotted}", text, line)
                continue
            report.lines[place] = line
            _note_lines(value, place, report, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            report.lines[*where, index] = item.start_mark.line + 1
            _note_lines(item, (*where, index), report, seen)


def _anchored(values: dict[str, Any], folder: Path, report: ProblemReport) -> dict[str, Any]:
    """Make relative paths of the file absolute: they start at its folder, wherever the exporter was started.

    The report keeps what the file has, for messages.
    """
    for section, key in _paths(values):
        path = section[key]
        if isinstance(path, str) and _is_relative(path):
            section[key] = str(folder / path)
            report.relative[section[key]] = path
    return values


def _is_relative(path: str) -> bool:
    """Whether it is a relative path. A secret in its place is not: it stays as it is, and is refused later."""
    is_secret = is_github_token(path.strip()) or kind_of_pem(path)
    return bool(path.strip()) and not is_secret and not Path(path).is_absolute()


def _paths(values: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The sections and keys that may hold a path."""
    credentials = values.get("credentials")
    for section in (values, *(credentials.values() if isinstance(credentials, dict) else ())):
        if isinstance(section, dict):
            yield from ((section, key) for key in _PATHS if key in section)
    state = values.get("state")
    if isinstance(state, dict) and "path" in state:
        yield state, "path"
