"""What a Lab prints, in real sandboxes: outside of its limits nothing can be kept, hidden or held up with it."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from lab.launchers import get_launcher
from lab.supervisor import server_log

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

REOPENED = """
import errno, os
for name in ("/proc/1/fd/1", "/proc/1/fd/2"):
    log = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
    for attack in (lambda: os.posix_fallocate(log, 0, 11 * 2**30), lambda: os.ftruncate(log, 0),
                   lambda: os.pwrite(log, b"x", 11 * 2**30)):
        try:
            attack()
            print("done")
        except OSError as error:
            print(errno.errorcode[error.errno])
"""
FLOOD = """
log = open("/proc/1/fd/1", "wb", buffering=0)
for _ in range(64):
    log.write(b"x" * 2**16)
log.write(b"\\x1b]0;hidden\\x07\\x00\\r\\nthe end of it\\n")
"""
PIECES = """
import fcntl, os
log = os.open("/proc/1/fd/1", os.O_WRONLY | os.O_DIRECT)
fcntl.fcntl(log, 1031, 2**20)
for _ in range(100):
    os.write(log, b"y")
"""
"""A megabyte's pipe in pieces of a byte: each is one read."""


def log_of(someone: Person) -> Path:
    """Where its lines are kept."""
    return settings.LAB_ROOT / "servers" / someone.server().pk.hex / "log"


def logged(someone: Person) -> str:
    """What is in it and in the one that was put aside, which a slow machine's is in the middle of a flood already."""
    text = ""
    for path in (log_of(someone).with_name("log.1"), log_of(someone)):
        with contextlib.suppress(FileNotFoundError):  # in the moment in which one is put aside
            text += path.read_text()
    return text


def test_its_output_reserves_no_disk_and_hides_nothing(hostile: Person) -> None:
    wait_for(lambda: "Jupyter Server" in logged(hostile), 30, "nothing was logged")
    tried = hostile.kernel().run(REOPENED).text.split()
    assert len(tried) == 6
    assert "done" not in tried
    assert "Jupyter Server" in logged(hostile)
    hostile.kernel().run("print('a line', file=open('/proc/1/fd/1', 'w'))")
    wait_for(lambda: "a line" in logged(hostile), 30, "what was printed later was not logged")
    files = [path for path in log_of(hostile).parent.glob("log*") if path.is_file()]
    assert sum(path.stat().st_blocks * 512 for path in files) < 2**20


@pytest.mark.parametrize("flood", [FLOOD, PIECES], ids=["fast", "in pieces"])
def test_printing_without_end_fills_no_disk_and_disturbs_nobody(
    hostile: Person, person: Callable[..., Person], flood: str
) -> None:
    kernel = hostile.kernel()
    kernel.begin(f"for _ in range(2):\n    {flood.strip().replace(chr(10), chr(10) + '    ')}\nprint('done')")
    neighbour = person("neighbour")
    neighbour.launch()
    assert neighbour.lab("GET", "/api/status").ok
    assert hostile.server().pk in get_launcher().inspect()
    kernel.run("", seconds=300)
    assert hostile.lab("GET", "/api/status").ok
    files = [path for path in log_of(hostile).parent.glob("log*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3 * server_log.FILE_BYTES
    if flood == FLOOD:
        wait_for(lambda: "the end of it" in logged(hostile), 30, "the end was left out")
        assert "printed too fast" in logged(hostile)
        assert not {"\x00", "\x07", "\x1b"} & set(logged(hostile))


def test_it_prints_on_while_supervisors_come_and_go(hostile: Person, site: Site) -> None:
    kernel = hostile.kernel()
    kernel.begin(
        "import time\nlog = open('/proc/1/fd/1', 'w', buffering=1)\n"
        "for number in range(100):\n    print('line', number, file=log); time.sleep(0.05)"
    )
    site.kill("supervisor")
    wait_for(site.answers, 30, "the site did not come back")
    assert kernel.run("print('alive')").text.strip() == "alive"
    wait_for(lambda: "line 99" in logged(hostile), 20, "what was printed later was not logged")
    lines = [line for line in logged(hostile).splitlines() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(100)]


def test_a_lab_that_fills_its_pipe_while_nobody_reads_goes_on_afterwards(hostile: Person, site: Site) -> None:
    kernel = hostile.kernel()
    supervisor = site.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        message = kernel.begin(FLOOD)
        assert hostile.lab("GET", "/api/status").ok  # Jupyter prints nothing meanwhile, and so waits for nothing
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert message
    assert not kernel.run("print('alive')").error
    wait_for(lambda: "the end of it" in logged(hostile), 30, "the end was left out")
