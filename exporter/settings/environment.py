"""Settings from environment variables. Only this module reads the environment."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exporter.catalogue import Collector
from exporter.github.secret_files.encodings import unquoted
from exporter.settings.collectors_section import Variable, variables_of
from exporter.settings.names import PREFIX, VARIABLES
from exporter.settings.problems import ProblemReport, hint
from exporter.settings.sample_values import in_file_only

# What Kubernetes sets for Services whose name begins with github-exporter.
_SERVICE_LINK = re.compile(
    r"(PORT.*|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?))=.*", re.DOTALL
)
_FIRST_SOCKET = 3  # SD_LISTEN_FDS_START: 0 to 2 are standard input, output and error
_SERVICE_PORT = re.compile(r"\w+_PORT=(tcp|udp|sctp)://.*")


_LISTS = {("organizations",), ("enterprises",), ("discover",)}


def read_environment(
    environ: Mapping[str, str] | None, report: ProblemReport, collectors: Sequence[Collector] = ()
) -> dict[str, Any]:
    """The settings in variables, still as text; `environ=None` is the process' environment."""
    values: dict[str, Any] = {}
    known = {variable: Variable(path, path in _LISTS) for path, variable in VARIABLES.items()}
    known |= variables_of(collectors)
    for variable, value in sorted((os.environ if environ is None else environ).items()):
        text = unquoted(value)  # systemd's EnvironmentFile strips quotes, docker --env-file does not
        if not variable.startswith(PREFIX) or not text:
            continue
        setting = known.get(variable)
        if setting is None:
            if not _is_service_link(variable.removeprefix(PREFIX), text):
                report.add(f"environment: {variable}", "unknown variable" + _meant(variable, known))
            continue
        into = values
        for part in setting.path[:-1]:
            into = into.setdefault(part, {})
        names = [name for part in text.split(",") if (name := unquoted(part))]
        into[setting.path[-1]] = names if setting.is_list else text
        report.names.setdefault(setting.path, f"environment: {variable}")  # a flag may be there already
    default = values.get("credentials", {}).get("default", {})
    if "app" in values.get("credentials", {}) and "api_url" in default:
        values["credentials"]["app"].setdefault("api_url", default["api_url"])
        report.names.setdefault(("credentials", "app", "api_url"), f"environment: {PREFIX}API_URL")
        if default.keys() == {"api_url"}:
            del values["credentials"]["default"]
    if "token" in default:
        report.secrets.add(default["token"])
        if default.pop("token_file", None):
            report.add(f"environment: {PREFIX}TOKEN", f"set this or {PREFIX}TOKEN_FILE, not both")
    return values


def proxy_variables(environ: Mapping[str, str] | None) -> dict[str, str]:
    """The variables that are set and that name a proxy for other programs; the exporter does not use them."""
    variables = os.environ if environ is None else environ
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
    return {name: value for name in names if (value := variables.get(name, "").strip())}


def host_name() -> str:
    """The name of this machine or container."""
    return os.uname().nodename


def socket_descriptors(environ: Mapping[str, str] | None = None) -> range:
    """The descriptors of the sockets that systemd passed to this process; `environ=None` is the process' environment.

    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    variables = os.environ if environ is None else environ
    count = variables.get("LISTEN_FDS", "")
    if variables.get("LISTEN_PID") != str(os.getpid()) or not re.fullmatch("[0-9]{1,4}", count):
        return range(0)
    return range(_FIRST_SOCKET, _FIRST_SOCKET + int(count))


def _meant(variable: str, known: Iterable[str]) -> str:
    of_collectors = f"{PREFIX}COLLECTORS_"
    shared = of_collectors if variable.startswith(of_collectors) else PREFIX
    near = [name for name in known if name.startswith(shared)]
    return in_file_only(variable) or hint(variable, near, shared=shared)


def _is_service_link(rest: str, text: str) -> bool:
    link = f"{rest}={text}"
    return bool(_SERVICE_LINK.fullmatch(link) or _SERVICE_PORT.fullmatch(link))
