"""Checks of several keys together, and of the content of files that are named.

They read the values before validation, so that a mistake in one key does not hide other problems.
"""

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporter.github.links import serves
from exporter.github.network.authorities import LARGEST_BUNDLE, trust
from exporter.github.secret_files.encodings import kind_of_pem
from exporter.github.secret_files.keys import signing_key
from exporter.github.secret_files.tokens import is_github_token, token_in_file
from exporter.options import split_list
from exporter.regular_files import read_regular, unreadable
from exporter.settings.choices import (
    check_discover,
    choose,
    items_of,
    lower,
    mapping,
    report_no_credential,
    root_of,
)
from exporter.settings.model import KINDS, SECTIONS
from exporter.settings.names import PREFIX
from exporter.settings.problems import ProblemReport, Where, hint


def check(values: Mapping[str, Any], report: ProblemReport, *, contents: bool = False) -> dict[Where, str]:
    """Report all problems; returns the credential of each target, by the target's place.

    With `contents`, the content of files is checked, such as a token. The daemon does not: the file may be in the
    middle of a rotation, and it is read again when it changes.
    """
    credentials = mapping(values.get("credentials"))
    for name, credential in credentials.items():
        if isinstance(credential, dict):
            _check_credential(str(name), credential, report, contents=contents)
    _check_file(values, ("ca_file",), report, contents=contents)
    names = {str(name).lower(): str(name) for name in credentials}
    if len(names) < len(credentials):
        report.wrong(("credentials",), "names that differ in upper and lower case only are the same; rename one")
    choices = _check_targets(values, names, report) | check_discover(values, names, report)
    _check_watch(values, report)
    if not any(values.get(section) for section in (*SECTIONS.values(), "discover")):
        text = "there is nothing to collect from: name an organization here, or enterprises or appliances in the file"
        report.add(f"{report.file}: organizations" if report.file else f"environment: {PREFIX}ORGANIZATIONS", text)
    return choices


def chosen_credentials(values: Mapping[str, Any]) -> dict[Where, str]:
    """The credential of each target and entry of `discover`, by its place; one without is left out."""
    names = {str(name).lower(): str(name) for name in mapping(values.get("credentials"))}
    nowhere = ProblemReport()
    return _check_targets(values, names, nowhere) | check_discover(values, names, nowhere)


def _check_targets(values: Mapping[str, Any], names: Mapping[str, str], report: ProblemReport) -> dict[Where, str]:
    choices: dict[Where, str] = {}
    for kind, section in SECTIONS.items():
        seen: set[str] = set()
        for index, item in items_of(values.get(section)):
            place: Where = (section, index)
            name = lower(item.get("name")) or ""
            if name in seen:
                report.wrong(place, f"{kind}/{name} is given twice; keep one")
            seen |= {name} if name else set()
            if choice := choose(item.get("credential"), names):
                choices[place] = choice
                root = root_of(choice, values)
                if kind == "appliance" and serves(root) == "cloud":
                    text = f"appliance/{name} would be asked at {root}, which is no appliance"
                    report.wrong(place, f"{text}; set credentials.{choice}.api_url: https://HOST/api/v3")
            elif name:
                report_no_credential(f"{kind}/{name}", place, item.get("credential"), names, report)
    return choices


def _check_credential(name: str, credential: Mapping[str, Any], report: ProblemReport, *, contents: bool) -> None:
    where: Where = ("credentials", name)
    kinds = {key for key in KINDS if credential.get(key) not in (None, "")}
    app = {"app_client_id", "private_key_file"}
    if not kinds:
        how = f"set {PREFIX}TOKEN_FILE" if name == "default" and not report.lines.get(where) else "set token_file"
        report.wrong(where, f"there is no token; {how}, or app_client_id and private_key_file for a GitHub App")
    elif kinds & app and kinds - app:
        report.wrong(where, "give a token or a GitHub App, not both")
    elif kinds & app and kinds != app:
        report.wrong(where, f"a GitHub App needs {(app - kinds).pop()} too")
    for key in _FILES:
        _check_file(credential, (*where, key), report, contents=contents)


def _check_file(section: Mapping[str, Any], where: Where, report: ProblemReport, *, contents: bool) -> None:
    """Check the file that a key names; `where` ends with the key."""
    path, problem_of = section.get(str(where[-1])), _FILES[str(where[-1])]
    if isinstance(path, str) and path.strip() and (why := _wrong_file(path, problem_of if contents else None)):
        report.wrong(where, f"{path_for_people(path, report)} {why}")


def path_for_people(path: str, report: ProblemReport) -> str:
    """The file's absolute path for messages, unless the value may be a secret instead of a path."""
    is_path = _PATH.fullmatch(report.relative.get(path, path))
    return str(Path(path).absolute()) if is_path else "the file named here"


_NAME = r"[a-z_.-]{1,30}\d{0,2}[a-z_.]{0,6}"
_PATH = re.compile(rf"\.{{0,2}}/[\w./@+-]{{1,200}}|{_NAME}(/{_NAME})*")
"""A text that is certainly a path. Any other may be a secret in the wrong place, which no message may repeat."""


def _problem_of_token(raw: bytes) -> str:
    token = token_in_file(raw)
    return token if isinstance(token, str) else ""


def _problem_of_key(raw: bytes) -> str:
    key = signing_key(raw)
    return key if isinstance(key, str) else ""


def _problem_of_authorities(raw: bytes) -> str:
    return trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), raw)


_FILES: Mapping[str, Callable[[bytes], str]] = {
    "token_file": _problem_of_token,
    "private_key_file": _problem_of_key,
    "ca_file": _problem_of_authorities,
}
"""The keys that name files, each with a function that says what is wrong with a file's content; "" if nothing."""


def _wrong_file(path: str, problem_of: Callable[[bytes], str] | None) -> str | None:
    if kind := "a token" if is_github_token(path.strip()) else kind_of_pem(path):
        return f"is {kind}, not a path: write it to a file and name that"
    try:
        content = read_regular(Path(path), LARGEST_BUNDLE + 1)
    except OSError as error:
        return unreadable(error)
    except ValueError:  # a NUL in it; the model says so
        return None
    if not content.strip():
        return "is empty"
    return problem_of(content) if problem_of else None


def _check_watch(values: Mapping[str, Any], report: ProblemReport) -> None:
    if values.get("discover"):
        return  # GitHub names organizations besides those that are listed
    known = {lower(item.get("name")) for _, item in items_of(values.get("organizations"))}
    for kind in ("users", "actors"):
        for index, item in items_of(mapping(values.get("watch")).get(kind)):
            name = lower(item.get("organization"))
            if name is not None and name not in known:
                where = ("watch", kind, index, "organization")
                report.wrong(where, f"organization/{name} is not configured; add it to organizations")


def check_backfill(values: Mapping[str, Any], report: ProblemReport, collectors: Sequence[str]) -> None:
    """Report what the command needs, and words that name nothing."""
    given = values.get("backfill") or {}
    if not given.get("from_day"):
        report.add("flag: --from", "name the first day that GitHub shall be asked for: --from=2026-01-31")
    if not given.get("output") and not given.get("dry_run"):
        report.add("flag: --output", "name a folder for the files: --output=FOLDER")
    first, last = given.get("from_day") or "", given.get("to_day") or ""
    if first and last and first > last:
        report.add("flag: --to", f"{last} is before --from={first}")
    names = split_list(given.get("collectors") or "")
    for name in names if isinstance(names, list) else ():
        if name not in collectors:
            report.add("flag: --collectors", f"there is no collector {name[:40]}" + hint(name, collectors))
