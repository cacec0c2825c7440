"""The seccomp filter that every sandbox has: which system calls are refused, and the BPF program that refuses them.

What is not named here is allowed, as far as the kernel allows it to somebody without any capability. Refused is, much
as by Docker's default profile, what has been a way into the kernel again and again and what notebooks do without:
namespaces and mounts, keyrings, io_uring, tracing of the kernel, odd families of sockets. Processes may trace their
own kind (ptrace(2)), so gdb and strace work.

A refusal is the answer of a kernel that has no such call (ENOSYS), or gives it to root alone (EPERM), so that programs
do without. That is the answer to calls that are newer than this list, too.
"""

import platform
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from errno import EAFNOSUPPORT, ENOPROTOOPT, ENOSYS, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT

from .syscall_numbers import HIGHEST, NUMBERS

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_… (linux/audit.h) by machine."""


@dataclass(frozen=True)
class Condition:
    """What one argument must be for a refusal: one of three. Of those here the kernel reads the lower 32 bits only."""

    argument: int
    one_of: tuple[int, ...] = ()
    none_of: tuple[int, ...] = ()
    any_bit: int = 0


@dataclass(frozen=True)
class Refusal:
    """These calls fail with this errno when all conditions hold."""

    errno: int
    calls: str
    conditions: tuple[Condition, ...] = ()


def _is(argument: int, *values: int) -> Condition:
    return Condition(argument, one_of=values)


def _is_not(argument: int, *values: int) -> Condition:
    return Condition(argument, none_of=values)


def _has(argument: int, bits: int) -> Condition:
    return Condition(argument, any_bit=bits)


# CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET (linux/sched.h)
_NAMESPACES = 0x7E020000
_NEW_TIME_NAMESPACE = 0x80
# PER_LINUX, PER_LINUX32, each with and without UNAME26, and "which is it?" (personality(2))
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0
# Any, ICMP, TCP, UDP, ICMPv6, and raw IP, which only root gets (in(7))
_PROTOCOLS = (0, 1, 6, 17, 58, 255)
# Of the types below SOCK_NONBLOCK, SOCK_STREAM (1), SOCK_DGRAM (2) and SOCK_RAW (3) have neither of these bits.
_OTHER_TYPES = 0xC
_SOL_TCP, _TCP_ULP = 6, 31

REFUSED = (
    Refusal(EPERM, "mount umount2 pivot_root setns"),
    Refusal(ENOSYS, "open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr"),
    Refusal(EPERM, "clone unshare", (_has(0, _NAMESPACES),)),
    Refusal(EPERM, "unshare", (_has(0, _NEW_TIME_NAMESPACE),)),
    Refusal(ENOSYS, "clone3"),  # its flags lie in memory, where no filter can look; C libraries use clone instead
    Refusal(ENOSYS, "add_key request_key keyctl"),
    Refusal(ENOSYS, "io_uring_setup io_uring_enter io_uring_register"),  # past this filter, its calls would be
    Refusal(ENOSYS, "userfaultfd memfd_secret modify_ldt"),
    Refusal(EPERM, "bpf perf_event_open fanotify_init syslog"),
    Refusal(EPERM, "kcmp pidfd_getfd name_to_handle_at open_by_handle_at"),
    Refusal(EPERM, "personality", (_is_not(0, *_PERSONALITIES),)),  # such as without randomised addresses
    Refusal(EPERM, "acct quotactl quotactl_fd reboot swapon swapoff vhangup"),
    Refusal(EPERM, "init_module finit_module delete_module kexec_load kexec_file_load"),
    Refusal(EPERM, "settimeofday clock_settime iopl ioperm"),
    Refusal(ENOSYS, "lookup_dcookie nfsservctl sysfs _sysctl uselib ustat"),
    Refusal(EAFNOSUPPORT, "socket socketpair", (_is_not(0, _AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK),)),
    Refusal(EPROTONOSUPPORT, "socket", (_is(0, _AF_NETLINK), _is_not(2, _NETLINK_ROUTE))),
    Refusal(EPROTONOSUPPORT, "socket", (_is(0, _AF_INET, _AF_INET6), _is_not(2, *_PROTOCOLS))),
    Refusal(ESOCKTNOSUPPORT, "socket", (_is(0, _AF_INET, _AF_INET6), _has(1, _OTHER_TYPES))),
    Refusal(ENOPROTOOPT, "setsockopt", (_is(1, _SOL_TCP), _is(2, _TCP_ULP))),  # TLS and others within the kernel
)
"""All refusals, in the order in which they are looked at."""

# Instructions of classic BPF (linux/filter.h, linux/bpf_common.h).
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _JUMP, _IF_EQUAL, _IF_GREATER, _IF_BITS, _RETURN = 0x20, 0x05, 0x15, 0x25, 0x45, 0x06
# Offsets in struct seccomp_data (seccomp(2)); of an argument's 64 bits the lower 32 come first on our machines.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def program(machine: str = "", *, allowed: Collection[str] = ()) -> bytes | None:
    """The filter as an array of struct sock_filter, for `bwrap --seccomp` or prctl(2).

    `machine`: as `uname -m` has it, by default ours; None for one that is not known here. `allowed`: calls that are
    not refused after all. A program for another architecture (such as 32-bit ones) is killed by its first call; calls
    of the x32 ABI have numbers above all others.
    """
    machine = machine or platform.machine()
    numbers = NUMBERS.get(machine)
    if numbers is None:
        return None
    code = [_bpf(_LOAD, _ARCHITECTURE), _bpf(_IF_EQUAL, _ARCHITECTURES[machine], 1, 0), _bpf(_RETURN, _KILL)]
    code += [_bpf(_LOAD, _NUMBER), _bpf(_IF_GREATER, HIGHEST, 0, 1), _bpf(_RETURN, _ERRNO | ENOSYS)]
    for refusal in REFUSED:
        for name in refusal.calls.split():
            if name in numbers and name not in allowed:
                code += _refuse(numbers[name], refusal)
    return b"".join([*code, _bpf(_RETURN, _ALLOW)])


def _bpf(code: int, operand: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """One instruction; the last two are how many to skip after a comparison."""
    return _INSTRUCTION.pack(code, if_so, if_not, operand)


def _refuse(number: int, refusal: Refusal) -> list[bytes]:
    """Has the number of the call loaded, before and after."""
    body = [_bpf(_RETURN, _ERRNO | refusal.errno)]
    for condition in reversed(refusal.conditions):
        body = [*_unless(condition, len(body)), *body]
    if refusal.conditions:
        body.append(_bpf(_LOAD, _NUMBER))
    return [_bpf(_IF_EQUAL, number, 0, len(body)), *body]


def _unless(condition: Condition, size: int) -> Iterator[bytes]:
    """Skip the next `size` instructions unless the condition holds."""
    yield _bpf(_LOAD, _ARGUMENTS + 8 * condition.argument)
    if condition.any_bit:
        yield _bpf(_IF_BITS, condition.any_bit, 0, size)
    for left, value in _count_down(condition.none_of):
        yield _bpf(_IF_EQUAL, value, left + size, 0)
    for left, value in _count_down(condition.one_of):
        yield _bpf(_IF_EQUAL, value, left + 1, 0)  # past the jump
    if condition.one_of:
        yield _bpf(_JUMP, size)


def _count_down(values: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Each value with the number of those that follow."""
    return zip(reversed(range(len(values))), values, strict=True)
