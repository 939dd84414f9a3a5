"""Requests and responses of the simulated GitHub: read from ASGI, and with the headers of HTTP."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

VERSIONS = ("2022-11-28", "2026-03-10")
WORTH_COMPRESSING = 500
LARGEST_PAGE = 100
USUAL_PAGE = 30

Pairs = Sequence[tuple[str, str]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; an absent token is empty; `origin` is ours as the client wrote it."""

    method: str
    path: str
    pairs: Pairs
    headers: Mapping[str, str] = field(repr=False)
    origin: str
    token: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def query(self) -> dict[str, str]:
        """The parameters; of a repeated one the last value."""
        return dict(self.pairs)

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.origin}{self.path}?{urlencode(self.pairs)}"

    @property
    def version(self) -> str:
        """The requested API version."""
        return self.headers.get("x-github-api-version", VERSIONS[0])


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refusal(Exception):
    """A response other than 2xx: status, GitHub's message, a page of its documentation, further headers."""

    def __init__(
        self, status: int, message: str, page: str = "/orgs/api-insights", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.page, self.headers = status, message, page, headers or {}


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list; pages count from 1."""

    number: int
    size: int

    @property
    def rows(self) -> slice:
        """The page's slice of the whole list."""
        return slice((self.number - 1) * self.size, self.number * self.size)


def request_of(scope: dict[str, Any]) -> Request:
    """Read an ASGI scope of type `http`."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return Request(
        method=scope["method"],
        path=scope["path"],
        pairs=parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        origin=f"{scope['scheme']}://{headers.get('host', 'localhost')}",
        token=token.strip() if scheme.lower() in ("bearer", "token") else "",
    )


async def body_of(receive: Receive) -> bytes:
    """Read a request's whole body."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def fingerprint(token: str) -> str:
    """A digest of a token, for logs."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def page_of(pairs: Pairs) -> Page:
    """The page by `page` and `per_page`; a value that is no number is the default, too large a size is the largest."""
    values = dict(pairs)
    size = _positive(values.get("per_page"), USUAL_PAGE)
    return Page(_positive(values.get("page"), 1), min(size, LARGEST_PAGE))


def link_header(url: str, pairs: Pairs, page: Page, total: int) -> dict[str, str]:
    """The `Link` header of one page of `total` rows; none when there is a single page."""
    last = max(1, -(-total // page.size))
    targets = {"prev": page.number - 1, "next": page.number + 1, "last": last, "first": 1}
    if page.number >= last:
        del targets["next"], targets["last"]
    if page.number == 1:
        del targets["prev"], targets["first"]
    rest = [(name, value) for name, value in pairs if name != "page"]
    links = [f'<{url}?{urlencode([*rest, ("page", str(number))])}>; rel="{rel}"' for rel, number in targets.items()]
    return {"link": ", ".join(links)} if links else {}


def compressed(answer: Response, request: Request) -> Response:
    """The response, compressed if the client accepts gzip and the body is not small."""
    accepted = "gzip" in request.headers.get("accept-encoding", "")
    if not accepted or len(answer.body) < WORTH_COMPRESSING or "content-encoding" in answer.headers:
        return answer
    headers = {**answer.headers, "content-encoding": "gzip", "vary": "Accept-Encoding"}
    return Response(answer.status, headers, gzip.compress(answer.body, compresslevel=1, mtime=0))


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 and int(text) > 0 else default
