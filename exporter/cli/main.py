"""The command line: parses it and runs one command, each a module of this package with a function `main`."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial

from exporter import output
from exporter.collectors import COLLECTORS
from exporter.settings import SettingsError, parse
from exporter.signals import ANSWERING


def main(argv: Sequence[str]) -> int:
    """Run a command; the exit code is 1 for whatever the operator must fix first."""
    try:
        name, settings = parse(argv, collectors=COLLECTORS)
    except SettingsError as error:
        output.complain(str(error))
        return 1
    # A command's module is imported by name, so that `healthcheck` does not import a daemon every few seconds.
    command: Callable[..., int] = importlib.import_module(f"exporter.cli.{name}").main
    run = partial(command, settings, argv) if name == "run" else partial(command, settings)
    return output.printed(run) if name in ANSWERING else run()
