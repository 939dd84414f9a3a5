"""The kernel refuses system calls to this process from now on: file locks, as a network share without a lock service
does, or a port.

It is done with a seccomp filter, which needs neither a compiler nor a right, and which holds for SQLite as for Python.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Sequence

_NUMBERS = {
    "x86_64": {"bind": 49, "fcntl": 72, "flock": 73},
    "aarch64": {"bind": 200, "fcntl": 25, "flock": 32},
}
_OFD_COMMANDS = (36, 37, 38)
_LOCK_COMMANDS = (fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW, *_OFD_COMMANDS)
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SECOND_ARGUMENT = 24  # of `struct seccomp_data`, its lower half


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refuse(error: int, calls: Sequence[str] = ("flock", "fcntl")) -> None:
    """Answer `error` (an errno) to these calls; to `fcntl` when it asks for a lock."""
    numbers = _NUMBERS[os.uname().machine]
    program = [(_LOAD, 0, 0, 0)]
    for call in set(calls) - {"fcntl"}:
        program += [(_JUMP_IF_EQUAL, 0, 1, numbers[call]), (_RETURN, 0, 0, _ERRNO | error)]
    if "fcntl" in calls:
        program += [(_JUMP_IF_EQUAL, 1, 0, numbers["fcntl"]), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
        for command in _LOCK_COMMANDS:
            program += [(_JUMP_IF_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ERRNO | error)]
    program += [(_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    libc = ctypes.CDLL(None, use_errno=True)
    given = _Program(len(program), ctypes.addressof(code))
    refused = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0
    )
    if refused:
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter: these tests need one")
