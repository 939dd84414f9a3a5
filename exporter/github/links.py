"""Checks URLs of paths, next-links and redirects: they must be below the API root. Pure.

A URL that some server or proxy could read as one outside the root is refused, too.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import httpx

from exporter.errors import Invalid
from exporter.github.network.hosts import PORTS, is_loopback, port_of
from exporter.github.redaction import one_line

Params = Mapping[str, str | int | Sequence[str]]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses whose `Location` is followed, by requests to the API and by downloads."""

_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,=:@%/-]*")
_LINK = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,8192}")
# Dot segments, encoded dots, slashes, percents and controls, empty segments, path parameters: servers and proxies
# disagree about their meaning.
_TRICKS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|%(?:2[ef]|5c|25|[01][0-9a-f]|7f)|[^:/]//|///|;", re.IGNORECASE)
_LINK_VALUE = re.compile(r"<([^<>]*)>([^<>]*)")
_PAGE = re.compile(r"[?&]page=(\d{1,9})(?:&|$)")
# A path that only an appliance has: what precedes `/api`, and what follows it.
# https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
_APPLIANCE_PATH = re.compile(
    r"(?P<before>.*)/api/(?:v\d+|graphql|uploads)(?:/.*)?|/api|/v\d+|"
    r"/(?:graphql|orgs|organizations|enterprises?|users?|rate_limit|meta)(?:/.*)?",
    re.IGNORECASE,
)
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]+))", re.IGNORECASE)


def api_root(api_url: str, whose: str) -> httpx.URL:
    """The API root; raises `Invalid` for a URL that cannot be one. `whose` is the subject of the error message."""
    text = api_url.rstrip("/")
    url = _parsed(text) if _LINK.fullmatch(text) and not _TRICKS.search(text) else None
    if url is None or url.scheme not in PORTS or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise Invalid(f"{whose} must be like https://api.github.com or https://HOST/api/v3, without user or query")
    if url.scheme == "http" and not is_loopback(url.raw_host.decode()):
        raise Invalid(f"{whose} must be https: a token is sent in clear text to this host only")
    return url


def wrong_api_url(url: str) -> str | None:
    """What a wrong `api_url` should be, as a sentence without user and query; None if it may be right.

    Loopback hosts may be right, and so may a reverse proxy: a path that no appliance has, a host named `api.…`. A
    reverse proxy needs a path, because `https://HOST` alone is a frequent mistake for an appliance.
    """
    text = url.strip()
    absolute = "://" in text
    parsed = _parsed(text if absolute else f"https://{text}") if _LINK.fullmatch(text) else None
    if parsed is None or parsed.scheme not in PORTS or not parsed.host or is_loopback(parsed.host):
        return None
    current = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{path_of(parsed).rstrip('/')}"
    right, why = _right_api_url(parsed)
    return None if absolute and current == right else f"it should be {one_line(right)} ({why})"


def serves(api_url: str) -> Literal["cloud", "appliance", "local", "unknown"]:
    """Which product an API root belongs to, by its host and path; `unknown` may be a reverse proxy."""
    url = _parsed(api_url.strip())
    if url is None:
        return "unknown"
    if is_loopback(url.host):
        return "local"
    if url.host == "api.github.com" or url.host.endswith(".ghe.com"):
        return "cloud"
    return "appliance" if path_of(url).rstrip("/").endswith("/api/v3") else "unknown"


def _right_api_url(url: httpx.URL) -> tuple[str, str]:
    labels = url.host.rstrip(".").split(".")
    if ".".join(labels[-2:]) in ("github.com", "githubusercontent.com", "githubcopilot.com"):
        return "https://api.github.com", "the API of GitHub.com"
    if labels[-2:] == ["ghe", "com"]:
        subdomain = labels[-3] if len(labels) > 2 and labels[-3] not in ("api", "www") else "SUBDOMAIN"
        return f"https://api.{subdomain}.ghe.com", "the API of GitHub Enterprise Cloud with data residency"
    path = path_of(url).rstrip("/")
    appliance = _APPLIANCE_PATH.fullmatch(path)
    if appliance:
        path = f"{appliance['before'] or ''}/api/v3"
    elif not path and labels[0] != "api":
        path = "/api/v3"
    return f"https://{url.netloc.decode('ascii')}{path}", "an appliance serves its API below /api/v3"


