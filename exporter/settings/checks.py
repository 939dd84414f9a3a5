"""Checks across keys: what no single key can tell.

They look at the raw values, so that a mistake in one key does not hide these.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.settings.model import KINDS
from exporter.settings.names import PREFIX
from exporter.settings.report import Report, Where, hint

_MAX_SECRET_BYTES = 1 << 16
_SECTIONS = {"organization": "organizations", "enterprise": "enterprises", "appliance": "appliances"}


def check(values: Mapping[str, Any], report: Report) -> dict[Where, str]:
    """Check all; the answer is the credential of each target, by the target's place."""
    credentials = _mapping(values.get("credentials"))
    for name, credential in credentials.items():
        if isinstance(credential, dict):
            _check_credential(str(name), credential, report)
    names = {str(name).lower(): str(name) for name in credentials}
    if len(names) < len(credentials):
        report.wrong(("credentials",), "names that differ in upper and lower case only are the same; rename one")
    choices = _check_targets(values, names, report)
    _check_watch(values, report)
    if not any(values.get(section) for section in _SECTIONS.values()):
        text = "there is nothing to collect from: name an organization here, or enterprises or appliances in the file"
        report.add(f"{report.file}: organizations" if report.file else f"environment: {PREFIX}ORGANIZATIONS", text)
    return choices


def _check_targets(values: Mapping[str, Any], names: Mapping[str, str], report: Report) -> dict[Where, str]:
    choices: dict[Where, str] = {}
    for kind, section in _SECTIONS.items():
        seen: set[str] = set()
        for index, item in _items(values.get(section)):
            place: Where = (section, index)
            name = _lower(item.get("name")) or ""
            if name in seen:
                report.wrong(place, f"{kind}/{name} is given twice; keep one")
            seen |= {name} if name else set()
            if choice := _choose(item.get("credential"), names):
                choices[place] = choice
            elif name:
                _tell_no_credential(f"{kind}/{name}", place, item.get("credential"), names, report)
    return choices


def _choose(given: object, names: Mapping[str, str]) -> str | None:
    """Choose the credential of a target: the one it names, else `default`, else the only one."""
    if given is None:
        return names.get("default") or (next(iter(names.values())) if len(names) == 1 else None)
    return names.get(_lower(given) or "")


def _tell_no_credential(target: str, where: Where, given: object, names: Mapping[str, str], report: Report) -> None:
    if isinstance(given, str):
        text = f"there is no credential {given}{hint(given, names.values(), tell_all=True)}"
        report.wrong((*where, "credential"), text)
    elif given is None and names:
        report.wrong(where, f"{target} has no credential; add credential: NAME, one of {', '.join(names.values())}")
    elif given is None:
        how = f"set {PREFIX}TOKEN_FILE or {PREFIX}TOKEN, or add a section credentials to the file"
        report.wrong(where, f"{target} has no credential; {how}")


def _check_credential(name: str, credential: Mapping[str, Any], report: Report) -> None:
    where: Where = ("credentials", name)
    given = {key for key in KINDS if credential.get(key) not in (None, "")}
    app = {"app_client_id", "private_key_file"}
    if not given:
        how = f"set {PREFIX}TOKEN_FILE" if name == "default" and not report.lines.get(where) else "set token_file"
        report.wrong(where, f"there is no token; {how}, or app_client_id and private_key_file for a GitHub App")
    elif given & app and given - app:
        report.wrong(where, "give a token or a GitHub App, not both")
    elif given & app and given != app:
        report.wrong(where, f"a GitHub App needs {(app - given).pop()} too")
    for key in ("token_file", "private_key_file", "ca_file"):
        path = credential.get(key)
        if isinstance(path, str) and path.strip() and (why := _unreadable(path)):
            # A secret written here by mistake does not look like a path: only a path is repeated.
            shown = f"{path} " if re.fullmatch(r"\.{0,2}/[\w./@+-]{1,200}", path) else "the file named here "
            report.wrong((*where, key), shown + why)


def _unreadable(path: str) -> str | None:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return "is not a file"
        with Path(path).open("rb") as stream:
            content = stream.read(_MAX_SECRET_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}; check the path and its permissions"
    except ValueError:  # a NUL in it; the model says so
        return None
    return None if content.strip() else "is empty"


def _check_watch(values: Mapping[str, Any], report: Report) -> None:
    known = {_lower(item.get("name")) for _, item in _items(values.get("organizations"))}
    for kind in ("users", "actors"):
        for index, item in _items(_mapping(values.get("watch")).get(kind)):
            name = _lower(item.get("organization"))
            if name is not None and name not in known:
                where = ("watch", kind, index, "organization")
                report.wrong(where, f"organization/{name} is not configured; add it to organizations")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[tuple[int, dict[str, Any]]]:
    given = value if isinstance(value, list) else []
    return [(n, {"name": item} if isinstance(item, str) else _mapping(item)) for n, item in enumerate(given)]


def _lower(value: object) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None
