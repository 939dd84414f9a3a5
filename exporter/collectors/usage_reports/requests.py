"""Requests about usage report exports: list them, create one, read the files of one.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from exporter import worker
from exporter.collectors.usage_reports.child import Selection
from exporter.collectors.usage_reports.exports import (
    LIST,
    MOST_EXPORTS,
    Export,
    Intent,
    parse_export,
    parse_exports,
)
from exporter.errors import Invalid, LinkExpired, Unavailable
from exporter.fetching import Api, Ask, Reply
from exporter.github.decoding import decode_json

MOST_BYTES = 4 * 1024**3

BREAKDOWNS: dict[str, tuple[str, ...]] = {
    "": ("repository", "username", "workflow_path"),
    "ai_credit": ("repository", "username", "model"),
    "premium_request": ("username", "model"),
}
"""The breakdowns of each report type; "" is the type that has the spend."""
COLUMN_OF = {"cost_center": "cost_center_name"}
"""Labels whose column has another name."""

File = Callable[[], AsyncGenerator[bytes, None]]
Result = TypeVar("Result")


class ExportList(NamedTuple):
    """The exports that GitHub lists, how many could not be read, and the decoded body."""

    exports: list[Export]
    rejected: int
    body: Any


def types_of(options: Any) -> Iterator[tuple[str, str]]:
    """The kinds of spend, each with the report type that has it."""
    for kind in BREAKDOWNS:
        yield kind, kind or options.report_type


def may_create(options: Any, report_type: str) -> bool:
    """Whether missing exports of a type are requested."""
    return options.create and report_type in (options.report_type, *options.also)


def selection_of(options: Any, kinds: Iterable[str], names: Sequence[str]) -> Selection:
    """What to sum up for these kinds of spend, in months or days with these names."""
    breakdowns = {breakdown for kind in kinds for breakdown in BREAKDOWNS[kind]}
    return Selection(
        tuple(names),
        tuple(COLUMN_OF.get(label, label) for label in options.group_by),
        tuple(breakdown for breakdown in options.breakdowns if breakdown in breakdowns),
    )


def path_of(ask: Ask) -> str:
    """The path of the exports."""
    return f"/enterprises/{ask.target}/settings/billing/reports"


async def list_exports(api: Api, ask: Ask) -> ExportList:
    """All exports that GitHub lists."""
    reply = await api.get(path_of(ask))
    return await worker.run(_parse_list, reply.body)


async def find_export(api: Api, ask: Ask, export: str) -> Export | None:
    """One export, with newly signed links; None if the reply is no export."""
    return await export_of(await api.get(f"{path_of(ask)}/{export}"))


async def create_export(api: Api, ask: Ask, intent: Intent) -> Reply:
    """Request an export, which the reply shows (`export_of`)."""
    content = {
        "report_type": intent.report_type,
        "start_date": intent.start,
        "end_date": intent.end,
        "send_email": False,
    }
    return await api.post(path_of(ask), content)


async def read_files(api: Api, ask: Ask, export: Export, read: Callable[[Sequence[File]], Awaitable[Result]]) -> Result:
    """What `read` gives for the files of an export; links that have expired are asked for anew, once."""

    def files(links: Iterable[str]) -> list[File]:
        return [partial(api.download, link, ask.options.download_hosts, MOST_BYTES) for link in links]

    try:
        # The list may lack the links; an export without any has no rows (observed).
        return await read(files(export.links or await _links(api, ask, export)))
    except LinkExpired:
        return await read(files(await _links(api, ask, export)))


async def _links(api: Api, ask: Ask, export: Export) -> Sequence[str]:
    """The export's links, with new signatures."""
    path, renewed = f"{path_of(ask)}/{export.id}", await find_export(api, ask, export.id)
    if renewed is None:
        raise Invalid(f"{path}: the answer is no export")
    if renewed.status != "completed":
        raise Unavailable(f"{path}: it is completed in the list, but not in its own answer")
    return renewed.links


def _parse_list(body: bytes) -> ExportList:
    answer = decode_json(body)
    exports = parse_exports(answer)
    if exports is None:
        raise Invalid(f"the answer has no {LIST}, or more than {MOST_EXPORTS} of them")
    return ExportList(*exports, answer)


async def export_of(reply: Reply) -> Export | None:
    """The export that a reply shows; None if it is none."""
    return await worker.run(lambda: parse_export(decode_json(reply.body)))
