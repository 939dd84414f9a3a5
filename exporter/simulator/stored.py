"""Stored answers: what the simulated GitHub says to a path that no other part of it simulates.

`answers/NAME.json` holds what GitHub answers to the endpoints of the collector NAME: by path, as it is asked for the
organization `acme`, the enterprise `acme-corp` or an appliance. Every other account gets the same. The tests
of collectors read the same answers.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).parent / "answers"
_ACCOUNT = re.compile(r"/(orgs|organizations|enterprises)/([^/]+)(?=/)")


def stored(path: str) -> Any:
    """The stored body of a path, for any account; None if there is none."""
    return _bodies().get(_without_account(path))


def account_of(path: str) -> str:
    """The organization or enterprise that a path is about; empty for an appliance as a whole."""
    match = _ACCOUNT.match(path)
    return match[2].lower() if match else ""


@cache
def _bodies() -> dict[str, Any]:
    files = (json.loads(file.read_text()) for file in sorted(ANSWERS.glob("*.json")))
    by_path = (content for content in files if isinstance(content, dict))
    return {_without_account(path): body for content in by_path for path, body in content.items()}


def _without_account(path: str) -> str:
    return _ACCOUNT.sub(r"/\1/ACCOUNT", path, count=1)
