"""Exact counters from windowed answers. Pure.

GitHub answers "how many requests between A and T", and the counts of a window go on growing for hours. For each key
(the identity of a row) and each of its counts we keep:

    base + open        what GitHub has shown by the newest read: `base` before the anchor A, `open` in the window
    peak               the running maximum of that sum: if GitHub revises a count downward, the counter stays
    published <= peak  what has been added to a series; the difference waits until the series has been scraped
    own <= published   the part in the key's own series; the rest is in the series `other`

A new series (first row, rename, promotion, restart) shows its last published value until it has been scraped and the
birth delay has passed, so that `increase()` sees every rise. A rise goes to the series that the key has at that time.
So promotion and demotion change no number, and the sum over all series is exact.
"""

from dataclasses import replace

from exporter.counting.keys import Count, CountedRow, Counting, Identity, Key, Read, Rules, Versions

PROMOTION_FACTOR = 1.5  # a hidden key gets a series when it has this many times the requests of the least busy one …
PROMOTION_READS = 3  # … in this many reads in a row


def absorb(before: Counting | None, read: Read, width: int, version: int, rules: Rules) -> tuple[Counting, int]:
    """Add a complete read of the window since the anchor; also return how many counts GitHub revised downward.

    `width` is the number of counts per key, `version` that of the snapshot which will first show new series. Where
    series may not change, nothing is renamed, promoted, demoted or forgotten; new series stay at 0 while the state
    cannot be written.
    """
    before = before or Counting(read.start, read.end, read.end, False, {}, (0,) * width)
    keys: dict[Identity, Key] = {}
    revisions, reshaped = 0, False
    for identity, old in before.keys.items():
        may_rename = rules.series_may_change or (rules.names_changed and _is_blank(old))
        key = _advance(old, read.rows.get(identity), read.end, version, may_rename=may_rename)
        revisions += sum(new.current < previous.current for new, previous in zip(key.counts, old.counts, strict=True))
        if rules.series_may_change and _is_forgotten(identity, key, read, rules.forget_after):
            reshaped = reshaped or old.has_series
        else:
            keys[identity] = key
            reshaped = reshaped or (key.has_series and key.labels is not old.labels)
    for identity, row in read.rows.items():
        # A row of zeros is the same as no row, except for the one row of a source without labels.
        if identity not in keys and (any(row.numbers) or not identity):
            keys[identity] = new_key(row, read.end, begins_at_zero=not before.strict)
    reshaped = _assign_series(keys, version, rules) or reshaped
    other_new_since = before.other_new_since
    if other_new_since is None and not all(key.has_series for key in keys.values()):
        other_new_since, reshaped = (version,) * width, True
    after = replace(
        before,
        read_at=read.end,
        strict=before.strict or read.strict,
        keys=keys,
        other_new_since=other_new_since,
        shape=version if reshaped else before.shape,
    )
    return _publish(after, unpublished=rules.writable), revisions


def release(counting: Counting, upto: tuple[int, ...], *, unpublished: bool = True) -> Counting:
    """Let series rise that were new, per count, in version `upto` or before. Returns `counting` itself if none were.

    Where `unpublished` is False (the state cannot be written), only series with a published value may rise.
    """

    def released(versions: Versions) -> Versions:
        return tuple(
            None if version is not None and version <= newest else version
            for version, newest in zip(versions, upto, strict=True)
        )

    keys = {
        identity: replace(key, new_since=new_since)
        for identity, key in counting.keys.items()
        if (unpublished or not key.unpublished) and (new_since := released(key.new_since)) != key.new_since
    }
    other = counting.other_new_since
    if other and (unpublished or any(counting.other)):
        other = released(other)
    if not keys and other == counting.other_new_since:
        return counting
    return _publish(replace(counting, keys={**counting.keys, **keys}, other_new_since=other), unpublished=unpublished)


def restart_series(counting: Counting, version: int) -> Counting:
    """Treat every series as new, with the value that it had: after a restart, Prometheus must see each again first."""
    new = (version,) * len(counting.other)
    keys = {identity: replace(key, new_since=new) if key.has_series else key for identity, key in counting.keys.items()}
    return replace(counting, keys=keys, other_new_since=counting.other_new_since and new)


def new_key(row: CountedRow, now: float, *, begins_at_zero: bool = False) -> Key:
    """A key for a new row, hidden at first.

    Before the first strict read its requests may have been visible all along: then it begins at zero.
    """
    counts = tuple(
        Count(-number, 0, 0, 0, 0) if begins_at_zero else Count(0, number, number, 0, 0) for number in row.numbers
    )
    # An instant in the future is ignored, or the key would never be forgotten.
    return Key(row.labels, counts, min(row.last_active or now, now), False, (None,) * len(counts))


