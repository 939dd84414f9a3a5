"""The environment; this is its only reader."""

import os
import re
from collections.abc import Mapping
from typing import Any

from exporter.settings.names import PREFIX, VARIABLES
from exporter.settings.report import Report, hint

# What Kubernetes sets for Services whose name begins with github-exporter.
_SERVICE_LINK = re.compile(
    r"(PORT.*|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?))=.*", re.DOTALL
)
_SERVICE_PORT = re.compile(r"\w+_PORT=(tcp|udp|sctp)://.*")


def read_environment(environ: Mapping[str, str] | None, report: Report) -> dict[str, Any]:
    """The settings that variables give; `None` is the process' environment."""
    values: dict[str, Any] = {}
    paths = {variable: path for path, variable in VARIABLES.items()}
    for variable, value in sorted((os.environ if environ is None else environ).items()):
        text = value.strip()
        if not variable.startswith(PREFIX) or not text:
            continue
        path = paths.get(variable)
        if path is None:
            if not _is_service_link(variable.removeprefix(PREFIX), text):
                report.add(f"environment: {variable}", "unknown variable" + hint(variable, paths))
            continue
        into = values
        for part in path[:-1]:
            into = into.setdefault(part, {})
        names = [name.strip() for name in text.split(",") if name.strip()]
        into[path[-1]] = names if path in {("organizations",), ("enterprises",)} else text
        report.names.setdefault(path, f"environment: {variable}")  # a flag was first
    default = values.get("credentials", {}).get("default", {})
    if "token" in default:
        report.secrets.add(default["token"])
        if default.pop("token_file", None):
            report.add(f"environment: {PREFIX}TOKEN", f"set this or {PREFIX}TOKEN_FILE, not both")
    return values


def _is_service_link(rest: str, text: str) -> bool:
    link = f"{rest}={text}"
    return bool(_SERVICE_LINK.fullmatch(link) or _SERVICE_PORT.fullmatch(link))
