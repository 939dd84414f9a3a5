"""Settings of one run: flags over environment over file over defaults.

    command, settings = parse(sys.argv[1:], COLLECTORS)

All errors are reported at once, in one `SettingsError`, and none of them repeats a secret.
"""

from exporter.settings.docs.reference import reference
from exporter.settings.environment import socket_descriptors
from exporter.settings.layers import parse
from exporter.settings.model import Settings, masked_proxy
from exporter.settings.names import COMMANDS
from exporter.settings.problems import Problem, SettingsError
from exporter.settings.reload_changes import changes, fixed_changes
from exporter.settings.value_types import DIRECT, parse_address
from exporter.settings.warnings import unread_proxy, warnings_of

__all__ = [
    "COMMANDS",
    "DIRECT",
    "Problem",
    "Settings",
    "SettingsError",
    "changes",
    "fixed_changes",
    "masked_proxy",
    "parse",
    "parse_address",
    "reference",
    "socket_descriptors",
    "unread_proxy",
    "warnings_of",
]
