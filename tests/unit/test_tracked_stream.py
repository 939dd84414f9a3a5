"""A connection to GitHub that has ended before it was used."""

from typing import Any

import httpcore

from exporter.github.network.sockets import Sockets, TrackedStream


class Ended(httpcore.AsyncNetworkStream):
    """What anyio's stream does when the other side has reset the connection: asyncio has no socket any more."""

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002 - httpcore's signature
        none: Any = None
        return none.getpeername()


def test_a_connection_that_was_reset_at_once_has_no_information_and_is_no_fault_of_ours() -> None:
    stream = TrackedStream(Ended(), Sockets(None, "API"), None)
    assert stream.get_extra_info("ssl_object") is None
    assert stream.get_extra_info("is_readable") is None
