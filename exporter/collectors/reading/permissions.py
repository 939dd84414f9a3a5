"""Permissions that several families need."""

from exporter.catalogue import Permission

ENTERPRISE_BILLING = Permission(
    app="enterprise permission “Enterprise billing” (read)",
    classic="scope `manage_billing:enterprise`, of an administrator or billing manager of the enterprise, or of a "
    "user with a custom role that reads billing",
    besides="an App must be installed on the enterprise",
    fine_grained=False,
)

ORGANIZATION_ADMINISTRATION = Permission(
    app="organization permission “Administration” (read)",
    classic="one of an administrator of the organization",
    granted=("organization_administration",),
)
