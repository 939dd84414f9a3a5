"""The daemon as it would be if everything were imported first: `python -m tests.bench.eager FLAGS…`."""

import importlib
import pkgutil
import sys

import exporter

LIBRARIES = (
    *("apscheduler.schedulers.asyncio", "cryptography.hazmat.primitives.serialization", "httpx", "ijson"),
    *("isal.isal_zlib", "jwt", "prometheus_client", "pydantic_settings", "structlog", "uvicorn", "uvloop", "yaml"),
)
APART = ("exporter.simulator", "exporter.demo", "exporter.__main__")


def main() -> int:
    """Import the libraries and every module of the daemon, then run it."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not module.name.startswith(APART):
            importlib.import_module(module.name)
    run = importlib.import_module("exporter.__main__").main
    return int(run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
