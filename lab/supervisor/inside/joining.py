"""Entering a sandbox that bubblewrap has built, as powerless as if bubblewrap had started us in it.

The order is the kernel's: the user namespace that owns the others comes first, for it gives the right to enter them
(user_namespaces(7), setns(2)); then bubblewrap's second one, in which nothing can be mounted or unshared. Only children
are in the PID namespace. There is no execve(2) that would take capabilities away, so they are dropped by hand and the
outcome is read from /proc.
"""

import ctypes
import fcntl
import os
import platform
from collections.abc import Sequence
from pathlib import Path

KINDS = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
"""The namespaces to enter, as named in /proc/PID/ns, in the order of their descriptors."""
_NS_GET_USERNS = 0xB701
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL_JOIN_SESSION_KEYRING = 1
_KEYCTL = {"x86_64": 250, "aarch64": 219}

_libc = ctypes.CDLL(None, use_errno=True)


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
    for fd in (owner, *others, user):
        _check(_libc.setns(fd, 0), "setns")
    os.close(owner)


def drop_rights() -> None:
    """No capability now, none to be had by execve(2), no keys of whoever started us."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities")
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:  # EINVAL after the last that this kernel knows
        capability += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    # Changing namespaces has made our memory root's (PR_SET_DUMPABLE, prctl(2)); it is the person's.
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
    leave_keyring()


def leave_keyring() -> None:
    """Have a session keyring of our own: the inherited one is shared with all that inherited it (keyctl(2))."""
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        _libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None)  # without keys in the kernel there is none to leave


def name_process(name: str) -> None:
    """What ps and top show."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def assert_powerless() -> None:
    """PrivilegesLeftError unless /proc shows that every right is gone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if int(status[key], 16):
            raise PrivilegesLeftError(f"{key} is {status[key]}")
    if status["NoNewPrivs"] != "1" or os.geteuid() == 0:
        raise PrivilegesLeftError("no_new_privs is not set, or this is root")
