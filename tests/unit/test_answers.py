"""A large answer is joined in steps, between which the event loop does other things."""

import asyncio
import zlib
from dataclasses import replace

import pytest

from exporter.collectors.summary_stats import COLLECTOR
from exporter.exposition.answers import ENTRIES_AT_ONCE, Exposition, Filters, OwnFamily
from exporter.exposition.chunks import deflate
from exporter.exposition.render import Piece
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.jobs import Job, Target
from tests.support.jobs import job_of

FAMILY = "github_api_insights_requests_total"
JOBS = 2 * ENTRIES_AT_ONCE + 1
OWN_BYTES = 3 * 1024 * 1024


def job(number: int) -> Job:
    return replace(job_of(COLLECTOR), target=Target("organization", f"org-{number}", "app"))


def publish(store: Store, number: int, value: int) -> None:
    piece = Piece((deflate(f'{FAMILY}{{organization="org-{number}"}} {value}\n'.encode()),), 1, value)
    store.publish(job(number), status_of(Snapshot(version=value)), {FAMILY: piece}, 0.0)


def own() -> list[list[OwnFamily]]:
    return [[("github_exporter_zero", "gauge", "Zero.", b"github_exporter_zero 0\n")], [], [large("b"), large("a")]]


def large(name: str) -> OwnFamily:
    line = f"github_exporter_large_{name} 1\n".encode()
    return f"github_exporter_large_{name}", "gauge", "Large.", line * (OWN_BYTES // len(line))


def samples(body: bytes) -> list[str]:
    return [line for line in body.decode().splitlines() if not line.startswith(("#", "github_exporter_large"))]


@pytest.mark.parametrize("gzip", [True, False])
def test_the_loop_has_its_turn_while_a_large_answer_is_joined_and_sees_one_moment(*, gzip: bool) -> None:
    store = Store(60.0)
    for number in range(JOBS):
        publish(store, number, 1)
    exposition = Exposition(store, [COLLECTOR], own, lambda: 0.0)

    async def scene() -> tuple[bytes, int]:
        turns = 0
        joining = asyncio.create_task(exposition.answer("text", gzip=gzip, filters=Filters()))
        while not joining.done():
            await asyncio.sleep(0)
            if turns == 5:  # it is on its way
                publish(store, 0, 2)
                publish(store, JOBS - 1, 2)
            turns += 1
        body = b"".join((await joining).body)
        return (zlib.decompress(body, 31) if gzip else body), turns

    body, turns = asyncio.run(scene())
    assert turns > 5
    *counted, zero = samples(body)
    values = {line.rpartition(" ")[2] for line in (counted[0], counted[-1])}
    assert (len(counted), len(values), zero) == (JOBS, 1, "github_exporter_zero 0")
    names = [line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE github_exporter")]
    assert names == ["github_exporter_large_a", "github_exporter_large_b", "github_exporter_zero"]


def test_an_answer_that_was_forgotten_while_it_was_joined_is_not_kept() -> None:
    store = Store(60.0)
    publish(store, 1, 1)
    values = iter(("1", "2"))
    exposition: Exposition

    def changing() -> list[list[OwnFamily]]:
        line = f"github_exporter_value {next(values)}\n".encode()
        exposition.forget()  # as a reload does at this moment
        return [[("github_exporter_value", "gauge", "A value.", line)]]

    exposition = Exposition(store, [COLLECTOR], changing, lambda: 0.0)
    for value in ("1", "2"):
        answer = asyncio.run(exposition.answer("text", gzip=False, filters=Filters()))
        assert samples(b"".join(answer.body))[-1] == f"github_exporter_value {value}"


def test_a_small_answer_is_joined_at_once() -> None:
    store = Store(60.0)
    publish(store, 1, 1)
    coroutine = Exposition(store, [COLLECTOR], tuple, lambda: 0.0).answer("text", gzip=True, filters=Filters())
    with pytest.raises(StopIteration):  # it ends without giving the loop a turn
        coroutine.send(None)
