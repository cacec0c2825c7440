"""System calls that Python 3.11 does not offer: namespaces and mounts. Errors are OSError with the call's errno."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REC = 0x4000
MS_BIND = 0x1000
MS_PRIVATE = 1 << 18
MS_SHARED = 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
_MOUNT_ATTR_IDMAP = 0x00100000

# The same numbers on every architecture (the calls are younger than the common table).
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_MOUNT_SETATTR = 442
_SYS_SETRESUID = {"x86_64": 117, "aarch64": 147}
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_PR_SET_DUMPABLE = 4
_CAPABILITY_VERSION_3 = 0x20080522

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
    """Add attributes to one mount (mount_setattr(2)); those it has, stay. EBUSY: a file is open for writing."""
    _set_attributes(target, _MountAttr(attr_set=attributes))


def relax(target: Path, attributes: int) -> None:
    """Take attributes away from one mount.

    EPERM: it had them when it came into a namespace of fewer rights, and keeps them there (mount_namespaces(7)).
    """
    _set_attributes(target, _MountAttr(attr_clr=attributes))


def _set_attributes(target: Path, attr: _MountAttr) -> None:
    arguments = (_AT_FDCWD, os.fsencode(target), 0, ctypes.byref(attr), ctypes.sizeof(attr))
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments), f"mount_setattr {target}")


def clone(directory: int) -> int:
    """A mount of the directory behind a descriptor, attached nowhere yet (open_tree(2)): its descriptor."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH
    return _check(_libc.syscall(_SYS_OPEN_TREE, directory, b"", flags), "open_tree")


def change(tree: int, *, attributes: int = 0, namespace: int = 0) -> None:
    """Add attributes to the mount behind a descriptor; with a user namespace's descriptor, map its owners by that.

    Whoever is uid X in that namespace has on disk the uid that stands inside of it (mount_setattr(2), "ID-mapped
    mounts"). EINVAL: the file system, or the kernel, does not have such mounts.
    """
    attr = _MountAttr(attr_set=attributes | (_MOUNT_ATTR_IDMAP if namespace else 0), userns_fd=namespace)
    arguments = (tree, b"", _AT_EMPTY_PATH, ctypes.byref(attr), ctypes.sizeof(attr))
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments), "mount_setattr")


def attach(tree: int, target: Path) -> None:
    """Mount what `clone` has made (move_mount(2))."""
    arguments = (tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _check(_libc.syscall(_SYS_MOVE_MOUNT, *arguments), f"move_mount {target}")


def move(source: Path, target: Path) -> None:
    """Move one mount (move_mount(2)): what uses it goes on, and finds itself at the new path.

    EINVAL: it came with the namespace, or its parent propagates to others.
    """
    arguments = (_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), 0)
    _check(_libc.syscall(_SYS_MOVE_MOUNT, *arguments), f"move_mount {source} {target}")


def share(target: Path) -> None:
    """Let mounts below `target` propagate to copies of it in other namespaces."""
    _check(_libc.mount(None, os.fsencode(target), None, ctypes.c_ulong(MS_SHARED), None), f"share {target}")


def unmount(target: Path, *, lazy: bool = False) -> None:
    """umount2(2). Not lazy: EBUSY while anything, in any namespace it propagated to, still uses it."""
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)
    _check(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")


def let_itself_be_read() -> None:
    """Be an ordinary process of the account that we have become (PR_SET_DUMPABLE, prctl(2))."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")


@contextlib.contextmanager
def files_as(uid: int) -> Iterator[None]:
    """The calling thread is another, with the group of the same number, where files are made; its capabilities stay.

    (setfsuid(2), credentials(7): the kernel has them per thread, and takes some capabilities away with uid 0.)
    """
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    try:
        _raise_capabilities()
        yield
    finally:
        _libc.setfsuid(os.geteuid())
        _libc.setfsgid(os.getegid())
        _raise_capabilities()


@contextlib.contextmanager
def effective_user(uid: int) -> Iterator[None]:
    """The calling thread has another effective uid, but opens files as before.

    The system call itself, without the C library, which would change every thread (nptl(7)). OSError ENOSYS where its
    number is not known here.
    """
    own, number = os.geteuid(), _SYS_SETRESUID.get(os.uname().machine, -1)
    _check(_libc.syscall(number, -1, uid, -1), "setresuid")
    try:
        _libc.setfsuid(own)
        yield
    finally:
        _check(_libc.syscall(number, -1, own, -1), "setresuid")
        _raise_capabilities()


def _raise_capabilities() -> None:
    """All that the calling thread may have (capabilities(7)), effective from now on."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    _check(_libc.capget(header, sets), "capget")
    sets[0], sets[3] = sets[1], sets[4]
    _check(_libc.capset(header, sets), "capset")
