"""What `--help` prints: all commands, or the flags of one command with their variables and defaults."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from exporter.settings.model import Settings, model_within
from exporter.settings.names import (
    COMMAND_FLAGS,
    COMMANDS,
    FLAGS,
    NEED_TARGETS,
    OWN_ADDRESSES,
    PREFIX,
    PROGRAM,
    VARIABLES,
)

_WIDTH = 80
SettingPath = tuple[str, ...]

_FILE, _ADDRESS = ("config", "file"), ("web", "listen_address")
_SERVING = tuple(path for path in FLAGS if path[0] in ("web", "log"))
_SHARD = tuple(path for path in FLAGS if path[0] == "shard")
_LOG = tuple(path for path in FLAGS if path[0] == "log")

OWN: Mapping[str, Sequence[SettingPath]] = {
    "run": tuple(FLAGS),
    "demo": (*_SERVING, ("demo", "history")),
    "simulate": (_ADDRESS, *_LOG, ("simulate", "fault")),
    "check": tuple(FLAGS),
    "plan": (_FILE, ("plan", "subjects"), ("plan", "live"), ("shard", "total")),
    "backfill": (
        *(path for path in COMMAND_FLAGS if path[0] == "backfill"),
        _FILE,
        ("state", "path"),
        *_SHARD,
    ),
    "doctor": (_FILE, *_SHARD),
    "state": (_FILE, ("state", "path"), *_SHARD),
    "metrics": (),
    "healthcheck": (_FILE, _ADDRESS, ("web", "external_url"), ("web", "route_prefix"), ("web", "config_file")),
}
"""The flags that each command uses, beside `--help` and `--version`."""

_DEFAULTS: Mapping[tuple[str, SettingPath], str] = {
    **{(command, _ADDRESS): address for command, address in OWN_ADDRESSES.items()},
    ("backfill", ("backfill", "step")): "5m",
}
_METAVARS = {
    "file": "PATH",
    "config_file": "PATH",
    "path": "PATH",
    "listen_address": "ADDRESS",
    "max_requests": "N",
    "from_day": "DAY",
    "to_day": "DAY",
    "collectors": "NAMES",
    "targets": "NAMES",
    "step": "DURATION",
    "labels": "NAME=VALUE",
    "output": "FOLDER",
    "history": "FOLDER",
    "subjects": "N",
    "index": "N",
    "total": "N",
    "docs_url": "URL",
    "external_url": "URL",
    "route_prefix": "PATH",
}


def help_text(command: str) -> str:
    """The help of a command, or of all if it is empty."""
    return "\n".join(_of_command(command) if command else _of_all()) + "\n"


def _of_all() -> Iterator[str]:
    yield f"usage: {PROGRAM} [COMMAND] [--FLAG=VALUE ...]\n"
    yield "Prometheus exporter for GitHub Enterprise.\n"
    yield "commands:"
    for name, text in {**COMMANDS, "help COMMAND": "the flags of a command", "version": "print the version"}.items():
        yield from _hanging(f"  {name:<13} ", text)
    yield "\nflags of run; those of another command are in its own help:"
    yield from _flags("run")
    yield ""
    yield from _secrets()


def _of_command(command: str) -> Iterator[str]:
    yield f"usage: {PROGRAM} {command} [--FLAG=VALUE ...]\n"
    yield from wrap(f"{command}: {COMMANDS[command]}", _WIDTH)
    yield "\nflags:"
    yield from _flags(command)
    if OWN[command] and len(OWN[command]) < len(FLAGS):
        yield "\nThe other flags of run are checked, but have no effect here."
    if command in NEED_TARGETS:
        yield ""
        yield from _secrets()


def _secrets() -> Iterator[str]:
    yield from wrap(
        f"No secret is ever a flag: give a token by {PREFIX}TOKEN_FILE, {PREFIX}TOKEN or the file. "
        f"{PREFIX}ORGANIZATIONS and {PREFIX}ENTERPRISES name what to collect from; docs/configuration.md has all.",
        _WIDTH,
        break_on_hyphens=False,
    )


def _flags(command: str) -> Iterator[str]:
    for path in OWN[command]:
        setting = _field(path)
        flag = {**FLAGS, **COMMAND_FLAGS}[path]
        yield f"  {flag}" + (f"={_metavar(path[-1], setting)}" if setting.annotation is not bool else "")
        yield from _hanging("      ", setting.description or "")
        yield from _hanging("      ", f"default: {_DEFAULTS.get((command, path)) or _default(setting)}")
        yield from _hanging("      ", f"variable: {VARIABLES.get(path, 'none')}")
    yield "  --help, -h\n      Print this and exit."
    yield "  --version\n      Print the version and exit."


def _hanging(first: str, text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


def _field(path: SettingPath) -> FieldInfo:
    section = model_within(Settings.model_fields[path[0]].annotation)
    assert section is not None, f"{path[0]} is a section"
    return section.model_fields[path[1]]


def _metavar(key: str, setting: FieldInfo) -> str:
    kinds = (setting.annotation, *get_args(setting.annotation))
    choices = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())
    return "|".join(choices) or _METAVARS.get(key, "TEXT")


def _default(setting: FieldInfo) -> str:
    default: Any = setting.default
    if isinstance(default, bool) or default is None:
        return "no" if default is False else "none"
    return (",".join(default) if isinstance(default, tuple) else str(default)) or "none"
