"""The first answers after a restart: the last one of the run before, while the daemon is still being imported.

Imports and the configuration take most of a second, in which a scrape would find nobody. So whoever stops cleanly
leaves its last answer in the state folder. Whoever starts next takes it away, and serves it until it has read the same
out of the state: if its values are not too old by then, and nothing has changed that settings are made of.

It is there once, and only while nobody runs, so it is never older than the state. This module imports nothing heavy.
"""

import asyncio
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.serving.negotiation import wants_gzip
from exporter.serving.server import ASGIApp, Listening, Message, Receive, Send, send_body

PREFIX = "GITHUB_EXPORTER_"
STATE_FOLDER = "/var/lib/github-enterprise-exporter"
STATE_FILE = "state.db"
NAME = "last-answer"

_MOST_BYTES = 256 * 1024 * 1024
_MOST_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """Samples as text 0.0.4 in gzip, where they are to be served, and until when (epoch seconds)."""

    addresses: tuple[str, ...]
    telemetry_path: str
    until: float
    body: bytes


def made_of(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """A digest of all that the settings, and how they are shown, are made of; empty if that cannot be told."""
    try:
        found = hashlib.blake2b(repr((sys.version, str(Path.cwd()), list(argv))).encode())
        found.update(repr(sorted((name, text) for name, text in environ.items() if name.startswith(PREFIX))).encode())
        if file := _told(argv, environ, "config.file"):
            found.update(_config(file))
        for path in sorted(Path(__file__).parent.rglob("*.py")):
            status = path.stat()
            found.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
    except (OSError, ValueError):
        return ""
    return found.hexdigest()


def leave(folder: Path, digest: str, answer: LastAnswer) -> None:
    """Keep an answer for the next start, if the folder can be written. Nothing in it tells what the digest is of."""
    salt = secrets.token_hex(16)
    new = folder / f"{NAME}.new"
    with suppress(OSError):
        head = {**asdict(answer), "body": len(answer.body), "salt": salt, "mark": _mark(folder, salt, digest)}
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + answer.body)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / NAME)


def take(argv: Sequence[str], environ: Mapping[str, str], digest: str, now: float) -> LastAnswer | None:
    """The answer that was left, if it can be served: nobody else gets it then. Raises nothing."""
    try:
        folder = _state_folder(argv, environ)
        path = folder / NAME
        with path.open("rb") as file:
            head = json.loads(file.readline(65536))
            body = file.read(_MOST_BYTES)
        fits = len(body) == head["body"] and head["mark"] == _mark(folder, head["salt"], digest)
        if not fits or now > head["until"]:
            return None  # it may be another command that asks; the daemon drops what is left
        path.unlink()
        return LastAnswer(tuple(head["addresses"]), str(head["telemetry_path"]), float(head["until"]), body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError):
        return None


def discard(folder: Path) -> None:
    """Drop what was left: whoever runs from now on makes it untrue."""
    for name in (NAME, f"{NAME}.new"):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


class Opening:
    """The application until the daemon hands over its own: a scrape gets the last answer, all else waits."""

    def __init__(self, answer: LastAnswer) -> None:
        self._answer = answer
        self._own: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()

    def hand_over(self, app: ASGIApp) -> None:
        """From now on the daemon answers."""
        self._own.set_result(app)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._own.done() and self._is_usual(scope):
            headers = [
                (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
                (b"vary", b"accept, accept-encoding"),
                (b"content-encoding", b"gzip"),
            ]
            await send_body(send, 200, headers, [self._answer.body])
        else:
            app = await asyncio.shield(self._own)
            await app(scope, receive, send)

    def _is_usual(self, scope: Message) -> bool:
        accepted = ",".join(text.decode("latin-1") for name, text in scope["headers"] if name == b"accept-encoding")
        asked = (scope["method"], scope["path"], scope["query_string"])
        return asked == ("GET", self._answer.telemetry_path, b"") and wants_gzip(accepted)


@dataclass(frozen=True, slots=True)
class Opened:
    """What answers already, where, and what ends it."""

    opening: Opening
    listening: Listening
    stop: asyncio.Event


def _mark(folder: Path, salt: str, digest: str) -> str:
    """Of the settings and of the state as it was left: whoever puts another one there means that."""
    state = (folder / STATE_FILE).stat()
    left = f"{digest} {state.st_ino} {state.st_size} {state.st_mtime_ns}"
    return hashlib.blake2b(left.encode(), key=salt.encode()).hexdigest()


def _state_folder(argv: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Where the state is, as `settings/layers.py` finds it; elsewhere nothing is found."""
    told = _told(argv, environ, "state.path")
    if told is None and (file := _told(argv, environ, "config.file")):
        loaded: Any = yaml.safe_load(_config(file))
        told = ((loaded or {}).get("state") or {}).get("path")
    return Path(told or STATE_FOLDER)


def _config(file: str) -> bytes:
    """The configuration file; raises `OSError` for a pipe, which could not be read again, and for what is too large."""
    path = Path(file)
    if not path.is_file():
        raise OSError(f"{file} is no regular file")
    if path.stat().st_size > _MOST_CONFIG_BYTES:
        raise OSError(f"{file} is too large")
    return path.read_bytes()


def _told(argv: Sequence[str], environ: Mapping[str, str], setting: str) -> str | None:
    """What a flag, or else a variable, says of a setting."""
    flag, found = f"--{setting}", None
    for number, word in enumerate(argv):
        if word.startswith(f"{flag}="):
            found = word.removeprefix(f"{flag}=")
        elif word == flag and number + 1 < len(argv):
            found = argv[number + 1]
    return found or environ.get(PREFIX + setting.replace(".", "_").upper(), "").strip() or None
