"""Commands in terminals, with a real shell on a real terminal: what runs, and a shell that waits."""

import os
import pty
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.supervisor.sandbox_command import INSIDE

sys.path.insert(0, str(INSIDE))
import foreground  # type: ignore[import-not-found]

sys.path.remove(str(INSIDE))

SECONDS = 60


class Terminal:
    """A shell; `type` is what a person types."""

    def __init__(self) -> None:
        self.pid, fd = pty.fork()
        if not self.pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs these tests in the background ignores it
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {"PATH": os.environ["PATH"], "PS1": "$ "})
        self.ptyproc = SimpleNamespace(fd=fd)

    def type(self, text: str) -> None:
        os.write(self.ptyproc.fd, text.encode())

    def waits_for(self, name: str) -> None:
        """Until that is what runs."""
        deadline = time.monotonic() + SECONDS
        while (found := foreground.running_command(self)) != name:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.ptyproc.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("sleep 1000\n", "sleep"),
        ("sleep 1000 | cat\n", "sleep"),
        ("bash -c 'sleep 1000; true'\n", "bash"),
        ("{script}\n", "bash"),
        ("cat\n", "cat"),
    ],
)
def test_a_silent_command_is_at_work_until_it_ends(terminal: Terminal, tmp_path: Path, typed: str, name: str) -> None:
    script = tmp_path / "long.sh"
    script.write_text("#!/bin/bash\nsleep 1000\n")
    script.chmod(0o755)
    terminal.waits_for("")
    terminal.type(typed.replace("{script}", str(script)))
    terminal.waits_for(name)
    terminal.type("\x03")
    terminal.waits_for("")


def test_a_shell_that_waits_is_not_at_work(terminal: Terminal) -> None:
    """Within another one, too, and with something in the background."""
    terminal.type("sleep 1000 & exec bash --norc -i\n")
    terminal.waits_for("")
    terminal.type("bash --norc\n")
    deadline = time.monotonic() + SECONDS
    while os.tcgetpgrp(terminal.ptyproc.fd) == terminal.pid:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    terminal.waits_for("")
    terminal.type("sleep 1001\n")
    terminal.waits_for("sleep")
    terminal.type("\x03")
    terminal.waits_for("")


def test_a_terminal_that_is_gone_runs_nothing(terminal: Terminal) -> None:
    assert foreground.running_command(None) == ""
    assert foreground.running_command(SimpleNamespace(ptyproc=SimpleNamespace(fd=-1))) == ""
