"""PyYAML's errors as messages for operators: line, column, what is wrong and what was expected. Pure."""

import re
from collections.abc import Callable, Sequence

import yaml

Explain = Callable[[re.Match[str], yaml.MarkedYAMLError, Sequence[str]], str]


def yaml_message(error: yaml.MarkedYAMLError, text: str) -> tuple[int | None, str]:
    """The line, and a message with the column. It repeats no value, which may be a secret."""
    mark = error.problem_mark
    if mark is None:
        return None, "is not valid YAML"
    problem = error.problem or ""
    matches = ((pattern.search(problem), explain) for pattern, explain in _PROBLEMS.items())
    words = next(
        (explain(match, error, text.splitlines()) for match, explain in matches if match), "something unexpected"
    )
    return mark.line + 1, f"is not valid YAML at column {mark.column + 1}: {words}"


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _two_values(_match: re.Match[str], error: yaml.MarkedYAMLError, lines: Sequence[str]) -> str:
    """A `:` in the wrong place: a second one, or one in a line that continues the value of the line above."""
    mark = error.problem_mark
    assert mark is not None, "asked for an error with a place"
    line = lines[mark.line] if mark.line < len(lines) else ""
    above = next((text for text in reversed(lines[: mark.line]) if text.strip()), "")
    if ": " in line[: mark.column]:
        return 'a second ": " in this line; put a value that contains it in quotes'
    if not re.search(r":(\s|$)", above):
        return 'the line above has no ": " between key and value'
    return (
        f"this line is indented by {_depth(line)} spaces, and the line above, by {_depth(above)}, has its "
        "value already; keys of one section must be indented alike"
    )


def _end_of_block(match: re.Match[str], error: yaml.MarkedYAMLError, _lines: Sequence[str]) -> str:
    mark, begin = error.problem_mark, error.context_mark
    if match[1] in "}]," or mark is None or begin is None:
        return "a bracket or comma that belongs to nothing; put text that contains it in quotes"
    if mark.column == begin.column:
        return f"a list and keys stand at one depth since line {begin.line + 1}; indent what belongs to a key deeper"
    return (
        f"this line is indented by {mark.column} spaces; expected {begin.column}, as in line {begin.line + 1}, or as "
        "many as the other keys of its section have"
    )


def _open(_match: re.Match[str], error: yaml.MarkedYAMLError, _lines: Sequence[str]) -> str:
    begin = error.context_mark
    where = "" if begin is None else f" of line {begin.line + 1}"
    return f'the bracket or quote{where} is not closed before this; expected "," or its end'


def _said(text: str) -> Explain:
    return lambda match, _error, _lines: text.format(*match.groups())


_PROBLEMS: dict[re.Pattern[str], Explain] = {
    re.compile(pattern): explain
    for pattern, explain in {
        r"character '\\t'": _said("a tab; expected spaces, the only indentation that YAML has"),
        r"character '(.)' that cannot start": _said("a value cannot begin with {0}; put it in quotes"),
        "mapping values are not allowed": _two_values,
        "sequence entries are not allowed": _said("a list begins in the line below its key, or is written [a, b]"),
        r"expected <block end>, but found '(.+)'": _end_of_block,
        "expected ',' or|end of stream|expected the node content": _open,
        "could not find expected ':'": _said('a key without ": " behind it'),
        "unknown escape": _said("a backslash in double quotes; use single quotes"),
        "undefined alias": _said("* names something that is nowhere defined; put text that begins with * in quotes"),
        "constructor for the tag": _said(
            "! begins a tag, and none is known here; put text that begins with ! in quotes"
        ),
        "another document": _said("a second document begins (---); expected is one"),
        "chomping or indentation": _said("text behind > or |; expected it in the next line, or all in quotes"),
    }.items()
}
