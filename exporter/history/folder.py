"""The output folder: finished files, the manifest that says what is done, and the spool of what is not.

A file is finished when it has its name: it is written under another one, saved to disk and then renamed. The same
answers of GitHub give the same bytes, so a file that was renamed but is not in the manifest yet is written once more.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
SPOOL = "unfinished.db"
FORMAT = "github-enterprise-exporter backfill"
VERSION = 1
SUFFIX = ".om"
_UNFINISHED = ".part"
_OURS = (SPOOL, f"{SPOOL}-wal", f"{SPOOL}-shm", MANIFEST, f"{MANIFEST}{_UNFINISHED}")


class UnusableFolder(Exception):
    """The folder cannot be used; `str()` says why, and what to do about it."""


@dataclass(slots=True)
class Manifest:
    """What the folder's backfill is, and what is done.

    `asked` are the flags and settings that its files depend on, `fixed` what the first run found out, so that later
    ones go on with it. `files` has what is written, by name.
    """

    asked: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    gaps: Sequence[Mapping[str, Any]] = ()
    is_complete: bool = False


class Folder:
    """The folder of one backfill. It blocks: its methods are called in the worker."""

    def __init__(self, path: Path) -> None:
        """Look at nothing yet."""
        self.path = path
        self.manifest = Manifest({})

    @property
    def spool(self) -> Path:
        """The path of the spool."""
        return self.path / SPOOL

    def open(self, asked: Mapping[str, Any]) -> bool:
        """Begin, or go on with what is here; returns whether something is. Raises `UnusableFolder` and `OSError`.

        Nothing is written to a folder with other files, or with another backfill.
        """
        path = self.path / MANIFEST
        names = sorted(entry.name for entry in self.path.iterdir()) if self.path.is_dir() else []
        if self.path.exists() and not self.path.is_dir():
            raise UnusableFolder(f"{self.path} is no folder: name another one with --output")
        if MANIFEST not in names:
            if names:
                raise UnusableFolder(f"{self.path} has other files ({names[0]}): name an empty folder with --output")
            self.manifest = Manifest(asked)
            return False
        self.manifest = _read(path)
        others = [name for name in names if name not in _OURS and not name.endswith((SUFFIX, SUFFIX + _UNFINISHED))]
        if others:
            raise UnusableFolder(f"{self.path} has other files ({others[0]}): name an empty folder with --output")
        if self.manifest.asked != json.loads(json.dumps(asked)):
            differing = [name for name in asked if self.manifest.asked.get(name) != json.loads(json.dumps(asked[name]))]
            raise UnusableFolder(
                f"{self.path} has a backfill with other flags or settings ({', '.join(differing)}): "
                "name another folder with --output, or call it as before"
            )
        return True

    def begin(self, fixed: Mapping[str, Any]) -> None:
        """Create the folder, and write down what its files depend on."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.manifest.fixed = fixed
        self.save()

    def write(self, name: str, pieces: Iterable[str]) -> tuple[int, str]:
        """Write a file, whole or not at all; returns its bytes and their SHA-256. Without a piece there is no file."""
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
        finally:
            unfinished.unlink(missing_ok=True)
        return size, digest.hexdigest() if size else ""

    def save(self) -> None:
        """Write the manifest."""
        manifest = self.manifest
        content = {
            "format": FORMAT,
            "version": VERSION,
            "complete": manifest.is_complete,
            "asked": manifest.asked,
            "fixed": manifest.fixed,
            "files": dict(sorted(manifest.files.items())),
            "gaps": list(manifest.gaps),
        }
        self.write(MANIFEST, [json.dumps(content, indent=1) + "\n"])

    def finish(self) -> None:
        """Remove the spool: everything is written."""
        for name in (SPOOL, f"{SPOOL}-wal", f"{SPOOL}-shm"):
            (self.path / name).unlink(missing_ok=True)

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            with suppress(OSError):  # some file systems cannot
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_bytes())
        known = (content["format"], content["version"])
        manifest = Manifest(
            content["asked"], content["fixed"], dict(content["files"]), content["gaps"], bool(content["complete"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableFolder(f"{path} cannot be read ({error}): name an empty folder with --output") from None
    if known != (FORMAT, VERSION):
        raise UnusableFolder(f"{path} is of another program or version: name an empty folder with --output")
    return manifest
