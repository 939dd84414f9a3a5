"""Reads a report that GitHub answers with signed links to: all its files, one after another.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol, TypeVar

from exporter import worker
from exporter.collectors.reading.reports import Contradiction
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import GitHubError, Invalid, LinkExpired
from exporter.fetching import Api, Reply
from exporter.github.decoding import decode_json
from exporter.github.downloads import distinct

MOST_FILES = 100
LINKS = ("download_links", "report_day", "report_start_day", "report_end_day")
"""The fields of the response with the links to the files."""


class Unreadable(Exception):
    """Raised if GitHub has a report but its files cannot be read."""

    def __init__(self, reason: GitHubError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class ReportReading(Protocol):
    """What a report is read into; `unknown` counts the fields of the response with the links, too."""

    unknown: UnknownFields

    def check(self) -> None:
        """After the last file: raises `Invalid` if the report must not be used."""


class ReportFile(Protocol):
    """One file of a report."""

    def feed(self, piece: bytes) -> None:
        """Read a piece; raises `Invalid`."""

    def end(self) -> None:
        """Read the end of the file; raises `Invalid` if it is incomplete."""


AnyReading = TypeVar("AnyReading", bound=ReportReading)


class Source(NamedTuple):
    """Where a report is: its path and query, the hosts that its files may be on, and the most bytes of a file."""

    path: str
    params: dict[str, str | int] | None
    hosts: Sequence[str]
    most: int


async def read_report(
    api: Api, source: Source, begin: Callable[[], AnyReading], open_file: Callable[[AnyReading], ReportFile]
) -> AnyReading:
    """A report with all its files; nothing is read into it if GitHub has none yet.

    If a link has expired, all links are requested anew once. Raises `Unreadable`, `Contradiction`, and the errors of
    the requests to GitHub.
    """

    async def attempt() -> AnyReading:
        reading = begin()
        reply = await api.get(source.path, source.params)
        try:
            for url in await worker.run(links, reply, reading.unknown):
                file = open_file(reading)
                async with aclosing(api.download(url, source.hosts, source.most)) as pieces:
                    async for piece in pieces:
                        await worker.run(file.feed, piece)
                await worker.run(file.end)
            reading.check()
        except (Contradiction, LinkExpired):
            raise
        except GitHubError as error:
            raise Unreadable(error) from None
        return reading

    try:
        return await attempt()
    except LinkExpired:
        pass  # a second request gets new links
    try:
        return await attempt()
    except LinkExpired as error:
        raise Unreadable(error) from None


def links(reply: Reply, unknown: UnknownFields) -> list[str]:
    """The signed links of a response, one per file; none for a 204. Raises `Invalid`."""
    if reply.status != 200:
        return []
    answer = decode_json(reply.body)
    listed = answer.get("download_links") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(isinstance(link, str) for link in listed):
        raise Invalid("the answer has no download_links")
    files = distinct(listed)
    if len(files) > MOST_FILES:
        raise Invalid(f"the answer has more than {MOST_FILES} download_links")
    unknown.take(answer, LINKS)
    return files
