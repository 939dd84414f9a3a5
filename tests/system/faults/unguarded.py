"""Sees each row of the matrix fail once: `python -m tests.system.faults.unguarded [PART OF A GUARD'S NAME ...]`.

For each guard: a copy of this working tree without it, in which its rows run. A row is caught if a column of its own
fails; a column that all rows of a run share proves something only of a row that runs alone.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import exporter
from tests.support.harness import ENVIRON
from tests.system.faults.guards import GUARDS, Guard
from tests.system.faults.process import PROCESS
from tests.system.faults.report import ROWS
from tests.system.faults.row import Column
from tests.system.faults.verdicts import run

ROOT = Path(__file__).parents[3]
SHARED: frozenset[Column] = frozenset({"alive", "answers", "secrets"})
"""The columns that are judged for the process as a whole."""
Found = Mapping[str, Mapping[str, str]]
"""By row what was wrong, by column."""


def without(guard: Guard, folder: Path) -> None:
    """Copy the working tree, and remove the guard there."""
    for part in ("exporter", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in guard.edits:
        file = folder / edit.file
        file.write_text(file.read_text().replace(edit.text, edit.instead))


def caught(guard: Guard) -> Found:
    """What each of the guard's rows shows without it."""
    alone = {row.name for row in PROCESS}
    together = [name for name in guard.rows if name not in alone]
    runs = [together] if together else []
    runs += [[name] for name in guard.rows if name in alone]
    found: dict[str, Mapping[str, str]] = {}
    with TemporaryDirectory() as folder:
        without(guard, Path(folder))
        for names in runs:
            found.update(_judged(guard, names, Path(folder)))
        for name in together if len(together) > 1 else []:
            if found[name].keys() <= SHARED:
                found.update(_judged(guard, [name], Path(folder)))
    return found


def _judged(guard: Guard, names: Sequence[str], folder: Path) -> Found:
    """Run rows in a process that has the copy."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.faults.unguarded", "--judge", f"{guard.longest:g}", *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"  the harness failed: {done.stderr[-2000:]}", flush=True)
        return {name: {} for name in names}
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def _judge(longest: float, names: Sequence[str]) -> None:
    """Run rows here, in the copy, and print what was wrong."""
    with TemporaryDirectory() as folder:
        where = [sys.executable, "-c", "import exporter; print(exporter.__file__)"]
        used = subprocess.run(where, cwd=folder, env=ENVIRON, capture_output=True, text=True, check=True).stdout.strip()
        assert used == exporter.__file__ == str(ROOT / "exporter" / "__init__.py"), "another exporter would run"
        rows = [row for row in ROWS if row.name in names]
        found = run(rows, Path(folder), max(longest, *(row.lasts + 8 for row in rows)))
    wrong = {name: {column: what for column, what in verdicts.items() if what} for name, verdicts in found.items()}
    print(json.dumps(wrong))


def _report(guard: Guard) -> Iterator[str]:
    """The rows that did not catch the guard's absence."""
    begun = time.monotonic()
    found = caught(guard)
    print(f"{guard.what} ({time.monotonic() - begun:.0f} s)", flush=True)
    for name in guard.rows:
        columns = found.get(name, {})
        print(f"  {'caught' if columns else 'MISSED'}: {name}: {', '.join(columns) or 'nothing failed'}", flush=True)
        for column, what in columns.items():
            print(f"      {column}: {' '.join(what.split())[:150]}", flush=True)
        if not columns:
            yield name


def main(words: Sequence[str]) -> int:
    """Try the guards whose names have one of these words in them; all if there is none."""
    chosen = [guard for guard in GUARDS if guard.edits and (not words or any(word in guard.what for word in words))]
    missed = [f"{guard.what}: {name}" for guard in chosen for name in _report(guard)]
    print(f"{len(chosen)} guards, {sum(len(guard.rows) for guard in chosen)} rows, {len(missed)} missed")
    return bool(missed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        _judge(float(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(main(sys.argv[1:]))
