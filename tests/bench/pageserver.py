"""A GitHub that has one list: `python -m tests.bench.pageserver PAGES FOLDER`, plain or with TLS.

Every page is the same 100 subjects (23 kB) with GitHub's headers; only the `Link` to the next one differs. Answers are
made before anybody asks. It says "port N" twice, of the plain and of the TLS listener; FOLDER has key and certificate.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import cast

import uvloop

SUBJECT = {
    "subject_type": "installation",
    "subject_id": 954453,
    "subject_name": "continuous-integration",
    "total_request_count": 544665,
    "rate_limited_request_count": 13,
    "last_rate_limited_timestamp": "2026-11-20T16:43:03Z",
    "last_request_timestamp": "2026-11-21T11:59:59Z",
}
HEADERS = """HTTP/1.1 200 OK
Date: Sat, 21 Nov 2026 12:00:00 GMT
Content-Type: application/json; charset=utf-8
Cache-Control: private, max-age=60, s-maxage=60
Vary: Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With
X-OAuth-Scopes: read:org
X-GitHub-Media-Type: github.v3; format=json
x-github-api-version-selected: 2022-11-28
X-RateLimit-Limit: 15000
X-RateLimit-Remaining: 14999
X-RateLimit-Reset: 1795266000
X-RateLimit-Used: 1
X-RateLimit-Resource: core
Strict-Transport-Security: max-age=31536000; includeSubdomains; preload
X-Content-Type-Options: nosniff
Server: github.com
X-GitHub-Request-Id: 0001:2:3:4:5
"""


class Pages(asyncio.Protocol):
    """Answers `?page=N` with page N, and a request without it with the first."""

    def __init__(self, pages: int, scheme: str, body: bytes) -> None:
        self.pages, self.scheme, self.body = pages, scheme, body
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not registered as such
        host, port = transport.get_extra_info("sockname")[:2]
        self.root = f"{self.scheme}://{host}:{port}/list?per_page=100&page="

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            request, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            _, asked, rest = request.partition(b" HTTP/")[0].partition(b"&page=")
            page = int(rest) if asked else 1
            link = f'Link: <{self.root}{page + 1}>; rel="next"\n' if page < self.pages else ""
            head = f"{HEADERS}{link}Content-Length: {len(self.body)}\n\n".replace("\n", "\r\n")
            self.transport.write(head.encode() + self.body)


async def main(pages: int, folder: Path) -> None:
    """Serve until standard input ends."""
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    rows = [{**SUBJECT, "subject_id": number} for number in range(100)]
    body = json.dumps(rows).encode()
    loop = asyncio.get_running_loop()
    for scheme, context in (("http", None), ("https", trust)):
        server = await loop.create_server(
            lambda scheme=scheme: Pages(pages, scheme, body),
            "127.0.0.1",
            ssl=context,
        )
        print("port", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2])))
