"""`docs/github.md` lists what the code relies on of GitHub: the code has what it says, and no more.

A constant needs a row if a comment beside it says what GitHub does ("GitHub gives …") or links GitHub's page, if it is
a set of statuses or the cause of a refusal. A host, path, header or version of GitHub's needs one wherever it is
written. No other constant does.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.collectors import COLLECTORS
from exporter.github.refusals import Cause

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "github.md").read_text()
CODE = ROOT / "exporter"
FOLDERS = ("github", "collectors", "collecting", "counting", "settings")
OUR_PORT = CODE / "settings" / "web_config"
"""What it says of paths and headers is about our own server, as `serving/` is."""
FILES = [
    str(path.relative_to(CODE))
    for folder in FOLDERS
    for path in sorted((CODE / folder).rglob("*.py"))
    if OUR_PORT not in path.parents
]
OUR_PAGE = "/api/v1/status"
"""A page of the exporter's own, which the settings keep free."""
LINKS = dict(re.findall(r"^\[([^\]]+)\]: (https://\S+)$", PAGE, re.MULTILINE))
LITERAL = re.compile(r"`([^`]+)`")
SOURCE = re.compile(r"(\[[^\]]+\](, \[[^\]]+\])*|observed|assumed)( 20\d\d-\d\d-\d\d)")
WHAT_GITHUB_DOES = re.compile(r"\bGitHub [a-z]+s\b|https://(?:docs\.github\.com|github\.blog|github\.com/\S+/issues)/")
OF_GITHUB = re.compile(
    r"https://(?!docs\.)[\w.]*(?:github|ghe)\.com[\w/.-]*|^[\w.*-]*\.(?:com|net)$|"  # addresses, hosts
    r"^/[a-z{][\w{}-]*(?:/[\w{}-]+)+$|^(?:x|github)-(?!gzip)[a-z-]+$|^20\d\d-\d\d-\d\d$",  # paths, headers, versions
    re.IGNORECASE,
)