def below(root: str, path: str, params: Params | None) -> httpx.URL:
    """The URL of a path below the API root; raises `Invalid` for a path with special segments or characters."""
    name = one_line(path.partition("?")[0])
    if not _PATH.fullmatch(path) or _TRICKS.search(path):
        raise Invalid(f"refused to ask for {name}: it is no plain path below the API root")
    url = _parsed(f"{root.rstrip('/')}{path}", params=params)
    if url is None:
        raise Invalid(f"refused to ask for {name}: its parameters are no text that a URL can hold")
    return url


def proxy_url(proxy: str) -> httpx.URL:
    """The URL of a proxy. Raises `Invalid`, without the URL, which may contain a password."""
    url = _parsed(proxy)
    if url is None or url.scheme not in PORTS or not url.raw_host:
        raise Invalid("proxy must be like http://HOST:PORT")
    return url


def next_link(header: str) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288); None if there is none. Never raises."""
    return _target(header, "next")


def page_count(header: str) -> int:
    """How many pages a list has, by the `Link` header of its first page. Never raises."""
    number = _PAGE.search(_target(header, "last") or "")
    return int(number[1]) if number else 2 if _target(header, "next") else 1


def _target(header: str, relation: str) -> str | None:
    for target, parameters in _LINK_VALUE.findall(header):
        for quoted, bare in _REL.findall(parameters):
            if relation in (quoted or bare).lower().split():
                return str(target).strip()
    return None


def confined(root: httpx.URL, base: httpx.URL, link: str, kind: str) -> httpx.URL:
    """The URL of a link from GitHub. Raises `Invalid`, without the query, if it is not below the API root."""
    url = _parsed(link, base) if _LINK.fullmatch(link) else None
    if url is None:
        raise Invalid(f"refused a {kind} that is no plain URL")
    if _origin(url) != _origin(root) or url.userinfo:
        advice = "" if url.userinfo else _advice_on_origin(root, url)
        raise Invalid(f"refused a {kind} to another origin ({url.scheme}://{_netloc(url)}){advice}")
    prefix = path_of(root).rstrip("/")
    if _TRICKS.search(re.split("[?#]", link, maxsplit=1)[0]) or not f"{path_of(url)}/".startswith(f"{prefix}/"):
        raise Invalid(f"refused a {kind} outside the API root {root}")
    return url


def _advice_on_origin(root: httpx.URL, url: httpx.URL) -> str:
    """What to do if GitHub's links have another origin than `api_url`; the end of a sentence."""
    if url.scheme == "http" and not is_loopback(url.host):
        return "; have the server, or the proxy before it (X-Forwarded-Proto), write https:// links"
    prefix = path_of(root).rstrip("/")
    if f"{path_of(url)}/".startswith(f"{prefix}/"):
        canonical = f"{url.scheme}://{_netloc(url)}{prefix}"
    else:
        canonical = one_line(_right_api_url(url)[0])
    return f"; if that is how your GitHub calls itself, write api_url: {canonical}"


def path_of(url: httpx.URL) -> str:
    """The path of a URL as it is sent, without the query."""
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _parsed(text: str, base: httpx.URL | None = None, params: Params | None = None) -> httpx.URL | None:
    try:
        if base and not text.startswith(("http://", "https://")):  # joining an absolute URL would parse it twice
            return base.join(text)
        # An empty `params` would make httpx drop the query of the text.
        return httpx.URL(text, params=dict(params)) if params else httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None


def _netloc(url: httpx.URL) -> str:
    return one_line(url.netloc.decode("ascii"))


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)
