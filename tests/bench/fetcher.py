"""A client as a process: `python -m tests.bench.fetcher ours|stock URL CERTIFICATE`.

It walks the whole list page by page and says "done" with the pages, the microseconds of CPU and of wall time for one,
and whether it is decoded. `stock` is httpx as its documentation has it. What came first, and imports, are not counted.
"""

import asyncio
import resource
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import uvloop
from pydantic import SecretStr

from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool

TOKEN = "ghp_bench"


async def stock(root: str, certificate: Path) -> int:
    """The list by httpx' own client and the links that it parses."""
    trust = ssl.create_default_context(cafile=certificate) if root.startswith("https") else True
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(verify=trust, headers=headers) as client:
        url, pages, size = f"{root}/list?per_page=100&page=1", 0, 0
        while url:
            answer = await client.get(url)
            answer.raise_for_status()
            pages, size = pages + 1, size + len(answer.content)
            url = answer.links.get("next", {}).get("url", "")
    assert size > 10_000 * pages
    return pages


async def ours(root: str, certificate: Path) -> int:
    """The list by the product's client, with all that it checks."""
    ca_file = certificate if root.startswith("https") else None
    credential = TokenCredential("bench", root, "2022-11-28", ca_file, SecretStr(TOKEN), None)
    client = GitHub(credential, Pool("bench"), clock=time.time, monotonic=time.monotonic)
    pages = size = 0
    async for reply in client.pages("/list", {"per_page": 100, "page": 1}):
        pages, size = pages + 1, size + len(reply.body)
    await client.aclose()
    assert size > 10_000 * pages
    return pages


def spent() -> float:
    """Seconds of CPU of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(kind: str, root: str, certificate: Path) -> None:
    """Walk twice, the second time for the figures."""
    walk: Callable[[str, Path], Awaitable[int]] = {"ours": ours, "stock": stock}[kind]

    async def both() -> tuple[int, float, float]:
        await walk(root, certificate)
        cpu, wall = spent(), time.perf_counter()
        pages = await walk(root, certificate)
        return pages, spent() - cpu, time.perf_counter() - wall

    pages, cpu, wall = uvloop.run(both()) if kind == "ours" else asyncio.run(both())
    print("done", pages, cpu / pages * 1e6, wall / pages * 1e6)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
