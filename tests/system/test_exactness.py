"""The published counters equal an oracle, whatever order things happen in.

A scripted GitHub whose requests become visible late, are revised, renamed and answered with any bounds; ticks that
fail anywhere, rows without an order, folds during which data change, gaps, restarts from what was saved, crashes
between saving and showing, scrapes that take all or half. What a Prometheus would add up must be what became visible.
"""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporter.catalogue import Collector
from exporter.collecting.attempt import Attempt, Question, ask
from exporter.collecting.conclude import conclude
from exporter.collectors.reading.walks import walk
from exporter.collectors.summary_stats import window_sums
from exporter.counting.counters import release as release_series
from exporter.counting.counters import restart_series
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import GitHubError, Unavailable
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Api, Ask, Fetched
from exporter.jobs import CollectorSettings, Job, Target
from exporter.options import BoundedOptions
from exporter.state.snapshot_json import dump, load
from exporter.tables import Amount, Row, Table, counter

WINDOWS = Windows(step=10, first=40, longest=100, keep=70, settled=50, retention=400, margin=20, whole_walk=30)
START = 100_000
KEYS = 12
GHOSTS = range(1, 5)  # keys without an order among them
PLACES = 3


class Subject(Row):
    subject_id: int
    subject_name: str
    total: Amount
    limited: Amount
    last: float | None = None


TABLE = Table(
    row=Subject,
    labels=("subject_id", "subject_name"),
    display=("subject_name",),
    last_seen="last",
    other=("", "other"),
    families=(
        counter("github_x_requests_total", "total", "Requests."),
        counter("github_x_limited_total", "limited", "Limited."),
    ),
)


class Options(BoundedOptions):
    max_series: int = PLACES
    page_size: int = 2


