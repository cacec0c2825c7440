"""System calls that Python 3.11 does not offer: namespaces and mounts. Errors are OSError with the call's errno."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000

MS_REC = 0x4000
MS_BIND = 0x1000
MS_SHARED = 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4

# The same numbers on every architecture (the calls are younger than the common table).
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    """struct mount_attr, mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2); for a user namespace the caller must have one thread only."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: Path, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = (source.encode(), os.fsencode(target), kind.encode() or None)
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def bind(source: Path, target: Path) -> None:
    """Bind-mount one directory, without the mounts below it. A bind of a read-only mount is born read-only."""
    _check(
        _libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(MS_BIND), None),
        f"bind {target}",
    )


def restrict(target: Path, attributes: int) -> None:
    """Add attributes to one mount (mount_setattr(2)); those it has, stay."""
    attr = _MountAttr(attr_set=attributes)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), 0, ctypes.byref(attr), ctypes.sizeof(attr)
    )
    _check(result, f"mount_setattr {target}")


def share(target: Path) -> None:
    """Let mounts below `target` propagate to copies of it in other namespaces."""
    _check(_libc.mount(None, os.fsencode(target), None, ctypes.c_ulong(MS_SHARED), None), f"share {target}")


def unmount(target: Path, *, lazy: bool = False) -> None:
    """umount2(2). Not lazy: EBUSY while anything, in any namespace it propagated to, still uses it."""
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)
    _check(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")
