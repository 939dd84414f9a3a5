"""One run over an enterprise's usage report exports: list them, create missing ones, sum up new ones.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from exporter import worker
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.usage_reports.child import Selection, sum_report
from exporter.collectors.usage_reports.export_notes import doubts_of, notes_of
from exporter.collectors.usage_reports.exports import (
    FIELDS,
    LIST,
    MOST_EXPORTS,
    Choice,
    Export,
    Intent,
    Period,
    choose,
    created_by,
    parse_export,
    parse_exports,
    periods,
    poll_after,
)
from exporter.collectors.usage_reports.ledger import Ledger, figures_of, unknown_columns
from exporter.errors import GitHubError, Invalid, LinkExpired, NotFound, OverBudget, Unavailable
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


@dataclass(slots=True)
class Run:
    """One run over the exports of one enterprise."""

    api: Api
    ask: Ask
    ledger: Ledger
    exports: list[Export] = field(default_factory=list)
    faults: list[GitHubError] = field(default_factory=list)
    polled: set[str] = field(default_factory=set)
    choices: dict[tuple[str, Period], Choice] = field(default_factory=dict)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    now: float = 0.0

    @property
    def path(self) -> str:
        """The path of the exports."""
        return f"/enterprises/{self.ask.target}/settings/billing/reports"

    async def update(self) -> None:
        """List the exports, choose one for each month, create missing ones, read new ones."""
        reply = await self.api.get(self.path)
        await worker.run(self._parse_list, reply.body)
        self.now = self.api.now()  # GitHub's clock, as of the reply
        both = periods(self.now)
        to_read: dict[str, tuple[Export, list[tuple[str, Period]]]] = {}
        for kind, report_type in self._types():
            for period in both:
                choice = self.choices[kind, period] = await self._choose(report_type, period)
                if choice.usable and self.ledger.needs(f"{kind} {period.month}", choice.usable, self._grouping()):
                    to_read.setdefault(choice.usable.id, (choice.usable, []))[1].append((kind, period))
        for export, places in to_read.values():
            await self._read(export, places)
        self.ledger.forget({period.month for period in both}, self.polled)
        for figures in self.ledger.figures.values():
            for column in figures.get("unknown", ()):
                self.unknown.add(column)
        await self.ask.memory.keep(self.ledger.data())

    def next_poll(self) -> float | None:
        """Seconds until the exports that are processing are polled; None if there are none."""
        return min((poll_after(self.ledger.polls[export], self.ask.interval) for export in self.polled), default=None)

    def notes(self) -> Iterator[str]:
        """What is missing, and what to do about it. An export that `create` could not create is a fault instead."""
        yield from doubts_of(self.ledger.figures, self.ask.max_age)
        if not (self.ask.options.create and self.faults):
            choices = {period.month: choice for (kind, period), choice in self.choices.items() if not kind}
            figures = {month: figures for kind, month, figures in self.ledger.months() if not kind}
            yield from notes_of(self.ask.options.report_type, periods(self.now), choices, figures, self.now)

    def _parse_list(self, body: bytes) -> None:
        answer = decode_json(body)
        exports = parse_exports(answer)
        if exports is None:
            raise Invalid(f"the answer has no {LIST}, or more than {MOST_EXPORTS} of them")
        self.exports, self.rejected = exports
        self.unknown.take(answer, {LIST})
        for item in answer[LIST]:
            if isinstance(item, dict):
                self.unknown.take(item, FIELDS, LIST)

    def _types(self) -> Iterator[tuple[str, str]]:
        """The kinds of spend, each with the report type that has it."""
        for kind in BREAKDOWNS:
            yield kind, kind or self.ask.options.report_type

    def _grouping(self) -> list[list[str]]:
        """The options that figures depend on: the same grouping gives the same figures."""
        return [list(self.ask.options.group_by), list(self.ask.options.breakdowns)]

    async def _choose(self, report_type: str, period: Period) -> Choice:
        """The exports of a period; requests a new export if none is fresh and `create` is on."""
        name = f"{report_type} {period.month}"
        await self._find_requested(name)
        choice = self._choice(name, report_type, period)
        if choice.failed:
            self.faults.append(Unavailable(f"GitHub could not make the {report_type} report of {period.month}"))
        options = self.ask.options
        if choice.missing and options.create and report_type in (options.report_type, *options.also):
            await self._create(name, report_type, period)
            choice = self._choice(name, report_type, period)
        pending = {choice.pending.id} if choice.pending else set()
        if (intent := self.ledger.intents.get(name)) and intent.id and not created_by(intent, self.exports):
            pending.add(intent.id)
        for export in pending - self.polled:
            self.ledger.polls[export] = self.ledger.polls.get(export, -1) + 1
        self.polled |= pending
        return choice

    def _choice(self, name: str, report_type: str, period: Period) -> Choice:
        exports = [export for export in self.exports if export.report_type == report_type]
        return choose(exports, self.ledger.intents.get(name), period, self.now, self.ask.interval)

    async def _find_requested(self, name: str) -> None:
        """Find the export that was requested: in the list, or by its id; forget the id of one that is gone."""
        intent = self.ledger.intents.get(name)
        if intent is None:
            return
        export = created_by(intent, self.exports)
        if export:
            self.ledger.intents[name] = replace(intent, id=export.id)
        elif intent.id:
            try:
                reply = await self.api.get(f"{self.path}/{intent.id}")
            except NotFound:
                self.ledger.intents[name] = replace(intent, id="")
                return
            export = await _export_of(reply)
            if export:
                self.exports.append(export)

    async def _create(self, name: str, report_type: str, period: Period) -> None:
        """Request an export once: whatever the response, it is not requested again within an interval."""
        before = self.ledger.intents.get(name)
        intent = Intent(report_type, period.first, period.last, self.now)
        self.ledger.intents[name] = intent
        if not await self.ask.memory.keep(self.ledger.data()):
            self._restore(name, before)  # a request that cannot be saved is not sent
            return
        content = {
            "report_type": report_type,
            "start_date": period.first,
            "end_date": period.last,
            "send_email": False,
        }
        try:
            reply = await self.api.post(self.path, content)
        except OverBudget:
            self._restore(name, before)  # nothing was sent
            await self.ask.memory.keep(self.ledger.data())
            raise
        except Unavailable as error:
            self.faults.append(error)  # GitHub may have created it: then it will be in the list
            return
        except GitHubError as error:
            self._restore(name, before)
            self.faults.append(error)
            return
        export = await _export_of(reply)
        if export:
            self.ledger.intents[name] = replace(intent, id=export.id)
            self.exports.append(export)

    def _restore(self, name: str, before: Intent | None) -> None:
        if before is None:
            del self.ledger.intents[name]
        else:
            self.ledger.intents[name] = before

    async def _read(self, export: Export, places: list[tuple[str, Period]]) -> None:
        """Sum up an export for kinds and periods; if that fails, their last figures stay."""
        options = self.ask.options
        kinds = {breakdown for kind, _ in places for breakdown in BREAKDOWNS[kind]}
        selection = Selection(
            tuple(period.month for _, period in places),
            tuple(COLUMN_OF.get(label, label) for label in options.group_by),
            tuple(breakdown for breakdown in options.breakdowns if breakdown in kinds),
        )
        try:
            try:
                # The list may lack the links; an export without any has no rows (observed).
                sums = await sum_report(self._files(export.links or await self._links(export)), selection)
            except LinkExpired:
                sums = await sum_report(self._files(await self._links(export)), selection)
        except OverBudget:
            raise
        except GitHubError as error:
            self.faults.append(error)
            return
        source = {"id": export.id, "created": export.created, "by": self._grouping()}
        for kind, period in places:
            figures = await worker.run(figures_of, sums, period.month, self.ask.name_form)
            figures |= {**source, "unknown": unknown_columns(sums.columns)}
            self.ledger.update(f"{kind} {period.month}", figures, self.now, self.ask.max_age)

    async def _links(self, export: Export) -> Sequence[str]:
        """The export's links, with new signatures."""
        reply = await self.api.get(f"{self.path}/{export.id}")
        renewed = await _export_of(reply)
        if renewed is None:
            raise Invalid(f"{self.path}/{export.id}: the answer is no export")
        if renewed.status != "completed":
            raise Unavailable(f"{self.path}/{export.id}: it is completed in the list, but not in its own answer")
        return renewed.links

    def _files(self, links: Iterable[str]) -> list[Callable[[], AsyncGenerator[bytes, None]]]:
        return [partial(self.api.download, link, self.ask.options.download_hosts, MOST_BYTES) for link in links]


async def _export_of(reply: Reply) -> Export | None:
    return await worker.run(lambda: parse_export(decode_json(reply.body)))
