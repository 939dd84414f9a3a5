"""A worker thread makes way for clients."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from exporter.serving.naps import ANSWER, NAP, NICE, Arrivals, Naps, step_back


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, client = socket.socketpair()
    with closing(ours), closing(client):
        yield ours, client


def test_each_arrival_is_told_once(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    with closing(Arrivals()) as arrived:
        arrived.watch(ours.fileno())
        assert not arrived()
        client.send(b"GET")
        assert arrived()
        assert not arrived()  # though nobody has read it: who never reads holds nobody up
        client.send(b" /")
        assert arrived()


def test_nothing_arrives_at_what_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, client = pair
    arrived = Arrivals()
    arrived.watch(ours.fileno())
    client.send(b"GET")
    arrived.close()
    assert not arrived()
    arrived.watch(ours.fileno())  # a client that comes while listening ends
    assert not arrived()


@pytest.mark.parametrize(
    ("steps", "arrives", "naps"),
    [
        pytest.param((0.00005, 0.00005, 0.00005), True, [ANSWER], id="one look in a tenth of a millisecond"),
        pytest.param((0.0003,) * 8, True, [ANSWER] * 2, id="as long as an answer takes, and works for as long"),
        pytest.param((0.0003,) * 8, False, [NAP] * 2, id="a moment each millisecond"),
        pytest.param((0.0002,) * 4, False, [], id="nobody asks"),
    ],
)
def test_naps(steps: tuple[float, ...], arrives: bool, naps: list[float]) -> None:
    now, slept = [0.0], []
    nap = Naps(lambda: arrives, lambda: now[0], slept.append)
    for step in steps:
        now[0] += step
        nap()
    assert slept == naps


def test_stepping_back_is_of_the_thread_alone() -> None:
    before, found = os.getpriority(os.PRIO_PROCESS, 0), []

    def work() -> None:
        step_back()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [min(before + NICE, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
