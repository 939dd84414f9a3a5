"""What a soak says at its end."""

from collections.abc import Iterator

from tests.soak.run import Result
from tests.soak.usage import BOUNDS, quarters


def summary(result: Result, seed: int, minutes: float) -> Iterator[str]:
    """The lines."""
    kinds = sorted(result.survived.items())
    length = f"{minutes:g} minutes ({result.seconds / 60:.1f} with start and end)"
    yield f"seed {seed}, {length}; {result.days:.1f} days at GitHub"
    yield f"{sum(result.survived.values())} faults of {len(kinds)} kinds survived, {result.lives} processes:"
    yield "  " + ", ".join(f"{name} {count}" for name, count in kinds)
    seconds = sorted(result.scrapes)
    yield (
        f"{len(seconds)} scrapes: median {seconds[len(seconds) // 2] * 1000:.0f} ms, "
        f"99% within {seconds[len(seconds) * 99 // 100] * 1000:.0f} ms, the slowest {seconds[-1] * 1000:.0f} ms"
    )
    totals = {
        refused: sum(
            count
            for (family, *labels), count in result.truth.items()
            if len(labels) == 1 and ("rate_limited" in family) is refused
        )
        for refused in (False, True)
    }
    counters = sum(count > 0 for count in result.truth.values())
    yield f"{totals[False]} requests, {totals[True]} of them refused, in {counters} counters that moved"
    life = result.usage.longest_life()
    if life:
        length = f"{(life[-1].at - life[0].at) / 60:.1f} minutes after its first"
        yield f"the longest life, {length}: first quarter, last quarter, most of all lives"
        for name in BOUNDS:
            before, after = quarters(life, name)
            most = max(getattr(one, name) for one in result.usage.samples)
            yield f"  {name:12} {before:8.1f} {after:8.1f} {most:8.1f}"
    yield f"log: {result.log_bytes / 2**20:.1f} MiB"
    if result.breaches:
        yield f"{len(result.breaches)} BREACHES:"
        yield from (f"  {breach}" for breach in result.breaches)
        yield f"The same faults in the same order: make soak MINUTES={minutes:g} SEED={seed}"
    else:
        yield "nothing was broken, and every counter is exact"
