"""Licences: the seats of an enterprise and how servers report theirs, and the licence of a GHES appliance.

    github_enterprise_license_seats_purchased{enterprise="acme-corp"} 4500
    github_enterprise_license_sync_timestamp_seconds{enterprise="acme-corp",server_id="deadbeef1",hostname="…"} 1.7e+09
    github_enterprise_license_users{enterprise="acme-corp",license_type="enterprise"} 4990
    github_appliance_license_expiry_timestamp_seconds{appliance="ghes-eu"} 1.8e+09

`seats.py` reads what an enterprise consumes, `sync.py` how its servers report, `appliance.py` an appliance's licence.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing
"""

from pydantic import Field

from exporter import worker
from exporter.catalogue import PAGE_SIZE, Calls, Collector, Permission
from exporter.collectors.licenses import appliance, seats, sync
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Forbidden, NotFound, Retired
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.instants import DAY, HOUR
from exporter.options import CollectorOptions
from exporter.tables import Row


class Options(CollectorOptions):
    """The collector's own settings."""

    users: bool = Field(
        default=False,
        description="Whether to walk over all users, a request per hundred, for their licence types and two-factor "
        "authentication; nobody is named.",
    )


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """Read the totals, which stand beside the users on any page, and the sync status of servers.

    An enterprise without servers may have no sync status.
    """
    root, unknown = f"/enterprises/{ask.target}", UnknownFields()
    licenses = seats.ConsumedLicenses(unknown)
    if ask.options.users:
        async for page in api.pages(f"{root}/consumed-licenses", {"per_page": PAGE_SIZE}):
            await worker.run(licenses.add, page.body)
    else:
        reply = await api.get(f"{root}/consumed-licenses", {"per_page": 1})
        await worker.run(licenses.add, reply.body)
    rows: tuple[Row, ...] = licenses.rows(with_users=ask.options.users)
    doubts, rejected = licenses.doubts(with_users=ask.options.users), licenses.rejected
    try:
        reply = await api.get(f"{root}/license-sync-status")
    except (NotFound, Forbidden, Retired) as error:
        doubts += [Doubt(table, f"GitHub no longer shows the licence sync: {error}") for table in sync.TABLES]
    else:
        servers, unusable = await worker.run(sync.read, reply.body, unknown)
        rows, rejected = (*rows, *servers), rejected + unusable
    return Fetched(
        rows,
        rejected,
        data_time=float(ask.end),
        unknown=unknown,
        note=None if licenses.totals else seats.NO_SEATS,
        doubts=tuple(doubts),
    )


async def fetch_appliance(api: Api, ask: Ask) -> Fetched:
    """Send one request."""
    reply = await api.get("/enterprise/settings/license")
    unknown = UnknownFields()
    rows, rejected = await worker.run(appliance.read, reply.body, unknown)
    return Fetched(rows, rejected, data_time=float(ask.end), unknown=unknown)


COLLECTOR = Collector(
    name="licenses",
    scope="enterprise",
    endpoint="/enterprises/{enterprise}/consumed-licenses",
    page="https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing#list-enterprise-consumed-licenses",
    lateness="GitHub does not say how late it counts seats.",
    permission=Permission(classic="scope `read:enterprise`, of an administrator of the enterprise"),
    fetch=fetch_enterprise,
    tables=(seats.SEATS, seats.USERS, seats.TWO_FACTOR, *sync.TABLES),
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    deadline=HOUR / 2,  # a hundred thousand users are a thousand requests
    calls=Calls(single=2, by_choice={"users": Calls(listed="users")}),
)

OF_APPLIANCE = Collector(
    name="licenses",
    scope="appliance",
    endpoint="/enterprise/settings/license",
    page="https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/licensing#get-license-information",
    lateness="The appliance's answer describes the moment of the request.",
    permission=Permission(classic="scope `site_admin`, of a site administrator of the appliance"),
    fetch=fetch_appliance,
    tables=appliance.TABLES,
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
)
