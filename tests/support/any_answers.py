"""What GitHub answers to a collector: the stored answers, changed in any way."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
from hypothesis import strategies as st

from exporter.catalogue import Collector
from exporter.simulator.stored import ANSWERS
from tests.support.jobs import Respond
from tests.support.mutations import damaged, mutated, text_of

Answers = Mapping[str, bytes]
"""Bodies by path, or by the name of an endpoint of API Insights."""

_INSIGHTS = ("summary_stats", "time_stats", "subject_stats", "user_stats", "route_stats")


def tree_of(collector: Collector) -> Any:
    """The stored answers of a collector by path, or by the names of endpoints."""
    tree = json.loads((ANSWERS / f"{collector.name}.json").read_text())
    if collector.name not in _INSIGHTS:
        return tree
    return {"summary_stats": json.loads((ANSWERS / "summary_stats.json").read_text()), collector.name: tree}


def bodies(tree: Any) -> Answers:
    return {path: body(part) for path, part in tree.items()} if isinstance(tree, dict) else {}


def body(part: Any) -> bytes:
    """A part of the tree as GitHub sends it: JSON, or the text of a file."""
    return (part if isinstance(part, str) else text_of(part)).encode("utf-8", "surrogatepass")


@st.composite
def any_answers(draw: st.DrawFn, collector: Collector) -> Answers:
    """The stored answers with changes in the JSON, or with damaged bytes."""
    if draw(st.integers(0, 4)):
        return bodies(draw(mutated(tree_of(collector))))
    whole = bodies(tree_of(collector))
    return {path: draw(damaged(content)) for path, content in whole.items()}


def responds(answers: Answers, status: int = 200) -> Respond:
    """GitHub, and the host of its files, with these answers; 404 to all else."""

    def respond(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        _, is_insights, endpoint = path.partition("/insights/api/")
        key = endpoint.partition("/")[0].replace("-", "_") if is_insights else path
        return httpx.Response(status if key in answers else 404, content=answers.get(key, b""))

    return respond


def name_of(collector: Collector) -> str:
    """The name of a collector in the names of tests."""
    return ".".join((collector.name, collector.scope, *collector.subject))
