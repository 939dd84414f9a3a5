"""Reloads of the configuration, by SIGHUP or `POST /-/reload`, one at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from exporter.errors import GitHubError
from exporter.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

STOPPING = "The exporter is stopping."
UNEXPECTED = "An unexpected fault, which the log tells: please report it."


class Reloads:
    """Runs reloads: `load` reads the settings (in a thread), `take_over` applies them, `refuse` gets any error."""

    def __init__(
        self,
        load: Callable[[], Settings],
        take_over: Callable[[Settings], Awaitable[None]],
        refuse: Callable[[str], None],
    ) -> None:
        self._load, self._take_over, self._refuse = load, take_over, refuse
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[str]] = set()
        self._waiting: asyncio.Task[str] | None = None
        self._stopped = False

    async def reload(self) -> str:
        """Apply the current configuration; returns every error if it was refused, else the empty text.

        Calls during a reload share the next one, because the file may have changed since the running one read it: a
        thousand requests cost two reloads.
        """
        if self._stopped:
            return STOPPING
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._run(), name="reload")
            self._tasks.add(self._waiting)
            self._waiting.add_done_callback(self._tasks.discard)
        task = self._waiting
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                return STOPPING
            raise

    def stop(self) -> None:
        """Cancel running reloads, and start no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def _run(self) -> str:
        async with self._lock:
            self._waiting = None
            try:
                await self._take_over(await asyncio.to_thread(self._load))  # not in the worker: a pipe may block
            except (SettingsError, GitHubError) as error:
                log.error("not reloaded, the old configuration stays", error=str(error))
                problem = str(error)
            except Exception:  # a fault of ours, which must not keep the next reload from being tried
                log.exception("not reloaded, unexpectedly: please report this")
                problem = UNEXPECTED
            else:
                return ""
            self._refuse(problem)
            return problem
