"""The file: YAML, with the line of every key, so that a mistake can be told with its line."""

from pathlib import Path
from typing import Any

import yaml

from exporter.settings.names import FLAGS
from exporter.settings.report import NO_CLEAR_TOKEN, Report, Where

_MAX_BYTES = 1 << 20


class _Unusable(Exception):
    """A file that can be read and is no configuration; `str()` says why."""


def read_file(path: Path, report: Report) -> dict[str, Any] | None:
    """The settings of a file; None if it cannot be read as one, which is a problem in the report."""
    report.file = path.name
    line = None
    try:
        return _usable(_load(path, report), report)
    except _Unusable as error:
        text = str(error)
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}; check the path and its permissions"
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        text = f"is not valid YAML: {error.problem}"
    except (yaml.YAMLError, ValueError, RecursionError):
        text = "is not valid YAML in UTF-8: a character or a value in it cannot be read"
    report.add(report.file, text, line)
    return None


def _load(path: Path, report: Report) -> object:
    with path.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise _Unusable("is larger than 1 MiB; is it the right file?")
    loader = yaml.SafeLoader(content.decode("utf-8-sig"))
    node = loader.get_single_node()
    if node is None:
        return {}
    _note_lines(node, (), report, set())
    return loader.construct_document(node)


def _usable(values: object, report: Report) -> dict[str, Any]:
    """Take out what the file must not have, and read an empty section as none."""
    if not isinstance(values, dict):
        raise _Unusable("must be a mapping (key: value) at its top")
    if isinstance(credentials := values.get("credentials"), dict):
        for name, credential in credentials.items():
            if isinstance(credential, dict) and "token" in credential:
                report.secrets.add(str(credential["token"]))
                report.wrong(("credentials", name, "token"), NO_CLEAR_TOKEN)
    if "config" in values:
        report.wrong(("config",), f"unknown key: the file's place is told by {FLAGS['config', 'file']}")
    if "plan" in values:
        report.wrong(("plan",), "unknown key: plan is a command")
    sections = {key: value for key, value in values.items() if value is not None and key not in ("config", "plan")}
    if isinstance(given := sections.get("collectors"), dict):
        sections["collectors"] = {name: {} if value is None else value for name, value in given.items()}
    return sections


def _note_lines(node: yaml.Node, where: Where, report: Report, seen: set[int]) -> None:
    """Note the line of each key and item, and refuse keys that come twice, which PyYAML takes in silence."""
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
