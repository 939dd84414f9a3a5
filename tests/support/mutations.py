"""Damaged JSON: a valid tree with a few changes, as text, and text with a few damaged bytes."""

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

_RAW = re.compile(r'"RAW<([^<>"]*)>"')
_TWICE = "TWICE<"
_DEEP = re.compile(r"DEEP(\d+)")


def raw(text: str) -> str:
    """A value that becomes this text, without quotes."""
    return f"RAW<{text}>"


NUMBERS = st.one_of(
    st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -0.0, 0.5, 1e-320, 1e308]),
    st.integers(),
    st.floats(),  # json.dumps writes NaN and Infinity
    st.sampled_from(list(map(raw, ("1e400", "-1e400", "1E-400", "01", "+1", "1.", ".5", "0x10", "9" * 5000)))),
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "12",
            "-5",
            "1e9",
            "NaN",
            "null",
            "true",
            "\0",
            "\ud800",
            "\udfff\ud800",
            "a\nb",
            '"\\',
            "\ufeff",
        ]
    ),
    st.sampled_from(["x" * 300, "é" * 5000, "../..", "__proto__", "2026-11-31", "2026-11-20T25:00:00Z", "0001-01-01"]),
    st.sampled_from(["9999-12-31T23:59:59Z", "2026-11-20", "2026-11-20T00:00:00+99:99", "other", "other~", "²", "١٢"]),
)
NESTED = st.sampled_from([raw("DEEP50"), raw("DEEP1000")])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    NESTED,
    st.sampled_from([[], {}, [[]], [None], {"": None}, [1, "a"], {"a": {"b": 1}}]),
)


@st.composite
def mutated(draw: st.DrawFn, tree: Any, values: st.SearchStrategy[Any] = VALUES, most: int = 4) -> Any:
    """The tree with up to `most` changes: parts dropped, replaced, doubled, renamed, exchanged."""
    tree = deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(list(paths(tree))))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                tree = deepcopy(draw(values))
            continue
        _change(draw, tree, path, values)
    return tree


def _change(draw: st.DrawFn, tree: Any, path: Path, values: st.SearchStrategy[Any]) -> None:
    parent, key = at(tree, path[:-1]), path[-1]
    how = draw(st.sampled_from(["replace", "replace", "replace", "drop", "double", "wrap", "rename", "exchange"]))
    if how == "drop":
        del parent[key]
    elif how == "wrap":
        part = parent[key]
        parent[key] = draw(st.sampled_from([[part], {"a": part}, str(part)]))
    elif how == "exchange":
        parent[key] = deepcopy(at(tree, draw(st.sampled_from(list(paths(tree))))))
    elif how == "double" and isinstance(parent, list):
        parent.insert(int(key), deepcopy(parent[int(key)]))
    elif how == "double":
        parent[f"{_TWICE}{key}"] = deepcopy(draw(values))
    elif how == "rename" and isinstance(parent, dict):
        parent[draw(TEXTS)] = parent.pop(key)
    else:
        parent[key] = deepcopy(draw(values))


def paths(tree: Any, here: Path = ()) -> Iterator[Path]:
    """The places of all values in a tree."""
    yield here
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from paths(value, (*here, key))


def at(tree: Any, path: Path) -> Any:
    """What is at a place of the tree."""
    for key in path:
        tree = tree[key]
    return tree


def text_of(tree: Any) -> str:
    """The tree as JSON, with what JSON libraries do not write: raw values, doubled keys, deep nesting."""
    return _RAW.sub(_raw_text, json.dumps(tree).replace(f'"{_TWICE}', '"'))


def _raw_text(match: re.Match[str]) -> str:
    deep = _DEEP.fullmatch(match[1])
    return "[" * int(deep[1]) + "]" * int(deep[1]) if deep else match[1]


@st.composite
def damaged(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """The content with up to `most` damages: cut, bytes changed, inserted or left out."""
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        junk: Sequence[bytes] = (
            b"",
            b"\0",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"\xed\xa0\x80",
            b"\\ud800",
            b'"',
            b"\r\n",
            b"\\",
        )
        part = draw(st.sampled_from(junk) | st.binary(max_size=8))
        content = content[:start] + part + (content[end:] if draw(st.integers(0, 5)) else b"")
    return content
