"""Paths below a prefix: where they lead, on this server and at the reverse proxy."""

import asyncio
from typing import Any

import pytest

from exporter.serving.prefix import below


def asked(prefix: str, link_prefix: str, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, the path that the application saw, and where a redirect leads."""
    seen: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("no body is read")

    async def ask() -> None:
        await below(prefix, link_prefix, app)(scope, receive, send)

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(ask())
    assert scope["path"] == path
    return sent[0]["status"], "".join(seen), dict(sent[0]["headers"]).get(b"location", b"").decode()


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/api/v1/status"])
def test_everything_is_below_the_prefix(path: str) -> None:
    assert asked("/a/b", "/a/b", f"/a/b{path}") == (200, path, "")
    assert asked("/a/b", "/a/b", f"/a/b{path}", "POST") == (200, path, "")
    assert asked("", "/a/b", path) == (200, path, "")


@pytest.mark.parametrize("path", ["/metrics", "/a", "/a/", "/a/bc", "/a/bc/metrics", "/x/a/b/metrics", "/-/healthy"])
def test_nothing_is_elsewhere(path: str) -> None:
    assert asked("/a/b", "/a/b", path) == (404, "", "")
    assert asked("/a/b", "/a/b", path, "HEAD") == (404, "", "")


def test_the_root_leads_to_the_page_and_the_missing_slash_to_where_users_find_it() -> None:
    assert asked("/in", "/out", "/") == (302, "", "/in/")
    assert asked("/in", "/out", "/in") == (302, "", "/out/")
    assert asked("/in", "", "/in") == (302, "", "/")
    assert asked("/in", "/out", "/in", "HEAD") == (302, "", "/out/")
    assert asked("/in", "/out", "/in", "POST") == (404, "", "")
