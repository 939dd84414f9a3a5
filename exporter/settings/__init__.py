"""Settings of one run: flags over environment over file over defaults.

    command, settings = parse(sys.argv[1:], collectors=defaults)

Whatever is wrong is told at once, in one `SettingsError`; no secret is in it.
"""

from exporter.collecting.plan import Target
from exporter.settings.collectors import CollectorDefaults
from exporter.settings.layers import parse
from exporter.settings.model import CollectorSettings, Settings
from exporter.settings.names import COMMANDS
from exporter.settings.reference_page import reference
from exporter.settings.report import Problem, SettingsError
from exporter.settings.values import Day, DownloadHosts, Duration, Whole, duration_text

__all__ = [
    "COMMANDS",
    "CollectorDefaults",
    "CollectorSettings",
    "Day",
    "DownloadHosts",
    "Duration",
    "Problem",
    "Settings",
    "SettingsError",
    "Target",
    "Whole",
    "duration_text",
    "parse",
    "reference",
]
