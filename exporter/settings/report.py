"""What is wrong with the configuration, told all at once: where, what to do, and never a secret."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from exporter.settings.model import MASK
from exporter.settings.names import PREFIX

Where = tuple[str | int, ...]
"""The place of a setting: keys, and the indices of list items."""

NO_CLEAR_TOKEN = f"a secret is never in this file: put it in a file and name token_file, or set {PREFIX}TOKEN"

SECRET_KEY = re.compile(r"token|secret|password|passwd|\bpat\b|(private|api|access)[_-]?key", re.IGNORECASE)
# GitHub's token formats, and the 40 hexadecimal digits of its first ones: whatever key they were written to.
_TOKEN = re.compile(r"gh[a-z]_\w{4,}|github_pat_\w{4,}|\b[0-9a-f]{40}\b")


@dataclass(frozen=True)
class Problem:
    """One mistake: where it was made, the line in the file if it was there, and what to do."""

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
class Report:
    """The problems so far, and where each value stands: whoever reads a source notes it here."""

    file: str = ""
    lines: dict[Where, int] = field(default_factory=dict)
    names: dict[Where, str] = field(default_factory=dict)  # of flags and variables, by the setting they set
    secrets: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, text: str, line: int | None = None) -> None:
        """Add a problem with what is no setting, such as an unknown flag."""
        self.problems.append(Problem(where, line, text))

    def wrong(self, where: Where, text: str) -> None:
        """Add a problem with a setting."""
        prefixes = [where[:length] for length in range(len(where), 0, -1)]
        name = next((self.names[prefix] for prefix in prefixes if prefix in self.names), None)
        line = next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), None)
        if name is None and where not in self.lines:
            # Something is missing: tell the variable that made its section, if one did.
            name = next((name for path, name in self.names.items() if path[: len(where)] == where), None)
        if name is not None:
            self.add(name, text)
            return
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")
        self.add(f"{self.file}: {dotted}" if self.file else dotted, text, line)

    def error(self) -> SettingsError:
        """All problems, in the order of the file and the rest first; whatever is or looks secret is masked."""
        return SettingsError(self._presentable())

    def _presentable(self) -> Iterator[Problem]:
        for problem in sorted(dict.fromkeys(self.problems), key=lambda problem: problem.line or 0):
            yield Problem(self._masked(problem.where), problem.line, self._masked(problem.text))

    def _masked(self, text: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, MASK) if len(secret) >= 8 else text
        return " ".join(_TOKEN.sub(MASK, text).split())


def hint(word: str, known: Iterable[str], *, tell_all: bool = False) -> str:
    """The known word that was meant, if one is near, and all of them if asked for; to be put behind a text."""
    choices = {choice.lower(): choice for choice in known}
    near = get_close_matches(word.lower(), choices, n=1)
    meant = f"; did you mean {choices[near[0]]}?" if near else ""
    return meant + (f"; there are {', '.join(choices.values())}" if tell_all and choices else "")
