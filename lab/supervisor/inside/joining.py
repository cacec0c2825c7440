"""Entering a sandbox that bubblewrap has built, as powerless as if bubblewrap had started us in it.

The order is the kernel's: the user namespace that owns the others comes first, for it gives the right to enter them
(user_namespaces(7), setns(2)); then bubblewrap's second one, in which nothing can be mounted or unshared. Only children
are in the PID namespace. There is no execve(2) that would take capabilities away, so they are dropped by hand, the
filter of system calls is set as bubblewrap sets it, and the outcome is read from /proc.
"""

import ctypes
import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path

KINDS = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
"""The namespaces to enter, as named in /proc/PID/ns, in the order of their descriptors."""
_NS_GET_USERNS = 0xB701
_NS_GET_OWNER_UID = 0xB704
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_PR_CAPBSET_DROP = 24
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_INSTRUCTION_BYTES = 8

_libc = ctypes.CDLL(None, use_errno=True)


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


class PrivilegesLeftError(Exception):
    """The process has, or could get, more rights than user code may have."""


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def join(namespaces: Sequence[int]) -> None:
    """Enter the namespaces behind these descriptors, one per KINDS."""
    user, *others = namespaces
    owner = fcntl.ioctl(others[KINDS.index("net") - 1], _NS_GET_USERNS)  # ioctl_ns(2): bubblewrap's first one
    become(_owner_of(owner))
    for fd in (owner, *others, user):
        _check(_libc.setns(fd, 0), "setns")
    os.close(owner)


def _owner_of(namespace: int) -> int:
    """Uid of who made a user namespace, as ours has it; that is who may enter it without a capability."""
    buffer = bytearray(4)
    fcntl.ioctl(namespace, _NS_GET_OWNER_UID, buffer)
    return int.from_bytes(buffer, sys.byteorder)


def become(uid: int) -> None:
    """Be this user, with the group of the same number; nothing to do where Labs have no uids of their own."""
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def drop_rights(system_calls: bytes) -> None:
    """No capability now, none to be had by execve(2), and no more of the kernel than this filter allows.

    `system_calls`: portal.sandboxing.seccomp.program; empty on a machine that it does not know.
    """
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities")
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:  # EINVAL after the last that this kernel knows
        capability += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    # Changing namespaces has made our memory root's (PR_SET_DUMPABLE, prctl(2)); it is the person's.
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
    if system_calls:
        _filter(system_calls)


def _filter(system_calls: bytes) -> None:
    """Of this thread and all that come of it; it is the only one, or `join` would have failed (setns(2), EINVAL)."""
    program = _FilterProgram(len(system_calls) // _INSTRUCTION_BYTES, system_calls)
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")


def name_process(name: str) -> None:
    """What ps and top show."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def assert_powerless(*, filtered: bool) -> None:
    """PrivilegesLeftError unless /proc shows that every right is gone, and with `filtered` that there is a filter."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if int(status[key], 16):
            raise PrivilegesLeftError(f"{key} is {status[key]}")
    if status["NoNewPrivs"] != "1" or os.geteuid() == 0:
        raise PrivilegesLeftError("no_new_privs is not set, or this is root")
    if filtered and status["Seccomp"] != str(_SECCOMP_MODE_FILTER):
        raise PrivilegesLeftError("system calls are not filtered")
