"""The worker: one thread, in order, whatever is raised."""

import asyncio
import threading

import pytest

from exporter import worker


def test_everything_runs_in_one_thread_in_order() -> None:
    order: list[tuple[int, str]] = []

    def work(number: int, *, name: str) -> int:
        order.append((number, threading.current_thread().name))
        return len(name) + number

    async def run() -> list[int]:
        return await asyncio.gather(*(worker.run(work, number, name="four") for number in range(20)))

    assert asyncio.run(run()) == list(range(4, 24))
    assert [number for number, _ in order] == list(range(20))
    assert {name for _, name in order} == {"worker_0"}
    assert asyncio.run(run())[0] == 4, "it outlives an event loop"


def test_what_a_function_raises_reaches_its_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(worker.run(divmod, 1, 0))


def test_what_waits_for_others_does_not_hold_the_worker() -> None:
    """Names are looked up by asyncio's own threads, of which there are several."""

    async def run() -> str:
        is_free = threading.Event()
        waits = asyncio.create_task(asyncio.to_thread(is_free.wait, 10))
        name = await worker.run(lambda: threading.current_thread().name)
        is_free.set()
        assert await waits
        return name

    assert asyncio.run(run()) == "worker_0"
