"""The entry point: prepares signals and output before the slow imports, which take a second; then runs `cli`."""

import importlib
import sys
from collections.abc import Sequence

from exporter import output, signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    signals.prepare(argv)
    output.prepare()
    try:
        status = int(importlib.import_module("exporter.cli.main").main(argv))
    except output.CannotWrite as failure:
        status = failure.report()
    signals.ignore()
    output.finish()
    return status


if __name__ == "__main__":
    sys.exit(main())
