"""Host names: what a name server that hangs may hold up, and what it may not."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.errors import Unavailable
from exporter.github.downloads import Downloads
from exporter.github.network.happy_eyeballs import first_connection, interleaved
from exporter.github.network.names import Names, NoAnswer
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

HOUR = 3600
PID = os.getpid()
NAMESERVER = f"127.53.{PID >> 8 & 255}.{PID % 254 + 1}", 53  # tests may run side by side
SUCCESS = 'github_exporter_collector_success{collector="summary_stats",target="organization/acme"}'
STATE = 'github_exporter_endpoint_state{{collector="summary_stats",target="organization/{}",state="unavailable"}}'


@contextmanager
def silent_name_server(folder: Path) -> Iterator[tuple[str, socket.socket]]:
    """A script that runs the exporter where the only name server never answers, and that server's socket."""
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {NAMESERVER[0]}\noptions timeout:30 attempts:2\n")
    with_it = f'mount --bind {resolv} /etc/resolv.conf && exec "$0" "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", with_it]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind(NAMESERVER)
        except PermissionError as error:
            pytest.skip(f"a name server of our own cannot be bound: {error}")
        if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
            pytest.skip("no mount namespace of our own")
        yield (
            f"import os, sys; os.execvp('unshare', [*{wrapper!r}, sys.executable, '-m', 'exporter', *sys.argv[1:]])",
            server,
        )


@pytest.fixture
def config(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Six credentials whose hosts' names hang, and one that needs no name."""
    clock = SimClock(time.time())
    clock.run(1.0)
    world = World.of([Event("acme", "user", 1, int(clock()) - HOUR, requests=9, name="ada")])
    (tmp_path / "token").write_text("token-of-acme\n")
    # More than asyncio's executor has threads on two processors.
    hung = {f"hung{number}": f"https://hung{number}.example.com/api/v3" for number in range(6)}
    with simulated(SimulatedGitHub(world, clock)) as (url,):
        made = config_for(url, "acme", token_file=tmp_path / "token")
        for collector in made["collectors"].values():
            collector["enabled"] = False
        made["collectors"]["summary_stats"]["enabled"] = True
        for name, root in hung.items():
            made["credentials"][name] = {"api_url": root, "token_file": str(tmp_path / "token")}
            made["organizations"].insert(0, {"name": name, "credential": name})
        yield made


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_names_that_hang_hold_up_nothing_else(tmp_path: Path, config: dict[str, Any], end: signal.Signals) -> None:
    with silent_name_server(tmp_path) as (script, server), Exporter(tmp_path, config, script=script) as exporter:
        exporter.start()
        assert server.recv(512)  # somebody asks for a name, and waits
        until(lambda: exporter.value(SUCCESS) == 1, "the credential whose host is an address works")
        until(lambda: exporter.value(STATE.format("hung0")) == 1, "the others are told to be unavailable")
        assert exporter.process
        exporter.process.send_signal(end)
        assert exporter.process.wait(5) == 0


def test_doctor_ends_at_once_when_it_is_interrupted(tmp_path: Path, config: dict[str, Any]) -> None:
    file = tmp_path / "doctor.yaml"
    file.write_text(yaml.safe_dump({**config, "state": {"path": str(tmp_path / "state")}}))
    with silent_name_server(tmp_path) as (script, server):
        command = [sys.executable, "-c", script, "doctor", f"--config.file={file}"]
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]}, stderr=subprocess.DEVNULL)
        try:
            assert server.recv(512)
            process.send_signal(signal.SIGINT)
            assert process.wait(5) != 0
        finally:
            process.kill()
            process.wait(10)


def test_doctor_ends_without_waiting_for_names(tmp_path: Path, config: dict[str, Any]) -> None:
    file = tmp_path / "doctor.yaml"
    file.write_text(yaml.safe_dump({**config, "state": {"path": str(tmp_path / "state")}}))
    with silent_name_server(tmp_path) as (script, _server):
        command = [sys.executable, "-c", script, "doctor", f"--config.file={file}"]
        done = subprocess.run(
            command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=25, check=False
        )
    assert done.stdout.count("the name server does not answer in time") >= 6
    assert "organization/acme" in done.stdout
    assert re.search(r"^works +summary_stats +organization/acme ", done.stdout, re.MULTILINE), done.stdout


# The parts.


class Hanging:
    """A name server that hangs for some names until it is let go; counts who asks it."""

    def __init__(self, *hung: str) -> None:
        self.hung, self.asked, self.go = set(hung), list[str](), threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host in self.hung:
            assert self.go.wait(30)
        return ["192.0.2.1", "192.0.2.1"]


