"""What keeps unit tests what they are: without the network, without other processes."""

import sys
from collections.abc import Iterator

import pytest

FORBIDDEN = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
}
"""Audit events, https://docs.python.org/3/library/audit_events.html. The socket pair of an event loop raises none."""

_in_unit_test = False


def _audit(event: str, _arguments: object) -> None:
    if _in_unit_test and event in FORBIDDEN:
        raise AssertionError(f"{event}: a test with sockets or processes belongs in tests/system")


sys.addaudithook(_audit)


@pytest.fixture(scope="module", autouse=True)
def no_sockets_and_no_processes() -> Iterator[None]:
    """While tests of this folder run; those of others may run in the same process."""
    global _in_unit_test  # noqa: PLW0603 - an audit hook cannot be removed
    _in_unit_test = True
    yield
    _in_unit_test = False
