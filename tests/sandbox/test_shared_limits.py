"""What the kernel counts per user id: one Lab at its limit leaves others, and the site, what they need.

All Labs may have the site's own user id. What nothing but a user id of its own keeps apart, these tests do not show: it
is said in docs/explanation/limits.md.
"""

import ctypes
import json
import os
import resource
from collections.abc import Callable

import pytest

from lab.supervisor import namespace_limits
from lab.supervisor.inside import limiting

from ..support.people import Kernel, Person
from ..support.site import Site

pytestmark = pytest.mark.sandbox

EXHAUST = """
import ctypes, os
libc = ctypes.CDLL(None)
made = 0
while libc.inotify_init1(os.O_CLOEXEC) >= 0:
    made += 1
print(made)
"""
ONE_MORE = "import ctypes; print(ctypes.CDLL(None).inotify_init1(0) >= 0)"
IN_FLIGHT = """
import array, os, socket
held, sent = [], 0
null = os.open("/dev/null", os.O_RDONLY)
rights = array.array("i", [null] * 250)
try:
    while True:
        ours, theirs = socket.socketpair()
        held += [ours, theirs]
        ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        sent += len(rights)
except OSError as error:
    print(sent, type(error).__name__, error.errno)
"""
QUEUED_SIGNALS = """
import subprocess, sys
sender = '''
import ctypes, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
libc, sent = ctypes.CDLL(None), 0
while libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
    sent += 1
print(sent)
'''
print(subprocess.run([sys.executable, "-c", sender], capture_output=True, text=True, check=True).stdout)
"""
"""In a process with one thread: in another thread, which does not hold it back, the signal would end the process."""


@pytest.fixture
def beside(lasting_neighbour: Person) -> Kernel:
    """A notebook in somebody else's Lab."""
    return lasting_neighbour.kernel()


def test_watches_of_files_run_out_for_their_own_lab_alone(attacker: Person, beside: Kernel) -> None:
    most = namespace_limits.of_sandbox()["max_inotify_instances"]
    kernel = attacker.kernel()
    made = int(kernel.run(EXHAUST).text)
    assert 0 < made <= most
    assert kernel.run(ONE_MORE).text.strip() == "False"
    assert attacker.kernel().run(ONE_MORE).text.strip() == "False"  # counted for the whole Lab
    assert beside.run(ONE_MORE).text.strip() == "True"
    ours = ctypes.CDLL(None).inotify_init1(0)
    assert ours >= 0
    os.close(ours)


def test_no_limit_of_its_namespace_can_be_lifted(attacker: Person) -> None:
    kernel = attacker.kernel()
    expected = namespace_limits.of_sandbox()
    reads = "{path.name: int(path.read_text()) for path in Path('/proc/sys/user').iterdir()}"
    found = json.loads(kernel.run(f"import json; from pathlib import Path; print(json.dumps({reads}))").text)
    assert {name: found[name] for name in expected if name in found} == expected
    assert kernel.run("open('/proc/sys/user/max_inotify_instances', 'w').write('1000')").error


def test_every_process_has_the_limits_of_a_sandbox_process_1_too(attacker: Person) -> None:
    """Code inside can take over process 1, and what holds the sandbox open: they may no more than it may itself."""
    said = attacker.kernel().run(
        "import os, resource\n"
        "for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]:\n"
        f"    for which in {list(limiting.LIMITS)!r}:\n"
        "        print(pid, which, *resource.prlimit(pid, which))"
    )
    rows = [[int(word) for word in line.split()] for line in said.text.splitlines()]
    assert {1} < {row[0] for row in rows}
    for _pid, which, soft, hard in rows:
        assert 0 <= soft <= hard <= limiting.LIMITS[which]


def test_descriptors_on_their_way_leave_the_site_enough(
    attacker: Person, person: Callable[..., Person], site: Site
) -> None:
    """Counted per user id of the machine, and held against the limit of who sends: the site's is higher."""
    kernel = attacker.kernel()
    sent, *refused = kernel.run(IN_FLIGHT).text.split()
    assert refused[0] == "OSError"
    assert int(sent) <= limiting.LIMITS[resource.RLIMIT_NOFILE] + 253
    by_fork = site.is_forked(attacker.server())
    assert site.is_forked(person("another").launch()) == by_fork  # for which the supervisor sends descriptors
    assert kernel.run("print(len(held) > 0)").text.strip() == "True"  # still on their way


def test_queued_signals_run_out_for_their_own_lab_alone(attacker: Person, beside: Kernel) -> None:
    sent = int(attacker.kernel().run(QUEUED_SIGNALS).text)
    assert 0 < sent <= limiting.LIMITS[resource.RLIMIT_SIGPENDING]
    assert int(beside.run(QUEUED_SIGNALS).text) > 0