def _advance(key: Key, row: CountedRow | None, now: float, version: int, *, may_rename: bool) -> Key:
    numbers = row.numbers if row else (0,) * len(key.counts)
    counts = tuple(
        count._replace(current=count.base + number, peak=max(count.peak, count.base + number))
        for count, number in zip(key.counts, numbers, strict=True)
    )
    if row is None:
        return replace(key, counts=counts, last_active=min(key.last_active, now))
    renamed = may_rename and row.labels != key.labels
    return replace(
        key,
        # Equal labels stay the same object: by `is not`, `absorb` sees whether the series has changed.
        labels=row.labels if renamed else key.labels,
        counts=counts,
        new_since=(version,) * len(counts) if renamed and key.has_series else key.new_since,
        last_active=min(max(key.last_active, row.last_active or now) if any(numbers) else key.last_active, now),
    )


def _is_blank(key: Key) -> bool:
    """Whether a key has no name, and no series that may rise."""
    return key.labels[-1:] == ("",) and not (key.has_series and None in key.new_since)


def _is_forgotten(identity: Identity, key: Key, read: Read, forget_after: float) -> bool:
    has_open = any(count.current != count.base for count in key.counts)
    return bool(identity) and read.strict and not has_open and read.end - key.last_active > forget_after


def _assign_series(keys: dict[Identity, Key], version: int, rules: Rules) -> bool:
    """Give free series to the busiest keys, then promote those that are clearly busier; whether any series changed."""
    ranked = sorted(keys, key=lambda identity: (-keys[identity].activity, identity))
    shown = [identity for identity in ranked if keys[identity].has_series]
    hidden = [identity for identity in ranked if not keys[identity].has_series]
    if not rules.series_may_change:
        hidden = [identity for identity in hidden if keys[identity].unpublished]
    free = max(0, rules.max_series - len(shown))
    for identity in hidden[:free]:
        keys[identity] = _show(keys[identity], version)
    if not rules.series_may_change:
        return bool(hidden[:free])
    for identity in shown[rules.max_series :]:
        keys[identity] = _hide(keys[identity])
    promoted = _promote(keys, shown[: rules.max_series], hidden[free:], version)
    return promoted or bool(hidden[:free] or shown[rules.max_series :])


def _promote(keys: dict[Identity, Key], shown: list[Identity], hidden: list[Identity], version: int) -> bool:
    """Replace the least busy of `shown` by `hidden` keys that were clearly busier in several reads in a row.

    Both lists are ranked. Returns whether any were replaced.
    """
    promoted = False
    for identity in hidden:
        key = keys[identity]
        is_ahead = bool(shown) and key.activity > PROMOTION_FACTOR * keys[shown[-1]].activity
        reads_ahead = key.reads_ahead + 1 if is_ahead else 0
        if reads_ahead >= PROMOTION_READS:
            least = shown.pop()
            keys[least] = _hide(keys[least])
            keys[identity] = _show(key, version)
            promoted = True
        elif reads_ahead != key.reads_ahead:
            keys[identity] = replace(key, reads_ahead=reads_ahead)
    return promoted


def _show(key: Key, version: int) -> Key:
    return replace(key, has_series=True, new_since=(version,) * len(key.counts), reads_ahead=0)


def _hide(key: Key) -> Key:
    return replace(key, has_series=False, new_since=(None,) * len(key.counts), reads_ahead=0)


def _publish(counting: Counting, *, unpublished: bool) -> Counting:
    """Add each rise to the key's series, unless that is new. `unpublished`: also to keys without a published value."""
    keys = dict(counting.keys)
    other = list(counting.other)
    for identity, key in counting.keys.items():
        if (key.unpublished and not unpublished) or all(count.peak == count.published for count in key.counts):
            continue
        new_since = key.new_since if key.has_series else counting.other_new_since or ()
        counts = []
        for index, (count, version) in enumerate(zip(key.counts, new_since, strict=True)):
            if version is not None:
                counts.append(count)
                continue
            rise = count.peak - count.published
            counts.append(count._replace(published=count.peak, own=count.own + (rise if key.has_series else 0)))
            other[index] += 0 if key.has_series else rise
        keys[identity] = replace(key, counts=tuple(counts))
    return replace(counting, keys=keys, other=tuple(other))
