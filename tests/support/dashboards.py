"""The dashboards' files, as tests read them."""

import json
from collections.abc import Iterator
from typing import Any

from grafana.boards import FOLDER

Json = dict[str, Any]
FILES: dict[str, Json] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: Json) -> Iterator[Json]:
    """All panels, those in collapsed rows too, without the rows."""
    for panel in dashboard["panels"]:
        inside = panel.get("panels", [])
        yield from inside if panel["type"] == "row" else [panel]


def properties(panel: Json) -> dict[str, Json]:
    """What is set for each series or column by its name."""
    return {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
        for each in panel["fieldConfig"]["overrides"]
    }
