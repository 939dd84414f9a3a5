"""The web configuration file while the server runs: read again when it, or a certificate that it names, changes."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

from exporter.serving.health import Reload
from exporter.serving.threads import in_thread
from exporter.settings.web_config import WebConfig, WebConfigResult, read

log = structlog.get_logger(__name__)

PATIENCE = 0.5
"""Seconds that requests and connections wait for a check, from its start; then they use the old configuration."""
HUNG = 10.0
"""Seconds after which a check that has not ended is logged."""

Version = tuple[object, ...]
Signature = tuple[Version, ...]


class WebConfigFile:
    """The configuration in use, and `reload`: when it was read, and why a newer one was refused.

    Each request and connection checks the files with one `stat` each; requests that wait share one check. It runs in a
    thread of its own, because a network file system may hang, and takes 80 µs, 16 of them for four `stat` calls. A file
    that cannot be used changes nothing, is logged once, and is read again at its next change.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """`now` gives epoch seconds. Raises OSError if the file cannot be used; the settings have checked it before."""
        self._path, self.now = path, now
        self._files = read(path).files
        self._signature = _signature(self._files)
        reading = read(path)  # after the signature, so that no change in between is missed
        if reading.config is None:
            raise OSError(f"{path}: {reading.error}")
        self._check: asyncio.Task[None] | None = None
        self._patience_ends = 0.0  # of this check, by the loop's clock
        self.config, self.reload = reading.config, Reload(now())

    async def current(self) -> WebConfig:
        """The configuration, read again if a file changed."""
        loop = asyncio.get_running_loop()
        if self._check is None:
            self._check = loop.create_task(self._read_if_changed(), name="web configuration")
            self._patience_ends = loop.time() + PATIENCE
        await asyncio.wait([self._check], timeout=max(0.0, self._patience_ends - loop.time()))
        return self.config

    async def _read_if_changed(self) -> None:
        hung = asyncio.get_running_loop().call_later(HUNG, self._warn_of_hanging)
        try:
            signature = await in_thread("web configuration", _signature, self._files)
            if signature == self._signature:
                return
            self._signature = signature
            versions = dict(zip(self._files, signature, strict=True))
            reading, self._signature = await in_thread("web configuration", _read, self._path, versions)
            self._files = reading.files
            self._take_over(reading)
        except Exception as error:  # a fault of ours, which must not be repeated at each request
            log.exception("web configuration not reloaded, unexpectedly: please report this")
            self.reload = Reload(self.reload.at, f"{self._path} cannot be used: unexpected {type(error).__name__}")
        finally:
            hung.cancel()
            self._check = None

    def _warn_of_hanging(self) -> None:
        log.warning(
            "the web configuration's file system does not answer, the old configuration stays", file=str(self._path)
        )

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
        """Why a configuration that has lost its TLS or users is refused: it may be only half written. Empty if not."""
        lost = [
            key
            for key, has, will_have in (
                ("tls_server_config", self.config.tls, new and new.tls),
                ("basic_auth_users", self.config.users, new and new.users),
            )
            if has and not will_have
        ]
        return f"{self._path} has no {' and no '.join(lost)} any more: a restart would serve without" if lost else ""


def _read(path: Path, versions: Mapping[Path, Version]) -> tuple[WebConfigResult, Signature]:
    """Read the file; also returns the signature. `versions` are those of the files that were noted before."""
    reading = read(path)
    return reading, tuple(versions.get(file) or _version(file) for file in reading.files)


def _signature(files: Iterable[Path]) -> Signature:
    """A value that changes when a file changes; for a missing file it contains the error."""
    return tuple(_version(path) for path in files)


def _version(path: Path) -> Version:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return (path, type(error))
    return (path, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
