"""openat2(2) and renameat2(2), which Python does not offer. Errors are OSError with the call's errno."""

import ctypes
import os

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
NOREPLACE, EXCHANGE = 1, 2
"""Flags of `rename`: fail where the new name is taken; let the two change places."""

_SYS_OPENAT2 = 437  # the same on every architecture
_libc = ctypes.CDLL(None, use_errno=True)
_RETRY = 16


class _OpenHow(ctypes.Structure):
    """struct open_how, openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def open_beneath(directory: int, path: bytes, flags: int, mode: int = 0) -> int:
    """Open `path` below the directory; ELOOP for any symbolic link in it, EXDEV for a way out.

    The kernel says EAGAIN when something was renamed while it looked for `..`; it is asked again a few times.
    """
    how = _OpenHow(
        flags=flags | os.O_CLOEXEC,
        mode=mode,
        resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    )
    for attempt in range(_RETRY):
        try:
            size = ctypes.sizeof(how)
            return _check(_libc.syscall(_SYS_OPENAT2, directory, path, ctypes.byref(how), ctypes.c_size_t(size)))
        except BlockingIOError:
            if attempt == _RETRY - 1:
                raise
    raise AssertionError("unreachable")


def rename(old_directory: int, old: bytes, new_directory: int, new: bytes, flags: int = NOREPLACE) -> None:
    """renameat2(2); FileExistsError when something is there, unless `flags` is 0 or EXCHANGE."""
    _check(_libc.renameat2(old_directory, old, new_directory, new, flags))
