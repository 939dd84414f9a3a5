"""Signed files: links that live for minutes, on a host that takes no token.

A storage host refuses whoever sends an `Authorization` header besides the signature; `tokens_sent` counts them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from exporter.simulator.messages import Answer, Request

FOLDER = "/_files/"
DENIED = b'<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code></Error>'


@dataclass(frozen=True, slots=True)
class _Signed:
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
        self._files[path] = _Signed(body, signature, now - 1 if dead else now + self.seconds)
        while len(self._files) > self.keep:
            del self._files[next(iter(self._files))]
        return f"{origin}{path}?se={int(now + self.seconds)}&sig={quote(signature)}"

    def answer(self, request: Request, now: float) -> Answer:
        """What the storage host says."""
        if "authorization" in request.headers:
            self.tokens_sent += 1
            return Answer(400, {"content-type": "application/xml"}, DENIED)
        file = self._files.get(request.path)
        if file is None or request.query.get("sig") != file.signature or now >= file.expires:
            return Answer(403, {"content-type": "application/xml"}, DENIED)
        return Answer(200, {"content-type": "application/octet-stream"}, file.body())
