"""`state list`, `state export TARGET ...` and `state import`: the state of each target, and how it moves elsewhere.

`list` and `export` only read, also while the exporter runs. `import` writes all or nothing. It takes the folder's lock;
while a running exporter has it, only targets without any state there are imported, and a reload continues them.
"""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import BinaryIO

from exporter import output
from exporter.cli.tables import table
from exporter.clock import SystemClock
from exporter.collectors import COLLECTORS
from exporter.instants import utc_time
from exporter.settings import Settings
from exporter.state.database import State, StateLockedError
from exporter.state.moving import NotImported, TargetSummary, export_lines, import_lines, target_summaries
from exporter.state.names import STATE_FILE
from exporter.state.renaming import renamed_by
from exporter.state.state_file import connect_to_read

LARGEST_EXPORT = 256 * 1024 * 1024
"""Bytes; 100,000 series have a tenth of that."""
PATIENCE = 10.0
"""Seconds to wait while a running exporter writes."""


def main(settings: Settings) -> int:
    """Run one of the three; exit code 1, with the reason, if it cannot be done."""
    words, folder = settings.state_command, settings.state.path
    try:
        if words.action == "import":
            _import(settings)
        else:
            with closing(connect_to_read(folder / STATE_FILE, PATIENCE)) as connection:
                _list(connection) if words.action == "list" else _export(connection, words.targets)
    except (NotImported, ValueError) as problem:
        output.complain(str(problem))
        return 1
    except (sqlite3.Error, OSError) as error:
        output.complain(f"{folder / STATE_FILE}: {error}: is it the exporter's folder (state.path)? May you read it?")
        return 1
    return 0


def _list(connection: sqlite3.Connection) -> None:
    output.write(_table(target_summaries(connection)))


def _table(targets: Mapping[str, TargetSummary]) -> str:
    head = ("TARGET", "JOBS", "COUNTED KEYS", "NEWEST READ", "COUNTS SINCE")
    return f"{table([head, *(_row(name, target) for name, target in targets.items())])}\n"


def _row(name: str, target: TargetSummary) -> tuple[str, ...]:
    jobs = f"{target.jobs:,}" + (f" ({target.unreadable} unreadable)" if target.unreadable else "")
    return name, jobs, f"{target.keys:,}", _time(target.read_at), _time(target.since)


def _time(instant: float) -> str:
    return utc_time(instant) if instant else "never"


def _export(connection: sqlite3.Connection, targets: tuple[str, ...]) -> None:
    """Write the export; one transaction, so that it is of one moment."""
    connection.execute("BEGIN")
    known = target_summaries(connection)
    if missing := [target for target in targets if target not in known]:
        raise ValueError(f"nothing is kept of {', '.join(missing)}, but of {', '.join(known) or 'no target'}")
    for piece in export_lines(connection, targets):
        output.write(piece)


def _import(settings: Settings) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise NotImported("state import reads an export from standard input: state import < FILE")
    with _opened(settings) as in_use:
        path = settings.state.path / STATE_FILE
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # the file itself changes by its owner only
            summaries = import_lines(connection, _lines(sys.stdin.buffer), renamed_by(COLLECTORS), in_use=in_use)
    reload = "The running exporter takes it over at its next reload (SIGHUP or /-/reload).\n" if in_use else ""
    output.write(_table(summaries) + reload)


@contextmanager
def _opened(settings: Settings) -> Iterator[bool]:
    """Hold the state's folder, made ready for this version and for `privacy`; gives whether an exporter has it."""
    state = State(settings.state.path, settings.privacy.user_names, renamed_by(COLLECTORS))
    try:
        state.open(SystemClock().wall())
    except StateLockedError:
        yield True
        return
    try:
        if state.problem:
            raise NotImported(f"state cannot be written: {state.problem}")
        yield False
        state.checkpoint()
    finally:
        state.close()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream of bounded length."""
    left = LARGEST_EXPORT
    while line := stream.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise NotImported(f"the export is larger than {LARGEST_EXPORT:,} bytes: export fewer targets at once")
        yield line
