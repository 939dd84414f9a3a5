"""An enterprise's seats, bought and consumed, and how many users have each licence type. Pure.

Users are counted and forgotten: no row has a name.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.reading.rows import MOST_ROWS, figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid
from exporter.fetching import Doubt
from exporter.github.decoding import decode_json
from exporter.tables import Figures, Row, Table, gauge

MOST_TYPES = 50
"""Licence types with a series of their own; the users of others are counted as `other`."""

NO_SEATS = "GitHub's answer has no totals of seats; compare it with the enterprise's licensing page"
NO_USERS = "GitHub's answer lists no user who consumes a licence; compare it with the enterprise's licensing page"

# The fields of a user. The number of accounts has no series: it is about one person.
_OF_USER = {
    "github_com_login",
    "github_com_name",
    "github_com_user",
    "github_com_profile",
    "github_com_saml_name_id",
    "github_com_member_roles",
    "github_com_enterprise_role",  # in the example only
    "github_com_enterprise_roles",
    "github_com_verified_domain_emails",
    "github_com_orgs_with_pending_invites",
    "github_com_two_factor_auth",
    "enterprise_server_user",
    "enterprise_server_user_ids",
    "enterprise_server_emails",
    "visual_studio_subscription_user",
    "visual_studio_license_status",
    "visual_studio_subscription_email",
    "license_type",
    "total_user_accounts",
}


class Seats(Figures):
    """The totals of consumed licences."""


class LicenseUsers(Row):
    """How many users have a licence type, in lower case."""

    license_type: str
    users: int


class WithoutTwoFactor(Row):
    """How many users GitHub says of that they have no two-factor authentication."""

    users: int


SEATS = Table(
    row=Seats,
    families=(
        gauge(
            "github_enterprise_license_seats_purchased",
            "total_seats_purchased",
            "Seats that the enterprise has bought; what GitHub sends with metered billing, it does not document.",
        ),
        gauge(
            "github_enterprise_license_seats_consumed",
            "total_seats_consumed",
            "Seats in use: distinct people of the cloud and of connected appliances; may be more than were bought.",
        ),
    ),
)

USERS = Table(
    row=LicenseUsers,
    labels=("license_type",),
    computed_from="users[].license_type",
    families=(
        gauge("github_enterprise_license_users", "users", "Users who consume a licence, by its type, in lower case."),
    ),
)

TWO_FACTOR = Table(
    row=WithoutTwoFactor,
    computed_from="users[].github_com_two_factor_auth",
    families=(
        gauge(
            "github_enterprise_license_users_without_two_factor",
            "users",
            "Users who consume a licence and have no two-factor authentication on GitHub.com; those of whom GitHub "
            "does not say it are not counted.",
        ),
    ),
)


@dataclass(slots=True)
class ConsumedLicenses:
    """The totals and the counts of users, from any number of pages."""

    unknown: UnknownFields
    totals: dict[str, float] = field(default_factory=dict)
    rejected: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    without_two_factor: int = 0
    _two_factor_known: bool = False
    _seen: set[int] = field(default_factory=set)  # hashes: rows move between pages, and a user counts once
    _is_first: bool = True

    def add(self, body: bytes) -> None:
        """Read a page; raises `Invalid` if it cannot be used. The totals are those of the first page."""
        answer = decode_json(body)
        if not isinstance(answer, dict):
            raise Invalid("the answer is no object")
        users = answer.get("users")
        if users is not None and not isinstance(users, list):
            raise Invalid("users is no list")
        if users and len(users) > MOST_ROWS:
            raise Invalid(f"a page of {len(users)} users; at most {MOST_ROWS} are read")
        if self._is_first:
            self._is_first = False
            self.totals, unusable = figures(answer, SEATS, self.unknown, {"users"})
            self.rejected += unusable
        for user in users or ():
            self._add(user)

    def _add(self, user: Any) -> None:
        if not isinstance(user, dict):
            self.rejected += 1
            return
        self.unknown.take(user, _OF_USER, "users")
        identity = user.get("github_com_login") or user.get("enterprise_server_user_ids")
        if identity:
            digest = hash(str(identity).lower())
            if digest in self._seen:
                return
            self._seen.add(digest)
        self._count_type(user.get("license_type"))
        two_factor = user.get("github_com_two_factor_auth")
        if isinstance(two_factor, bool):
            self._two_factor_known = True
            self.without_two_factor += not two_factor
        else:
            self.rejected += two_factor not in (None, "")  # GitHub's example has "" for unknown

    def _count_type(self, value: Any) -> None:
        self.rejected += value is not None and not isinstance(value, str)
        name = label_text(value).lower() if isinstance(value, str) else ""
        self.by_type[name if name in self.by_type or len(self.by_type) < MOST_TYPES else "other"] += 1

    def rows(self, *, with_users: bool) -> tuple[Row, ...]:
        """The totals; with `with_users` also the counts, after the last page."""
        rows: list[Row] = [Seats(figures=self.totals)]
        if with_users:
            rows += [LicenseUsers(license_type=name, users=count) for name, count in sorted(self.by_type.items())]
            if self._two_factor_known:
                rows.append(WithoutTwoFactor(users=self.without_two_factor))
        return tuple(rows)

    def doubts(self, *, with_users: bool) -> list[Doubt]:
        """The tables that the answer leaves empty: every enterprise has seats and users."""
        users = [Doubt(table, NO_USERS) for table in (USERS, TWO_FACTOR)] if with_users and not self.by_type else []
        return users if self.totals else [Doubt(SEATS, NO_SEATS), *users]
