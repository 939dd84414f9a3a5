"""`state list`, `state export [TARGET ...]` and `state import`: the state of each target, and how it moves elsewhere.

Without targets, `export` writes what is kept of those that the given shard reads. `list` and `export` only read, also
while the exporter runs. `import` writes all or nothing. It takes the folder's lock;
while a running exporter has it, only targets without any state there are imported, and a reload continues them.
"""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from exporter import output
from exporter.cli.tables import table
from exporter.clock import SystemClock
from exporter.collectors import COLLECTORS
from exporter.discovery.discoveries import discoveries_of
from exporter.discovery.saved import load_all
from exporter.instants import utc_time
from exporter.settings import Settings
from exporter.state.database import State, StateLockedError
from exporter.state.importing import NotImported, import_lines, lines_of
from exporter.state.moving import TargetSummary, export_lines, target_summaries
from exporter.state.names import STATE_FILE
from exporter.state.renaming import renamed_by
from exporter.state.state_file import connect_to_read

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
                _list(connection, settings) if words.action == "list" else _export(connection, settings)
    except (NotImported, ValueError) as problem:
        output.complain(str(problem))
        return 1
    except (sqlite3.Error, OSError) as error:
        output.complain(f"{folder / STATE_FILE}: {error}: is it the exporter's folder (state.path)? May you read it?")
        return 1
    return 0


def _list(connection: sqlite3.Connection, settings: Settings) -> None:
    owners = _with_discovered(connection, settings).owners() if settings.shard.total > 1 else {}
    output.write(_table(target_summaries(connection), owners))


def _table(targets: Mapping[str, TargetSummary], owners: Mapping[str, int]) -> str:
    """The targets, each with the shard that reads it if there are several."""
    shard = ("SHARD",) if owners else ()
    head = ("TARGET", "JOBS", "COUNTED KEYS", "NEWEST READ", "COUNTS SINCE", *shard)
    return f"{table([head, *(_row(name, target, owners) for name, target in targets.items())])}\n"


def _row(name: str, target: TargetSummary, owners: Mapping[str, int]) -> tuple[str, ...]:
    jobs = f"{target.jobs:,}" + (f" ({target.unreadable} unreadable)" if target.unreadable else "")
    shard = (str(owners.get(name, "not configured")),) if owners else ()
    return name, jobs, f"{target.keys:,}", _time(target.read_at), _time(target.since), *shard


def _time(instant: float) -> str:
    return utc_time(instant) if instant else "never"


def _export(connection: sqlite3.Connection, settings: Settings) -> None:
    """Write the export; one transaction, so that it is of one moment."""
    targets = settings.state_command.targets
    connection.execute("BEGIN")
    known = target_summaries(connection)
    if not targets:
        own = _own(_with_discovered(connection, settings))
        targets = tuple(target for target in known if target in own)
    if missing := [target for target in targets if target not in known]:
        raise ValueError(f"nothing is kept of {', '.join(missing)}, but of {', '.join(known) or 'no target'}")
    for piece in export_lines(connection, targets):
        output.write(piece)


def _with_discovered(connection: sqlite3.Connection, settings: Settings) -> Settings:
    """The settings with the targets that the exporter of this folder has discovered."""
    waits = connection.execute("SELECT name, mark FROM wait").fetchall()
    memories = load_all((str(name), str(mark)) for name, mark in waits)
    result = discoveries_of(settings.discover, memories, settings.listed_targets())
    return settings.model_copy(update={"discovered": result.targets})


def _own(settings: Settings) -> frozenset[str]:
    """The targets that this shard reads; raises `ValueError` where nothing says which these are."""
    owners, index = settings.owners(), settings.shard.index
    if settings.shard.total == 1 or index is None or not (owners or settings.discover):
        raise ValueError(
            "state export needs targets, such as organization/acme (`state list` has them), or --config.file, --shard "
            "and --total-shards: then it exports what that shard reads"
        )
    if settings.discover and not settings.discovered:
        raise ValueError(
            "neither the file nor this folder has what `discover` finds: name those to export, by `state list`"
        )
    return frozenset(target for target, shard in owners.items() if shard == index)


def _refused(settings: Settings) -> dict[str, str]:
    """The targets that other shards read, with what to do about it; none where nothing says which shard this is."""
    index, total = settings.shard.index, settings.shard.total
    if total == 1 or index is None:
        return {}
    return {
        target: f"shard {shard} of {total} reads it, this is shard {index}: import it there"
        for target, shard in settings.owners().items()
        if shard != index
    }


def _import(settings: Settings) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise NotImported("state import reads an export from standard input: state import < FILE")
    with _opened(settings) as in_use:
        path = settings.state.path / STATE_FILE
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # the file itself changes by its owner only
            summaries = import_lines(
                connection,
                lines_of(sys.stdin.buffer),
                renamed_by(COLLECTORS),
                in_use=in_use,
                refused=_refused(settings),
            )
    reload = "The running exporter takes it over at its next reload (SIGHUP or /-/reload).\n" if in_use else ""
    output.write(_table(summaries, {}) + reload)


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
