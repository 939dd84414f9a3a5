"""Problems of the configuration: where each is, and what to do about it. No secret is in them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from exporter.github.redaction import TOKEN
from exporter.settings.model import MASK
from exporter.settings.names import PREFIX

Where = tuple[str | int, ...]
"""The place of a setting: keys, and the indices of list items."""

NO_CLEAR_TOKEN = f"a secret is never in this file: put it in a file and name token_file, or set {PREFIX}TOKEN"

_NEAR = 0.7
"""From 0 to 1: less similar words are not suggested. A word with a typo, or two of its three parts, are similar."""

SECRET_KEY = re.compile(r"token|secret|password|passwd|\bpat\b|(private|api|access)[_-]?key", re.IGNORECASE)
# GitHub's token formats, and the 40 hexadecimal digits of the oldest one.
_TOKEN = re.compile(rf"{TOKEN.pattern}|\b[0-9a-f]{{40}}\b")


@dataclass(frozen=True)
class Problem:
    """One problem: where it is, its line if that is in the file, and what to do about it."""

    where: str
    line: int | None
    text: str

    def __str__(self) -> str:
        line = "" if self.line is None else f" (line {self.line})"
        return f"{self.where}{line}: {self.text}"


class SettingsError(Exception):
    """The configuration cannot be used; all problems at once, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass
class ProblemReport:
    """The problems so far, and where each value was set, as flags, environment and file record it."""

    file: str = ""
    lines: dict[Where, int] = field(default_factory=dict)
    names: dict[Where, str] = field(default_factory=dict)  # of flags and variables, by the setting they set
    relative: dict[str, str] = field(default_factory=dict)  # paths as the file has them, by the absolute path
    secrets: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, text: str, line: int | None = None) -> None:
        """Add a problem that belongs to no setting, such as an unknown flag."""
        self.problems.append(Problem(where, line, text))

    def wrong(self, where: Where, text: str) -> None:
        """Add a problem with a setting."""
        prefixes = [where[:length] for length in range(len(where), 0, -1)]
        name = next((self.names[prefix] for prefix in prefixes if prefix in self.names), None)
        line = next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), None)
        if name is None and where not in self.lines:
            # A key is missing: name the variable that set another key of its section, if one did.
            name = next((name for path, name in self.names.items() if path[: len(where)] == where), None)
        if name is not None:
            self.add(name, text)
            return
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")
        self.add(": ".join(filter(None, (self.file, dotted))), text, line)

    def error(self) -> SettingsError:
        """All problems as an error, those of the file last and in its order; what is or looks secret is masked."""
        return SettingsError(self._presentable())

    def _presentable(self) -> Iterator[Problem]:
        for problem in sorted(dict.fromkeys(self.problems), key=lambda problem: problem.line or 0):
            yield Problem(self._masked(problem.where), problem.line, self._masked(problem.text))

    def _masked(self, text: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, MASK) if len(secret) >= 8 else text
        return " ".join(_TOKEN.sub(MASK, text).split())


def hint(word: str, known: Iterable[str], *, list_all: bool = False, shared: str = "") -> str:
    """The end of a message: the known word that was probably meant, and with `list_all` all known words.

    `shared` is a prefix of all words; it does not count for their similarity.
    """
    choices = {choice.lower().removeprefix(shared.lower()): choice for choice in known}
    near = get_close_matches(word.lower().removeprefix(shared.lower()), choices, n=1, cutoff=_NEAR)
    meant = f"; did you mean {choices[near[0]]}?" if near else ""
    return meant + (f"; there are {', '.join(choices.values())}" if list_all and choices else "")
