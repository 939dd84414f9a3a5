"""The command line: parses it and runs one command, each a module of this package with a function `main`."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial

from exporter import output
from exporter.collectors import COLLECTORS
from exporter.settings import SettingsError, parse
from exporter.signals import ANSWERING

WRITING = {"backfill", "state"}
"""Commands that write their answer piece by piece: it is too large to be held, or takes hours."""


def main(argv: Sequence[str]) -> int:
    """Run a command; returns its exit code, 1 if the configuration is invalid."""
    try:
        name, settings = parse(argv, collectors=COLLECTORS)
    except SettingsError as error:
        output.complain(str(error))
        return 1
    # Only the module of the command is imported: `healthcheck` runs every few seconds and needs no daemon.
    command: Callable[..., int] = importlib.import_module(f"exporter.cli.{name}").main
    run = partial(command, settings, argv) if name == "run" else partial(command, settings)
    return output.printed(run) if name in ANSWERING - WRITING else run()
