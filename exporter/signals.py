"""Signal handlers for the three phases of a process: imports, event loop, exit.

By default SIGHUP ends a process, and Ctrl-C prints a traceback. `prepare` is called before the slow imports, `watched`
in the event loop, `ignore` when only the interpreter's exit is left. SIGUSR1 and SIGUSR2 are always ignored.

asyncio is imported in `watched` and not before: for the 50 ms of its import SIGHUP would end the process.
"""

import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

WORDS = frozenset({"help", "version"})
"""Words that may stand for the flag of the same name."""

ANSWERING = frozenset({"check", "plan", "doctor", "backfill", "state", "metrics", "healthcheck"}) | WORDS
"""Commands that print an answer and end; the others are daemons."""

_STOPS = (signal.SIGINT, signal.SIGTERM)
_early_hangups: set[int] = set()


class Signals(NamedTuple):
    """`stop` is set by SIGTERM and SIGINT, `hangup` by SIGHUP, also by one that came before `watched` was called."""

    stop: "asyncio.Event"
    hangup: "asyncio.Event"


def prepare(argv: Sequence[str]) -> None:
    """Let SIGTERM and SIGINT end a daemon with exit code 0, and remember SIGHUP until a reload is possible.

    A command that answers keeps the default handlers, because a shell's loop around it ends only if the signal ended
    the command. Process 1 of a container cannot be ended by a default handler: it exits with the code of a killed one.
    """
    if ANSWERING.isdisjoint(argv):
        for number in _STOPS:
            signal.signal(number, _exit)
        signal.signal(signal.SIGHUP, _remember)
    else:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # an ignored SIGINT stays ignored
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.getpid() == 1:
            for number in (*_STOPS, signal.SIGHUP):
                signal.signal(number, _exit_as_killed)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def watched() -> Signals:
    """The signals as events of the running loop.

    The handlers are set by `signal` and not by the loop: asyncio restores the default handlers when the loop is closed,
    so a second Ctrl-C would print a traceback.
    """
    import asyncio  # noqa: PLC0415 - the module's docstring says why

    signals = Signals(asyncio.Event(), asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in _STOPS:
        signal.signal(number, _setter(signals.stop, loop))
    signal.signal(signal.SIGHUP, _setter(signals.hangup, loop))
    if _early_hangups:
        signals.hangup.set()
    return signals


def ignore() -> None:
    """Ignore all signals: nothing is left to do, and no signal may turn success into failure."""
    for number in (*_STOPS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _setter(event: "asyncio.Event", loop: "asyncio.AbstractEventLoop") -> Callable[[int, FrameType | None], None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():  # else the process is about to end anyway
            loop.call_soon_threadsafe(event.set)

    return handle


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)  # nothing is open yet, and an exception could be taken for a failed import


def _exit_as_killed(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _remember(number: int, _frame: FrameType | None) -> None:
    _early_hangups.add(number)
