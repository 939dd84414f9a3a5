"""Settings of one run: flags over environment over file over defaults; the only reader of the environment.

    command, settings = parse(sys.argv[1:], collectors=defaults)

Each source becomes a plain layer that knows where its values stand; the layers are laid over each other and validated
once, by the models of `settings_model`. Whatever is wrong is told at once, in one `SettingsError`; no secret is in it.
"""

import os
import re
import stat
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import CliSettingsSource
from pydantic_settings import SettingsError as CommandLineError

from exporter.collecting.plan import Target
from exporter.settings_model import (
    ANNOUNCED,
    COMMANDS,
    FLAGS,
    KINDS,
    MASK,
    NOT_IN_FILE,
    PREFIX,
    PROGRAM,
    SIMULATOR_ADDRESS,
    VARIABLES,
    CollectorDefaults,
    CollectorSettings,
    Duration,
    Flags,
    Settings,
    Whole,
    duration_text,
    file_model,
    model_within,
    reference,
)

__all__ = [
    "ANNOUNCED",
    "COMMANDS",
    "CollectorDefaults",
    "CollectorSettings",
    "Duration",
    "Problem",
    "Settings",
    "SettingsError",
    "Target",
    "Whole",
    "duration_text",
    "parse",
    "reference",
]

ASKING = ("run", "check")  # these need targets and credentials

MAX_FILE_BYTES = 1 << 20
MAX_SECRET_BYTES = 1 << 16

Where = tuple[str | int, ...]

# GitHub's token formats, and the 40 hexadecimal digits of its first ones: whatever key they were written to.
_TOKEN = re.compile(r"gh[a-z]_\w{4,}|github_pat_\w{4,}|\b[0-9a-f]{40}\b")
_SECRET_KEY = re.compile(r"token|secret|password|passwd|\bpat\b|(private|api|access)[_-]?key", re.IGNORECASE)
# What Kubernetes sets for Services whose name begins with github-exporter.
_SERVICE_LINK = re.compile(
    r"(PORT.*|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?))=.*", re.DOTALL
)
_SERVICE_PORT = re.compile(r"\w+_PORT=(tcp|udp|sctp)://.*")

NO_CLEAR_TOKEN = f"a secret is never in this file: put it in a file and name token_file, or set {PREFIX}TOKEN"


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
class _Sources:
    """The layers laid over each other so far, and where each value stands."""

    values: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    lines: dict[Where, int] = field(default_factory=dict)
    names: dict[Where, str] = field(default_factory=dict)  # of flags and variables, by the setting they set
    secrets: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False  # the file could not be read: what is missing may be in it

    def wrong(self, where: Where, text: str) -> None:
        """Add a problem with a setting."""
        prefixes = [where[:length] for length in range(len(where), 0, -1)]
        name = next((self.names[prefix] for prefix in prefixes if prefix in self.names), None)
        line = next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), None)
        if name is None and where not in self.lines:
            # Something is missing: tell the variable that made its section, if one did.
            name = next((name for path, name in self.names.items() if path[: len(where)] == where), None)
        if name is not None:
            self.problems.append(Problem(name, None, text))
            return
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")
        self.problems.append(Problem(f"{self.file}: {dotted}" if self.file else dotted, line, text))


def parse(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, collectors: Sequence[CollectorDefaults] = ()
) -> tuple[str, Settings]:
    """Read everything; the command and its settings. `environ=None` is the process' environment.

    Raises SettingsError with every problem at once; `--help` and `--version` print and raise SystemExit(0).
    """
    sources = _Sources()
    flags = _read_flags(argv, sources)
    command: str = flags.pop("command", "run")
    variables = _read_environment(os.environ if environ is None else environ, sources)
    path = (flags.get("config") or variables.get("config") or {}).get("file")
    if command == "simulate":
        sources.values = {"web": {"listen_address": SIMULATOR_ADDRESS}}
    if path:
        _overlay(sources.values, _read_file(Path(path), sources))
    default = _mapping(_mapping(sources.values.get("credentials")).get("default"))
    if _mapping(_mapping(variables.get("credentials")).get("default")).keys() & set(KINDS):
        for key in KINDS:  # another kind of credential would stand beside the environment's
            default.pop(key, None)
    _overlay(sources.values, variables)
    _overlay(sources.values, flags)
    model = file_model(collectors)
    try:
        valid = model.model_validate(sources.values)
    except ValidationError as error:
        valid = None
        known = [collector.name for collector in collectors]
        for details in error.errors(include_url=False, include_input=False):
            sources.wrong(_place(details), _explain(details, model, known))
    asking = command in ASKING and not sources.broken
    choices = _check(sources) if asking else {}
    if sources.problems or valid is None:
        raise SettingsError(_presentable(sources))
    return command, _settings(valid, choices, collectors)


