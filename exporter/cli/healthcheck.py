"""`healthcheck`: whether the local daemon answers; for the container image, which has no curl."""

import http.client

from exporter import output
from exporter.settings import Settings, parse_address

SECONDS = 5.0


def main(settings: Settings) -> int:
    """Request `/-/healthy`; 0 if the daemon is healthy, else 1 and the problem on standard error."""
    host, port = _local(settings.web.listen_address[0])
    problem = _problem(host, port, f"{settings.web.prefix}/-/healthy")
    if problem:
        output.complain(f"{host}:{port} {problem}")
    return 1 if problem else 0


def _local(listen_address: str) -> tuple[str, int]:
    """Where a daemon that listens on this address can be reached from the same machine."""
    host, port = parse_address(listen_address)
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared, not bound


def _problem(host: str, port: int, path: str) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except TimeoutError:
        return f"does not answer within {SECONDS:.0f} s"
    except ConnectionRefusedError:
        return "does not answer: nothing listens there; name the daemon's --web.listen-address"
    except OSError as error:
        return f"does not answer: {error}"
    except http.client.HTTPException:
        return "does not answer in HTTP: another program may have this port"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"answers {status}: another program may have this port"
