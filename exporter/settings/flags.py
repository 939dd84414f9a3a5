"""The command line: one command, and flags as every Prometheus exporter has them."""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Container, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any

from pydantic_settings import CliSettingsSource
from pydantic_settings import SettingsError as CommandLineError

from exporter.settings.names import COMMANDS, FLAGS, PLAN_FLAGS, PREFIX, PROGRAM, Flags
from exporter.settings.report import SECRET_KEY, Problem, Report, SettingsError, hint


def read_flags(argv: Sequence[str], report: Report) -> tuple[str, dict[str, Any]]:
    """The command, and the settings that flags give. `--help` and `--version` print and raise SystemExit(0)."""
    # pydantic-settings would take a whole section as JSON, too; no exporter has such a flag.
    unknown = [word for word in argv if word.partition("=")[0] in {f"--{section}" for section, _ in FLAGS}]
    flags = _parsed([word for word in argv if word not in unknown])
    if flags.pop("version", False):
        sys.stdout.write(f"{PROGRAM} {_version()}\n")
        raise SystemExit(0)
    unknown += flags.pop("rest", [])
    # The word after an unknown flag may be its value, even a secret.
    followers = {
        after for word, after in pairwise(argv) if word in unknown and word.startswith("-") and "=" not in word
    }
    for word in unknown:
        if word.startswith("-"):
            _tell_unknown(word.partition("=")[0], report)
        elif word not in followers:
            report.add("command", "there is one word too many; the command is one")
    command = _command(flags.pop("command", "run"), followers, report)
    asked = {name: flags.pop(name) for name in PLAN_FLAGS if name in flags}
    if asked:
        flags["plan"] = asked
        report.names |= {("plan", name): f"flag: --{name}" for name in asked}
        if command != "plan":
            report.add(f"flag: --{next(iter(asked))}", "is for the command plan only")
    report.names |= {path: f"flag: {flag}" for path, flag in FLAGS.items() if path[1] in flags.get(path[0], {})}
    return command, flags


def _parsed(argv: Sequence[str]) -> dict[str, Any]:
    try:
        source: CliSettingsSource[Flags] = CliSettingsSource(
            Flags,
            cli_prog_name=PROGRAM,
            cli_parse_args=list(argv),
            cli_kebab_case=True,
            cli_avoid_json=True,
            cli_hide_none_type=True,
            cli_use_class_docs_for_groups=True,
            cli_exit_on_error=False,
            cli_ignore_unknown_args=True,
            add_argument_method=_add_argument,
        )
        return source()
    except CommandLineError as error:
        found = re.search(r"(--[\w.-]+): (expected)?", str(error))
        text = "needs a value" if found and found[2] else "takes no value"
        raise SettingsError([Problem(f"flag: {found[1]}" if found else "flags", None, text)]) from None


def _tell_unknown(flag: str, report: Report) -> None:
    text = f"no secret is ever a flag; set {PREFIX}TOKEN_FILE" if SECRET_KEY.search(flag) else "unknown flag"
    report.add(f"flag: {flag[:40]}", text + hint(flag, FLAGS.values()))


def _command(given: str, followers: Container[str], report: Report) -> str:
    if given in COMMANDS:
        return given
    if given not in followers:
        shown = f"{given} is no command" if re.fullmatch("[a-z-]{1,20}", given) else "there is no such command"
        report.add("command", shown + hint(given, COMMANDS, tell_all=True))
    return "metrics"  # asks for nothing, so that nothing else is blamed


def _add_argument(parser: ArgumentParser, *names: str, **options: Any) -> None:
    # Words for people instead of Python's types.
    words = {"str": "TEXT", "int": "N", "Path": "PATH", "tuple[str,...]": "ADDRESS"}
    if metavar := options.get("metavar"):
        options["metavar"] = words.get(metavar.replace("Annotated", ""), metavar)
    text = options["help"].replace(" (default: None)", "")
    options["help"] = re.sub(r"\(default: \('(.*)',\)\)", r"(default: \1)", text)
    parser.add_argument(*names, **options)


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:  # run from a checkout
        return "0+unknown"