def _settings(valid: Settings, choices: Mapping[Where, str], collectors: Sequence[CollectorDefaults]) -> Settings:
    """Give every target its credential and split each collector's own options from the common keys."""
    values = {name: getattr(valid, name) for name in Settings.model_fields}
    for section in ("organizations", "enterprises", "appliances"):
        values[section] = tuple(
            entry.model_copy(update={"credential": choices.get((section, index), entry.credential)})
            for index, entry in enumerate(values[section])
        )
    values["collectors"] = {}
    for collector in collectors:
        given = getattr(valid.collectors, collector.name)
        own = {name: getattr(given, name) for name in collector.options.model_fields}
        values["collectors"][collector.name] = CollectorSettings.model_construct(
            enabled=given.enabled,
            interval=given.interval,
            max_age=given.max_age,
            options=collector.options.model_construct(given.model_fields_set & own.keys(), **own),
        )
    return Settings.model_construct(**values)


def _read_flags(argv: Sequence[str], sources: _Sources) -> dict[str, Any]:
    # pydantic-settings would take a whole section as JSON, too; no exporter has such a flag.
    unknown = [word for word in argv if word.partition("=")[0] in {f"--{section}" for section, _ in FLAGS}]
    try:
        source: CliSettingsSource[Flags] = CliSettingsSource(
            Flags,
            cli_prog_name=PROGRAM,
            cli_parse_args=[word for word in argv if word not in unknown],
            cli_kebab_case=True,
            cli_avoid_json=True,
            cli_hide_none_type=True,
            cli_use_class_docs_for_groups=True,
            cli_exit_on_error=False,
            cli_ignore_unknown_args=True,
            add_argument_method=_add_argument,
        )
        flags = source()
    except CommandLineError as error:
        found = re.search(r"(--[\w.-]+): (expected)?", str(error))
        text = "needs a value" if found and found[2] else "takes no value"
        raise SettingsError([Problem(f"flag: {found[1]}" if found else "flags", None, text)]) from None
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
            name = word.partition("=")[0]
            text = (
                "no secret is ever a flag; set " + PREFIX + "TOKEN_FILE" if _SECRET_KEY.search(name) else "unknown flag"
            )
            sources.problems.append(Problem(f"flag: {name[:40]}", None, text + _hint(name, FLAGS.values())))
        elif word not in followers:
            sources.problems.append(Problem("command", None, "there is one word too many; the command is one"))
    command = flags.setdefault("command", "run")
    if command not in COMMANDS:
        flags["command"] = "metrics"  # asks for nothing, so that nothing else is blamed
        if command not in followers:
            shown = f"{command} is no command" if re.fullmatch("[a-z-]{1,20}", command) else "there is no such command"
            sources.problems.append(Problem("command", None, shown + _hint(command, COMMANDS, tell_all=True)))
    sources.names |= {path: f"flag: {flag}" for path, flag in FLAGS.items() if path[1] in flags.get(path[0], {})}
    return flags


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


def _read_environment(environ: Mapping[str, str], sources: _Sources) -> dict[str, Any]:
    values: dict[str, Any] = {}
    paths = {variable: path for path, variable in VARIABLES.items()}
    for variable, value in sorted(environ.items()):
        rest, text = variable.removeprefix(PREFIX), value.strip()
        if rest == variable or not text:
            continue
        if (path := paths.get(variable)) is None:
            link = f"{rest}={text}"
            if not _SERVICE_LINK.fullmatch(link) and not _SERVICE_PORT.fullmatch(link):
                problem = Problem(f"environment: {variable}", None, "unknown variable" + _hint(variable, paths))
                sources.problems.append(problem)
            continue
        into = values
        for part in path[:-1]:
            into = into.setdefault(part, {})
        names = [name.strip() for name in text.split(",") if name.strip()]
        into[path[-1]] = names if path in {("organizations",), ("enterprises",)} else text
        sources.names.setdefault(path, f"environment: {variable}")
    default = values.get("credentials", {}).get("default", {})
    if "token" in default:
        sources.secrets.add(default["token"])
        if default.pop("token_file", None):
            text = f"set this or {PREFIX}TOKEN_FILE, not both"
            sources.problems.append(Problem(f"environment: {PREFIX}TOKEN", None, text))
    return values


class _Unusable(Exception):
    """A file that can be read and is no configuration; `str()` says why."""


