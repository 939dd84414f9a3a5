"""The form in which people are exported: login and id, a keyed pseudonym of each, or only one of the id. Pure.

Names are replaced in the rows that a fetch returns, so neither state nor metrics nor pages ever have them. Ids are
needed to ask GitHub and to key counters, so the state has them. They are replaced where a series or a log line is
written, because GitHub resolves an id to a login for everybody (api.github.com/user/ID).
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from traceback import format_tb
from typing import Any, Literal

from exporter.errors import GitHubError
from exporter.fetching import Fetched
from exporter.jobs import Job
from exporter.tables import Labels, Row

UserNames = Literal["login", "pseudonym", "off"]

APPS = ("installation", "oauth_app", "github_app_user_to_server")
"""Types of actors that are apps. All others are people or their tokens, to which `privacy` applies."""

NAMES: Mapping[str, str] = {
    "subject_name": "subject_type",
    "actor_name": "actor_type",
    "username": "",
    "user_login": "",
}
"""Labels that may name a person, each with the label that has the type; "" if it is always a person."""

IDS: Mapping[str, str] = {"subject_id": "subject_type", "actor_id": "actor_type", "user_id": ""}
"""Labels that may have a person's id, each with the label that has the type; "" if it is always a person's.

A token's id is treated as a person's: an organization's list of credentials says whose token it is.
"""


def is_app(kind: str) -> bool:
    """Whether this type of actor is an app."""
    return kind.lower() in APPS


def name_form(choice: UserNames, name: str, key: bytes) -> str:
    """A person's name in the chosen form. With the same key, a person has the same pseudonym everywhere."""
    match choice:
        case "login":
            return name
        case "pseudonym":
            return f"user-{hmac.digest(key, name.lower().encode(), hashlib.sha256).hex()[:12]}"
        case "off":
            return ""


def id_form(choice: UserNames, number: str, key: bytes) -> str:
    """A person's id in the chosen form. It is a pseudonym even with `off`, so that each person has own series."""
    if choice == "login" or not number:
        return number
    return f"id-{hmac.digest(key, f'id {number}'.encode(), hashlib.sha256).hex()[:16]}"


@dataclass(frozen=True, slots=True)
class Naming:
    """The chosen form, and the secret key of the pseudonyms."""

    choice: UserNames = "login"
    key: bytes = field(default=b"", repr=False)

    @property
    def fingerprint(self) -> str:
        """A text that is different for each choice and key; it does not reveal the key."""
        return self.choice if self.choice == "login" else f"{self.choice} {hashlib.sha256(self.key).hexdigest()[:16]}"

    def name(self, name: str) -> str:
        """A person's name in the chosen form."""
        return name_form(self.choice, name, self.key)

    def label_forms(self, names: Sequence[str]) -> Callable[[Labels], Labels]:
        """A function from label values in the state to those that are exported; `names` are the labels' names."""
        if self.choice == "login" or not IDS.keys() & set(names):
            return lambda labels: labels

        def with_id_forms(labels: Labels) -> Labels:
            forms = list(labels)
            for at in people_at(names, labels, IDS):
                forms[at] = id_form(self.choice, labels[at], self.key)
            return tuple(forms)

        return with_id_forms

    def subject(self, job: Job) -> Labels:
        """The subject of a job in the chosen form."""
        return self.label_forms(job.collector.subject)(job.subject)

    def title(self, job: Job) -> str:
        """A job's name in the log, with its subject in the chosen form."""
        subject = self.subject(job)
        return job.key if subject == job.subject else " ".join((job.collector.name, str(job.target), *subject))

    def error_text(self, error: Exception) -> str:
        """An error of the state as it is logged: without its message if that may name a person."""
        return repr(error) if self.choice == "login" else type(error).__name__

    def traceback(self, error: Exception) -> Mapping[str, Any]:
        """The log fields of an unexpected error: its traceback, without its message if that may name a person."""
        if self.choice == "login":
            return {"exc_info": error}
        return {"exception": "".join(format_tb(error.__traceback__)) + type(error).__name__}


def people_at(names: Sequence[str], labels: Labels, type_labels: Mapping[str, str]) -> list[int]:
    """The indexes of the label values that name people; `type_labels` is `NAMES` or `IDS`."""
    values = dict(zip(names, labels, strict=True))
    return [
        at for at, name in enumerate(names) if name in type_labels and not is_app(values.get(type_labels[name], ""))
    ]


def rename_people(fetched: Fetched, form_of: Callable[[str], str]) -> Fetched:
    """Replace each person's name in the rows by its form."""
    return replace(fetched, rows=tuple(_rename_person(row, form_of) for row in fetched.rows))


def _rename_person(row: Row, form_of: Callable[[str], str]) -> Row:
    names = {field: getattr(row, field) for field in row.people()}
    return row.model_copy(update={field: form_of(name) for field, name in names.items() if name}) if names else row


def hide_subject(error: GitHubError | None, job: Job, forms: Labels) -> None:
    """Replace the job's subject in an error's message by its `forms`: the paths in the message have ids."""
    if error is None or forms == job.subject:
        return
    text = str(error)
    for part, form in zip(job.subject, forms, strict=True):
        text = re.sub(rf"(?<=/){re.escape(part)}(?![\w-])", form, text)
    error.args = (text,)
