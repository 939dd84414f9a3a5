"""Signed files: links that live for minutes, on a host that takes no token.

A storage host refuses requests with an `Authorization` header beside the signature; `tokens_sent` counts them. It has
only its own files: a link works at the host that it names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from exporter.simulator.messages import Request, Response

FOLDER = "/_files/"
COPILOT_HOSTS = (
    "copilot-reports.github.com",  # GitHub.com since 2026-05-20
    "copilot-reports.acme.ghe.com",  # GHE.com since the same day
    "copilotreports.blob.core.windows.net",  # while the front door is down
    "copilot-reports-production-b7h2e5.b01.azurefd.net",  # before 2026-05-20
)
"""The forms of hosts that lead to Copilot's reports.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""
EXPORT_HOSTS = ("usagereports.blob.core.windows.net",)
"""Where exports of usage reports are (observed)."""
EXPORT_EXAMPLE_HOST = "github.com"
"""The host in the example of GitHub's page; no export was seen there.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""
DENIED = b'<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code></Error>'


@dataclass(frozen=True, slots=True)
class _Signed:
    host: str
    body: Callable[[], bytes]
    signature: str
    expires: float


@dataclass(slots=True)
class SignedFiles:
    """The files that links were given to; the oldest are forgotten. A new link lives for `seconds`."""

    seed: int | str = 0
    seconds: float = 300.0
    tokens_sent: int = 0
    keep: int = 200
    _files: dict[str, _Signed] = field(default_factory=dict)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        """Signatures follow from the seed."""
        self._random = Random(f"{self.seed}:signatures")

    def link(self, origin: str, name: str, body: Callable[[], bytes], now: float, *, dead: bool = False) -> str:
        """A link to a file, which is made when it is asked for; a dead link has expired already."""
        signature = f"{self._random.getrandbits(128):032x}"
        path = f"{FOLDER}{signature[:8]}/{name}"
        host = origin.partition("://")[2]
        self._files[path] = _Signed(host, body, signature, now - 1 if dead else now + self.seconds)
        while len(self._files) > self.keep:
            del self._files[next(iter(self._files))]
        return f"{origin}{path}?se={int(now + self.seconds)}&sig={quote(signature)}"

    def answer(self, request: Request, now: float) -> Response:
        """The response of the storage host."""
        if "authorization" in request.headers:
            self.tokens_sent += 1
            return Response(400, {"content-type": "application/xml"}, DENIED)
        file = self._files.get(request.path)
        link = (request.headers.get("host"), request.query.get("sig"))
        if file is None or link != (file.host, file.signature) or now >= file.expires:
            return Response(403, {"content-type": "application/xml"}, DENIED)
        return Response(200, {"content-type": "application/octet-stream"}, file.body())


def origin_of(hosts: Sequence[str], index: int, ours: str) -> str:
    """Where the file of this index is: on one of the hosts, in turn, or where there are none on `ours`."""
    return f"https://{hosts[index % len(hosts)]}" if hosts else ours
