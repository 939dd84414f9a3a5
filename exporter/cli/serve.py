"""Runs a command that ends by a signal: sets up logs and the event loop, and logs why it cannot start."""

from collections.abc import Coroutine
from typing import Any

import structlog
import uvloop

from exporter.cli import logs
from exporter.errors import GitHubError
from exporter.settings import Settings
from exporter.state.database import StateLockedError

log = structlog.get_logger(__name__)


def serve(settings: Settings, service: Coroutine[Any, Any, None]) -> int:
    """Run a service to its end; the exit code is 1 if it cannot start."""
    logs.configure(settings.log.level, settings.log.format)
    try:
        uvloop.run(service)
    except (StateLockedError, GitHubError, OSError) as error:
        log.error("cannot start", error=str(error))
        return 1
    return 0