def test_an_address_is_not_looked_up() -> None:
    server = Hanging()
    names = Names(0, server)
    for address in ("127.0.0.1", "::1", "fe80::1%eth0"):
        assert asyncio.run(names.addresses(address)) == [address]
    assert server.asked == []


def test_of_a_name_with_many_addresses_the_first_ones_are_given() -> None:
    found = [f"192.0.{number // 256}.{number % 256}" for number in range(50_000)]
    assert asyncio.run(Names(most=1, look_up=lambda _: found).addresses("a")) == found[:32]


def test_who_asks_for_the_same_host_shares_the_look_up_and_who_leaves_does_not_end_it() -> None:
    server = Hanging("a")

    async def scenario() -> None:
        names = Names(1, server)
        leaving, first, second = (asyncio.ensure_future(names.addresses("a")) for _ in range(3))
        with pytest.raises(NoAnswer, match="the name server does not answer in time"):
            await names.addresses("a", 0.01)
        leaving.cancel()
        with pytest.raises(NoAnswer, match="leaves 1 other names unanswered"):
            await names.addresses("b")
        server.go.set()
        assert await first == await second == ["192.0.2.1"]
        assert server.asked == ["a"]
        assert await names.addresses("b") == ["192.0.2.1"]

    asyncio.run(scenario())


def test_a_look_up_that_outlives_its_loop_harms_nobody() -> None:
    server = Hanging("a")
    names = Names(9, server)
    with pytest.raises(NoAnswer):
        asyncio.run(names.addresses("a", 0.01))
    (thread,) = [one for one in threading.enumerate() if one.name == "name a"]
    assert thread.daemon
    server.go.set()
    thread.join(10)
    assert not thread.is_alive()
    assert asyncio.run(names.addresses("a")) == ["192.0.2.1"]


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".example.com", "\udcff"])
def test_a_name_that_leads_nowhere_is_an_os_error(host: str) -> None:
    def refused(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, name)

    with pytest.raises(socket.gaierror):
        asyncio.run(Names(9, refused if host.endswith(".invalid") else None).addresses(host))


def test_a_download_tells_that_the_name_server_does_not_answer() -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        return await Names(9, Hanging(host)).addresses(host, 0.01)

    async def read() -> None:
        link = "https://reports.blob.core.windows.net/x?sig=CANARY"
        async for _piece in Downloads(resolve=resolve).read(link, ["*.blob.core.windows.net"], 100):
            pass

    with pytest.raises(
        Unavailable, match=r"^reports\.blob\.core\.windows\.net: the name server does not answer in time"
    ):
        asyncio.run(read())


# Connecting.


class Peer:
    """A connection."""

    def __init__(self, address: str) -> None:
        self.address, self.closed = address, False

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([], []),
        (["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"]),
        (
            ["192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1%eth0"],
            ["2001:db8::1", "192.0.2.1", "fe80::1%eth0", "192.0.2.2"],
        ),
    ],
)
def test_the_families_are_tried_by_turns(addresses: list[str], order: list[str]) -> None:
    assert interleaved(addresses) == order


def test_an_address_that_does_not_answer_holds_up_the_next_for_a_moment_only() -> None:
    tried: list[str] = []

    async def connect(address: str) -> Peer:
        tried.append(address)
        if address == "192.0.2.1":
            await asyncio.get_running_loop().create_future()
        if address == "192.0.2.2":
            raise ConnectionRefusedError
        return Peer(address)

    async def scenario() -> None:
        peer = await first_connection(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], connect, 0.01)
        assert (peer.address, peer.closed) == ("192.0.2.3", False)
        assert tried == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_a_connection_that_comes_second_is_closed() -> None:
    made: list[Peer] = []

    async def connect(address: str) -> Peer:
        if address == "192.0.2.1":
            with suppress(asyncio.CancelledError):  # it was there in the same moment
                await asyncio.get_running_loop().create_future()
        made.append(Peer(address))
        return made[-1]

    peer = asyncio.run(first_connection(["192.0.2.1", "192.0.2.2"], connect, 0.01))
    assert (peer.address, peer.closed) == ("192.0.2.2", False)
    assert [(other.address, other.closed) for other in made if other is not peer] == [("192.0.2.1", True)]


def test_where_no_address_takes_a_connection_the_first_one_says_why() -> None:
    async def connect(address: str) -> Peer:
        raise ConnectionRefusedError(address)

    with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1"):
        asyncio.run(first_connection(["192.0.2.1", "192.0.2.2"], connect))
