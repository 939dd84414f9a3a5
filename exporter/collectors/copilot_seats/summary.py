"""The summary of an organization's Copilot seats, and its Copilot policies. Pure.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#get-copilot-seat-information-and-settings-for-an-organization
"""

from exporter.collectors.reading.rows import figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Invalid
from exporter.tables import Figures, Row, Table, gauge, info


class Seats(Figures):
    """GitHub's `seat_breakdown`."""


class Policies(Row):
    """Plan and policies as GitHub writes them; empty where it gives none."""

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
            "GitHub gives none.",
        ),
    ),
)

NO_SEATS = "GitHub's answer has an empty seat_breakdown; compare it with the organization's Copilot settings"


def read(answer: object, unknown: UnknownFields | None = None) -> tuple[tuple[Row, ...], int]:
    """The rows of a response, and how many of its values could not be read; `Invalid` without a breakdown.

    `unknown` counts the fields that this version does not know.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("seat_breakdown"), dict):
        raise Invalid("the answer has no seat_breakdown")
    unknown = UnknownFields() if unknown is None else unknown
    seats, unusable = figures(answer["seat_breakdown"], SEATS, unknown, place="seat_breakdown")
    given = {field: answer.get(field) for field in POLICIES.labels}
    words = {field: value for field, value in given.items() if isinstance(value, str)}
    unusable += sum(value is not None for value in given.values()) - len(words)
    unknown.take(answer, {"seat_breakdown", *POLICIES.labels})
    return (Seats(figures=seats), Policies(**words)), unusable
