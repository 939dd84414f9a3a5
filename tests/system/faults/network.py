"""What happens on the way to GitHub."""

from collections.abc import Callable
from typing import Any

from tests.support.company import Authority
from tests.system.faults.gate import GateState
from tests.system.faults.row import Row
from tests.system.faults.scene import Place


def way(name: str, state: GateState, network: Any = "http", **more: Any) -> Row:
    """The port that leads to GitHub behaves like this."""
    return Row(
        name,
        "network",
        lambda place: place.gate.change(state),
        lambda place: place.gate.change("open"),
        "unavailable",
        everything=True,
        network=network,
        **more,
    )


def certificate(name: str, make: Callable[[Place], Any]) -> Row:
    """The server shows another certificate."""
    return Row(
        name,
        "network",
        lambda place: place.gate.change("open", make(place)),
        lambda place: place.gate.change("open"),
        "unavailable",
        everything=True,
        network="https",
    )


NETWORK = (
    way("connections are refused", "closed", lasts=20),
    way("connections are accepted, then silence", "silent"),
    way("connections are reset", "reset"),
    way("connections are reset within the answer", "cut"),
    way("the TLS handshake stalls", "silent", "https"),
    way("no TLS where TLS should be", "plain", "https"),
    certificate("the certificate has expired", lambda place: place.scene.authority.server("localhost", days=(-9, -1))),
    certificate("the certificate is another host's", lambda place: place.scene.authority.server("other.example")),
    certificate(
        "the certificate's authority is unknown",
        lambda place: Authority(place.scene.folder, f"Not known {place.name}").server("localhost"),
    ),
)
