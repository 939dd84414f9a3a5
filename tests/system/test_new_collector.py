"""A new endpoint is one file, one entry and one stored answer: all else follows from its declaration.

They are added to a copy of the package, which then runs as its own program.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import exporter
from tests.support.harness import get, until

PACKAGE = Path(exporter.__file__).parent
README = PACKAGE.parent / "README.md"

COLLECTOR = '''"""How many widgets an organization has; made up."""

from exporter.catalogue import Collector, Permission
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import HOUR
from exporter.tables import Amount, Row, Table, gauge


class Widgets(Row):
    """GitHub's answer."""

    total: Amount


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One call."""
    reply = await api.get(f"/orgs/{ask.target}/widgets")
    return Fetched((Widgets.model_validate_json(reply.body),), data_time=float(ask.end))


COLLECTOR = Collector(
    name="widgets",
    scope="organization",
    endpoint="/orgs/{org}/widgets",
    page="https://docs.github.com/rest/widgets",
    lateness="GitHub counts widgets at that moment.",
    permission=Permission(app="organization permission “Widgets” (read)", classic="scope `read:widgets`"),
    fetch=fetch,
    tables=(Table(row=Widgets, families=(gauge("github_widgets_in_stock", "total", "Widgets in stock."),)),),
    interval=2 * HOUR,
)
'''
ANSWER = {"/orgs/acme/widgets": {"total": 42}}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a copy of the package with the new collector; only these three files were touched."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "exporter"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "collectors" / "widgets.py").write_text(COLLECTOR)
    entries = package / "collectors" / "__init__.py"
    text = entries.read_text().replace("    user_stats,\n)", "    user_stats,\n    widgets,\n)")
    entries.write_text(re.sub(r",\n\)\s*\Z", ",\n    widgets.COLLECTOR,\n)\n", text))
    (package / "simulator" / "answers" / "widgets.json").write_text(json.dumps(ANSWER))
    return folder


def run(copy: Path, *arguments: str, **environ: str) -> str:
    """What a command of the copy prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 2), done.stderr  # 2: a plan that does not fit
    return done.stdout


@contextmanager
def running(copy: Path, command: str, said: str) -> Iterator[str]:
    """A command of the copy that serves, at a free port; gives what it says there, by a pattern's first group."""
    output = copy / f"{command}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", command, "--web.listen-address=127.0.0.1:0"],
            cwd=copy,
            stdout=log,
            stderr=log,
        )
    try:
        yield until(lambda: re.search(said, output.read_text()), f"{command} serves")[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


@pytest.mark.parametrize(
    ("written_by", "words"),
    [
        ("exporter.settings.docs.reference import reference", ["| `collectors.widgets.interval` | duration | `2h` |"]),
        ("exporter.settings.docs.example import example", ["  #widgets:\n", "    #interval: 2h\n"]),
        ("exporter.settings.docs.schema import schema", ['"widgets": {']),
    ],
)
def test_the_reference_the_example_and_the_schema_have_it(copy: Path, written_by: str, words: list[str]) -> None:
    write = written_by.rpartition(" ")[2]
    text = run(copy, "-c", f"from exporter.collectors import COLLECTORS; from {written_by}; print({write}(COLLECTORS))")
    assert [word for word in words if word not in text] == []


def test_the_metric_reference_has_it(copy: Path) -> None:
    text = run(copy, "-m", "exporter", "metrics")
    assert "## widgets\n" in text
    assert "Needs: organization permission “Widgets” (read) for a GitHub App or fine-grained token" in text
    assert "| `github_widgets_in_stock` | gauge | `organization` |" in text


def test_the_readmes_tables_have_it(copy: Path) -> None:
    shutil.copy(README, copy)
    run(copy, "-m", "exporter.cli.readme", "README.md")
    text = (copy / "README.md").read_text()
    assert "| `widgets` | organization permission “Widgets” (read) | scope `read:widgets` |" in text
    assert "| `github_widgets_in_stock…` | 2 h | GitHub counts widgets at that moment. |" in text


def test_the_demo_asks_for_it_often_and_shows_it(copy: Path) -> None:
    with running(copy, "demo", r"(http://localhost:\d+)/metrics") as url:
        sample = 'github_widgets_in_stock{organization="acme"} 42'
        until(lambda: sample in get(f"{url}/metrics")[1], "the stored answer is served")
        sources: list[dict[str, Any]] = json.loads(get(f"{url}/api/v1/status")[1])["sources"]
        (source,) = [one for one in sources if (one["collector"], one["target"]) == ("widgets", "organization/acme")]
        assert source["state"] == "works"
        assert 0 < source["next_run"] - source["last_success"] <= 11, "every 10 s instead of 2 h"
        assert "widgets" in get(f"{url}/")[1]


def test_plan_check_and_doctor_know_it(copy: Path) -> None:
    with running(copy, "simulate", r"is at (http://\S+?);") as url:
        environ = {f"GITHUB_EXPORTER_{key}": text for key, text in {"TOKEN": "any", "API_URL": url}.items()}
        environ |= {
            "GITHUB_EXPORTER_ORGANIZATIONS": "acme",
            "GITHUB_EXPORTER_COLLECTORS_COPILOT_USAGE_DOWNLOAD_HOSTS": "127.0.0.1",
            "GITHUB_EXPORTER_COLLECTORS_COPILOT_PEOPLE_DOWNLOAD_HOSTS": "127.0.0.1",
        }
        assert re.search(
            r"^widgets +organization/acme +2h ", run(copy, "-m", "exporter", "check", **environ), re.MULTILINE
        )
        assert re.search(r"\bwidgets\b", run(copy, "-m", "exporter", "plan", **environ))
        assert re.search(
            r"^works +widgets +organization/acme ", run(copy, "-m", "exporter", "doctor", **environ), re.MULTILINE
        )


def test_only_three_files_were_touched(copy: Path) -> None:
    def texts(package: Path) -> dict[str, bytes]:
        files = (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        return {str(file.relative_to(package)): file.read_bytes() for file in files}

    before, after = texts(PACKAGE), texts(copy / "exporter")
    touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert touched == {"collectors/widgets.py", "collectors/__init__.py", "simulator/answers/widgets.json"}
