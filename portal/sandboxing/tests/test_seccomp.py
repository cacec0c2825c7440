"""The program that refuses system calls, run by an interpreter of its own here; in real sandboxes it is run by
tests/sandbox/test_system_calls.py.
"""

import ctypes
import ctypes.util
import errno
import struct

import pytest

from .. import seccomp
from ..syscall_numbers import HIGHEST, NUMBERS

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHERS = {"i386": 0x40000003, "arm": 0x40000028}
"""What the kernels of these machines run, too."""
ALLOWED, KILLED = "allowed", "killed"
UNIX, INET, INET6, NETLINK, ALG, VSOCK = 1, 2, 10, 16, 38, 40
STREAM, DGRAM, SEQPACKET, CLOEXEC = 1, 2, 5, 0o2000000


def outcome(machine: str, number: int, *arguments: int, architecture: int = 0, allowed: str = "") -> str | int:
    """What the program says to a call, executed as Linux does (kernel documentation, networking/filter.rst)."""
    data = struct.pack("=iI7Q", number, architecture or ARCHITECTURES[machine], 0, *(*arguments, *[0] * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine, allowed=allowed.split()) or b""))
    place, loaded = 0, 0
    while True:
        what, if_so, if_not, operand = code[place]
        place += 1
        if what == 0x20:
            [loaded] = struct.unpack_from("=I", data, operand)
        elif what == 0x05:
            place += operand
        elif what == 0x06:
            kinds = {0x7FFF0000: ALLOWED, 0x80000000: KILLED}
            return kinds.get(operand) or (operand & 0xFFFF if operand >> 16 == 5 else "?")
        else:
            holds = {0x15: loaded == operand, 0x25: loaded > operand, 0x45: bool(loaded & operand)}[what]
            place += if_so if holds else if_not


@pytest.fixture(params=sorted(NUMBERS))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def call(machine: str, name: str, *arguments: int) -> str | int:
    return outcome(machine, NUMBERS[machine][name], *arguments)


def test_it_knows_the_numbers_of_system_calls(machine: str) -> None:
    """As libseccomp has them, which every Debian has."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp") or pytest.skip("no libseccomp"))
    find = library.seccomp_syscall_resolve_name_arch
    found = {name: find(ctypes.c_uint32(ARCHITECTURES[machine]), name.encode()) for name in NUMBERS[machine]}
    assert found == NUMBERS[machine]
    known = {name for refusal in seccomp.REFUSED for name in refusal.calls.split()}
    assert all(find(ctypes.c_uint32(ARCHITECTURES[machine]), name.encode()) < 0 for name in known - found.keys())
    assert set(NUMBERS["x86_64"]) == known


def test_it_refuses_what_is_named_and_allows_all_else(machine: str) -> None:
    by_number = {number: name for name, number in NUMBERS[machine].items()}
    always = {name: r.errno for r in seccomp.REFUSED for name in r.calls.split() if not r.conditions}
    for number in range(HIGHEST + 1):
        name = by_number.get(number, "")
        expected = {"personality": ALLOWED, "socket": errno.EAFNOSUPPORT, "socketpair": errno.EAFNOSUPPORT}.get(name)
        assert outcome(machine, number) == always.get(name, expected or ALLOWED), (number, name)


def test_it_kills_programs_of_other_architectures(machine: str) -> None:
    for other in OTHERS.values():
        assert outcome(machine, 1, architecture=other) == KILLED


@pytest.mark.parametrize("number", [HIGHEST + 1, 512, 0x40000000, 0x40000001, 0x40000000 + 425, -1])
def test_it_knows_no_newer_calls_and_none_of_x32(machine: str, number: int) -> None:
    assert outcome(machine, number) == errno.ENOSYS


def test_it_has_nothing_for_unknown_machines() -> None:
    assert seccomp.program("riscv64") is None


def test_it_can_leave_a_call_out(machine: str) -> None:
    number = NUMBERS[machine]["setns"]
    assert outcome(machine, number, allowed="setns") == ALLOWED
    assert outcome(machine, NUMBERS[machine]["mount"], allowed="setns") == errno.EPERM


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x11,), ALLOWED),  # fork
        ("clone", (0x3D0F00,), ALLOWED),  # a thread
        ("clone", (0x10000011,), errno.EPERM),
        ("clone", (0x20011,), errno.EPERM),
        ("unshare", (0x600,), ALLOWED),  # its own table of files, its own working directory
        ("unshare", (0x10000000,), errno.EPERM),
        ("unshare", (0x80,), errno.EPERM),
        ("personality", (0xFFFFFFFF,), ALLOWED),
        ("personality", (8,), ALLOWED),
        ("personality", (0x40000,), errno.EPERM),
        ("personality", (1 << 32 | 0x40000,), errno.EPERM),
        ("socket", (UNIX, SEQPACKET, 0), ALLOWED),
        ("socket", (INET, STREAM | CLOEXEC, 0), ALLOWED),
        ("socket", (INET6, DGRAM, 17), ALLOWED),
        ("socket", (INET, DGRAM, 1), ALLOWED),
        ("socket", (NETLINK, 3, 0), ALLOWED),
        ("socket", (NETLINK, 3, 9), errno.EPROTONOSUPPORT),
        ("socket", (NETLINK, 3 | CLOEXEC, 12), errno.EPROTONOSUPPORT),
        ("socket", (VSOCK, STREAM, 0), errno.EAFNOSUPPORT),
        ("socket", (ALG, SEQPACKET, 0), errno.EAFNOSUPPORT),
        ("socket", (1 << 32 | VSOCK, STREAM, 0), errno.EAFNOSUPPORT),
        ("socket", (INET, STREAM, 132), errno.EPROTONOSUPPORT),
        ("socket", (INET, SEQPACKET | CLOEXEC, 0), errno.ESOCKTNOSUPPORT),
        ("socket", (INET6, 6, 0), errno.ESOCKTNOSUPPORT),
        ("socketpair", (UNIX, STREAM, 0), ALLOWED),
        ("socketpair", (30, STREAM, 0), errno.EAFNOSUPPORT),
        ("setsockopt", (3, 6, 1), ALLOWED),
        ("setsockopt", (3, 1, 31), ALLOWED),
        ("setsockopt", (3, 6, 31), errno.ENOPROTOOPT),
    ],
)
def test_it_looks_at_arguments(machine: str, name: str, arguments: tuple[int, ...], expected: str | int) -> None:
    assert call(machine, name, *arguments) == expected
