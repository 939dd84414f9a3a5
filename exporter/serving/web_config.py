"""The web configuration file while the server runs: read again when it, or a certificate that it names, changes."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from exporter.serving.health import Reload
from exporter.settings.web_config import WebConfig, WebConfigResult, read

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
        self._path, self.now = path, now
        self._files = read(path).files
        self._signature = _signature(self._files)
        reading = read(path)  # after the signature, so that no change in between is missed
        if reading.config is None:
            raise OSError(f"{path}: {reading.error}")
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
        self._signature = _signature(self._files)
        try:
            reading = await asyncio.to_thread(read, self._path)
            versions = dict(zip(self._files, self._signature, strict=True))  # from before they were read
            self._files = reading.files
            self._signature = tuple(versions.get(path) or _version(path) for path in reading.files)
            self._take_over(reading)
        except Exception as error:  # a fault of ours, which must not be repeated at each request
            log.exception("web configuration not reloaded, unexpectedly: please report this")
            self.reload = Reload(self.reload.at, f"{self._path} cannot be used: unexpected {type(error).__name__}")
        finally:
            self._reading = None

    def _take_over(self, reading: WebConfigResult) -> None:
        problem = str(reading.error) if reading.error else self._lacks(reading.config)
        if problem:
            if problem != self.reload.problem:
                log.error("web configuration not reloaded, the old one stays", error=problem)
            self.reload = Reload(self.reload.at, problem)
        elif reading.config is not None:
            self.config, self.reload = reading.config, Reload(self.now())
            log.info("web configuration reloaded", tls=self.config.tls is not None, users=len(self.config.users))
            for warning in self.config.warnings:
                log.warning(warning)

    def _lacks(self, new: WebConfig | None) -> str:
        """What protects the port now and is missing in a new configuration, perhaps because it is only half written."""
        lost = [
            key
            for key, has, will_have in (
                ("tls_server_config", self.config.tls, new and new.tls),
                ("basic_auth_users", self.config.users, new and new.users),
            )
            if has and not will_have
        ]
        return f"{self._path} has no {' and no '.join(lost)} any more: a restart would serve without" if lost else ""


def _signature(files: Iterable[Path]) -> Signature:
    """What changes when a file does; a file that is not there has an error instead."""
    return tuple(_version(path) for path in files)


def _version(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return (path, type(error))
    return (path, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
