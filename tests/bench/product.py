"""The product as a contender: `python -m tests.bench.product SERIES`, commands as of `peer/main.go`.

It is the daemon as `exporter.app` wires it, with a target that nothing is collected from. The series come through
its store by ticks of real collectors, whose GitHub answers in this process. "set" publishes snapshots that lie ready;
"tick" lets the ticks run, with decoding, counting and state; "refresh" and "work" do either again and again.
"""

import asyncio
import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import uvloop

from exporter import logs
from exporter.app import Exporter, SystemClock
from exporter.catalogue import Collector
from exporter.collecting.plan import CollectorSettings, Job, Target
from exporter.collecting.tick import Ticks
from exporter.collecting.usage_child import summed
from exporter.collecting.windows import Windows
from exporter.collectors import route_stats, subject_stats
from exporter.commands import DEFAULTS
from exporter.github.errors import GitHubError
from exporter.github.pacing import Pool
from exporter.serving.naps import Arrivals, Naps
from exporter.serving.render import Piece, chunk, columns_of, render
from exporter.serving.snapshot import Rest, Snapshot, at_rest
from exporter.settings import parse
from exporter.state import State
from tests.bench import series as made
from tests.bench.answers import Answers
from tests.bench_usage import WANTED
from tests.bench_usage import pieces as pieces_of

PAUSE = 0.05
BIRTH_DELAY = 1.1


class Silent:
    """Counts nothing."""

    def ran(self, _job: Job, _error: GitHubError | None) -> None:
        """An attempt ended."""

    def noticed(self, _job: Job, revisions: int, gap: int, unknown: int) -> None:
        """What an attempt noticed."""
        assert (revisions, gap, unknown) == (0, 0, 0)


