"""How hosts are reached: proxy, certificate authorities, names, sockets. `Network` has the settings for it."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from exporter.github.network.hosts import address_of, is_loopback, port_of
from exporter.github.network.system_store import SystemStore, find_system_store

_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:]+))(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Network:
    """The network settings of a credential, for its API, its downloads and the proxy itself.

    `no_proxy` holds entries as `asked_directly` reads them, `ca_files` the certificate authorities that are trusted
    besides those of the machine's `store`. Two networks are equal only if none of these files changed between them.
    """

    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    no_proxy: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    store: SystemStore | None = field(init=False, repr=False)
    changed: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Note when each file changed last; an unreadable file is reported when it is needed."""
        object.__setattr__(self, "store", find_system_store())
        files = (*self.ca_files, *(path for path in self.store or () if path))
        object.__setattr__(self, "changed", tuple(map(_changed, files)))

    def proxy_for(self, url: httpx.URL | str) -> str | None:
        """The proxy for a URL; None for a direct connection.

        Plain http on loopback is always direct: it stays on this host, and a proxy could read it.
        """
        url = httpx.URL(url)
        host = url.raw_host.decode()
        if self.proxy is None or (url.scheme == "http" and is_loopback(host)):
            return None
        direct = asked_directly(host, port_of(url), self.no_proxy)
        return None if direct else self.proxy


def asked_directly(host: str, port: int, no_proxy: tuple[str, ...]) -> bool:
    """Whether an entry of `no_proxy` matches a host, so that no proxy is used.

    `ghes.example.com` is that host and all below it, `.corp.example` all below that domain, `*` every host. An address
    or a network (`10.0.0.0/8`) is compared with hosts that are written as addresses: no name is looked up. `:PORT`
    behind a host or an address narrows it to that port.
    """
    host = host.lower().rstrip(".")
    address = address_of(host)
    for entry in no_proxy:
        if entry == "*":
            return True
        if "/" in entry:
            if address is not None and address in ipaddress.ip_network(entry):
                return True
            continue
        parts = _HOST_AND_PORT.fullmatch(entry)
        if parts is None or (parts["port"] and int(parts["port"]) != port):
            continue
        name = parts["v6"] or parts["name"]
        if host == name or (address is not None and address == address_of(name)):
            return True
        if address_of(name) is None and host.endswith("." + name.lstrip(".")):
            return True
    return False


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
