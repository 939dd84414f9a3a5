"""What a scrape took along decides which series may move, and which may go."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.collecting.settle import Snapshots
from exporter.collectors import user_stats
from exporter.collectors.summary_stats import COLLECTOR
from exporter.exposition.chunks import deflate, texts
from exporter.exposition.columns import Column, column
from exporter.exposition.render import Piece
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Entry, Part, Store, add_entries, parts_of
from exporter.jobs import Job, Target
from exporter.state.database import State
from tests.support.jobs import job_of

REQUESTS = "github_api_insights_requests_total"
LIMITED = "github_api_insights_rate_limited_requests_total"
JOB = job_of(COLLECTOR)
DELAY = 60.0


def published(store: Store, version: int, now: float) -> None:
    pieces = {name: Piece((deflate(f"{name} {version}\n".encode()),), 1, version) for name in (REQUESTS, LIMITED)}
    store.publish(JOB, status_of(Snapshot(version=version)), pieces, now)


def scrape(store: Store, now: float, *names: str) -> None:
    store.sent_parts(parts(store, names or (REQUESTS, LIMITED)), now)


def parts(store: Store, families: Iterable[str], collectors: frozenset[str] | None = None) -> list[Part]:
    by_family: dict[str, list[Entry]] = {family: [] for family in families}
    add_entries(by_family, store, collectors)
    return parts_of(by_family)


def test_a_version_is_releasable_once_it_was_sent_and_shown_for_the_birth_delay() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    assert store.releasable(JOB, 100.0) == (-1, -1)
    scrape(store, 100.0)
    assert store.releasable(JOB, 100.0) == (1, 1)


def test_the_birth_delay_counts_from_when_the_version_was_shown() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    published(store, 2, now=50.0)
    scrape(store, 55.0)
    assert store.releasable(JOB, 59.0) == (-1, -1)
    assert store.releasable(JOB, 60.0) == (1, 1)
    assert store.releasable(JOB, 109.0) == (1, 1)
    assert store.releasable(JOB, 110.0) == (2, 2)


def test_a_scrape_releases_nothing_that_it_left_out() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    scrape(store, 1.0, REQUESTS)
    assert store.releasable(JOB, 100.0) == (1, -1)


@pytest.mark.parametrize(
    ("scrapes", "taken"),
    [
        pytest.param((), False, id="nobody scraped"),
        pytest.param(((1.0, ()),), True, id="all of it was sent"),
        pytest.param(((1.0, (REQUESTS,)),), True, id="a family that nobody takes does not count"),
    ],
)
def test_series_may_go_only_after_all_they_show_was_taken_along(
    scrapes: tuple[tuple[float, tuple[str, ...]], ...], taken: bool
) -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    for now, names in scrapes:
        scrape(store, now, *names)
    assert store.is_scraped(JOB, 1, 100.0) is taken


@pytest.mark.parametrize(
    ("interval", "now", "taken"),
    [
        pytest.param(300.0, 159.0, False, id="another scraper may not have had its turn"),
        pytest.param(300.0, 160.0, True, id="every scraper has had its turn"),
        pytest.param(10.0, 104.0, False, id="short interval, just released"),
        pytest.param(10.0, 105.0, True, id="short interval: half of it is enough"),
    ],
)
def test_series_may_go_only_after_every_scraper_has_had_its_turn(interval: float, now: float, taken: bool) -> None:
    store = Store(DELAY)
    job = replace(JOB, settings=replace(JOB.settings, interval=interval))
    published(store, 1, now=0.0)
    published(store, 2, now=100.0)
    store.sent(store.generation, 101.0)
    assert store.is_scraped(job, 2, now) is taken


def test_a_family_that_was_taken_along_lately_is_waited_for() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    scrape(store, 10.0)
    published(store, 2, now=20.0)
    scrape(store, 30.0, REQUESTS)
    assert store.is_scraped(JOB, 2, 100.0) is False
    scrape(store, 4000.0, REQUESTS)
    assert store.is_scraped(JOB, 2, 4000.0) is True


def test_a_whole_answer_takes_along_what_was_shown_when_it_was_made() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    made = store.generation
    published(store, 2, now=1.0)
    store.sent(made, 2.0)
    assert store.releasable(JOB, 100.0) == (-1, -1)  # version 1 may not have been in it for all that is known
    store.sent(store.generation, 3.0)
    assert store.releasable(JOB, 100.0) == (2, 2)
    published(store, 3, now=101.0)
    assert store.releasable(JOB, 200.0) == (2, 2)
    store.sent(made, 201.0)
    assert store.releasable(JOB, 201.0) == (2, 2)
    assert store.is_scraped(JOB, 2, 300.0)
    assert not store.is_scraped(JOB, 3, 300.0)


def test_a_whole_answer_is_nothing_to_a_job_that_came_later_under_the_same_key() -> None:
    store = Store(DELAY)
    published(store, 7, now=0.0)
    store.sent(store.generation, 1.0)
    store.withdraw(JOB.key)
    published(store, 1, now=2.0)
    assert store.releasable(JOB, 100.0) == (-1, -1)


def test_an_unbounded_row_of_versions_is_not_kept() -> None:
    store = Store(DELAY)
    for version in range(1000):
        published(store, version, now=float(version))
    (entry,) = store
    assert len(entry.published) <= DELAY + 2


def test_a_withdrawn_job_shows_nothing() -> None:
    store = Store(DELAY)
    published(store, 1, now=0.0)
    store.withdraw(JOB.key)
    assert parts(store, (REQUESTS,)) == []


def names(*found: tuple[str, str]) -> dict[str, Column]:
    rows = column(((kind, "5", name, "", ""), 1.0) for kind, name in found)
    return {"github_api_insights_actor_info": rows}


def shown(store: Store, *collectors: str) -> list[str]:
    chosen = frozenset(collectors) or None
    lines = [
        line
        for part in parts(store, ["github_api_insights_actor_info"], chosen)
        for line in b"".join(texts(part.piece.chunks)).decode().splitlines()
    ]
    return sorted(line.partition('actor_type="')[2].partition('",integration')[0] for line in lines)


class Saved(State):
    """A state that keeps nothing."""

    def save(self, *_: object, **__: object) -> bool:
        return True


def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(Store(DELAY), Saved(tmp_path), SystemClock())


def show(shelf: Snapshots, job: Job, at: float, *found: tuple[str, str]) -> None:
    """Settle a change of a job that is new, or known already."""
    snapshot = Snapshot(version=int(at), gauges=names(*found), last_success=time.time() + at)

    async def settle() -> None:
        if shelf.store.find(job.key) is None:
            await shelf.restore(job, lambda _key: None, lambda _kept: snapshot)
        else:
            await shelf.change(job, lambda _before: snapshot, "yes")

    asyncio.run(settle())


def user(number: str) -> Job:
    return replace(job_of(user_stats.COLLECTOR), subject=(number,))


def test_what_several_jobs_of_a_target_tell_stands_once_as_it_was_read_last(tmp_path: Path) -> None:
    shelf = snapshots(tmp_path)
    show(shelf, user("1"), 1.0, ("oauth_app", "old name"), ("classic_pat", "mine"))
    show(shelf, user("2"), 2.0, ("oauth_app", "new name"))
    assert shown(shelf.store) == [
        'classic_pat",actor_id="5",actor_name="mine',
        'oauth_app",actor_id="5",actor_name="new name',
    ]
    assert sum(entry.samples for entry in shelf.store) == 2
    show(shelf, user("1"), 3.0, ("oauth_app", "newest name"))
    assert shown(shelf.store) == ['oauth_app",actor_id="5",actor_name="newest name']


def test_who_goes_leaves_the_row_to_the_other(tmp_path: Path) -> None:
    shelf = snapshots(tmp_path)
    show(shelf, user("1"), 1.0, ("oauth_app", "old name"))
    show(shelf, user("2"), 2.0, ("oauth_app", "new name"))
    asyncio.run(shelf.drop(user("2")))
    assert shown(shelf.store) == ['oauth_app",actor_id="5",actor_name="old name']


def test_a_row_that_is_too_old_by_now_leaves_its_place_to_none(tmp_path: Path) -> None:
    shelf = snapshots(tmp_path)
    show(shelf, user("1"), -user("1").max_age, ("oauth_app", "old name"), ("classic_pat", "mine"))
    show(shelf, user("2"), 2.0, ("oauth_app", "new name"))
    assert shown(shelf.store) == ['oauth_app",actor_id="5",actor_name="new name']


def test_targets_do_not_share_their_rows(tmp_path: Path) -> None:
    shelf = snapshots(tmp_path)
    show(shelf, user("1"), 1.0, ("oauth_app", "name"))
    show(shelf, replace(user("1"), target=Target("organization", "globex", "token")), 1.0, ("oauth_app", "name"))
    assert len(shown(shelf.store)) == 2


def test_a_target_has_its_own_entries_and_the_store_counts_all_series() -> None:
    store = Store(DELAY)
    acme, other = (replace(JOB, target=Target("organization", name, "token")) for name in ("acme", "globex"))
    for job, series in ((acme, 3), (other, 4), (acme, 5)):
        store.publish(job, replace(status_of(Snapshot()), series=series), {}, 0.0)
    assert [entry.job for entry in store.of_target(acme.target)] == [acme]
    assert store.series == 9
    moved = replace(acme, target=replace(acme.target, credential="app"))  # the same key
    store.publish(moved, replace(status_of(Snapshot()), series=6), {}, 0.0)
    assert (store.of_target(acme.target), [entry.job for entry in store.of_target(moved.target)]) == ((), [moved])
    assert store.series == 10
    store.withdraw(moved.key)
    store.withdraw(moved.key)
    assert (store.of_target(moved.target), store.series, [entry.job for entry in store]) == ((), 4, [other])
