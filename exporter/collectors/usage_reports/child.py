"""A child process that sums up a usage report while its files are downloaded: scrapes do not wait, no disk is used."""

import asyncio
import json
import struct
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from socket import socketpair
from subprocess import DEVNULL, Popen  # nosec B404 # one command, of which nothing is input: see `_open_process`
from typing import NamedTuple

from exporter import worker
from exporter.collectors.usage_reports import sums as program
from exporter.collectors.usage_reports.sums import Month, Sums
from exporter.errors import GitHubError, Invalid, Unavailable

FilePieces = AsyncGenerator[bytes, None]
ReportFile = FilePieces | Callable[[], FilePieces]
Take = Callable[[bytes], bool]
"""Takes a line of `Sums.lines`; returns whether it was the last. Raises `ValueError` for any other line."""

MOST_BYTES, MOST_BYTES_BY_DAY = 64 * 1024 * 1024, 512 * 1024 * 1024
"""Bytes of the child's output; 20,000 groups take a tenth of it, 20,000 on each of 31 days a third."""
MOST_REJECTED = Decimal("0.01")
"""The share of unreadable rows above which the sums are not used."""

_LONGEST_LINE = 128 * 1024
_FRAME = 192 * 1024
_CLOSED = (BrokenPipeError, ConnectionResetError)


class Selection(NamedTuple):
    """What to sum up: the rows of `months` such as 2026-11, by the columns `group_by`, and by each of `breakdowns`.

    `months` may also be days, such as 2026-11-05. `most_groups` bounds the number of all groups together, where a group
    counts once for all days; rows of further groups are summed as `other`.
    """

    months: tuple[str, ...]
    group_by: tuple[str, ...]
    breakdowns: tuple[str, ...] = ()
    most_groups: int = 20_000


@dataclass(frozen=True, slots=True)
class _Child:
    """The child process, and our ends of its standard input and output."""

    process: Popen[bytes]
    stdin: StreamWriter
    stdout: StreamReader
    output_writer: StreamWriter
    """The other half of the socket of `stdout`; it closes that."""
    idle_seconds: float

    async def feed(self, files: Sequence[ReportFile], selection: Selection) -> None:
        """Send all files; raises `BrokenPipeError` or `ConnectionResetError` if the child has stopped reading."""
        await self._send(json.dumps([selection, len(files)]).encode())
        for file in files:
            pieces = file if isinstance(file, AsyncGenerator) else file()
            async with aclosing(pieces), aclosing(_frames(pieces)) as frames:
                async for frame in frames:
                    await self._send(frame)
            await self._send(b"")

    async def _send(self, content: bytes) -> None:
        if self.stdin.is_closing():  # uvloop would raise a RuntimeError
            raise BrokenPipeError
        # After writelines drain never waits in asyncio of Python 3.12.0 to 3.12.8, 3.13.0 and 3.13.1.
        # https://github.com/python/cpython/issues/127655
        self.stdin.write(struct.pack(">I", len(content)) + content)
        try:
            async with asyncio.timeout(self.idle_seconds):
                await self.stdin.drain()
        except TimeoutError:
            raise Unavailable(
                f"the process that sums up a usage report read nothing for {self.idle_seconds:g} s"
            ) from None

    async def lines(self, most: int) -> AsyncIterator[bytes]:
        """The lines that the child writes, of `most` bytes in all."""
        size = 0
        while True:
            try:
                async with asyncio.timeout(self.idle_seconds):
                    line = await self.stdout.readline()
            except TimeoutError:
                raise Unavailable(
                    f"the process that sums up a usage report wrote nothing for {self.idle_seconds:g} s"
                ) from None
            size += len(line)
            if size > most:
                raise Invalid(f"the process that sums up a usage report wrote more than {most} bytes")
            if not line:
                return
            yield line

    async def end(self) -> None:
        """Kill the child, wait for its end, and close its input and output."""
        self.process.kill()
        self.stdin.transport.abort()
        self.output_writer.transport.abort()
        await asyncio.to_thread(self.process.wait)  # not in the worker, which has other things to do

    async def failure(self) -> GitHubError:
        """Why the child's output is incomplete."""
        await self.end()  # a process that is already ending keeps its own status
        status = self.process.returncode
        if status < 0:
            return Unavailable(
                f"the process that sums up a usage report was killed by signal {-status}: is there enough memory?"
            )
        return Invalid(f"the process that sums up a usage report failed with status {status}")


async def sum_report(files: Sequence[ReportFile], selection: Selection, idle_seconds: float = 60.0) -> Sums:
    """The sums over all files of a report; raises what `read_sums` raises."""
    sums = Sums.empty(*selection)
    await read_sums(files, selection, partial(load, sums=sums), MOST_BYTES, idle_seconds)
    check(sums)
    return sums


