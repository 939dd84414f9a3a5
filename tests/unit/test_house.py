"""The house: imports of the exporter run one way, and test files import nothing from each other."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
EXPORTER = TESTS.parent / "exporter"

ORDER = (
    "__main__",
    "cli",
    "simulator",
    "daemon",
    "reloads",
    "serving",
    "history",
    "discovery",
    "accesses",
    "collecting",
    "collectors",
    "state",
    "exposition",
    "settings",
    "github",
    "worker",
    "signals",
    "output",
    "privacy",
    "jobs",
    "catalogue",
    "past",
    "fetching",
    "counting",
    "tables",
    "options",
    "clock",
    "instants",
    "lateness",
    "errors",
    "regular_files",
)
"""The packages and modules right below `exporter`. Each imports only from those that stand further down."""
ONLY_FOR = {"simulator": {"cli"}}
"""Packages that only these may import, although others stand above them."""
TEST_ROOMS = ("tests.unit", "tests.system", "tests.fuzz")


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, wherever it does; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def modules(folder: Path) -> dict[str, str]:
    """The source of each module of a package, by its full name."""
    found = {}
    for file in folder.rglob("*.py"):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text()
    return found


def imports_of(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which of the modules each of them imports; a name out of a package counts as the module that it is."""
    graph = {}
    for module, source in sources.items():
        names = set(imported(source))
        parents = {name.rpartition(".")[0] for name in names if name in sources}
        graph[module] = {name for name in names if name in sources and name not in parents} - {module}
    return graph


def place(module: str) -> str:
    """The package or module right below `exporter` that a module belongs to; "" of `exporter` itself."""
    return module.partition(".")[2].partition(".")[0]


def wrong_imports(sources: Mapping[str, str]) -> set[str]:
    """Imports that run up the order, or into a package that is only for others."""
    found = set()
    for module, targets in imports_of(sources).items():
        for target in targets:
            here, there = place(module), place(target)
            if here == there:
                continue
            runs_up = here and ORDER.index(there) < ORDER.index(here)
            if runs_up or here not in ONLY_FOR.get(there, {here}):
                found.add(f"{module} imports {target}")
    return found


def cycle(sources: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a circle."""
    try:
        TopologicalSorter(imports_of(sources)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def is_test_file(module: str) -> bool:
    return module.startswith((".", *TEST_ROOMS)) or module.rpartition(".")[2].startswith("test_")


def test_every_package_of_the_exporter_has_its_place_in_the_order() -> None:
    assert {place(module) for module in modules(EXPORTER)} - {""} <= set(ORDER)


def test_imports_run_down_the_order() -> None:
    assert wrong_imports(modules(EXPORTER)) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycle(modules(EXPORTER)) == []


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("exporter.github.client", "from exporter.serving.http import Server", "exporter.serving.http"),
        ("exporter.github.client", "from exporter.serving import http", "exporter.serving.http"),
        ("exporter.github.client", "import exporter.serving.http", "exporter.serving.http"),
        ("exporter.github.client", "def f():\n    import exporter.serving.http as h", "exporter.serving.http"),
        (
            "exporter.github.client",
            "if TYPE_CHECKING:\n    from exporter.serving import http",
            "exporter.serving.http",
        ),
        ("exporter.github.client", "importlib.import_module('exporter.serving.http')", "exporter.serving.http"),
        ("exporter.collecting", "from exporter.daemon import Exporter", "exporter.daemon"),
        ("exporter.daemon", "from exporter.simulator import world", "exporter.simulator.world"),
        ("exporter.errors", "from exporter.jobs import Job", "exporter.jobs"),
    ],
)
def test_an_import_that_runs_up_is_seen(module: str, source: str, target: str) -> None:
    others = {
        "exporter.serving": "",
        "exporter.serving.http": "",
        "exporter.daemon": "",
        "exporter.simulator": "",
        "exporter.simulator.world": "",
        "exporter.jobs": "",
    }
    assert wrong_imports({**others, module: source}) == {f"{module} imports {target}"}
    assert wrong_imports({**others, module: "", "exporter.cli": source}) == set()


def test_a_circle_of_imports_is_seen() -> None:
    sources = {
        "exporter.github.client": "from exporter.github import links",
        "exporter.github.links": "def f():\n    from exporter.github.bodies import read",
        "exporter.github.bodies": "import exporter.github.client",
    }
    assert set(cycle(sources)) == sources.keys()
    assert wrong_imports(sources) == set()
    assert cycle({**sources, "exporter.github.bodies": ""}) == []


@pytest.mark.parametrize(
    "source",
    [
        "import tests.unit.test_keys",
        "from tests.system.test_state import KEY",
        "from tests.system import test_state",
        "from tests import unit",
        "from test_state import KEY",
        "from .test_state import KEY",
        "def f():\n    from tests.unit import anything",
    ],
)
def test_an_import_from_another_test_file_is_seen(source: str) -> None:
    assert any(map(is_test_file, imported(source)))


def test_no_test_file_imports_from_another() -> None:
    files = [
        *TESTS.glob("unit/*.py"),
        *TESTS.glob("fuzz/*.py"),
        *TESTS.glob("system/*.py"),
        *TESTS.glob("support/*.py"),
    ]
    seen = {file.name: [name for name in imported(file.read_text()) if is_test_file(name)] for file in files}
    assert {name: names for name, names in seen.items() if names} == {}
