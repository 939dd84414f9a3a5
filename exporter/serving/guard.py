"""Applies rate limit, response headers and login to every path, in the order of the exporter-toolkit."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from exporter.serving.connection import ASGIApp, Message, Receive, Send
from exporter.serving.login import Login
from exporter.serving.rate_limit import Bucket
from exporter.serving.web_config import WebConfigFile
from exporter.settings.web_config import WebConfig

_PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_CHALLENGE = (b"www-authenticate", b'Basic realm="github-enterprise-exporter", charset="UTF-8"')
_RETRY = (b"retry-after", b"1")


class Guard:
    """An ASGI application that protects another one as the current web configuration says."""

    def __init__(
        self,
        app: ASGIApp,
        web: WebConfigFile,
        clock: Callable[[], float],
        count_failure: Callable[[], None],
        count_limited: Callable[[], None],
    ) -> None:
        """`clock` is monotonic; requests without a correct login, and those beyond the rate limit, are counted."""
        self._app, self._web, self._clock = app, web, clock
        self._count_failure, self._count_limited = count_failure, count_limited
        self._login = Login()
        self._bucket: Bucket | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 429 or 401."""
        config = await self._web.current()
        if not self._has_room(config):
            self._count_limited()
            await _refuse(send, scope, 429, "too many requests: see rate_limit in the web configuration\n", _RETRY)
            return
        if config.headers:
            send = partial(_send_with, send, dict(config.headers))
        if config.users and not await self._is_known(config, scope, send):
            return
        await self._app(scope, receive, send)

    def _has_room(self, config: WebConfig) -> bool:
        if not config.interval:
            self._bucket = None
            return True
        now, bucket = self._clock(), self._bucket
        if bucket is None or (bucket.interval, bucket.burst) != (config.interval, config.burst):
            bucket = self._bucket = Bucket(config.interval, config.burst, config.burst, now)
        return bucket.take(now)

    async def _is_known(self, config: WebConfig, scope: Message, send: Send) -> bool:
        """Whether the login is correct; if not, the request has been answered with 401 or 429."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        client = (scope["client"] or ("",))[0]
        outcome = await self._login.outcome(config.users, authorization, client)
        if outcome == "right":
            return True
        self._count_failure()
        if outcome == "busy":
            await _refuse(send, scope, 429, "too many logins are being checked\n", _RETRY)
        else:
            await _refuse(send, scope, 401, "unauthorized\n", _CHALLENGE)
        return False


async def _send_with(send: Send, headers: Mapping[bytes, bytes], message: Message) -> None:
    """Send an answer with these headers; they replace its own headers of the same names."""
    if message["type"] == "http.response.start":
        names = {name.lower() for name in headers}
        own = [(name, value) for name, value in message["headers"] if name.lower() not in names]
        message = {**message, "headers": [*own, *headers.items()]}
    await send(message)


async def _refuse(send: Send, scope: Message, status: int, text: str, header: tuple[bytes, bytes]) -> None:
    body = text.encode()
    headers: list[Any] = [_PLAIN, header, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
