"""Sockets that systemd opened, for `--web.systemd-socket`."""

import socket

NONE_PASSED = (
    "systemd passed no socket (--web.systemd-socket): start github-enterprise-exporter.socket, or remove the flag to "
    "listen on --web.listen-address"
)


def inherited(descriptor: int) -> socket.socket:
    """A listening TCP socket; OSError for anything else."""
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise OSError(error.errno, _no_listener(descriptor)) from None
    is_tcp = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.type == socket.SOCK_STREAM
    if not is_tcp or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        raise OSError(_no_listener(descriptor))
    listener.set_inheritable(False)
    return listener


def _no_listener(descriptor: int) -> str:
    return (
        f"file descriptor {descriptor}, which systemd passed (--web.systemd-socket), is no listening TCP socket; the "
        ".socket unit needs ListenStream=PORT or ListenStream=ADDRESS:PORT, and Accept=no"
    )
