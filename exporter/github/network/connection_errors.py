"""Explains failed connections: the cause, and what an operator does about it. Pure."""

import os
import re
import socket
import ssl
from typing import Literal

import httpx

from exporter.errors import GitHubError, Invalid, Unavailable
from exporter.github.links import path_of
from exporter.github.network.hosts import host_and_port
from exporter.github.network.names import NoAnswer
from exporter.github.redaction import one_line

Purpose = Literal["API", "download"]
"""What a connection is for: it decides which settings a message names."""

# OpenSSL's X509_V_ERR_…: the check of the dates failed, or that of the name.
# https://github.com/openssl/openssl/blob/openssl-3.0/include/openssl/x509_vfy.h.in
_WRONG_DATE = {9, 10}
_WRONG_NAME = {62, 64}
# The only texts of h11 and httpcore for a connection that ended; their others say which rule of HTTP was broken.
_BROKE = re.compile(r"Server disconnected|peer (?:unexpectedly )?closed")


class NotConnected(httpx.ConnectError):
    """A connection failed: TCP, TLS or the proxy. The text says which, why, and what to do."""


class StaleConnection(httpx.ReadError):
    """A reused connection ended before the first byte of the response.

    https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1
    """


def as_github_error(error: Exception, url: httpx.URL) -> GitHubError:
    """An exception of httpx as a `GitHubError`, without httpx's texts, which may contain a header or a URL."""
    host = one_line(url.raw_host.decode())
    match error:
        case NotConnected():
            return Unavailable(f"no connection to {host}: {error}")
        case httpx.ConnectTimeout():
            return Unavailable(f"no connection to {host} in time")
        case httpx.ConnectError() | httpx.ProxyError():
            return Unavailable(f"no connection to {host}: {one_line(str(error))}")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            why = "the connection broke before the answer was complete"
            if isinstance(error, httpx.RemoteProtocolError) and not _BROKE.match(str(error)):
                why = (
                    f"{host} answers with something else than HTTP/1.1, or against its rules; "
                    "check host and port in api_url, and the proxy, if there is one"
                )
            return Unavailable(f"{path_of(url)}: {why}")
        case httpx.LocalProtocolError() | httpx.InvalidURL() | ValueError():
            return Invalid(f"{path_of(url)}: the request cannot be sent ({type(error).__name__})")
        case _:
            return Unavailable(f"{path_of(url)}: no answer from {host} ({type(error).__name__})")


def connection_failure(error: BaseException, host: str, proxy: httpx.URL | None, purpose: Purpose) -> str:
    """Why there is no connection to a host or to the proxy, and what to do about it."""
    is_proxy = proxy is not None and host == proxy.raw_host.decode()
    prefix = f"the proxy {host_and_port(proxy)}: " if proxy is not None and is_proxy else ""
    setting = "proxy" if is_proxy else "api_url" if purpose == "API" else "download_hosts"
    match _root_cause(error):
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=reason):
            if code in _WRONG_DATE:
                fix = "renew the certificate, or correct this machine's clock"
            elif code in _WRONG_NAME:
                fix = f"{setting} must use a name that is in the certificate; or another machine answers there"
            else:
                fix = f"add the authority that signed it (PEM) to {_ca_setting(is_proxy, proxy, purpose)}"
            return f"{prefix}certificate verify failed: {one_line(reason)}; {fix}"
        case ssl.SSLError(reason=reason):
            fix = "check its port, or write http:// in proxy" if is_proxy else "check the port; what answers is no TLS"
            return f"{prefix}no TLS ({one_line((reason or 'unknown').replace('_', ' ').lower())}); {fix}"
        case NoAnswer(strerror=str(reason)) | socket.gaierror(strerror=str(reason)):
            why = one_line(reason)
        case TimeoutError():
            why = "no answer in time"
        case OSError(errno=int(number)):
            why = os.strerror(number)  # asyncio's own text names the address
        case _:
            why = "it closes the connection before TLS is agreed on"
    if is_proxy:
        return f"{prefix}{why}; check host and port in proxy, and that this machine may connect to it"
    if proxy is not None:
        return f"{why}; check that the proxy {host_and_port(proxy)} may connect to it"
    return f"{why}; check {setting}, DNS and firewall; where only a proxy leads out, set proxy"


def proxy_refusal(answer: str, proxy: httpx.URL, target: httpx.URL) -> str:
    """A proxy's refusal of CONNECT, and what to do about it."""
    host = one_line(target.raw_host.decode())
    bypass = f"or go around it: {host} in no_proxy, or proxy: direct in the credential"
    match answer[:3]:
        case "407":
            fix = "give it a user and a password that it takes: proxy: http://USER:PASSWORD@HOST:PORT"
        case "403" | "401" | "405":
            fix = f"have it allow CONNECT to {host_and_port(target)}, {bypass}"
        case _:
            fix = f"it does not reach {host_and_port(target)}: check its DNS and firewall, {bypass}"
    return f"the proxy {host_and_port(proxy)} answers {one_line(answer)}; {fix}"


def proxy_silence(proxy: httpx.URL, data: bytes, *, late: bool) -> str:
    """Why CONNECT failed without an HTTP response: something else, or nothing, came from the proxy."""
    why = "does not answer to CONNECT in time" if late else "closes the connection without an answer to CONNECT"
    why = "answers to CONNECT with something else than HTTP" if data else why
    where = host_and_port(proxy)
    return f"the proxy {where} {why}; check host and port in proxy, and whether it must begin with https://"


def _root_cause(error: BaseException) -> BaseException | None:
    """The original exception, of the operating system or of TLS, of a failure to connect."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one for each address that was tried
            cause = cause.exceptions[0]
        elif isinstance(cause, ssl.SSLError | socket.gaierror | TimeoutError) or (
            isinstance(cause, OSError) and cause.errno
        ):
            return cause
        else:
            cause = cause.__cause__
    return None


def _ca_setting(is_proxy: bool, proxy: httpx.URL | None, purpose: Purpose) -> str:
    """The setting in which a certificate authority is missing."""
    for_all = "ca_file at the top of the file"
    if is_proxy or purpose == "download":
        return for_all
    if proxy is not None:
        return f"{for_all} (if the proxy {host_and_port(proxy)} re-signs TLS) or in the credential"
    return "ca_file in the credential or at the top of the file"
