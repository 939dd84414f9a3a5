"""How people are named: by login, by a keyed pseudonym, or not at all. Pure.

It is done to the rows as they come in, so nothing behind, neither state nor metrics nor pages, ever knows a name.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from exporter.catalogue import Fetched, Row

UserNames = Literal["login", "pseudonym", "off"]
Naming = Callable[[str], str]


def named_as(choice: UserNames, name: str, key: bytes) -> str:
    """How a person's name is shown. A pseudonym is the same wherever the person appears, as long as the key is."""
    match choice:
        case "login":
            return name
        case "pseudonym":
            return f"user-{hmac.digest(key, name.lower().encode(), hashlib.sha256).hex()[:12]}"
        case "off":
            return ""


def named(fetched: Fetched, naming: Naming) -> Fetched:
    """The same rows with people named so."""
    return replace(fetched, rows=tuple(_named(row, naming) for row in fetched.rows))


def _named(row: Row, naming: Naming) -> Row:
    names = {field: getattr(row, field) for field in row.people()}
    return row.model_copy(update={field: naming(name) for field, name in names.items() if name}) if names else row
