"""An exporter in this process, with its server and its state, whose GitHub refuses connections."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from exporter.collectors import COLLECTORS
from exporter.daemon import Exporter
from exporter.settings import parse


@asynccontextmanager
async def exporter(folder: Path, **config: Any) -> AsyncIterator[tuple[str, int]]:
    """Run it, with its state in `folder / "state"`; gives the address where it listens."""
    (folder / "token").write_text("ghp_CANARY0123456789")
    nobody: Mapping[str, Any] = {
        "credentials": {"default": {"api_url": "http://127.0.0.1:9", "token_file": str(folder / "token")}},
        "organizations": ["acme"],
        "state": {"path": str(folder / "state")},
    }
    web = {"listen_address": ["127.0.0.1:0"], **config.pop("web", {})}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**nobody, "web": web, **config}))
    settings = parse(["run", f"--config.file={path}"], {}, COLLECTORS)[1]
    async with Exporter(settings).running() as bound:
        yield bound.addresses[0]