def jobs_of(series: int) -> list[Job]:
    """The jobs whose answers make the series."""

    def job(collector: Collector, organization: str, subject: tuple[str, ...] = (), **options: str) -> Job:
        chosen = collector.options.model_validate({"max_series": 10_000, **options})
        settings = CollectorSettings(True, collector.interval, collector.max_age, chosen)
        return Job(collector, Target("organization", organization, "bench"), settings, 0, subject)

    organizations = made.organizations(series)
    actors = -(-made.keys(series) // made.ROUTES_OF_AN_ACTOR)
    return [
        # With a filter nothing is compared with the organization's total, which would be a series more.
        *(job(subject_stats.COLLECTOR, f"org-{one}", subject_name_substring="user") for one in range(organizations)),
        *(
            job(route_stats.COLLECTOR, f"org-{actor % organizations}", ("installation", str(900_000 + actor)))
            for actor in range(actors)
        ),
    ]


class Product:
    """The running daemon and what the commands do to it."""

    def __init__(self, exporter: Exporter, arrived: Arrivals, folder: Path, series: int) -> None:
        self.store, self.arrived = exporter._store, arrived
        self.jobs = jobs_of(series)
        self.answers, self.turns = Answers(series), itertools.count()
        state = State(folder / "bench-state")
        state.open(time.time())
        self.ticks = Ticks(self.store, state, SystemClock(), Windows(), 10**9, 600.0, Silent(), arrived=arrived)
        self.ready: Sequence[Sequence[Snapshot]] = ()
        self.busy: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Have all series born, taken along, released and counted once."""
        for job in self.jobs:
            self.ticks.restore(job, Snapshot())
        await self.tick()
        await self.tick()
        await asyncio.sleep(BIRTH_DELAY)
        families = [family.name for job in self.jobs for table in job.collector.tables for family in table.families]
        for _family, parts in self.store.parts(dict.fromkeys(families), None):
            self.store.sent_parts(parts, time.monotonic())
        for job in self.jobs:
            await self.ticks.release(job)

    async def tick(self, _turn: int = 0) -> None:
        """Ask, count, save, render and publish every job: the next round, for what GitHub counts never falls."""
        self.answers.turn = next(self.turns)
        for job in self.jobs:
            error = await self.ticks.run(job, self.answers, Pool("bench"))
            assert error is None, error

    async def prepare(self) -> None:
        """Keep two snapshots of every job, whose values all differ."""
        if self.ready:
            return
        kept = []
        for _ in range(2):
            await self.tick()
            kept.append([self.store.whole(job.key) for job in self.jobs])
        self.ready = kept
        gc.collect()
        gc.freeze()  # the daemon keeps no such snapshots, whose every object a collection would look through

    async def set(self, turn: int) -> None:
        """Publish the other snapshot of every job: all values are new."""

        def make() -> list[tuple[Rest, Mapping[str, Piece]]]:
            nap = Naps(self.arrived)
            return [self.at_rest(job, one, nap) for job, one in zip(self.jobs, self.ready[turn % 2], strict=True)]

        for number, (job, (rest, pieces)) in enumerate(zip(self.jobs, await asyncio.to_thread(make), strict=True)):
            self.store.publish(job, rest, pieces, time.monotonic())
            if number % 10 == 0:
                await asyncio.sleep(0)

    def at_rest(self, job: Job, snapshot: Snapshot, nap: Callable[[], None]) -> tuple[Rest, Mapping[str, Piece]]:
        """What a tick does to show a snapshot."""
        counting = snapshot.counting
        assert counting is not None
        reshaped = False
        for key in counting.keys.values():  # as `absorb` looks at each key to find that the same series are shown
            reshaped = reshaped or (key.shown and key.labels is not key.labels)
        assert not reshaped
        nap()
        shown = columns_of(job, snapshot, time.time(), self.store.pieces(job))
        nap()
        rest = at_rest(replace(snapshot, counting=None, version=self.store[job].version + 1))
        return rest, render(job, shown, snapshot.version, self.store.pieces(job), nap)

    def rendered(self, turn: int) -> tuple[float, float, float]:
        """Seconds to find the values of all snapshots, to render them, and, of the latter, to deflate."""
        began = time.perf_counter()
        found = [
            columns_of(job, one, time.time(), self.store.pieces(job))
            for job, one in zip(self.jobs, self.ready[turn % 2], strict=True)
        ]
        columns = time.perf_counter()
        made = [
            render(job, columns, turn, self.store.pieces(job)) for job, columns in zip(self.jobs, found, strict=True)
        ]
        rendered = time.perf_counter() - columns
        texts = [part.lines for one in made for piece in one.values() for part in piece.chunks]
        again = time.perf_counter()
        for lines in texts:
            chunk(lines)
        return columns - began, rendered, time.perf_counter() - again

    async def forever(self, once: Callable[[int], Awaitable[None]]) -> None:
        """Do it again and again."""
        for turn in itertools.count(1000):
            await once(turn)
            await asyncio.sleep(PAUSE)

    async def obey(self, words: Sequence[str]) -> str:
        """One command; gives what it has to say besides the seconds that it took."""
        turn = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0
        match words[0]:
            case "prepare":
                await self.prepare()
            case "set":
                await self.set(turn)
            case "tick":
                await self.tick(turn)
            case "render":
                return " ".join(map(str, self.rendered(turn)))
            case "refresh":
                self.busy = asyncio.create_task(self.forever(self.set))
            case "work":
                self.busy = asyncio.create_task(self.forever(self.tick))
            case "csv":
                await summed([lambda: pieces_of(Path(words[1]))], WANTED)
            case "rest":
                assert self.busy is not None
                self.busy.cancel()
                with suppress(asyncio.CancelledError):
                    await self.busy
                await asyncio.to_thread(gc.collect, 0)  # the thread ends what it had begun
        return ""


async def main(series: int, folder: Path) -> None:
    """Serve until standard input ends."""
    token, config = folder / "token", folder / "config.yaml"
    token.write_text("ghp_bench")
    config.write_text(
        f"credentials: {{default: {{api_url: 'http://127.0.0.1:9', token_file: '{token}'}}}}\n"
        "organizations: [org-0]\nweb: {listen_address: ['127.0.0.1:0']}\ncounters: {birth_delay: 1s}\n"
        f"state: {{path: '{folder}/state'}}\nlog: {{level: error}}\ncollectors:\n"
        + "".join(f"  {one.name}: {{enabled: false}}\n" for one in DEFAULTS)
    )
    settings = parse(["run", f"--config.file={config}"], {}, collectors=DEFAULTS)[1]
    logs.configure(settings.log.level, settings.log.format)
    exporter = Exporter(settings)
    loop, commands = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    async with exporter.running() as bound:
        product = Product(exporter, bound.arrived, folder, series)
        await product.begin()
        print("port", bound.addresses[0][1], flush=True)
        while line := await loop.run_in_executor(commands, sys.stdin.readline):
            began = time.perf_counter()
            told = await product.obey(line.split())
            print("done", time.perf_counter() - began, told, flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        uvloop.run(main(int(sys.argv[1]), Path(scratch)))
