"""This process and its children may make the system calls of a profile for containers from now on, and no others.

libseccomp compiles the profile, as in container runtimes. It is part of each Debian: apt and systemd need it.
"""

import ctypes
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
"""Actions of https://man7.org/linux/man-pages/man3/seccomp_init.3.html."""
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COMPARISONS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}
_UNKNOWN = -1


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    comparisons = ctypes.POINTER(_Comparison)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        comparisons,
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    return library


def names_of(profile: dict[str, Any]) -> Iterator[str]:
    """The system calls that it allows, under conditions or without."""
    for rule in profile["syscalls"]:
        yield from rule["names"]


def is_call(name: str, architecture: str) -> bool:
    """Whether the architecture has this system call."""
    number = _library().seccomp_syscall_resolve_name_arch(ARCHITECTURES[architecture], name.encode())
    return bool(number >= 0)


def confine(file: Path, refusals: Sequence[dict[str, Any]] | None = None) -> None:
    """Apply a profile.

    With `refusals` (rules as in the profile) the process ends at a call that the profile does not allow, unless it is
    one of them: that is refused.
    """
    profile = json.loads(file.read_text())
    refused = ERRNO | profile["defaultErrnoRet"]
    library = _library()
    context = library.seccomp_init(refused if refusals is None else KILL)
    for action, rules in ((ALLOW, profile["syscalls"]), (refused, refusals or ())):
        for rule in rules:
            for name in rule["names"]:
                _add(library, context, action, name, rule.get("args", ()))
    if status := library.seccomp_load(context):
        raise OSError(-status, os.strerror(-status))


def _add(library: ctypes.CDLL, context: int, action: int, name: str, conditions: Sequence[dict[str, Any]]) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == _UNKNOWN:  # newer than this libseccomp
        return
    compared = (_Comparison * len(conditions))(
        *(
            _Comparison(one["index"], _COMPARISONS[one["op"]], one["value"], one.get("valueTwo", 0))
            for one in conditions
        )
    )
    if status := library.seccomp_rule_add_array(context, action, number, len(conditions), compared):
        raise OSError(-status, f"{name}: {os.strerror(-status)}")
