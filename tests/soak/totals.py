"""What the counters say at the end, beside what is true."""

import re
from collections import Counter
from collections.abc import Mapping

from tests.soak.github import Key

LINE = re.compile(
    r"^(github_api_insights_(?:subject_|user_|user_actor_|actor_|route_)?(?:rate_limited_)?requests_total)"
    r"\{(.*)\} (\S+)$",
    re.MULTILINE,
)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
NAMES = {"subject_name"}
"""Labels that tell, but do not identify."""


def shown(body: str) -> Counter[Key]:
    """All counters of requests and of refused requests, by their identity."""
    sums: Counter[Key] = Counter()
    for family, labels, value in LINE.findall(body):
        sums[family, *(text for name, text in LABEL.findall(labels) if name not in NAMES)] += int(float(value))
    return sums


def differences(found: Mapping[Key, int], truth: Mapping[Key, int]) -> list[str]:
    """Where the two differ; what is absent is 0."""
    return [
        f"{' '.join(key)}: {found.get(key, 0)}, and {truth.get(key, 0)} is true"
        for key in sorted({*found, *truth})
        if found.get(key, 0) != truth.get(key, 0)
    ]
