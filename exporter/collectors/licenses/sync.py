"""When each GHES server last reported its users' licences to the enterprise, and whether that worked. Pure."""

import math
from typing import Any

from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid
from exporter.github.decoding import decode_json
from exporter.instants import epoch_or_none
from exporter.tables import Row, Table, gauge, info

MOST_SERVERS = 1_000

_ENDPOINT = "/enterprises/{enterprise}/license-sync-status"


class Sync(Row):
    """The last sync of a server; no date if there was none."""

    server_id: str
    hostname: str = ""
    status: str = ""
    date: float | None = None

    @property
    def rank(self) -> float:
        """Newer ones are larger."""
        return -math.inf if self.date is None else self.date


DATES = Table(
    row=Sync,
    labels=("server_id", "hostname"),
    display=("hostname",),
    endpoints=_ENDPOINT,
    computed_from="server_instances[].last_sync.date",
    families=(
        gauge(
            "github_enterprise_license_sync_timestamp_seconds",
            "date",
            "When a GHES server last synced its users' licences to the enterprise, with success or not.",
        ),
    ),
)

STATES = Table(
    row=Sync,
    labels=("server_id", "hostname", "status"),
    display=("hostname", "status"),
    endpoints=_ENDPOINT,
    computed_from="server_instances[].last_sync.status",
    families=(
        info(
            "github_enterprise_license_sync_info",
            "The status of a GHES server's last licence sync, in GitHub's words; success is the one that it documents.",
        ),
    ),
)

TABLES = (DATES, STATES)


def read(body: bytes, unknown: UnknownFields) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer and how many values cannot be used; raises `Invalid` without a list of servers.

    Of a server that is listed twice the newest sync counts.
    """
    answer = decode_json(body)
    # Without servers GitHub may leave the list out: no field is required.
    servers = (answer.get("server_instances") or []) if isinstance(answer, dict) else None
    if not isinstance(servers, list) or len(servers) > MOST_SERVERS:
        raise Invalid(f"the answer has no list of at most {MOST_SERVERS} server_instances")
    unknown.take(answer, {"server_instances"})
    newest: dict[str, Sync] = {}
    rejected = 0
    for server in servers:
        sync, unusable = _server(server, unknown)
        rejected += unusable
        if sync and newest.get(sync.server_id, sync).rank <= sync.rank:
            newest[sync.server_id] = sync
    return tuple(newest.values()), rejected


def _server(server: Any, unknown: UnknownFields) -> tuple[Sync | None, int]:
    """A server's row, None if it has no id, and how many of its values cannot be used."""
    server_id = server.get("server_id") if isinstance(server, dict) else None
    if not isinstance(server_id, str) or not server_id:
        return None, 1
    last = server.get("last_sync")
    rejected = int(last is not None and not isinstance(last, dict))
    last = last if isinstance(last, dict) else {}
    unknown.take(server, {"server_id", "hostname", "last_sync"}, "server_instances")
    unknown.take(last, {"date", "status", "error"}, "server_instances.last_sync")
    words = {"hostname": server.get("hostname"), "status": last.get("status")}
    rejected += sum(word is not None and not isinstance(word, str) for word in words.values())
    date = epoch_or_none(last.get("date"))
    rejected += date is None and last.get("date") not in (None, "")
    texts = {name: label_text(word) for name, word in words.items() if isinstance(word, str)}
    return Sync(server_id=label_text(server_id), date=date, **texts), rejected
