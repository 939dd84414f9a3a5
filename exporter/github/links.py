"""Where GitHub may be asked: below one API root, whatever paths, next-links and redirects say.

A URL counts as below the root only if no server or proxy on the way can read it as anything else.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence

import httpx

from exporter.github.errors import Invalid
from exporter.github.pacing import one_line

Params = Mapping[str, str | int | Sequence[str]]

_PORTS = {"http": 80, "https": 443}
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,=:@%/-]*")
_LINK = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,8192}")
# Dot segments, encoded dots, slashes, percents and controls, empty segments, path parameters: what servers and proxies
# read differently from us.
_TRICKS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|%(?:2[ef]|5c|25|[01][0-9a-f]|7f)|[^:/]//|///|;", re.IGNORECASE)
_LINK_VALUE = re.compile(r"<([^<>]*)>([^<>]*)")
_PAGE = re.compile(r"[?&]page=(\d{1,9})(?:&|$)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]+))", re.IGNORECASE)


def api_root(api_url: str, whose: str) -> httpx.URL:
    """The root that all requests stay below; raises `Invalid`, which says `whose` it is."""
    text = api_url.rstrip("/")
    url = _parsed(text) if _LINK.fullmatch(text) and not _TRICKS.search(text) else None
    if url is None or url.scheme not in _PORTS or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise Invalid(f"{whose} must be like https://api.github.com or https://HOST/api/v3, without user or query")
    if url.scheme == "http" and not _loopback(url.raw_host.decode()):
        raise Invalid(f"{whose} must be https: a token is sent in clear text to this host only")
    return url


def below(root: str, path: str, params: Params | None) -> httpx.URL:
    """The URL of a path below the API root; raises `Invalid` for what is no plain path."""
    shown = one_line(path.partition("?")[0])
    if not _PATH.fullmatch(path) or _TRICKS.search(path):
        raise Invalid(f"refused to ask for {shown}: it is no plain path below the API root")
    url = _parsed(f"{root.rstrip('/')}{path}", params=params)
    if url is None:
        raise Invalid(f"refused to ask for {shown}: its parameters are no text that a URL can hold")
    return url


def proxy_url(proxy: str) -> httpx.URL:
    """The URL of a proxy; raises `Invalid`, which does not show it, for it may hold a password."""
    url = _parsed(proxy)
    if url is None or url.scheme not in _PORTS or not url.raw_host:
        raise Invalid("proxy must be like http://HOST:PORT")
    return url


def next_link(header: str) -> str | None:
    """Find the target of `rel="next"` in a `Link` header (RFC 8288). Never raises."""
    return _target(header, "next")


def page_count(header: str) -> int:
    """How many pages a list has, by the `Link` header of its first one. Never raises."""
    number = _PAGE.search(_target(header, "last") or "")
    return int(number[1]) if number else 2 if _target(header, "next") else 1


def _target(header: str, relation: str) -> str | None:
    for target, parameters in _LINK_VALUE.findall(header):
        for quoted, bare in _REL.findall(parameters):
            if relation in (quoted or bare).lower().split():
                return str(target).strip()
    return None


def confined(root: httpx.URL, base: httpx.URL, link: str, kind: str) -> httpx.URL:
    """Where a link of GitHub's leads, if that is below the API root; else raise `Invalid`, which shows no query."""
    url = _parsed(link, base) if _LINK.fullmatch(link) else None
    if url is None:
        raise Invalid(f"refused a {kind} that is no plain URL")
    if _origin(url) != _origin(root) or url.userinfo:
        raise Invalid(f"refused a {kind} to another origin ({one_line(url.scheme + '://' + url.raw_host.decode())})")
    prefix = path_of(root).rstrip("/")
    if _TRICKS.search(re.split("[?#]", link, maxsplit=1)[0]) or not f"{path_of(url)}/".startswith(f"{prefix}/"):
        raise Invalid(f"refused a {kind} outside the API root {root}")
    return url


def path_of(url: httpx.URL) -> str:
    """The path as it is sent, without the query."""
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _parsed(text: str, base: httpx.URL | None = None, params: Params | None = None) -> httpx.URL | None:
    try:
        if base and not text.startswith(("http://", "https://")):  # for a whole URL the join would parse it twice
            return base.join(text)
        # Without parameters none may be given: httpx would drop the query that the text has.
        return httpx.URL(text, params=dict(params)) if params else httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port or _PORTS.get(url.scheme)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
