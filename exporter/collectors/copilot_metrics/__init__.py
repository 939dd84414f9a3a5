"""Copilot by editor, model, language and repository on the newest day: the API that GitHub closed on 2026-04-02.

    github_copilot_metrics_active_users{organization="acme"} 24
    github_copilot_metrics_code_completions_editor_engaged_users{organization="acme",editor="vscode"} 13
    github_copilot_metrics_code_completions_code_acceptances{organization="acme",editor="vscode",model="default",language="ruby"} 253

Off by default; for servers that still have the API. Each level of an answer has families of its own, so that a sum over
a family never adds up totals and parts. `families.py` has the metrics, `newest_day.py` reads the answer.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization
"""  # noqa: E501 - an exposition line is not wrapped

from typing import Annotated

from pydantic import Field

from exporter import worker
from exporter.catalogue import PAGE_SIZE, Collector, Permission
from exporter.collectors.copilot_metrics.families import ENDPOINT, MODELS, NEWEST_DAY, TABLES
from exporter.collectors.copilot_metrics.newest_day import NewestEntry
from exporter.collectors.reading.pages import MOST_BYTES
from exporter.collectors.reading.rows import MOST_ROWS
from exporter.errors import Invalid, NotFound, Retired
from exporter.fetching import Api, Ask, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.instants import HOUR
from exporter.options import BoundedOptions, Integer, QueryDate


class Options(BoundedOptions):
    """The collector's own settings."""

    since: QueryDate = Field(
        default="", description="Only days from this one on; GitHub accepted at most 100 days ago."
    )
    until: QueryDate = Field(default="", description="Only days up to this one; the newest of them is shown.")
    max_series: Annotated[Integer, Field(ge=1)] = Field(
        default=500, description="How many rows of each breakdown are shown, the busiest; the others are left out."
    )


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read all pages, because GitHub does not document the order of the days. A 404 means that the API is closed."""
    days = {"since": ask.options.since, "until": ask.options.until}
    params: dict[str, str | int] = {**{name: day for name, day in days.items() if day}, "per_page": PAGE_SIZE}
    newest, size = NewestEntry(), 0
    try:
        async for reply in api.pages(f"/orgs/{ask.target}/copilot/metrics", params):
            await worker.run(_add_page, newest, reply.body)
            size += len(reply.body)
            if newest.count > MOST_ROWS or size > MOST_BYTES:
                raise Invalid(f"more than {MOST_ROWS} days, or than {MOST_BYTES} bytes")
    except NotInstalled:
        raise  # the App is missing there, and can be installed
    except NotFound as error:
        raise Retired(str(error)) from None
    return await worker.run(newest.fetched)


def _add_page(newest: NewestEntry, body: bytes) -> None:
    page = decode_json(body)
    if not isinstance(page, list):
        raise Invalid("the answer is no array of days")
    newest.add(page)


COLLECTOR = Collector(
    name="copilot_metrics",
    scope="organization",
    endpoint=ENDPOINT,
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-metrics#get-copilot-metrics-for-an-organization",
    lateness=(
        "GitHub closed this API on 2026-04-02 and answers 404 since; while it was open, it had a day's figures on the "
        "day after."
    ),
    interval=24 * HOUR,
    max_age=72 * HOUR,
    options=Options,
    enabled=False,
    permission=Permission(
        app="organization permission “GitHub Copilot Business” or “Administration” (read)",
        classic="scope `manage_billing:copilot` or `read:org`",
        besides="GitHub has closed this API",
        granted=("organization_copilot_seat_management", "organization_administration"),
    ),
    fetch=fetch,
    tables=(NEWEST_DAY, *TABLES.values(), MODELS),
    filters=("since", "until"),
)
