"""The exporter with a measured event loop: `python -m tests.bench.fleet_exporter FILE RATE FLAGS…`.

FILE gets the callbacks that took the loop longest, as JSON: the processor time of each in real seconds, and what it
was. The loop is asyncio's own, because uvloop's callbacks cannot be measured from Python. RATE is how much the process'
clocks are quickened: libfaketime quickens the clocks of processor time, too.
"""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import uvloop

from exporter.__main__ import main

MOST = 20
SECONDS = 60.0  # by the quickened clock, between two writes of the file
LEAST = 0.005


class Longest:
    """The longest callbacks since the file was last removed."""

    def __init__(self, file: Path, rate: float) -> None:
        self.file, self.rate, self.callbacks, self.busy = file, rate, dict[str, tuple[float, int]](), 0.0

    def note(self, seconds: float, handle: asyncio.Handle) -> None:
        """Note a callback of so many quickened seconds."""
        real = seconds / self.rate
        self.busy += real
        if real > LEAST:
            name = _name(handle)
            longest, times = self.callbacks.get(name, (0.0, 0))
            self.callbacks[name] = max(longest, real), times + 1

    def write(self) -> None:
        """Write the file again and again; the first time begins anew if it was removed."""
        while True:
            time.sleep(SECONDS)  # in a thread of its own
            if not self.file.exists():
                self.callbacks.clear()
            top = sorted(self.callbacks.items(), key=lambda one: -one[1][0])[:MOST]
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps(top))
            new.replace(self.file)


def _name(handle: asyncio.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined] # asyncio shows it in no other way
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return str(getattr(task.get_coro(), "__qualname__", task))
    return str(getattr(callback, "__qualname__", repr(callback)))


def measure(file: Path, rate: float) -> None:
    """Measure every callback of every loop from now on."""
    longest, run = Longest(file, rate), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest.note(time.thread_time() - began, handle)

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment] # nor has it a hook
    uvloop.run = asyncio.run  # type: ignore[assignment] # uvloop runs callbacks in C
    threading.Thread(target=longest.write, daemon=True).start()


if __name__ == "__main__":
    measure(Path(sys.argv[1]), float(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
