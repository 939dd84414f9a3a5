"""The output folder: finished files, the manifest that says what is done, and the spool of what is not.

A file is finished when it has its name: it is written under another one, saved to disk and then renamed. The same
answers of GitHub give the same bytes, so a file that was renamed but is not in the manifest yet is written once more.

The manifest has a line of JSON for each thing that was done, in order:

    {"begun": {"flags": {…}, "ranges": {…}}}
    {"written": {"name": "summary_stats.organization-acme.2026-11.om", "samples": 8640, …}}
    {"again": ["summary_stats.organization-acme.2026-11.om"]}
    {"ended": {"complete": true, "gaps": [{…}]}}
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MANIFEST = "manifest.jsonl"
SPOOL = "unfinished.db"
FORMAT = "github-enterprise-exporter backfill 1"
SUFFIX = ".om"
GAP = ("source", "from", "to", "state", "why")
"""What is noted of each gap."""
_UNFINISHED = ".part"
_SPOOL_FILES = (SPOOL, f"{SPOOL}-wal", f"{SPOOL}-shm")
_ANOTHER = "name an empty folder with --output"


class UnusableFolder(Exception):
    """The folder cannot be used; `str()` says why, and what to do about it."""


class Folder:
    """The folder of one backfill. It blocks: its methods are called in the worker, or before the event loop runs.

    `flags` are the flags and settings that its files depend on, `ranges` from when until when each job is read, as the
    first run has found it out. `files` has what is written, by name. `gaps` and `is_complete` are those of the last
    run.
    """

    def __init__(self, path: Path) -> None:
        """Look at nothing yet."""
        self.path = path
        self.flags: Mapping[str, Any] = {}
        self.ranges: Mapping[str, Sequence[int]] = {}
        self.files: dict[str, Mapping[str, Any]] = {}
        self.gaps: Sequence[Mapping[str, Any]] = ()
        self.is_complete = False
        self._lock = -1

    @property
    def spool(self) -> Path:
        """The path of the spool."""
        return self.path / SPOOL

    def open(self, flags: Mapping[str, Any]) -> bool:
        """Begin, or go on with what is here; returns whether something is. Raises `UnusableFolder` and `OSError`.

        Nothing is written to a folder with other files, or with another backfill.
        """
        if not self.path.exists():
            return False
        if not self.path.is_dir():
            raise UnusableFolder(f"{self.path} is no folder: name another one with --output")
        self._hold()
        names = {entry.name for entry in self.path.iterdir()}
        ours = {MANIFEST, *_SPOOL_FILES, "blocks"} if MANIFEST in names else set()
        others = sorted(name for name in names - ours if not (ours and name.endswith((SUFFIX, SUFFIX + _UNFINISHED))))
        if others:
            raise UnusableFolder(f"{self.path} has other files ({others[0]}): {_ANOTHER}")
        if MANIFEST not in names:
            return False
        self._read()
        if self.is_complete and (changed := [name for name, facts in self.files.items() if not self._has(name, facts)]):
            raise UnusableFolder(f"{self.path / changed[0]} was removed or changed: delete {self.path} and begin anew")
        if not self.flags:
            return False  # the run that began it was killed before its first line
        flags = json.loads(json.dumps(flags))
        if differing := [name for name in flags if self.flags.get(name) != flags[name]]:
            raise UnusableFolder(
                f"{self.path} has a backfill with other flags or settings ({', '.join(differing)}): "
                "name another folder with --output, or call it as before"
            )
        return True

    def begin(self, flags: Mapping[str, Any], ranges: Mapping[str, Sequence[int]]) -> None:
        """Create the folder, and write down what its files depend on."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # the files may name people
        if self._lock < 0:
            self._hold()
        self.flags, self.ranges = flags, ranges
        self._note({"begun": {"format": FORMAT, "flags": flags, "ranges": ranges}})

    def write(self, name: str, pieces: Iterable[str], facts: Mapping[str, Any]) -> None:
        """Write a file, whole or not at all, and note it with its facts. Without a piece there is no file.

        The facts are read after the last piece.
        """
        unfinished, size, digest = self.path / f"{name}{_UNFINISHED}", 0, hashlib.sha256()
        try:
            with unfinished.open("wb") as file:
                for piece in pieces:
                    content = piece.encode()
                    file.write(content)
                    digest.update(content)
                    size += len(content)
                file.flush()
                os.fsync(file.fileno())
            if size:
                unfinished.replace(self.path / name)
                self._sync()
                self.files[name] = {"bytes": size, "sha256": digest.hexdigest(), **facts}
                self._note({"written": {"name": name, **self.files[name]}})
        finally:
            unfinished.unlink(missing_ok=True)

    def write_again(self, names: Sequence[str]) -> None:
        """Note that files are to be written again."""
        for name in names:
            del self.files[name]
        self._note({"again": names})

    def end(self, gaps: Sequence[Mapping[str, Any]], *, is_complete: bool) -> None:
        """Note the end of a run. Once everything is read, the spool is removed."""
        self.gaps, self.is_complete = gaps, is_complete
        self._note({"ended": {"complete": is_complete, "gaps": gaps}})
        if is_complete:
            for name in _SPOOL_FILES:
                (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _hold(self) -> None:
        """Keep other runs away, as long as this process lives."""
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnusableFolder(f"{self.path} is being written to by another backfill: wait for its end") from None
        except OSError:
            pass  # some network shares have no locks

    def _note(self, what: Mapping[str, Any]) -> None:
        """Append a line to the manifest, on disk when this returns."""
        with (self.path / MANIFEST).open("ab") as file:
            file.write(f"{json.dumps(what)}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> None:
        """Read the manifest; what a killed run left of its last line is cut off."""
        path = self.path / MANIFEST
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.split(b"\n") if line]
            if lines and "begun" not in lines[0]:
                raise UnusableFolder(f"{path} is of another program: {_ANOTHER}")
            for line in lines:
                self._take(line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UnusableFolder(f"{path} cannot be read ({error}): {_ANOTHER}") from None
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))

    def _take(self, line: Any) -> None:
        """Take over a line of the manifest; raises `ValueError` and the like for one of another shape."""
        match line:
            case {"begun": begun}:
                if begun["format"] != FORMAT:
                    raise UnusableFolder(f"{self.path / MANIFEST} is of another version: {_ANOTHER}")
                self.flags = dict(begun["flags"])
                self.ranges = {str(job): [int(begin), int(end)] for job, (begin, end) in begun["ranges"].items()}
            case {"written": {"name": str(name), "bytes": int(), "samples": int()} as facts}:
                self.files[name] = {fact: value for fact, value in facts.items() if fact != "name"}
                self.is_complete = False
            case {"again": names}:
                for name in names:
                    self.files.pop(name, None)
            case {"ended": {"complete": bool(complete), "gaps": list(gaps)}}:
                self.gaps = [{part: str(gap[part]) for part in GAP} for gap in gaps]
                self.is_complete = complete
            case _:
                raise ValueError("a line says nothing that is known")

    def _has(self, name: str, facts: Mapping[str, Any]) -> bool:
        path = self.path / name
        return path.is_file() and path.stat().st_size == facts["bytes"]

    def _sync(self) -> None:
        """Save the names of the folder."""
        with suppress(OSError):  # some file systems cannot
            os.fsync(self._lock)
