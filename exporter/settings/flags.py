"""The command line: one command, and flags as every Prometheus exporter has them.

argparse parses the flags that have a value. The rest is parsed here: the command, switches, and unknown words, for
which the message suggests the word that was probably meant.
"""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from exporter import output
from exporter.settings.help import help_text
from exporter.settings.model import StateAction
from exporter.settings.names import COMMAND_FLAGS, COMMANDS, FLAGS, PREFIX, PROGRAM, SWITCHES
from exporter.settings.problems import SECRET_KEY, ProblemReport, hint
from exporter.settings.sample_values import in_file_only

_ALL = {**FLAGS, **COMMAND_FLAGS}
_REPEATED = {FLAGS["web", "listen_address"], COMMAND_FLAGS["backfill", "labels"]}
_STATE_ACTIONS: Sequence[str] = get_args(StateAction)
_WORDS = {"help": "--help", "version": "--version"}
"""Words that may stand for a flag."""


@dataclass
class _Rest:
    """The arguments that are no flags with a value.

    `strays` follow an unknown flag: each may be its value, even a secret, so no message repeats it.
    """

    words: list[str] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)
    strays: list[str] = field(default_factory=list)


def read_flags(argv: Sequence[str], report: ProblemReport) -> tuple[str, dict[str, Any]]:
    """The command, and the settings in flags. `--help` and `--version` print and raise SystemExit(0)."""
    texts_by_flag, unparsed = _parsed(argv)
    rest = _rest_of(unparsed, report)
    incomplete = [flag for flag, values in texts_by_flag.items() if None in values]
    for flag in incomplete:
        report.add(f"flag: {flag}", "needs a value")
    if not incomplete:  # else a switch may be in the place of the missing value
        _print_and_exit(rest)
    command = _command(rest, report)
    values = {flag: _text_of(flag, texts) for flag, texts in texts_by_flag.items() if flag not in incomplete}
    settings = _settings(command, values | dict.fromkeys(rest.switches, True), report)
    if command == "state":
        settings["state_command"] = _state_command(rest.words[1:], report)
    return command, settings


def _parsed(argv: Sequence[str]) -> tuple[dict[str, list[str | None]], list[str]]:
    """The values of each flag, None for a missing one; and the arguments that argparse does not know, in order."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in _ALL.values():
        if flag not in SWITCHES:
            parser.add_argument(flag, dest=flag, action="append", nargs="?")
    known, unknown = parser.parse_known_args(argv)
    return {flag: values for flag, values in vars(known).items() if values}, unknown


def _rest_of(unparsed: Sequence[str], report: ProblemReport) -> _Rest:
    rest, after_unknown = _Rest(), False
    for word in unparsed:
        flag, has_value, _ = word.partition("=")
        if not word.startswith("-"):
            is_stray = after_unknown and word not in COMMANDS
            (rest.strays if is_stray else rest.words).append(word)
        elif flag in SWITCHES and has_value:
            report.add(f"flag: {flag}", "takes no value")
        elif flag in SWITCHES:
            rest.switches.add(flag)
        else:
            _report_unknown(flag, report)
        after_unknown = word.startswith("-") and flag not in SWITCHES and not has_value
    if rest.words and rest.words[0] in _WORDS:
        rest.switches.add(_WORDS[rest.words.pop(0)])
    return rest


def _print_and_exit(rest: _Rest) -> None:
    if "--version" in rest.switches or rest.words == ["version"]:
        output.write(f"{PROGRAM} {_version()}\n")
        raise SystemExit(0)
    if rest.switches & {"--help", "-h"} and (all(word in COMMANDS for word in rest.words) or rest.words[0] == "state"):
        output.write(help_text(rest.words[0] if rest.words else ""))
        raise SystemExit(0)


def _command(rest: _Rest, report: ProblemReport) -> str:
    if len(rest.words) > 1 and rest.words[0] != "state":
        report.add("command", "there is one word too many; the command is one")
    if not rest.words:
        return "metrics" if rest.strays else "run"  # a stray may be the command: assume one that needs no settings
    if rest.words[0] in COMMANDS:
        return rest.words[0]
    word = rest.words[0]
    is_word = word.replace("-", "").isalpha() and word.islower() and word.isascii() and len(word) <= 20
    text = f"{word} is no command" if is_word else "there is no such command"
    report.add("command", text + hint(word, [*COMMANDS, *_WORDS], list_all=True))
    return "metrics"


def _state_command(words: Sequence[str], report: ProblemReport) -> dict[str, Any]:
    """What `state` shall do, and with which targets."""
    action, targets = (words[0], words[1:]) if words else ("list", ())
    if action not in _STATE_ACTIONS:
        report.add("command", f"state does no such thing: it takes {', '.join(_STATE_ACTIONS)}")
    elif action != "export" and targets:
        report.add("command", f"state {action} takes no more words")
    return {"action": action, "targets": targets} if action in _STATE_ACTIONS else {}


def _text_of(flag: str, texts: Sequence[str | None]) -> str:
    """The texts of a flag that may be repeated, separated by commas; the last text of any other flag."""
    return ",".join(text or "" for text in texts) if flag in _REPEATED else texts[-1] or ""


def _settings(command: str, values: Mapping[str, str | bool], report: ProblemReport) -> dict[str, Any]:
    """The values of flags by section and key, still as text; the report records their flags."""
    settings: dict[str, Any] = {}
    for path, flag in _ALL.items():
        if flag not in values:
            continue
        section, key = path
        settings.setdefault(section, {})[key] = values[flag]
        report.names[path] = f"flag: {flag}"
        if path in COMMAND_FLAGS and section != command:
            report.add(f"flag: {flag}", f"is for the command {section} only")
    return settings


def _report_unknown(flag: str, report: ProblemReport) -> None:
    text = f"no secret is ever a flag; set {PREFIX}TOKEN_FILE" if SECRET_KEY.search(flag) else "unknown flag"
    report.add(f"flag: {flag[:40]}", text + (in_file_only(flag) or hint(flag, FLAGS.values(), shared="--")))


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:  # run from a checkout
        return "0+unknown"
