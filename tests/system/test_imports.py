"""What an import does: it defines names. No library and no module of ours connects, starts a process, writes a file."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from pkgutil import walk_packages

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exporter
from tests.support.deploy import ROOT

REFUSING = textwrap.dedent("""\
    import importlib, json, os, sys

    REFUSED = (
        "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
        "os.chmod", "os.chown", "os.link", "os.mkdir", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.symlink",
        "os.truncate", "os.utime", "sqlite3.connect", "urllib.Request", "http.client.", "shutil.", "tempfile.",
    )
    WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    seen = []

    def audit(event, arguments):
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if writes or event.startswith(REFUSED):
            seen.append(f"{event} {arguments}")
            raise PermissionError(event)

    sys.addaudithook(audit)
    """)
"""Audit events: https://docs.python.org/3/library/audit_events.html."""
IMPORTING = textwrap.dedent("""\
    done = {}
    for name in json.load(sys.stdin):
        importlib.import_module(name)
        done[name], seen[:] = list(seen), []
    print(json.dumps({name: events for name, events in done.items() if events}))
    """)


def libraries() -> list[str]:
    """What the locked requirements of this platform let us import."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    locked = [Requirement(line.rstrip(" \\")) for line in lines if not line.startswith(" ")]
    names = {canonicalize_name(one.name) for one in locked if not one.marker or one.marker.evaluate()}
    found = {
        module: {canonicalize_name(one) for one in distributions}
        for module, distributions in packages_distributions().items()
    }
    assert names == {one for distributions in found.values() for one in distributions & names}, "each is installed"
    return sorted(module for module, distributions in found.items() if distributions & names and module.isidentifier())


def modules() -> list[str]:
    """All of our own."""
    return [module.name for module in walk_packages(exporter.__path__, "exporter.")]


def ended(script: str, *names: str) -> "subprocess.CompletedProcess[str]":
    # -B: bytecode is what Python itself writes
    command = [sys.executable, "-B", "-W", "ignore", "-c", REFUSING + script]
    return subprocess.run(
        command, env={}, cwd=ROOT, input=json.dumps(names), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "action",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 9)",
        "import subprocess; subprocess.run(['true'])",
        "import pathlib; pathlib.Path('written').write_text('')",
        "os.open('written', os.O_CREAT)",
        "import tempfile; tempfile.mkdtemp()",
    ],
)
def test_these_tests_would_see_it(action: str) -> None:
    script = f"try:\n    {action}\nexcept OSError:\n    print(len(seen))\n"
    assert int(ended(script).stdout) > 0


@pytest.mark.parametrize("what", [libraries, modules], ids=["libraries", "modules"])
def test_an_import_makes_no_connection_no_process_and_no_file(what: Callable[[], list[str]]) -> None:
    names = what()
    assert len(names) > 20
    done = ended(IMPORTING, *names)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_no_import_changes_the_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", "import json, sys, importlib\nseen = []\n" + IMPORTING],
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        input=json.dumps([*libraries(), *modules()]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
