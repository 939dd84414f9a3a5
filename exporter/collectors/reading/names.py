"""Names of things that have ids: each thing has one, and no two have the same. Pure."""

from collections import Counter
from collections.abc import Mapping


def unique(names: Mapping[str, str]) -> dict[str, str]:
    """Names by id. Where two ids have one name, because one was renamed, both get their id behind it."""
    counts = Counter(names.values())
    return {key: name if counts[name] == 1 else f"{name}~{key}" for key, name in names.items()}
