"""Rows and numbers about Copilot's seats: when each was last used, and what idle ones cost."""

from grafana.board import Row
from grafana.fields import Steps, Urls
from grafana.links import cell, to
from grafana.panels import Panel, bars, stat, timeseries
from grafana.tables import Column, table

SEATS = "github_copilot_seats"
LAST = "github_copilot_organization_seats_by_activity"
LISTED = "github_copilot_organization_seats_by"
ENTERPRISE = "github_copilot_enterprise_seats"
IDLE = f'{LAST}{{last_activity=~"90d|older|never"}}'
"""Seats that nobody has used for 30 days."""
IDLE_SHARE: Steps = ((None, "green"), (0.15, "orange"), (0.3, "red"))
COST: Steps = ((None, "green"), (1000, "orange"), (10_000, "red"))
WHEN = {
    "in the last week": "7d",
    "8 to 30 days ago": "30d",
    "31 to 90 days ago": "90d",
    "longer ago": "older",
    "not known": "never",
}
"""Ages of a seat's last activity."""
FORGETS = (
    "GitHub forgets activity after 90 days, and in an editor it sees activity with telemetry only: not known is a new "
    "seat, or one that nobody has used for 90 days."
)


def idle_for_a_month(width: int = 4, links: Urls = ()) -> Panel:
    """The share of seats that nobody has used for 30 days."""
    return stat(
        "Seats idle for 30 days",
        "Share of the Copilot seats that nobody has used for 30 days, as far as GitHub knows; they are paid for. From "
        "30 % on give them to others, or remove them.",
        f"sum({IDLE}) / (sum({LAST}) > 0)",
        "percentunit",
        IDLE_SHARE,
        width=width,
        links=links,
        decimals=0,
        empty="no list",
    )


def idle_cost() -> Panel:
    """What they cost."""
    return stat(
        "They cost, per month",
        "What the seats that nobody has used for 30 days cost in a month (USD), at the price at the top.",
        f"sum({IDLE}) * $seat_price",
        "currencyUSD",
        COST,
    )


def used(when: str) -> Column:
    """Seats whose last activity is that old."""
    return Column(f'max by (organization) ({LAST}{{last_activity="{when}"}})', "locale")


def by(what: str, label: str) -> dict[str, str]:
    """Seats by a label; those without one are called none."""
    named = f'label_replace({LISTED}_{what}, "{label}", "none", "{label}", "")'
    return {f"{{{{{label}}}}}": f"topk(10, sum by ({label}) ({named}))"}


SEAT_ROWS = (
    Row(
        "Who could do without a seat?",
        (
            table(
                "Seats by last use",
                f"When the seats of each organization were last used. Idle: not for 30 days. {FORGETS}",
                {"organization": "Organization"},
                {
                    "Seats": Column(f"sum by (organization) ({LAST})", "locale"),
                    "In the last week": used("7d"),
                    "8 to 30 days": used("30d"),
                    "31 to 90 days": used("90d"),
                    "Longer ago": used("older"),
                    "Not known": used("never"),
                    "Idle": Column(
                        f"sum by (organization) ({IDLE}) / (sum by (organization) ({LAST}) > 0)",
                        "percentunit",
                        IDLE_SHARE,
                        decimals=0,
                        bar=True,
                    ),
                    "Idle, per month": Column(f"sum by (organization) ({IDLE}) * $seat_price", "currencyUSD", COST),
                },
                sort="Idle, per month",
                height=7,
                clicks={
                    "organization": (
                        ("Only this one", to("copilot-people", "enterprise", organization=cell("organization"))),
                        ("Its spend", to("spend", "enterprise", organization=cell("organization"))),
                    )
                },
            ),
            timeseries(
                "When seats were last used",
                f"Seats of the organizations chosen. {FORGETS}",
                {name: f'sum({LAST}{{last_activity="{when}"}})' for name, when in WHEN.items()},
                "short",
                stacked=True,
                height=9,
            ),
            bars(
                "Seats by team",
                "The team through which a seat was given; none: given to the person. It need not be a team of the "
                "holder.",
                by("team", "team"),
                "locale",
                width=6,
                height=9,
            ),
            bars(
                "Seats by editor",
                "The editor in which a seat was last used; none: no activity is known.",
                by("editor", "editor"),
                "locale",
                width=6,
                height=9,
            ),
            bars(
                "Seats by plan",
                "Plans of the organizations' seats; they have different prices.",
                by("plan", "plan_type"),
                "locale",
                width=8,
                height=5,
            ),
            table(
                "Enterprises",
                "People with a seat in the enterprise, each counted once, and their seats: somebody may have seats of "
                "several organizations. Idle: not used for 30 days.",
                {"enterprise": "Enterprise"},
                {
                    "People": Column(f"max by (enterprise) ({ENTERPRISE})", "locale"),
                    "Seats": Column(f"sum by (enterprise) ({ENTERPRISE}_by_plan)", "locale"),
                    "Per person": Column(
                        f"sum by (enterprise) ({ENTERPRISE}_by_plan) / max by (enterprise) ({ENTERPRISE} > 0)",
                        "none",
                        decimals=2,
                    ),
                    "Idle": Column(
                        f'sum by (enterprise) ({ENTERPRISE}_by_activity{{last_activity=~"90d|older|never"}}) '
                        f"/ (sum by (enterprise) ({ENTERPRISE}_by_activity) > 0)",
                        "percentunit",
                        IDLE_SHARE,
                        decimals=0,
                        bar=True,
                    ),
                },
                sort="Seats",
                width=16,
                height=5,
            ),
        ),
    ),
)
