"""Run inside a sandbox, by any Python: tries system calls that are a way into the kernel, and prints what each said.

A JSON object on standard output: for each attempt the name of the errno, or "done". `NUMBERS`, which whoever runs this
puts before it, is the numbers of system calls by name.
"""

import ctypes
import errno
import json
import os
import socket
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
NUMBERS: "dict[str, int]" = globals().get("NUMBERS", {})
AT_FDCWD = -100
AF_ALG, AF_VSOCK, AF_PACKET, AF_TIPC = 38, 40, 17, 30
NETLINK_AUDIT, NETLINK_NETFILTER, NETLINK_GENERIC = 9, 12, 16
IO_URING_PARAMETERS = 120  # bytes


def name_of(number):
    """ENOSYS, say."""
    return errno.errorcode[number or 0]


def call(name, *arguments):
    """One system call: "done", or the errno's name."""
    if name not in NUMBERS:
        return "ENOSYS"
    ctypes.set_errno(0)
    result = libc.syscall(NUMBERS[name], *(a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments))
    return "done" if result >= 0 else name_of(ctypes.get_errno())


def open_socket(family, kind, protocol=0):
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        return name_of(error.errno)
    return "done"


def speak_tls_in_the_kernel():
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_TCP, 31, b"espintcp")
        except OSError as error:
            return name_of(error.errno)
    return "done"


def new_process_by_clone3():
    """struct clone_args with nothing but the signal of its end."""
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
    ctypes.set_errno(0)
    child = libc.syscall(NUMBERS["clone3"], ctypes.byref(arguments), ctypes.c_long(ctypes.sizeof(arguments)))
    if child == 0:
        os._exit(0)
    if child < 0:
        return name_of(ctypes.get_errno())
    os.waitpid(child, 0)
    return "done"


def keys_in_proc():
    """Of whoever has the same uid, or whose session keyring was inherited."""
    try:
        with Path("/proc/keys").open() as keys:
            return "done" if keys.read() else "ENOENT"
    except OSError as error:
        return name_of(error.errno)


USER_KEYRING = -4
JOIN_SESSION_KEYRING, DESCRIBE = 1, 6
ADDR_NO_RANDOMIZE = 0x40000
CLONE_NEWUSER = 0x10000000
KCMP_FILE = 0
attempts = {
    "add_key": call("add_key", b"user", b"treasure", b"gold", 4, USER_KEYRING),
    "request_key": call("request_key", b"user", b"treasure", 0, USER_KEYRING),
    "keyctl": call("keyctl", DESCRIBE, USER_KEYRING, 0, 0),
    "keyctl_join": call("keyctl", JOIN_SESSION_KEYRING, 0),
    "proc_keys": keys_in_proc(),
    "userfaultfd": call("userfaultfd", 1),  # of user space alone, which needs no right
    "io_uring_setup": call("io_uring_setup", 1, bytes(IO_URING_PARAMETERS)),
    "memfd_secret": call("memfd_secret", 0),
    "modify_ldt": call("modify_ldt", 0, bytes(16), 16),
    "bpf": call("bpf", 0, bytes(128), 128),
    "perf_event_open": call("perf_event_open", bytes(128), 0, -1, -1, 0),
    "open_tree": call("open_tree", AT_FDCWD, b"/", 0),
    "fsopen": call("fsopen", b"tmpfs", 0),
    "mount_setattr": call("mount_setattr", AT_FDCWD, b"/", 0, bytes(32), 32),
    "name_to_handle_at": call("name_to_handle_at", AT_FDCWD, b"/", bytes([128, *[0] * 135]), bytes(8), 0),
    "kcmp": call("kcmp", os.getpid(), os.getpid(), KCMP_FILE, 1, 2),
    "pidfd_getfd": call("pidfd_getfd", os.pidfd_open(os.getpid()), 1, 0),
    "fanotify_init": call("fanotify_init", 0x200, 0),  # what anybody may have
    "personality": call("personality", ADDR_NO_RANDOMIZE),
    "unshare": call("unshare", CLONE_NEWUSER),
    "clone3": new_process_by_clone3(),
    "AF_VSOCK": open_socket(AF_VSOCK, socket.SOCK_STREAM),
    "AF_ALG": open_socket(AF_ALG, socket.SOCK_SEQPACKET),
    "AF_PACKET": open_socket(AF_PACKET, socket.SOCK_DGRAM),
    "AF_TIPC": open_socket(AF_TIPC, socket.SOCK_STREAM),
    "SCTP": open_socket(socket.AF_INET, socket.SOCK_STREAM, 132),
    "DCCP": open_socket(socket.AF_INET, 6),
    "NETLINK_AUDIT": open_socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT),
    "NETLINK_NETFILTER": open_socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER),
    "NETLINK_GENERIC": open_socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC),
    "TCP_ULP": speak_tls_in_the_kernel(),
    "call_of_tomorrow": errno.errorcode[errno.ENOSYS] if libc.syscall(ctypes.c_long(467), 0) < 0 else "done",
    "setns": call("setns", os.open("/proc/self/ns/uts", os.O_RDONLY), 0),
    "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, 0),
}
print(json.dumps(attempts))
