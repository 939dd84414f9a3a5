"""`healthcheck`: whether the local daemon answers; for the container image, which has no curl.

It reads the daemon's web configuration file to know whether to use TLS, and which user to log in as. The daemon may
still use an older version of the file, so the other scheme is tried, too. The file need not be valid: if a broken file
failed the health check, an orchestrator would restart a working daemon, which could not start again.
"""

import base64
import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from exporter import output
from exporter.regular_files import read_regular, unreadable
from exporter.settings import Settings, parse_address
from exporter.settings.model import Healthcheck
from exporter.settings.names import VARIABLES
from exporter.settings.web_config import Outline, outline

SECONDS = 5.0
_LONGEST_PASSWORD = 4096
_PASSWORD_FILE, _CERT_FILE = (VARIABLES["healthcheck", key] for key in ("password_file", "cert_file"))


class _Failed(Exception):
    """`str()` says what is wrong, `is_of_scheme` whether the other scheme may work."""

    def __init__(self, why: str, *, is_of_scheme: bool = False) -> None:
        super().__init__(why)
        self.is_of_scheme = is_of_scheme


class _Server(NamedTuple):
    host: str
    port: int
    path: str


def main(settings: Settings) -> int:
    """Request `/-/healthy`; 0 if the daemon is healthy, else 1 and the problem on standard error."""
    host, port = _local(settings.web.listen_address[0])
    try:
        _check(_Server(host, port, f"{settings.web.prefix}/-/healthy"), settings.web.config_file, settings.healthcheck)
    except _Failed as failure:
        output.complain(f"{host}:{port} {failure}")
        return 1
    return 0


def _local(listen_address: str) -> tuple[str, int]:
    """Where a daemon that listens on this address can be reached from the same machine."""
    host, port = parse_address(listen_address)
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared, not bound


def _check(server: _Server, config_file: Path | None, own: Healthcheck) -> None:
    if config_file is None:
        _expect_healthy(_status(server, {}, None), Outline(has_tls=False, users=()), own)
        return
    known = outline(config_file)
    headers = _login(known, own)
    schemes = [_tls(own), None] if known is None or known.has_tls else [None, _tls(own)]
    try:
        status = _status(server, headers, schemes[0])
    except _Failed as first:
        if not first.is_of_scheme:
            raise
        try:
            status = _status(server, headers, schemes[1])
        except _Failed:
            raise first from None
    _expect_healthy(status, known, own)


def _expect_healthy(status: int, known: Outline | None, own: Healthcheck) -> None:
    if status in (http.client.OK, http.client.TOO_MANY_REQUESTS):  # a daemon that limits requests is alive
        return
    if status != http.client.UNAUTHORIZED:
        raise _Failed(f"answers {status}: another program may have this port")
    if known is None:  # the file cannot be read now, but the daemon uses an earlier version of it
        return
    if own.password_file is None:
        raise _Failed(f"asks for a login: set {_PASSWORD_FILE} to a file with the user's password")
    raise _Failed(f"refuses the login of {_user(known, own)!r}: its password in {own.password_file} is wrong")


def _status(server: _Server, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> int:
    connection = (
        http.client.HTTPSConnection(server.host, server.port, timeout=SECONDS, context=tls)
        if tls
        else http.client.HTTPConnection(server.host, server.port, timeout=SECONDS)
    )
    try:
        connection.request("GET", server.path, headers=dict(headers))
        return connection.getresponse().status
    except TimeoutError:
        raise _Failed(f"does not answer within {SECONDS:.0f} s") from None
    except ConnectionRefusedError:
        raise _Failed("does not answer: nothing listens there; name the daemon's --web.listen-address") from None
    except (ConnectionError, ssl.SSLEOFError, http.client.RemoteDisconnected) as error:
        why = f"; if it asks for a client certificate, set {_CERT_FILE} to a right one" if tls else ""
        raise _Failed(f"does not answer: {error}{why}", is_of_scheme=True) from None
    except ssl.SSLError as error:
        raise _Failed(f"does not answer over TLS: {error.reason or error}", is_of_scheme=True) from None
    except OSError as error:
        raise _Failed(f"does not answer: {error}") from None
    except http.client.HTTPException:
        raise _Failed("does not answer in HTTP: another program may have this port", is_of_scheme=True) from None
    finally:
        connection.close()


def _tls(own: Healthcheck) -> ssl.SSLContext:
    """TLS to this machine. Its certificate has the names that other machines use, so it is not verified."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own.cert_file is not None:
        try:
            context.load_cert_chain(own.cert_file, own.key_file, password="")
        except OSError as error:  # ssl.SSLError is one
            why = "holds no certificate with its key" if isinstance(error, ssl.SSLError) else unreadable(error)
            raise _Failed(f"cannot be asked: {own.cert_file} {why}") from None
    return context


def _login(known: Outline | None, own: Healthcheck) -> dict[str, str]:
    user = _user(known, own)
    if own.password_file is None or not user:
        return {}
    try:
        password = read_regular(own.password_file, _LONGEST_PASSWORD).rstrip(b"\r\n")
    except OSError as error:
        raise _Failed(f"cannot be asked: {own.password_file} {unreadable(error)}") from None
    return {"Authorization": f"Basic {base64.b64encode(user.encode() + b':' + password).decode()}"}


def _user(known: Outline | None, own: Healthcheck) -> str:
    return own.user or (known.users[0] if known and known.users else "")
