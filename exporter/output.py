"""Standard output and error, safe against a reader that has left, a full disk and closed streams.

Imports nothing that is slow to import.
"""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import TextIO

BROKEN_PIPE = 141
"""The exit code by which a shell shows that SIGPIPE ended a program."""

_USUAL_WIDTH = 80


class CannotWrite(Exception):
    """Standard output cannot be written to."""

    def __init__(self, cause: OSError | None) -> None:
        super().__init__(f"cannot write: {cause.strerror if cause else 'standard output is closed'}")
        self._reader_left = isinstance(cause, BrokenPipeError)

    def report(self) -> int:
        """Print why, unless the reader has left, which is no fault; returns the exit code."""
        if self._reader_left:
            return BROKEN_PIPE
        complain(str(self))
        return 1


def prepare() -> None:
    """Make both streams safe to print to.

    The descriptors 0 to 2 are opened if they are closed: else a file would get such a number, and libraries would print
    into it. A character that the terminal's encoding lacks is printed as a question mark.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - it lives as long as we do
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write(text: str) -> None:
    """Write all of the text now; raises `CannotWrite`."""
    if sys.stdout is None:
        raise CannotWrite(None)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _drop(sys.stdout)
        raise CannotWrite(error) from None


def complain(text: str) -> None:
    """Print an error to standard error. If that fails, the exit code still says that there was one."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def finish() -> None:
    """Flush standard error: a failure to do so at the interpreter's exit would change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def width() -> int | None:
    """The columns of the terminal; None if standard output is a pipe or a file."""
    try:
        return os.get_terminal_size(1).columns or _USUAL_WIDTH
    except OSError:
        return None


def printed(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; what it prints is written at once when it has ended."""
    with redirect_stdout(io.StringIO()) as printed_text:
        code = command()
    if text := printed_text.getvalue():
        write(text)
    return code


def _drop(stream: TextIO) -> None:
    """Point the stream to /dev/null: the interpreter writes what is left in the buffer once more when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
