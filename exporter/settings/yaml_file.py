"""A YAML file as a mapping, with the line of every key in a report, so that messages can name it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from exporter.github.secret_files.encodings import decoded
from exporter.regular_files import read_file_or_pipe, unreadable
from exporter.settings.problems import ProblemReport, Where
from exporter.settings.yaml_errors import yaml_message

_MAX_BYTES = 1 << 20
_MOST_KEYS = 10_000
"""Keys of one mapping after `<<` has merged others into it: eight merges of eight merges would be millions."""

_NO_KEY = (
    "is not valid YAML at column {}: a list or mapping where a key is expected; put text that begins with [ or {{ in "
    "quotes"
)


class UnusableFile(Exception):
    """The file can be read, but is no configuration; `str()` says why, `line` where, if that is known."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.line = line


class _Loader(yaml.SafeLoader):
    """PyYAML's loader of plain values, with bounds."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace the merge keys of a mapping by what they name."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            raise UnusableFile("merges mappings (<<) until they have too many keys", node.start_mark.line + 1)


def mapping_in(
    path: Path,
    report: ProblemReport,
    prepare: Callable[[yaml.Node], None],
    content_of: Callable[[Path, int], bytes] = read_file_or_pipe,
) -> dict[str, Any] | None:
    """The mapping of a file; None if there is none, which is then a problem in the report.

    `prepare` may change the YAML nodes before they are converted to values. `content_of` reads at most so many bytes.
    """
    report.file = path.name
    line = None
    try:
        return _mapping(_load(content_of(path, _MAX_BYTES + 1), report, prepare))
    except UnusableFile as error:
        text, line = str(error), error.line
    except OSError as error:
        text = f"{path} {unreadable(error)}"
    except RecursionError:
        text = "is not valid YAML: it is nested too deeply"
    except (yaml.YAMLError, ValueError):
        text = "is not valid YAML in UTF-8: a character or a value in it cannot be read"
    report.add(report.file, text, line)
    return None


def folder_of(path: Path) -> Path:
    """Where relative paths start; of a pipe, such as a shell's `<(…)`, which has no folder, the working directory."""
    return path.absolute().parent if path.is_file() else Path.cwd()


def _mapping(values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise UnusableFile("must be a mapping (key: value) at its top")
    return values


def _load(content: bytes, report: ProblemReport, prepare: Callable[[yaml.Node], None]) -> object:
    if len(content) > _MAX_BYTES:
        raise UnusableFile("is larger than 1 MiB; is it the right file?")
    text = decoded(content)
    if text is None:
        raise UnusableFile("is not valid YAML in UTF-8 or UTF-16: a character in it cannot be read")
    try:
        return _parsed(text, report, prepare)
    except yaml.MarkedYAMLError as error:
        line, why = yaml_message(error, text)
    raise UnusableFile(why, line)


def _parsed(text: str, report: ProblemReport, prepare: Callable[[yaml.Node], None]) -> object:
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return {}
    _note_lines(node, (), report, set())
    prepare(node)
    return loader.construct_document(node)


def _note_lines(node: yaml.Node, where: Where, report: ProblemReport, seen: set[int]) -> None:
    """Note the line of each key and item, and report duplicate keys, which PyYAML accepts.

    Raises `UnusableFile` for a key that is a list or mapping: as text it could be endless, and no value can have it.
    """
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UnusableFile(_NO_KEY.format(key.start_mark.column + 1), key.start_mark.line + 1)
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
