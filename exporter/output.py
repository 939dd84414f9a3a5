"""Standard output, written so that whoever reads it may leave and a disk may be full. Imports nothing heavy."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import TextIO

BROKEN_PIPE = 141
"""The status of a program that ends by SIGPIPE, as a shell shows it."""

_USUAL_WIDTH = 80


class CannotWrite(Exception):
    """Standard output takes nothing."""

    def __init__(self, cause: OSError | None) -> None:
        super().__init__(f"cannot write: {cause.strerror if cause else 'standard output is closed'}")
        self._quiet = isinstance(cause, BrokenPipeError)

    def tell(self) -> int:
        """Say why, except of a reader that has left, which is no fault; the exit code."""
        if self._quiet:
            return BROKEN_PIPE
        complain(str(self))
        return 1


def prepare() -> None:
    """Make both streams safe to print to.

    A file that is opened must not get the number of a closed stream: libraries would write their messages into it. A
    letter that the terminal's encoding lacks is shown as a question mark.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - it lives as long as we do
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write(text: str) -> None:
    """Write at once, whole; raises `CannotWrite`."""
    if sys.stdout is None:
        raise CannotWrite(None)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _drop(sys.stdout)
        raise CannotWrite(error) from None


def complain(text: str) -> None:
    """Write to standard error what went wrong; the exit code says it too, so a failure here changes nothing."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def finish() -> None:
    """Leave nothing that the interpreter's end would fail to write: it would change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def width() -> int | None:
    """The columns of the terminal that standard output is; None of a pipe or a file, which has no width."""
    try:
        return os.get_terminal_size(1).columns or _USUAL_WIDTH
    except OSError:
        return None


def printed(command: Callable[[], int]) -> int:
    """Run what prints an answer and give its status; the answer is written whole, at its end."""
    with redirect_stdout(io.StringIO()) as answer:
        status = command()
    if text := answer.getvalue():
        write(text)
    return status


def _drop(stream: TextIO) -> None:
    """Let what is left in the buffer go nowhere, for the interpreter's end writes it once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
