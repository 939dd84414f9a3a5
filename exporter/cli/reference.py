"""The files in `docs/` that are written from the declarations of settings: `python -m exporter.cli.reference docs`."""

import sys
from pathlib import Path

from exporter.collectors import COLLECTORS
from exporter.settings import reference
from exporter.settings.docs.example import example
from exporter.settings.docs.schema import schema


def files() -> dict[str, str]:
    """The texts by file name."""
    return {
        "configuration.md": reference(COLLECTORS),
        "config.example.yaml": example(COLLECTORS),
        "config.schema.json": schema(COLLECTORS),
    }


if __name__ == "__main__":
    for name, text in files().items():
        Path(sys.argv[1], name).write_text(text)
