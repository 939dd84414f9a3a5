"""Which credential belongs to a target or to an entry of `discover`; the values are not validated yet."""

from collections.abc import Mapping
from typing import Any

from exporter.github.links import serves
from exporter.settings.model import CredentialSection
from exporter.settings.names import PREFIX
from exporter.settings.problems import ProblemReport, Where, hint


def check_discover(values: Mapping[str, Any], names: Mapping[str, str], report: ProblemReport) -> dict[Where, str]:
    """Report the problems of `discover`; returns the credential of each entry, by the entry's place."""
    choices: dict[Where, str] = {}
    seen: set[tuple[str, str | None]] = set()
    for index, item in items_of(values.get("discover"), "credential"):
        place: Where = ("discover", index)
        choice, enterprise = choose(item.get("credential"), names), lower(item.get("enterprise"))
        if choice is None:
            report_no_credential("this entry", place, item.get("credential"), names, report)
            continue
        choices[place] = choice
        if (choice, enterprise) in seen:
            report.wrong(place, f"credential {choice} is given twice; keep one, with all patterns")
        seen.add((choice, enterprise))
        credential, root = mapping(mapping(values.get("credentials")).get(choice)), root_of(choice, values)
        if enterprise and credential.get("app_client_id"):
            text = f"credential {choice} is a GitHub App, which finds where it is installed: take enterprise out, "
            report.wrong((*place, "enterprise"), f"{text}or name a classic token of an enterprise owner")
        if serves(root) == "appliance":
            report.wrong(place, f"credential {choice} asks {root}, an appliance: only GitHub.com and GHE.com are asked")
    return choices


def root_of(credential: str, values: Mapping[str, Any]) -> str:
    """The API root of a credential as the file has it, or the default."""
    url = mapping(mapping(values.get("credentials")).get(credential)).get("api_url")
    return str(url or CredentialSection.model_fields["api_url"].default)


def choose(name: object, names: Mapping[str, str]) -> str | None:
    """The credential of a target: the named one, else `default`, else the only one there is."""
    if name is None:
        return names.get("default") or (next(iter(names.values())) if len(names) == 1 else None)
    return names.get(lower(name) or "")


def report_no_credential(
    target: str, where: Where, name: object, names: Mapping[str, str], report: ProblemReport
) -> None:
    """Report that there is no credential of this name, or that it is not clear which one is meant."""
    if isinstance(name, str):
        text = f"there is no credential {name}{hint(name, names.values(), list_all=True)}"
        report.wrong((*where, "credential"), text)
    elif name is None and names:
        report.wrong(where, f"{target} has no credential; add credential: NAME, one of {', '.join(names.values())}")
    elif name is None:
        how = f"set {PREFIX}TOKEN_FILE or {PREFIX}TOKEN, or add a section credentials to the file"
        report.wrong(where, f"{target} has no credential; {how}")


def mapping(value: object) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items_of(value: object, short: str = "name") -> list[tuple[int, dict[str, Any]]]:
    """The items of a list with their indices; an item that is a text stands for its key `short`."""
    items = value if isinstance(value, list) else []
    return [(n, {short: item} if isinstance(item, str) else mapping(item)) for n, item in enumerate(items)]


def lower(value: object) -> str | None:
    """A text without blanks around it, lower case; None for any other value."""
    return value.strip().lower() if isinstance(value, str) else None