async def read_sums(
    files: Sequence[ReportFile], selection: Selection, take: Take, most: int, idle_seconds: float = 60.0
) -> None:
    """Give `take` the lines of the sums over all files of a report, which are downloaded one after another.

    Raises `Invalid` for a report that cannot be used, and if the child fails; `Unavailable` if it is killed, does not
    start, or reads or writes nothing for `idle_seconds`; and the errors of downloads. In any case the child has ended
    and the files are closed afterwards.
    """
    try:
        child = await _start(idle_seconds)
        try:
            with suppress(*_CLOSED):  # the child stopped reading: its output says why
                await child.feed(files, selection)
            await _read(child, take, most)
        finally:
            await child.end()
    finally:
        for file in files:
            if isinstance(file, AsyncGenerator):
                await file.aclose()


async def _start(idle_seconds: float) -> _Child:
    """Start the child; if the start is cancelled, the child is ended."""
    starting = asyncio.create_task(_connect(idle_seconds))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):  # it did not start
            await (await starting).end()
        raise
    except OSError as error:
        raise Unavailable(f"no process could be started to sum up a usage report: {error.strerror}") from None


async def _connect(idle_seconds: float) -> _Child:
    # Sockets have larger buffers than pipes (64 KiB), which would take a tenth longer.
    ours, theirs = zip(socketpair(), socketpair(), strict=True)
    try:
        process = await worker.run(_open_process, *(end.fileno() for end in theirs))
    except OSError:
        for end in ours:
            end.close()
        raise
    finally:
        for end in theirs:
            end.close()
    _, stdin = await asyncio.open_unix_connection(sock=ours[0])
    stdout, output_writer = await asyncio.open_unix_connection(sock=ours[1], limit=_LONGEST_LINE)
    return _Child(process, stdin, stdout, output_writer, idle_seconds)


def _open_process(stdin: int, stdout: int) -> Popen[bytes]:
    """Start the child without our environment, which may hold secrets.

    `Popen` uses vfork. uvloop would fork, which blocked the event loop for 25 ms with 100,000 series in memory.
    """
    command = (sys.executable, "-I", "-S", program.__file__)
    return Popen(command, stdin=stdin, stdout=stdout, stderr=DEVNULL, env={})  # noqa: S603 - no input is part of the command


async def _frames(pieces: FilePieces) -> AsyncGenerator[bytes, None]:
    """Joins pieces into frames of about `_FRAME` bytes, which are faster and bound the child's memory."""
    frame, length = list[bytes](), 0
    async for piece in pieces:
        frame.append(piece)
        length += len(piece)
        if length >= _FRAME:
            yield b"".join(frame)
            frame, length = [], 0
    if length:
        yield b"".join(frame)


async def _read(child: _Child, take: Take, most: int) -> None:
    """Give `take` each line that the child writes; raises `Invalid` if they must not be used."""
    is_complete = False
    try:
        async for line in child.lines(most):
            if line.startswith(b'{"unusable":'):
                raise Invalid(str(json.loads(line)["unusable"])[:200])
            is_complete = take(line)
            await asyncio.sleep(0)  # there may be 20,000 lines: let scrapes run between them
    except (ValueError, RecursionError):
        raise Invalid("the process that sums up a usage report gave no sums") from None
    if not is_complete:
        raise await child.failure()


def load(line: str | bytes, sums: Sums) -> bool:
    """Add a line of `Sums.lines`; returns whether it was the last. Raises `ValueError` for any other line."""
    try:
        match json.loads(line):
            case []:
                return True
            case [list(columns)]:
                sums.columns = [str(column) for column in columns]
                return False
            case [str(name), int(rows), int(rejected), str(newest), list(breakdowns)]:
                sums.months[name] = Month(rows, rejected, newest, {breakdown: {} for breakdown in breakdowns})
                return False
            case [str(name), str(breakdown), list(key), list(amounts)]:
                group = sums.months[name].groups[breakdown]
                group[tuple(map(sys.intern, key))] = [Decimal(amount) for amount in amounts]
                return False
    except (KeyError, TypeError, ArithmeticError):
        pass
    raise ValueError("no line of sums")


def check(sums: Sums) -> None:
    """Raises `Invalid` if too many rows were rejected."""
    rejected = sum(month.rejected for month in sums.months.values())
    rows = rejected + sum(month.rows for month in sums.months.values())
    if rejected > rows * MOST_REJECTED:
        raise Invalid(f"{rejected} of {rows} rows of the report cannot be read")
