"""An httpx transport over httpcore's connection pool.

httpx's own transport uses this pool, too, but cannot be given the network backend of `sockets.py`. It also keeps an
idle connection until the next request, and a tunnel with failed TLS for ever: `Transport` closes both.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from exporter.github.links import proxy_url
from exporter.github.network import Network
from exporter.github.network.authorities import trusted_by
from exporter.github.network.connection_errors import NotConnected, Purpose, StaleConnection, proxy_refusal
from exporter.github.network.sockets import KeptConnectionEnded, Sockets

KEEP_SECONDS = 5.0
"""Seconds after which an idle connection is closed, because firewalls and proxies drop it silently."""

_CONNECTIONS = 10
_HTTPX_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: NotConnected,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    KeptConnectionEnded: StaleConnection,
}


def open_transport(network: Network, proxy: str | None, purpose: Purpose, keep: int = 0) -> "Transport":
    """Open no connection yet; raises `GitHubError` for a `ca_file` or proxy that cannot be used.

    `keep` is how many idle connections are kept for further requests.
    """
    return Transport(trusted_by(network), None if proxy is None else proxy_url(proxy), purpose, keep)


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over at most ten connections; no settings are read from the environment."""

    def __init__(
        self,
        trust: ssl.SSLContext,
        proxy: httpx.URL | None,
        purpose: Purpose,
        keep: int,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        """Open no connection yet."""
        _silence()
        self._proxy, self._keep, self._keep_seconds, self._running = proxy, keep, keep_seconds, 0
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._pool = _pool(trust, proxy, Sockets(proxy, purpose), keep, keep_seconds)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response; its body must still be read and closed.

        Raises `httpx.TransportError`, also `NotConnected` and `StaleConnection`.
        """
        if self._timer is not None:
            self._timer.cancel()
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self._running += 1
        try:
            with _as_httpx_errors():
                response = await self._pool.handle_async_request(
                    httpcore.Request(
                        request.method,
                        _core_url(request.url),
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions=request.extensions,
                    )
                )
        except BaseException as error:
            await self._finished(keep=False)
            if isinstance(error, httpcore.ProxyError) and self._proxy is not None:
                raise NotConnected(proxy_refusal(str(error), self._proxy, request.url)) from None
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response, self._finished),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._timer is not None:
            self._timer.cancel()
        await self._pool.aclose()

    async def _finished(self, *, keep: bool) -> None:
        """After a request: close idle connections, after a while or at once.

        httpcore closes an idle connection only at the next request, which may be in hours. It never closes a tunnel
        whose TLS failed: after ten of them no request could use the proxy any more.
        """
        self._running -= 1
        if self._running:
            return
        if keep and self._keep:
            self._timer = asyncio.get_running_loop().call_later(self._keep_seconds, self._expire)
        else:
            await self._pool.aclose()

    def _expire(self) -> None:
        self._closing = asyncio.ensure_future(self._close_idle())

    async def _close_idle(self) -> None:
        if not self._running:  # else a request came between the timer and this task
            await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of a response; `finished` is called once, when it is closed."""

    def __init__(self, response: httpcore.Response, finished: Callable[..., Awaitable[None]]) -> None:
        self._response, self._finished, self._closed = response, finished, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_errors():
            async for piece in self._response.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await self._response.aclose()
            finally:
                await self._finished(keep=True)


def _pool(
    trust: ssl.SSLContext, proxy: httpx.URL | None, sockets: Sockets, keep: int, keep_seconds: float
) -> httpcore.AsyncConnectionPool:
    if proxy is None:
        return httpcore.AsyncConnectionPool(
            trust,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=keep,
            keepalive_expiry=keep_seconds,
            network_backend=sockets,
        )
    return httpcore.AsyncHTTPProxy(
        _core_url(proxy),
        proxy_auth=(proxy.username.encode(), proxy.password.encode()) if proxy.userinfo else None,
        ssl_context=trust,
        proxy_ssl_context=trust if proxy.scheme == "https" else None,
        max_connections=_CONNECTIONS,
        max_keepalive_connections=keep,
        keepalive_expiry=keep_seconds,
        network_backend=sockets,
    )


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    """Raise httpcore's exceptions as those of httpx."""
    try:
        yield
    except tuple(_HTTPX_ERRORS) as error:
        failure = _HTTPX_ERRORS[type(error)](str(error))
    else:
        return
    raise failure


def _silence() -> None:
    """Keep httpcore from logging URLs and headers, whatever the root logger's level is."""
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).setLevel(logging.WARNING)
