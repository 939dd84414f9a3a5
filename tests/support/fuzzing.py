"""How fuzz tests are run: how many examples, for how long, and what each example may cost.

`make test` tries the same few examples each time. `make fuzz` tries new ones until the time is over: it repeats each
test, every time with the next seed. A test's body is wrapped, so that each example is counted, and fails if it takes
too long or too much memory.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import HealthCheck, Phase, settings

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
"""How long all targets together are run; 0: as a part of `make test`."""
SEED = int(os.environ.get("FUZZ_SEED") or 0)
MOST_SECONDS = 5.0
"""Processor time of one example, so that a busy machine makes no difference."""
MOST_MEMORY = 256 * 1024 * 1024
"""Bytes by which one example may raise the highest memory of the process."""

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


_COMMON = settings(
    deadline=None,  # `Costs` has a bound that a busy machine does not break
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink an example of a large tree takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def examples(number: int) -> settings:
    """The settings of a fuzz test that tries this many examples in `make test`."""
    if MINUTES:
        return settings(_COMMON, max_examples=number)
    return settings(_COMMON, max_examples=number, derandomize=True, database=None)


def check_words(error: Exception, *secrets: str) -> None:
    """An error's text is one line for people, not endless, and has none of the secrets in it."""
    text = f"{error} {getattr(error, 'hint', '')}"
    assert str(error)
    assert "\n" not in str(error)
    assert len(text) < 5000
    assert not [secret for secret in secrets if secret in text]


class Costs:
    """Counts the examples of a test and measures each one."""

    def __init__(self) -> None:
        self.examples = 0
        self.longest = 0.0

    def bounded(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """The body of a fuzz test, bounded and counted."""

        @wraps(body)
        def example(*arguments: Any, **named: Any) -> Any:
            self.examples += 1
            memory, begun = _highest_memory(), time.process_time()
            result = body(*arguments, **named)
            seconds, grown = time.process_time() - begun, _highest_memory() - memory
            self.longest = max(self.longest, seconds)
            assert seconds < MOST_SECONDS, f"the example takes {seconds:.1f} s"
            assert grown < MOST_MEMORY, f"the example takes {grown >> 20} MiB"
            return result

        return example


def _highest_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
