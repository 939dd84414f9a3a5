"""One run over an enterprise's usage report exports: list them, create missing ones, sum up new ones.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from exporter import worker
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.usage_reports.child import sum_report
from exporter.collectors.usage_reports.export_notes import doubts_of, notes_of
from exporter.collectors.usage_reports.exports import (
    FIELDS,
    LIST,
    Choice,
    Export,
    Intent,
    Period,
    choose,
    created_by,
    periods,
    poll_after,
)
from exporter.collectors.usage_reports.ledger import Ledger, figures_of, unknown_columns
from exporter.collectors.usage_reports.requests import (
    create_export,
    export_of,
    find_export,
    list_exports,
    may_create,
    read_files,
    selection_of,
    types_of,
)
from exporter.errors import GitHubError, NotFound, OverBudget, Unavailable
from exporter.fetching import Api, Ask


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

    async def update(self) -> None:
        """List the exports, choose one for each month, create missing ones, read new ones."""
        await self._list()
        self.now = self.api.now()  # GitHub's clock, as of the reply
        both = periods(self.now)
        to_read: dict[str, tuple[Export, list[tuple[str, Period]]]] = {}
        for kind, report_type in types_of(self.ask.options):
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

    async def _list(self) -> None:
        self.exports, self.rejected, answer = await list_exports(self.api, self.ask)
        self.unknown.take(answer, {LIST})
        for item in answer[LIST]:
            if isinstance(item, dict):
                self.unknown.take(item, FIELDS, LIST)

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
        if choice.missing and may_create(self.ask.options, report_type):
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
                export = await find_export(self.api, self.ask, intent.id)
            except NotFound:
                self.ledger.intents[name] = replace(intent, id="")
                return
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
        try:
            reply = await create_export(self.api, self.ask, intent)
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
        export = await export_of(reply)
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
        kinds = [kind for kind, _ in places]
        selection = selection_of(self.ask.options, kinds, [period.month for _, period in places])
        try:
            sums = await read_files(self.api, self.ask, export, partial(sum_report, selection=selection))
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