@dataclass
class World:
    """A scripted GitHub. Events are (key, at, (total, limited), visible_at); revisions are events below zero."""

    bucket: int
    min_inclusive: bool
    max_inclusive: bool
    zero_rows: bool
    page_size: int
    now: int = START
    events: list[tuple[int, int, tuple[int, int], int]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    fetches: int = 0
    fail_at: int | None = None
    shifts: frozenset[int] = frozenset()  # the pages, counted over a tick, before which a row moved back
    meanwhile: list[tuple[int, int, tuple[int, int], int]] = field(default_factory=list)
    ties: Random | None = None  # gives the ghosts another order in each answer

    def inside(self, at: int, start: int, end: int) -> bool:
        bucket = at // self.bucket * self.bucket
        above = bucket >= start if self.min_inclusive else bucket > start
        below = bucket <= end if self.max_inclusive else bucket < end
        return above and below

    def window(self, key: int, start: int, end: int, known: int | None = None) -> tuple[int, int]:
        """The sums that are visible now; of the first `known` events only, if that is given."""
        chosen = [
            counts
            for event_key, at, counts, visible_at in self.events[:known]
            if event_key == key and visible_at <= self.now and self.inside(at, start, end)
        ]
        return sum(total for total, _ in chosen), sum(limited for _, limited in chosen)

    def last(self, key: int, start: int, end: int) -> float | None:
        """When the newest visible request of a key was sent."""
        of_key = [event for event in self.events if event[0] == key and event[3] <= self.now]
        return max((at for _, at, _, _ in of_key if self.inside(at, start, end)), default=None)

    def rows(self, start: int, end: int) -> list[dict[str, Any]]:
        rows = []
        for key in range(KEYS):
            total, limited = self.window(key, start, end)
            if total or limited or self.zero_rows:
                name = self.names.get(key, f"name {key}")
                last = self.last(key, start, end)
                rows.append({"subject_id": key, "subject_name": name, "total": total, "limited": limited, "last": last})
        return rows

    def answer(self, start: int, end: int, *, sort: str | None, descending: bool) -> list[dict[str, Any]]:
        """The rows in the order of one answer."""
        rows = self.rows(start, end)
        if sort == "last":
            if self.ties:
                self.ties.shuffle(rows)
            rows.sort(key=lambda row: row["last"] or 0)
        elif self.ties:
            places = {ghost: self.ties.random() for ghost in GHOSTS}
            rows.sort(key=lambda row: GHOSTS[0] + places[key] if (key := row["subject_id"]) in places else key)
        return rows[::-1] if descending else rows

    def asked(self) -> None:
        self.fetches += 1
        if self.fail_at == self.fetches:
            raise Unavailable("scripted")


async def fetch(api: Api, question: Ask) -> Fetched:
    window: dict[str, str | int] = {"start": question.start, "end": question.end}
    sums = window_sums(api, question)
    if sums.known:
        sums.known = replace(sums.known, page_size=question.options.page_size)
    return await walk(api, "/x", window, TABLE, sums)


@dataclass
class WorldApi:
    """The world as a collector asks it."""

    world: World
    skew: float = 0.0

    def now(self) -> float:
        return float(self.world.now)

    async def get(self, path: str, params: dict[str, str | int] | None = None) -> Any:
        """The sums of a window; the time costs nothing."""
        if path == "/rate_limit":
            return SimpleNamespace(status=200, body=b"{}")
        assert params
        assert path == "/orgs/acme/insights/api/summary-stats"
        self.world.asked()
        start, end = (datetime.fromisoformat(str(params[name])) for name in ("min_timestamp", "max_timestamp"))
        rows = self.world.rows(int(start.timestamp()), int(end.timestamp()))
        total, limited = (sum(row[count] for row in rows) for count in ("total", "limited"))
        body = {"total_request_count": total, "rate_limited_request_count": limited}
        return SimpleNamespace(status=200, body=json.dumps(body).encode())

    async def pages(self, _path: str, params: dict[str, str | int] | None = None) -> Any:
        assert params
        world, page, size = self.world, 0, self.world.page_size
        while True:
            world.asked()
            start, end, sort = int(params["start"]), int(params["end"]), str(params.get("sort"))
            rows = world.answer(start, end, sort=sort, descending=params["direction"] == "desc")
            first = max(0, size * page - (world.fetches in world.shifts))  # a row before it went: the page begins late
            yield SimpleNamespace(status=200, body=json.dumps(rows[first : first + size]).encode())
            page += 1
            if world.meanwhile:
                world.events.append(world.meanwhile.pop(0))
            if first + size >= len(rows):
                return


COLLECTOR = Collector(
    name="subject_stats",
    scope="organization",
    endpoint="/x",
    page="https://docs.github.com/",
    lateness="Late.",
    fetch=fetch,
    tables=(TABLE,),
    options=Options,
)
JOB = Job(COLLECTOR, Target("organization", "acme", "token"), CollectorSettings(True, 30.0, 60.0, Options()), 0)


Key = int
Pair = tuple[int, int]


def subtract(whole: Pair, part: Pair) -> Pair:
    return whole[0] - part[0], whole[1] - part[1]


def between(low: Pair, found: Pair, high: Pair) -> None:
    assert all(least <= number <= most for least, number, most in zip(low, found, high, strict=True))


class Exactness(RuleBasedStateMachine):
    """The machine: `saved` is what a restart finds, `shown` what a scrape sees."""

    @initialize(
        bucket=st.sampled_from((1, 5, 10)),
        lower=st.booleans(),
        upper=st.booleans(),
        zeros=st.booleans(),
        size=st.sampled_from((1, 1, 2)),
        full=st.sampled_from((True, True, False)),
        early=st.lists(st.tuples(st.integers(0, KEYS - 1), st.integers(0, 60), st.integers(1, 50)), max_size=8),
    )
    def begin(
        self,
        *,
        bucket: int,
        lower: bool,
        upper: bool,
        zeros: bool,
        size: int,
        full: bool,
        early: list[tuple[int, int, int]],
    ) -> None:
        self.world = World(bucket, lower, upper, zeros, size)
        if full:
            self.world.events += [(key, START - 1 - key, (1, 0), START) for key in range(KEYS)]
        self.job = replace(JOB, settings=replace(JOB.settings, options=Options(page_size=size)))
        self.revised = False  # since the newest whole walk
        for key, age, count in early:
            self.world.events.append((key, START - age, (count, count // 5), START))
        self.saved: Any = dump(Snapshot())
        self.shown = Snapshot()
        self.shapes: dict[int, list[tuple[str, ...]]] = {}
        self.served = [-1, -1]
        self.ripe = 0
        self.unsaved = False
        self.last: dict[tuple[str, tuple[str, ...]], int] = {}
        self.added = [0, 0]
        # the oracle
        self.anchor: int | None = None
        self.first: dict[Key, Pair] = {}
        self.frozen: dict[Key, Pair] = {}
        self.reached: dict[Key, Pair] = dict.fromkeys(range(KEYS), (0, 0))

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(periods=st.integers(1, 5))
    def long_silence(self, periods: int) -> None:
        self.world.now += periods * 120

    @rule(
        key=st.integers(0, KEYS - 1),
        age=st.integers(0, 30),
        total=st.integers(1, 40),
        limited=st.integers(0, 3),
        delay=st.sampled_from((0, 0, 5, 20, 60, 150)),
    )
    def requests(self, key: int, age: int, total: int, limited: int, delay: int) -> None:
        self.world.events.append((key, self.world.now - age, (total, limited), self.world.now + delay))

    @rule(key=st.integers(0, KEYS - 1), wait=st.integers(1, 20), ties=st.none() | st.integers(0, 2**32))
    def news_and_a_tick(self, key: int, wait: int, ties: int | None) -> None:
        self.world.now += wait
        self.world.events.append((key, self.world.now - 1, (1, 0), self.world.now))
        self.tick(fail_at=None, shifts=frozenset(), crash=False, writable=True, meanwhile=[], ties=ties)

    @rule(index=st.integers(0, 30), part=st.integers(1, 40))
    def revision(self, index: int, part: int) -> None:
        if self.world.events:
            key, at, (total, _limited), _ = self.world.events[index % len(self.world.events)]
            if total > 0:
                down = (-min(part, self._left(key, at)), 0)
                self.world.events.append((key, at, down, self.world.now))
                self.revised = True

    def _left(self, key: int, at: int) -> int:
        """What an answer may still lose at that instant without falling below zero, now or later."""
        same = [event for event in self.world.events if event[0] == key and event[1] == at]
        instants = {event[3] for event in same} | {self.world.now}
        return min(
            sum(total for _, _, (total, _), seen in same if seen <= instant)
            for instant in instants
            if instant >= self.world.now
        )

    @rule(key=st.integers(0, KEYS - 1), name=st.integers(0, 10**9))
    def rename(self, key: int, name: int) -> None:
        self.world.names[key] = f"renamed {len(self.world.names)} {name}"

    @rule(
        fail_at=st.none() | st.integers(1, 20),
        shifts=st.frozensets(st.integers(1, 20), max_size=2),
        crash=st.booleans(),
        writable=st.sampled_from((True, True, True, False)),
        meanwhile=st.lists(st.tuples(st.integers(0, KEYS - 1), st.integers(0, 110), st.integers(1, 9)), max_size=4),
        ties=st.none() | st.integers(0, 2**32),
    )
    def tick(
        self,
        *,
        fail_at: int | None,
        shifts: frozenset[int],
        crash: bool,
        writable: bool,
        meanwhile: list[tuple[int, int, int]],
        ties: int | None = None,
    ) -> None:
        world = self.world
        world.fetches, world.fail_at, world.shifts = 0, fail_at, shifts
        world.ties = None if ties is None else Random(ties)
        world.meanwhile = [(key, world.now - age, (count, 1), world.now) for key, age, count in meanwhile]
        before, known = self.shown, len(world.events)
        result: Any
        api: Any = WorldApi(world)
        try:
            result = asyncio.run(ask(Question(self.job, before.counting, WINDOWS, writable, walks=before.walks), api))
        except GitHubError as error:
            result = error
        late, world.meanwhile = world.meanwhile, []
        concluded = conclude(self.job, before, Attempt(result, float(world.now), 0.0, 0.0), self._rules(writable))
        assert concluded.error is (result if isinstance(result, GitHubError) else None)
        if not isinstance(result, GitHubError):
            self._answers_are_the_worlds(before, result, known, may_hide=self.revised or bool(meanwhile))
            self._oracle(result)
        world.events += late
        self.unsaved = not writable
        if writable:
            self.saved = dump(concluded.snapshot)
        if crash and writable:
            self.restart()
        else:
            self.shown = concluded.snapshot

    def _answers_are_the_worlds(self, before: Snapshot, brought: Any, known: int, *, may_hide: bool) -> None:
        """What was read, and what a fold settled, is what the world had: between the tick's begin and its end.

        A short walk may take a row as it was known if another one hides its rise, until the next whole walk.
        """
        window, after = self.world.window, len(self.world.events)
        is_short = brought.read is not None and brought.fetched.walk.unseen is not None
        if is_short:
            assert before.walks
            assert self.world.now - before.walks.whole_at < WINDOWS.whole_walk
            self._sums_are_the_worlds(brought, known)
        elif brought.read:
            self.revised = False
        for key in range(KEYS):
            if brought.read:
                start, end = brought.read.start, brought.read.end
                found, low, high = self._read_of(brought, key), window(key, start, end, known), window(key, start, end)
                if is_short and may_hide and (str(key),) in brought.fetched.walk.unseen:
                    assert before.counting
                    counts = before.counting.keys[str(key),].counts
                    assert found == tuple(count.current - count.base for count in counts)
                elif not (is_short and may_hide and found == (0, 0)):
                    between(low, found, high)
            if brought.settled is not None:
                assert before.counting
                anchor = brought.new_anchor or before.counting.anchor
                end = self.world.now // 10 * 10 - WINDOWS.settled
                low, high = (
                    subtract(window(key, anchor, end, count), window(key, brought.begin, end, count))
                    for count in (known, after)
                )
                row = brought.settled.get((str(key),))
                between(low, row.numbers if row else (0, 0), high)

    def _sums_are_the_worlds(self, brought: Any, known: int) -> None:
        start, end, after = brought.read.start, brought.read.end, len(self.world.events)
        low, found, high = (
            (sum(total for total, _ in pairs), sum(limited for _, limited in pairs))
            for pairs in (
                [self.world.window(key, start, end, known) for key in range(KEYS)],
                [self._read_of(brought, key) for key in range(KEYS)],
                [self.world.window(key, start, end, after) for key in range(KEYS)],
            )
        )
        between(low, found, high)

    def _rules(self, writable: bool) -> Rules:
        taken = all(version >= self.shown.version for version in self.served)
        return Rules(PLACES, 10**9, writable, taken)

    def _oracle(self, brought: Any) -> None:
        """Candidates the rules with whole sums, knowing nothing of bases, holds or places."""
        if self.anchor is None:
            self.anchor = brought.read.start
            self.first = {key: self._read_of(brought, key) for key in range(KEYS)}
            self.frozen = dict.fromkeys(range(KEYS), (0, 0))
        if brought.new_anchor is not None:
            self.anchor = brought.new_anchor
            self.first = dict.fromkeys(range(KEYS), (0, 0))
            self.frozen = dict(self.reached)
        if brought.settled is not None:
            for key in range(KEYS):
                row = brought.settled.get((str(key),))
                total, limited = row.numbers if row else (0, 0)
                self.frozen[key] = (self.frozen[key][0] + total, self.frozen[key][1] + limited)
            self.anchor = brought.begin
        if brought.read is None:
            return
        assert brought.read.start == self.anchor
        for key in range(KEYS):
            now = self._read_of(brought, key)
            self.reached[key] = (
                max(self.reached[key][0], self.frozen[key][0] + now[0] - self.first[key][0]),
                max(self.reached[key][1], self.frozen[key][1] + now[1] - self.first[key][1]),
            )

    def _read_of(self, brought: Any, key: int) -> Pair:
        row = brought.read.rows.get((str(key),))
        return row.numbers if row else (0, 0)

    @precondition(lambda self: not self.unsaved)  # what was never saved is lost with the process; see test_state.py
    @rule()
    def restart(self) -> None:
        snapshot = load(self.saved)
        counting = snapshot.counting
        self.shown = replace(snapshot, counting=counting and restart_series(counting, snapshot.version))
        self.served = [-1, -1]
        self.ripe = -1
        self.shapes.clear()

    @rule(which=st.sampled_from(((0, 1), (0, 1), (0,), (1,))))
    def scrape(self, which: tuple[int, ...]) -> None:
        series = self._series()
        for index in which:
            for labels, numbers in series.items():
                name = (TABLE.counters[index].name, labels)
                value = numbers[index]
                if name in self.last:
                    assert value >= self.last[name], f"{name} fell from {self.last[name]} to {value}"
                    self.added[index] += value - self.last[name]
                self.last[name] = value
            gone = [name for name in self.last if name[0] == TABLE.counters[index].name and name[1] not in series]
            for name in gone:
                del self.last[name]
            self.served[index] = self.shown.version

    def _series(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        counting = self.shown.counting
        if counting is None:
            return {}
        series = list(counting.series())
        if counting.other_new_since is not None:
            labels = tuple(label or "" for label in TABLE.other or ())
            series.append((labels, counting.other))
        assert len({labels for labels, _ in series}) == len(series)
        return dict(series)

    @rule()
    def birth_delay_passes(self) -> None:
        self.ripe = self.shown.version

    @rule()
    def release(self) -> None:
        if self.shown.counting:
            upto = tuple(min(self.ripe, served) for served in self.served)
            counting = release_series(self.shown.counting, upto)
            if counting is not self.shown.counting:
                self.shown = replace(self.shown, version=self.shown.version + 1, counting=counting)
                self.saved = dump(self.shown)
                self.unsaved = False

    @invariant()
    def equal_shapes_are_equal_series(self) -> None:
        if hasattr(self, "reached") and self.shown.counting:
            series = list(self._series())
            assert self.shapes.setdefault(self.shown.counting.shape, series) == series

    @invariant()
    def at_most_the_oracle(self) -> None:
        if not hasattr(self, "reached") or self.shown.counting is None:
            return
        counting = self.shown.counting
        assert len([key for key in counting.keys.values() if key.has_series]) <= PLACES
        for index in (0, 1):
            own = sum(key.counts[index].own for key in counting.keys.values())
            assert own + counting.other[index] == sum(key.counts[index].published for key in counting.keys.values())
        for (identity,), key in counting.keys.items():
            for index in (0, 1):
                assert key.counts[index].published <= self.reached[int(identity)][index]

    def teardown(self) -> None:
        """Once everything was scraped and released, the sums are the oracle's to the last request."""
        if not hasattr(self, "reached") or self.shown.counting is None:
            return
        if self.unsaved:  # what was never shown stayed at 0; it moves with the first tick that is saved
            self.tick(fail_at=None, shifts=frozenset(), crash=False, writable=True, meanwhile=[])
        for _ in range(3):
            self.scrape((0, 1))
            self.birth_delay_passes()
            self.release()
        self.scrape((0, 1))
        for index in (0, 1):
            assert self.added[index] == sum(reached[index] for reached in self.reached.values())
        for (identity,), key in self.shown.counting.keys.items():
            assert tuple(count.published for count in key.counts) == self.reached[int(identity)]


Exactness.TestCase.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
TestExactness = Exactness.TestCase
