"""Paths below a prefix, for reverse proxies: `--web.route-prefix` and `--web.external-url`, as in Prometheus."""

from exporter.serving.connection import ASGIApp, Message, Receive, Send


def below(prefix: str, link_prefix: str, app: ASGIApp) -> ASGIApp:
    """Serve the application below `prefix`, which is removed from its paths; users see `link_prefix` instead.

    `/` is redirected to the prefix on this server. The prefix without a slash may come through a proxy, so it is
    redirected to the users' URL.
    """
    if not prefix:
        return app
    pages = {"/": prefix, prefix: link_prefix}

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(f"{prefix}/"):
            await app({**scope, "path": path.removeprefix(prefix), "root_path": prefix}, receive, send)
        elif path in pages and scope["method"] in ("GET", "HEAD"):
            await _send_text(send, 302, "", (b"location", f"{pages[path]}/".encode()))
        else:
            text = f"not found; everything is below {prefix}/ (--web.route-prefix)\n"
            await _send_text(send, 404, text if scope["method"] != "HEAD" else "")

    return answer


async def _send_text(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode()
    headers = (*headers, (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
