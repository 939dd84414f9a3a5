"""`run`, the default: the daemon."""

from collections.abc import Sequence

from exporter import daemon
from exporter.cli.serve import serve
from exporter.collectors import COLLECTORS
from exporter.settings import Settings, parse


def main(settings: Settings, argv: Sequence[str]) -> int:
    """Run the daemon. A reload parses the same command line again, with the file and environment at that time."""

    def load() -> Settings:
        return parse(argv, collectors=COLLECTORS, reload=True)[1]

    return serve(settings, daemon.run(settings, load))