def _read_file(path: Path, sources: _Sources) -> dict[str, Any]:
    sources.file = path.name
    line = None
    try:
        return _usable(_load(path, sources), sources)
    except _Unusable as error:
        text = str(error)
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}; check the path and its permissions"
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        text = f"is not valid YAML: {error.problem}"
    except (yaml.YAMLError, ValueError, RecursionError):
        text = "is not valid YAML in UTF-8: a character or a value in it cannot be read"
    sources.problems.append(Problem(sources.file, line, text))
    sources.broken = True
    return {}


def _load(path: Path, sources: _Sources) -> object:
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise _Unusable("is larger than 1 MiB; is it the right file?")
    loader = yaml.SafeLoader(content.decode("utf-8-sig"))
    node = loader.get_single_node()
    if node is None:
        return {}
    _note_lines(node, (), sources, set())
    return loader.construct_document(node)


def _usable(values: object, sources: _Sources) -> dict[str, Any]:
    """Take out what the file must not have, and read an empty section as none."""
    if not isinstance(values, dict):
        raise _Unusable("must be a mapping (key: value) at its top")
    for name, credential in _mapping(values.get("credentials")).items():
        if isinstance(credential, dict) and "token" in credential:
            sources.secrets.add(str(credential["token"]))
            sources.wrong(("credentials", name, "token"), NO_CLEAR_TOKEN)
    if "config" in values:
        sources.wrong(("config",), f"unknown key: the file's place is told by {FLAGS['config', 'file']}")
    sections = {key: value for key, value in values.items() if value is not None and key != "config"}
    if isinstance(given := sections.get("collectors"), dict):
        sections["collectors"] = {name: {} if value is None else value for name, value in given.items()}
    return sections


