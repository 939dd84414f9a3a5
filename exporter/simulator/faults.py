"""What can go wrong at GitHub or on the way from it, on demand.

    faults.add(Fault(r"/subject-stats", status=502, times=2))
    faults.add(Fault(lambda request: request.query.get("page") == "3", kind="truncate", times=1))

ASGI speaks whole HTTP messages, so a refused connection, a TCP reset or a broken status line cannot be made here:
`reset` is the nearest there is, an answer whose connection closes before the first byte of its body.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from exporter.simulator.messages import Receive, Request, Response, Send

FaultKind = Literal[
    "status",  # another status, headers or body; what is not given stays as it was
    "truncate",  # the body ends a thousand bytes early and the connection closes
    "reset",  # the connection closes before the first byte of the body
    "drip",  # the body is sent byte by byte, one per `interval`
    "hang",  # no answer until the client leaves
    "garbage",  # 200 with a page for people
    "wrong_types",  # 200 whose numbers are words
    "foreign_link",  # the next page is on another host
    "cyclic_link",  # the next page is this page
]

FOREIGN = "https://api.elsewhere.invalid"
GARBAGE = b"<!DOCTYPE html><html><body><h1>Unicorn!</h1></body></html>"
MESSAGES = {
    401: "Bad credentials",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    422: "Validation Failed",
    429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    500: "Server Error",
    502: "Server Error",
    503: "Service unavailable",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: for which requests, how often (None is without end), after how many of them, and what happens."""

    match: str | Callable[[Request], bool] = ""
    kind: FaultKind = "status"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0  # seconds before anything is answered; the answer is made after them
    interval: float = 1.0  # seconds between the bytes of a drip
    times: int | None = None
    skip: int = 0

    def matches(self, request: Request) -> bool:
        """Whether it matches a request; a text is a regular expression that is searched in the path."""
        if callable(self.match):
            return self.match(request)
        return re.search(self.match, request.path) is not None


class Faults:
    """The active faults, oldest first; a request gets the first that matches."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Start a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def take(self, request: Request) -> Fault | None:
        """The fault of this request, counted down."""
        for index, fault in enumerate(self._faults):
            if not fault.matches(request):
                continue
            if fault.skip:
                self._faults[index] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times == 1:
                del self._faults[index]
            elif fault.times is not None:
                self._faults[index] = replace(fault, times=fault.times - 1)
            return fault
        return None


def disturbed(fault: Fault, request: Request, answer: Response) -> Response:
    """The response with the fault."""
    body = fault.body
    match fault.kind:
        case "garbage":
            answer = Response(200, {**answer.headers, "content-type": "text/html; charset=utf-8"}, GARBAGE)
        case "wrong_types":
            answer = replace(answer, body=re.sub(rb'("[a-z_]+_count":)\d+', rb'\1"many"', answer.body))
        case "foreign_link":
            answer = _linked(answer, FOREIGN + request.path)
        case "cyclic_link":
            answer = _linked(answer, request.url)
        case _:
            if fault.status is not None and body is None:
                body = b'{"message":"%s","status":"%d"}' % (
                    MESSAGES.get(fault.status, "Error").encode(),
                    fault.status,
                )
    return Response(
        answer.status if fault.status is None else fault.status,
        {**answer.headers, **{name.lower(): value for name, value in fault.headers.items()}},
        answer.body if body is None else body,
    )


async def deliver(answer: Response, fault: Fault | None, receive: Receive, send: Send) -> None:
    """Send an answer in the fault's manner. A server closes the connection of an answer that ends too early."""
    kind = fault.kind if fault else "status"
    if kind == "hang":
        await _disconnected(receive)
        return
    promised = len(answer.body) + (1000 if kind in ("truncate", "reset") else 0)
    headers = {"content-length": str(promised), **answer.headers}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    if kind == "reset":
        return
    if kind == "drip" and fault:
        await _drip(answer.body, fault.interval, receive, send)
        return
    await send({"type": "http.response.body", "body": answer.body, "more_body": kind == "truncate"})


async def _drip(body: bytes, interval: float, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        for byte in body:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.wait({gone}, timeout=interval)
            if gone.done():
                return
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _linked(answer: Response, url: str) -> Response:
    return replace(answer, headers={**answer.headers, "link": f'<{url}>; rel="next"'})
