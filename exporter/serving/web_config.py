"""The web configuration file while the server runs: read again when it, or a certificate that it names, changes."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from exporter.serving.health import Reload
from exporter.settings.web_config import PLAIN, WebConfig, WebConfigResult, read

log = structlog.get_logger(__name__)

PATIENCE = 0.5
"""Seconds that a request or a connection waits for a thread to read a changed file; it then uses what worked."""

Signature = tuple[tuple[object, ...], ...]


class WebConfigFile:
    """The configuration in use, and `reload`: when it was read, and why a newer one was refused.

    A change is seen at the next request or connection: a few `stat` calls, which take microseconds. A thread reads
    what changed. A file that cannot be used changes nothing, is logged once, and is read again at its next change.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """`now` gives epoch seconds. OSError if the file cannot be used: the settings have checked it before."""
        self._path, self._now = path, now
        self._signature = _signature([path])
        reading = read(path)
        if reading.config is None:
            raise OSError(f"{path}: {reading.error}")
        self._signature = _signature(reading.files)
        self._files = reading.files
        self._reading: asyncio.Task[None] | None = None
        self.config, self.reload = reading.config, Reload(now())

    async def current(self) -> WebConfig:
        """The configuration, read again if a file changed."""
        if self._reading is None and _signature(self._files) != self._signature:
            self._reading = asyncio.create_task(self._read())
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=PATIENCE)
        return self.config

    async def _read(self) -> None:
        try:
            before = _signature(self._files)
            reading = await asyncio.to_thread(read, self._path)
            # Files that only the new configuration names had no signature before: their next change is seen.
            self._signature = before if reading.files == self._files else _signature(reading.files)
            self._files = reading.files
            self._take_over(reading)
        finally:
            self._reading = None

    def _take_over(self, reading: WebConfigResult) -> None:
        problem = str(reading.error) if reading.error else ""
        if reading.is_empty and self.config != PLAIN:
            problem = f"{self._path} is empty: a restart would serve plain HTTP without login"
        if problem:
            if problem != self.reload.problem:
                log.error("web configuration not reloaded, the old one stays", error=problem)
            self.reload = Reload(self.reload.at, problem)
        elif reading.config is not None:
            self.config, self.reload = reading.config, Reload(self._now())
            log.info("web configuration reloaded", tls=self.config.tls is not None, users=len(self.config.users))
            for warning in self.config.warnings:
                log.warning(warning)


def _signature(files: Iterable[Path]) -> Signature:
    """What changes when a file does; a file that is not there has an error instead."""
    return tuple(_version(path) for path in files)


def _version(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return (path, type(error))
    return (path, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
