"""One run over an enterprise's usage report exports: list, choose, make what is missing, sum up what is new.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from decimal import Decimal
from typing import Any

from exporter.catalogue import Api, Ask
from exporter.collecting.exports import (
    Choice,
    Export,
    Intent,
    Period,
    choose,
    export_in,
    exports_in,
    found_again,
    intents_in,
    periods,
    poll_after,
)
from exporter.collecting.reading import decode_json, label_text
from exporter.collecting.usage_child import summed
from exporter.collecting.usage_sums import EXACT, Sums, Wanted
from exporter.github.errors import GitHubError, Invalid, LinkExpired, NotFound, OverBudget, Unavailable

MOST_BYTES = 4 * 1024**3

BREAKDOWNS: dict[str, tuple[str, ...]] = {
    "": ("repository", "username", "workflow_path"),
    "ai_credit": ("repository", "username", "model"),
    "premium_request": ("username", "model"),
}
"""What each report type can be broken down by; "" is the one that feeds the spend."""


@dataclass(slots=True)
class Kept:
    """What is remembered: what was asked for, how often an export was looked at, and the sums by kind and month."""

    intents: dict[str, Intent] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, memory: Any) -> "Kept":
        """As it was remembered."""
        known = memory if isinstance(memory, dict) else {}
        return cls(intents_in(known), dict(known.get("polls", {})), dict(known.get("figures", {})))

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        intents = {name: list(astuple(intent)) for name, intent in self.intents.items()}
        return {"intents": intents, "polls": self.polls, "figures": self.figures}


@dataclass(slots=True)
class Run:
    """One run for one enterprise."""

    api: Api
    ask: Ask
    kept: Kept
    exports: list[Export] = field(default_factory=list)
    faults: list[GitHubError] = field(default_factory=list)
    polled: set[str] = field(default_factory=set)
    rejected: int = 0
    now: float = 0.0

    @property
    def path(self) -> str:
        """Where the exports are."""
        return f"/enterprises/{self.ask.target}/settings/billing/reports"

    async def update(self) -> None:
        """List, choose, make what is missing, read what is new."""
        reply = await self.api.get(self.path)
        found = exports_in(decode_json(reply.body))
        if found is None:
            raise Invalid("the answer has no usage_report_exports")
        self.exports, self.rejected = found
        self.now = self.api.now()  # the answer has told GitHub's clock; what is made must not depend on a wrong one
        spans = periods(self.now)
        wanted: dict[str, tuple[Export, list[tuple[str, Period]]]] = {}
        for kind, report_type in self._types():
            for period in spans:
                choice = await self._chosen(report_type, period)
                if choice.use and self._is_news(kind, period, choice.use):
                    wanted.setdefault(choice.use.id, (choice.use, []))[1].append((kind, period))
        for export, places in wanted.values():
            await self._read(export, places)
        self._forget(spans)
        await self.ask.memory.keep(self.kept.data())

    def again(self) -> float | None:
        """In how many seconds to look at what is being made."""
        return min((poll_after(self.kept.polls[one], self.ask.interval) for one in self.polled), default=None)

    def _types(self) -> Iterator[tuple[str, str]]:
        """The kinds of spend and the report types that feed them."""
        for kind in BREAKDOWNS:
            yield kind, kind or self.ask.options.report_type

    async def _chosen(self, report_type: str, period: Period) -> Choice:
        """What there is of a period; what is missing is made, if that is wished."""
        name = f"{report_type} {period.month}"
        await self._look_for(name)
        alike = [one for one in self.exports if one.report_type == report_type]
        choice = choose(alike, self.kept.intents.get(name), period, self.now, self.ask.interval)
        if choice.failed:
            self.faults.append(Unavailable(f"GitHub could not make the {report_type} report of {period.month}"))
        options = self.ask.options
        made = [report_type for report_type in (options.report_type, *options.also) if options.create]
        if choice.make and report_type in made:
            await self._make(name, report_type, period)
            alike = [one for one in self.exports if one.report_type == report_type]
            choice = choose(alike, self.kept.intents.get(name), period, self.now, self.ask.interval)
        waits = {choice.wait.id} if choice.wait else set()
        if (intent := self.kept.intents.get(name)) and intent.id and not found_again(intent, self.exports):
            waits.add(intent.id)
        for identity in waits:
            self.kept.polls[identity] = self.kept.polls.get(identity, -1) + (identity not in self.polled)
            self.polled.add(identity)
        return choice

    async def _look_for(self, name: str) -> None:
        """Find what was asked for: in the list, or by its id; what has vanished is forgotten."""
        intent = self.kept.intents.get(name)
        if intent is None:
            return
        found = found_again(intent, self.exports)
        if found:
            self.kept.intents[name] = replace(intent, id=found.id)
        elif intent.id:
            try:
                reply = await self.api.get(f"{self.path}/{intent.id}")
            except NotFound:
                self.kept.intents[name] = replace(intent, id="")
                return
            export = export_in(decode_json(reply.body))
            if export:
                self.exports.append(export)

    async def _make(self, name: str, report_type: str, period: Period) -> None:
        """Ask for an export, once: whatever becomes of the answer, not again before the next refresh."""
        before = self.kept.intents.get(name)
        intent = Intent(report_type, period.first, period.last, self.now)
        self.kept.intents[name] = intent
        if not await self.ask.memory.keep(self.kept.data()):
            self._take_back(name, before)  # what cannot be remembered is not asked for
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
            self._take_back(name, before)  # nothing was sent
            await self.ask.memory.keep(self.kept.data())
            raise
        except Unavailable as error:
            self.faults.append(error)  # it may have been made: the list will tell
            return
        except GitHubError as error:
            self._take_back(name, before)
            self.faults.append(error)
            return
        export = export_in(decode_json(reply.body))
        if export:
            self.kept.intents[name] = replace(intent, id=export.id)
            self.exports.append(export)

    def _take_back(self, name: str, before: Intent | None) -> None:
        if before is None:
            del self.kept.intents[name]
        else:
            self.kept.intents[name] = before

    def _is_news(self, kind: str, period: Period, export: Export) -> bool:
        """Whether an export tells something that is not known: it is newer, or was summed up otherwise."""
        known = self.kept.figures.get(f"{kind} {period.month}")
        if known is None or known["by"] != self._by():
            return True
        return bool(known["id"] != export.id and known["created"] <= export.created)

    def _by(self) -> list[list[str]]:
        return [list(self.ask.options.group_by), list(self.ask.options.breakdowns)]

    async def _read(self, export: Export, places: list[tuple[str, Period]]) -> None:
        """Sum an export up; if that fails, the figures that are known stay."""
        months = tuple(period.month for _, period in places)
        kinds = {breakdown for kind, _ in places for breakdown in BREAKDOWNS[kind]}
        breakdowns = tuple(one for one in self.ask.options.breakdowns if one in kinds)
        wanted = Wanted(months, self.ask.options.group_by, breakdowns)
        try:
            try:
                sums = await summed(self._parts(export), wanted)
            except LinkExpired:
                reply = await self.api.get(f"{self.path}/{export.id}")
                sums = await summed(self._parts(export_in(decode_json(reply.body)) or export), wanted)
        except OverBudget:
            raise
        except GitHubError as error:
            self.faults.append(error)
            return
        for kind, period in places:
            self.kept.figures[f"{kind} {period.month}"] = {
                "id": export.id,
                "created": export.created,
                "by": self._by(),
                **await asyncio.to_thread(self._figures, sums, period.month),
            }

    def _parts(self, export: Export) -> list[Callable[[], AsyncGenerator[bytes, None]]]:
        hosts = self.ask.options.download_hosts
        return [lambda link=link: self.api.download(link, hosts, MOST_BYTES) for link in export.links]  # type: ignore[misc] # mypy cannot infer a lambda's default

    def _figures(self, sums: Sums, month: str) -> dict[str, Any]:
        """What is remembered of a month: counts, and rows of labels and amounts; people are named as is wished."""
        found = sums.months[month]
        rows: dict[str, list[Any]] = {"": _merged(found.groups.items())}
        for breakdown, groups in found.breakdowns.items():
            named = self.ask.named if breakdown == "username" else str
            rows[breakdown] = _merged(((*key[:-1], named(key[-1])), amounts) for key, amounts in groups.items())
        return {"rows": found.rows, "rejected": found.rejected, "newest": found.newest, "sums": rows}

    def _forget(self, spans: Iterable[Period]) -> None:
        """Other months are not shown any more, and exports that are ready are not looked at again."""
        months = {period.month for period in spans}
        self.kept.figures = {name: one for name, one in self.kept.figures.items() if name.split(" ")[1] in months}
        self.kept.intents = {name: one for name, one in self.kept.intents.items() if name.split(" ")[1] in months}
        self.kept.polls = {identity: polls for identity, polls in self.kept.polls.items() if identity in self.polled}


def _merged(groups: Iterable[tuple[tuple[str, ...], list[Decimal]]]) -> list[Any]:
    """Rows with labels as they are shown; those that look alike are added up."""
    found: dict[tuple[str, ...], list[Decimal]] = {}
    for key, amounts in groups:
        shown = tuple(label_text(word) for word in key)
        known = found.get(shown)
        found[shown] = amounts if known is None else [*map(EXACT.add, known, amounts)]
    return [[list(key), [str(amount) for amount in amounts]] for key, amounts in found.items()]
