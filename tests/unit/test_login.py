"""Logins: whose checks wait, and who gives way."""

import asyncio
import base64

import bcrypt
import pytest

from exporter.serving.login import WAITING, WAITING_OF_CLIENT, Login, network_of

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4))
USERS = {b"prometheus": HASH}


def outcomes(*logins: tuple[str, str]) -> list[str]:
    """What logins that come at the same moment are worth; each is a password and the address that sends it."""

    async def run() -> list[str]:
        login = Login()
        return await asyncio.gather(
            *(
                login.outcome(USERS, b"Basic " + base64.b64encode(b"prometheus:" + password.encode()), address)
                for password, address in logins
            )
        )

    return asyncio.run(run())


def test_a_client_that_has_none_waiting_takes_the_place_of_who_has_most() -> None:
    flood = [(f"wrong {number}", f"10.0.0.{number % 2}") for number in range(WAITING + 4)]
    *flooded, scrape = outcomes(*flood, ("right", "10.0.0.9"))
    assert scrape == "right"
    assert flooded.count("wrong") == WAITING - 1
    assert flooded.count("busy") == 5


def test_a_client_has_a_bounded_number_of_places() -> None:
    one = outcomes(*((f"wrong {number}", "10.0.0.1") for number in range(WAITING)))
    assert one == ["wrong"] * WAITING_OF_CLIENT + ["busy"] * (WAITING - WAITING_OF_CLIENT)


def test_who_sends_what_was_sent_before_waits_for_the_same_check() -> None:
    assert outcomes(*[("right", "10.0.0.1")] * 40) == ["right"] * 40


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_is_what_one_machine_may_use(address: str, network: str) -> None:
    assert network_of(address) == network
