"""How many Copilot seats an organization has, who uses them, and what Copilot may do there.

    github_copilot_seats{organization="acme"} 12
    github_copilot_seats_inactive_this_cycle{organization="acme"} 11
    github_copilot_settings_info{organization="acme",plan_type="business",seat_management_setting="assign_selected",…} 1

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#get-copilot-seat-information-and-settings-for-an-organization
"""

from exporter.catalogue import HOUR, Api, Ask, Collector, Fetched, Figures, Row, Table, gauge, info
from exporter.collecting.reading import decode_json, figures, is_number
from exporter.github.errors import Invalid


class Seats(Figures):
    """GitHub's `seat_breakdown`."""


class Policies(Row):
    """Plan and policies in GitHub's words; empty where it gives none."""

    plan_type: str = ""
    seat_management_setting: str = ""
    public_code_suggestions: str = ""
    ide_chat: str = ""
    platform_chat: str = ""
    cli: str = ""


SEATS = Table(
    row=Seats,
    families=(
        gauge(
            "github_copilot_seats",
            "total",
            "Seats that the organization is billed for in the current billing cycle.",
        ),
        gauge(
            "github_copilot_seats_added_this_cycle",
            "added_this_cycle",
            "Seats added during the current billing cycle.",
        ),
        gauge(
            "github_copilot_seats_active_this_cycle",
            "active_this_cycle",
            "Seats that have used Copilot during the current billing cycle; active and inactive ones need not add up "
            "to github_copilot_seats.",
        ),
        gauge(
            "github_copilot_seats_inactive_this_cycle",
            "inactive_this_cycle",
            "Seats that have not used Copilot during the current billing cycle; active and inactive ones need not add "
            "up to github_copilot_seats.",
        ),
        gauge(
            "github_copilot_seats_pending_invitation",
            "pending_invitation",
            "Seats assigned to people who have not accepted the invitation to the organization yet.",
        ),
        gauge(
            "github_copilot_seats_pending_cancellation",
            "pending_cancellation",
            "Seats that are cancelled at the end of the current billing cycle.",
        ),
    ),
)

POLICIES = Table(
    row=Policies,
    labels=tuple(Policies.model_fields),
    computed_from=", ".join(Policies.model_fields),
    families=(
        info(
            "github_copilot_settings_info",
            "The organization's Copilot plan, how it assigns seats, and its policies, in GitHub's words; empty where "
            "GitHub does not say.",
        ),
    ),
)


def read(answer: object) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer, and how many of its values are unusable or unknown; `Invalid` without a breakdown."""
    if not isinstance(answer, dict) or not isinstance(answer.get("seat_breakdown"), dict):
        raise Invalid("the answer has no seat_breakdown")
    seats, rejected = figures(answer["seat_breakdown"], SEATS)
    words = {field: value for field, value in answer.items() if field in POLICIES.labels and isinstance(value, str)}
    for field, value in answer.items():
        unusable = field in POLICIES.labels and value is not None and field not in words
        rejected += unusable or (field not in POLICIES.labels and is_number(value))
    return (Seats(figures=seats), Policies(**words)), rejected


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One call. It tells how things are now."""
    reply = await api.get(f"/orgs/{ask.target}/copilot/billing")
    rows, rejected = read(decode_json(reply.body))
    return Fetched(rows, rejected, data_time=float(ask.end))


COLLECTOR = Collector(
    name="copilot_seats",
    scope="organization",
    endpoint="/orgs/{org}/copilot/billing",
    page="https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#get-copilot-seat-information-and-settings-for-an-organization",
    lateness="GitHub tells how it is at that moment.",
    interval=2 * HOUR,
    max_age=24 * HOUR,
    needs=(
        "organization permission “GitHub Copilot Business”, in newer screens “Organization Copilot seat management”, "
        "or “Administration” (read) for a GitHub App or fine-grained token; scope manage_billing:copilot or read:org "
        "for a classic token; its user must be an organization owner"
    ),
    fetch=fetch,
    tables=(SEATS, POLICIES),
)
