"""Hosts, ports and addresses as URLs and settings write them. Pure: no name is looked up."""

import ipaddress

import httpx

from exporter.github.redaction import one_line

PORTS = {"http": 80, "https": 443}

_NAT64, _6TO4 = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16")
_UNICAST = ipaddress.IPv6Network("2000::/3")


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is this machine itself."""
    address = address_of(host)
    return host == "localhost" if address is None else address.is_loopback


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet; IPv6 that embeds IPv4 is judged by the IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None or ip in _NAT64:
            ip = ipaddress.IPv4Address(ip.packed[-4:])
        elif ip not in _UNICAST or ip in _6TO4:  # Python calls every address global that no registry lists
            return False
    return ip.is_global and not ip.is_multicast


def port_of(url: httpx.URL) -> int:
    """The port of a URL; 0 for a scheme other than http and https."""
    default = PORTS.get(url.scheme, 0)
    return url.port if default and url.port is not None else default


def host_and_port(url: httpx.URL) -> str:
    """`HOST:PORT` of a URL, for messages: without user, password, path and query."""
    host = url.raw_host.decode()
    return one_line(f"{f'[{host}]' if ':' in host else host}:{port_of(url)}")