def _note_lines(node: yaml.Node, where: Where, sources: _Sources, seen: set[int]) -> None:
    """Note the line of each key and item, and refuse keys that come twice, which PyYAML takes in silence."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*where, str(key.value))
            line = key.start_mark.line + 1
            if place in sources.lines and key.tag != "tag:yaml.org,2002:merge":
                dotted = ".".join(map(str, place))
                text = f"this key was already given in line {sources.lines[place]}; keep one"
                sources.problems.append(Problem(f"{sources.file}: {dotted}", line, text))
                continue
            sources.lines[place] = line
            _note_lines(value, place, sources, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            sources.lines[*where, index] = item.start_mark.line + 1
            _note_lines(item, (*where, index), sources, seen)


def _overlay(low: dict[str, Any], high: Mapping[str, Any]) -> None:
    for key, value in high.items():
        if isinstance(value, dict) and isinstance(low.get(key), dict):
            _overlay(low[key], value)
        else:
            low[key] = value


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[tuple[int, dict[str, Any]]]:
    given = value if isinstance(value, list) else []
    return [(n, {"name": item} if isinstance(item, str) else _mapping(item)) for n, item in enumerate(given)]


def _lower(value: object) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def _check(sources: _Sources) -> dict[Where, str]:
    """Check what no single key can tell, on the raw values: another mistake must not hide these.

    The answer is the credential of each target, by the target's place.
    """
    credentials = _mapping(sources.values.get("credentials"))
    for name, credential in credentials.items():
        if isinstance(credential, dict):
            _check_credential(str(name), credential, sources)
    names = {str(name).lower(): str(name) for name in credentials}
    if len(names) < len(credentials):
        sources.wrong(("credentials",), "names that differ in upper and lower case only are the same; rename one")
    choices: dict[Where, str] = {}
    for kind in ("organization", "enterprise", "appliance"):
        seen: set[str] = set()
        for index, item in _items(sources.values.get(f"{kind}s")):
            place: Where = (f"{kind}s", index)
            name = _lower(item.get("name")) or ""
            if name in seen:
                sources.wrong(place, f"{kind}/{name} is given twice; keep one")
            seen |= {name} if name else set()
            if choice := _choose(item.get("credential"), names):
                choices[place] = choice
            elif name:
                _tell_no_credential(f"{kind}/{name}", place, item.get("credential"), names, sources)
    _check_watch(sources)
    if not any(sources.values.get(f"{kind}s") for kind in ("organization", "enterprise", "appliance")):
        text = "there is nothing to collect from: name an organization here, or enterprises or appliances in the file"
        at = f"{sources.file}: organizations" if sources.file else f"environment: {PREFIX}ORGANIZATIONS"
        sources.problems.append(Problem(at, None, text))
    return choices


def _choose(given: object, names: Mapping[str, str]) -> str | None:
    """Choose the credential of a target: the one it names, else `default`, else the only one."""
    if given is None:
        return names.get("default") or (next(iter(names.values())) if len(names) == 1 else None)
    return names.get(_lower(given) or "")


def _tell_no_credential(target: str, where: Where, given: object, names: Mapping[str, str], sources: _Sources) -> None:
    if isinstance(given, str):
        text = f"there is no credential {given}{_hint(given, names.values(), tell_all=True)}"
        sources.wrong((*where, "credential"), text)
    elif given is None and names:
        sources.wrong(where, f"{target} has no credential; add credential: NAME, one of {', '.join(names.values())}")
    elif given is None:
        how = f"set {PREFIX}TOKEN_FILE or {PREFIX}TOKEN, or add a section credentials to the file"
        sources.wrong(where, f"{target} has no credential; {how}")


def _check_credential(name: str, credential: Mapping[str, Any], sources: _Sources) -> None:
    where: Where = ("credentials", name)
    given = {key for key in KINDS if credential.get(key) not in (None, "")}
    app = {"app_client_id", "private_key_file"}
    if not given:
        how = f"set {PREFIX}TOKEN_FILE" if name == "default" and not sources.lines.get(where) else "set token_file"
        sources.wrong(where, f"there is no token; {how}, or app_client_id and private_key_file for a GitHub App")
    elif given & app and given - app:
        sources.wrong(where, "give a token or a GitHub App, not both")
    elif given & app and given != app:
        sources.wrong(where, f"a GitHub App needs {(app - given).pop()} too")
    for key in ("token_file", "private_key_file", "ca_file"):
        path = credential.get(key)
        if isinstance(path, str) and path.strip() and (why := _unreadable(path)):
            # A secret written here by mistake does not look like a path: only a path is repeated.
            shown = f"{path} " if re.fullmatch(r"\.{0,2}/[\w./@+-]{1,200}", path) else "the file named here "
            sources.wrong((*where, key), shown + why)


def _unreadable(path: str) -> str | None:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return "is not a file"
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}; check the path and its permissions"
    except ValueError:  # a NUL in it; the model says so
        return None
    return None if content.strip() else "is empty"


def _check_watch(sources: _Sources) -> None:
    known = {_lower(item.get("name")) for _, item in _items(sources.values.get("organizations"))}
    for kind in ("users", "actors"):
        for index, item in _items(_mapping(sources.values.get("watch")).get(kind)):
            name = _lower(item.get("organization"))
            if name is not None and name not in known:
                where = ("watch", kind, index, "organization")
                sources.wrong(where, f"organization/{name} is not configured; add it to organizations")


# What pydantic says in its own words, in ours.
_WORDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "must be a list"),
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "must be a mapping (key: value)"),
    "model_attributes_type": "must be a mapping (key: value)",
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "invalid_key": "must have names as keys; put them in quotes",
    "string_pattern_mismatch": "does not have the right form, {pattern}",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}


def _place(details: ErrorDetails) -> Where:
    return tuple(part for part in details["loc"] if part != "[key]")


def _explain(details: ErrorDetails, root: type[BaseModel], collectors: Sequence[str]) -> str:
    """Say in one line what is wrong with a value, without the value."""
    *path, key = _place(details) or ("",)
    if details["type"] == "extra_forbidden":
        if path == ["collectors"]:
            return "there is no such collector" + _hint(str(key), collectors, tell_all=True)
        known = [name for name in _model_at(root, path).model_fields if name not in NOT_IN_FILE]
        hint = _hint(str(key), known)
        if path and path[0] == "credentials" and not hint and _SECRET_KEY.search(str(key)):
            return NO_CLEAR_TOKEN
        return "unknown key" + (hint or _hint("", known, tell_all=True))
    words = _WORDS.get(details["type"])
    if words is None:
        words = details["msg"].replace("Input should be", "must be")
        return words[:1].lower() + words[1:]
    return words.format(**details.get("ctx", {}))


def _model_at(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel]:
    for part in path:
        found = model.model_fields.get(str(part))
        model = (model_within(found.annotation) if found else None) or model
    return model


def _hint(word: str, known: Iterable[str], *, tell_all: bool = False) -> str:
    choices = {choice.lower(): choice for choice in known}
    near = get_close_matches(word.lower(), choices, n=1)
    hint = f"; did you mean {choices[near[0]]}?" if near else ""
    return hint + (f"; there are {', '.join(choices.values())}" if tell_all and choices else "")


def _presentable(sources: _Sources) -> Iterator[Problem]:
    """Give the problems in the order of the file, the rest first; whatever is or looks secret is masked."""
    for problem in sorted(dict.fromkeys(sources.problems), key=lambda problem: problem.line or 0):
        masked = [problem.where, problem.text]
        for secret in sorted(sources.secrets, key=len, reverse=True):
            masked = [text.replace(secret, MASK) if len(secret) >= 8 else text for text in masked]
        where, text = (" ".join(_TOKEN.sub(MASK, text).split()) for text in masked)
        yield Problem(where, problem.line, text)