def rows(*columns: str) -> list[tuple[str, ...]]:
    """The rows of all tables with these columns."""
    tables = re.findall(r"^\| (.+) \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    lines = [line for head, body in tables if head == " | ".join(columns) for line in body.splitlines()]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


FACTS = rows("Fact", "Code", "Source, read", "If it is no longer true", "Test")
PATHS = rows("Path", "Asked by", "Source, read", "Test")


def test_every_line_of_a_table_is_read() -> None:
    heads = len(re.findall(r"^\|-", PAGE, re.MULTILINE))
    assert len(FACTS) + len(PATHS) + 2 * heads == len(re.findall(r"^\|", PAGE, re.MULTILINE))
    assert all(len(row) == 5 and all(row) for row in FACTS)


class Place(NamedTuple):
    """What a file below `exporter/` defines under a name; `Class.member` for what a class holds."""

    file: str
    name: str

    def node(self) -> ast.AST | None:
        """Its definition."""
        node: ast.AST | None = tree(self.file)
        for name in self.name.split("."):
            node = next((inner for inner in getattr(node, "body", ()) if name in names(inner)), None)
        return node

    def value(self) -> Any:
        """The value of a module's constant; None of anything else."""
        is_constant = isinstance(self.node(), ast.Assign | ast.AnnAssign) and "." not in self.name
        path = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return getattr(importlib.import_module(f"exporter.{path}"), self.name) if is_constant else None

    def holds(self, literal: str) -> bool:
        """Whether a pattern fits it, or the value or the definition has it."""
        value, node = self.value(), self.node()
        if isinstance(value, re.Pattern):
            return value.search(literal.encode() if isinstance(value.pattern, bytes) else literal) is not None
        text = f"{value!r} {ast.unparse(node) if node else ''}"
        return re.search(rf"(?<![\w-]){re.escape(literal)}(?![\w-])", text) is not None


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((CODE / file).read_text())


def names(node: ast.AST) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def places(cell: str) -> list[Place]:
    found = re.findall(r"`([a-z_/]+\.py): ([\w., ]+)`", cell)
    return [Place(file, name) for file, listed in found for name in listed.split(", ")]


def comment(file: str, number: int) -> str:
    """The comments of a module's statement, above it and in it, and the docstring below."""
    node, *after = tree(file).body[number : number + 2]
    lines = (CODE / file).read_text().splitlines()
    first = node.lineno - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    below = ast.unparse(after[0]) if after and isinstance(after[0], ast.Expr) else ""
    return " ".join(re.findall(r"#.*", "\n".join(lines[first : node.end_lineno]))) + below


def describes_github(place: Place, beside: str) -> bool:
    value = place.value()
    members = [*value] if isinstance(value, set | frozenset | tuple | dict) else []
    statuses = members and all(isinstance(member, int) and 100 <= member < 600 for member in members)
    return bool(statuses or isinstance(value, Cause) or WHAT_GITHUB_DOES.search(beside))


def written(node: ast.AST) -> Iterator[str]:
    """The texts in code, docstrings left out, with `{}` for what is put into them."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for inner in ast.iter_child_nodes(node):
            if not (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)):
                yield from written(inner)


def check_source_and_test(source: str, test: str) -> None:
    assert SOURCE.fullmatch(source), f"a source is [link], observed or assumed, and a date: {source}"
    assert set(re.findall(r"\[([^\]]+)\]", source)) <= LINKS.keys()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", test)
    assert named, f"name the test that would notice, like `test_pacing.py::test_limits`: {test}"
    for file, name in named:
        (path,) = (ROOT / "tests").glob(f"*/{file}")
        text = path.read_text()
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{file} has no {name}"


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row[0][:60])
def test_a_fact_is_in_the_code_and_has_source_date_consequence_and_test(row: tuple[str, ...]) -> None:
    fact, code, source, _, test = row
    assert places(code), f"name the file and the name, like `github/responses.py: FIRST_WAIT`: {code}"
    for place in places(code):
        assert place.node(), f"exporter/{place.file} has no {place.name}"
    for literal in LITERAL.findall(fact):
        assert any(place.holds(literal) for place in places(code)), f"{literal} is not in {code}"
    value = places(code)[0].value()
    if len(places(code)) == 1 and type(value) in (set, frozenset, tuple) and "such as" not in fact:
        assert {str(one) for one in value} == set(LITERAL.findall(fact)), f"{code} has another value"
    check_source_and_test(source, test)


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row[0][:60])
def test_a_path_is_asked_and_has_source_date_and_test(row: tuple[str, ...]) -> None:
    path, by, source, test = row
    for place in places(by):
        end = re.search(r"([\w-]+)`", path)  # none if it ends in a number
        assert place.node(), f"exporter/{place.file} has no {place.name}"
        assert end is None or place.holds(end[1]), f"{by} does not write the end of {path}"
    check_source_and_test(source, test)


def test_every_collectors_path_is_listed_with_its_page() -> None:
    listed = {
        (name, path): source for path, by, source, _ in PATHS for name in LITERAL.findall(by) if ".py" not in name
    }
    assert set(listed) == {(collector.name, f"`{collector.endpoint}`") for collector in COLLECTORS}
    for collector in COLLECTORS:
        source = listed[collector.name, f"`{collector.endpoint}`"]
        assert collector.page in [LINKS[name] for name in re.findall(r"\[([^\]]+)\]", source)], collector.page


def test_every_constant_that_describes_github_has_a_row() -> None:
    listed = {place for row in FACTS for place in places(row[1])}
    missing = [
        f"`{file}: {name}`"
        for file in FILES
        for number, node in enumerate(tree(file).body)
        for name in names(node)
        if name.isupper() and (file, name) not in listed and describes_github(Place(file, name), comment(file, number))
    ]
    assert not missing, "docs/github.md lacks " + ", ".join(missing)


def test_every_address_path_header_and_version_is_listed() -> None:
    listed = [re.sub(r"\{\w+\}", "x", literal) for row in (*FACTS, *PATHS) for literal in LITERAL.findall(row[0])]
    missing = []
    for file in FILES:
        for found in [
            found
            for text in written(tree(file))
            if "github-enterprise" not in text and text != OUR_PAGE
            for found in OF_GITHUB.findall(text)
        ]:
            pattern = re.sub(r"\\{\w*\\}", "[^/]+", re.escape(found.rstrip(".").removesuffix("{}")))
            if not any(re.search(pattern, literal, re.IGNORECASE) for literal in listed):
                missing.append(f"{found} of {file}")
    assert not missing, "docs/github.md lacks " + ", ".join(missing)
