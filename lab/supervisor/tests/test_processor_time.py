"""Processor time of a server only grows, whoever is killed when. Real Labs: tests/sandbox/test_processor_time.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.supervisor import processes
from lab.supervisor.cgroups import Groups
from lab.supervisor.processor_time import FILE, ProcessorTime, read

SERVER = "0" * 32


def have_counted(tree: Path, version: int, seconds: float) -> None:
    """A group as the kernel shows it."""
    (tree / SERVER).mkdir(parents=True, exist_ok=True)
    if version == 1:
        (tree / SERVER / "cpuacct.usage").write_text(f"{round(seconds * 1e9)}\n")
    else:
        (tree / SERVER / "cpu.stat").write_text(f"usage_usec {round(seconds * 1e6)}\nuser_usec 7\nsystem_usec 0\n")


def drop(tree: Path) -> None:
    """The kernel reuses no inode so soon; a directory elsewhere does."""
    (tree / SERVER).rename(tree / f"gone-{len(list(tree.iterdir()))}")


@pytest.mark.parametrize("version", [1, 2])
def test_it_outlives_groups_and_kills(tmp_path: Path, version: int) -> None:
    tree, directory = tmp_path / "tree", tmp_path / SERVER
    directory.mkdir()
    groups = Groups(version, {}, tree)
    have_counted(tree, version, 2.5)
    time = ProcessorTime(directory, SERVER, groups)
    assert time.is_counted_by_kernel
    assert time.seconds(None, 99) == 2.5, "not what its processes say"
    for _ in range(2):  # killed between keeping and removing the group, and started again
        ProcessorTime(directory, SERVER, groups).keep()
    have_counted(tree, version, 3)
    assert time.seconds(None, 0) == 3
    drop(tree)
    assert (time.seconds(None, 0), time.is_counted_by_kernel) == (2.5, False)
    have_counted(tree, version, 1)  # it is started again
    assert time.seconds(None, 0) == 3.5
    time.keep()
    drop(tree)
    assert sum(read(directory / FILE).values()) == 3.5


def test_a_broken_file_or_a_directory_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    time = ProcessorTime(tmp_path, SERVER, Groups(2, {}))
    time.keep(os.getpid(), 5)
    for broken in ("", "[]", '{"a": "x"}', "{"):
        (tmp_path / FILE).write_text(broken)
        assert time.seconds(None, 0) == 0
    ProcessorTime(tmp_path / "gone", SERVER, Groups(2, {})).keep(os.getpid(), 5)
    assert not (tmp_path / "gone").exists()


def test_without_groups_the_most_that_was_seen_of_processes_stays(tmp_path: Path) -> None:
    time = ProcessorTime(tmp_path, SERVER, Groups(1, {}))
    time.keep(os.getpid(), 5)
    time.keep(os.getpid(), 4)  # one of them ended, and nobody waited for it
    assert time.seconds(None, 0) == 5
    time.keep(os.getppid(), 2)  # another run
    assert time.seconds(None, 0) == 7


def test_times_of_processes_have_those_of_their_children() -> None:
    """Of all in this namespace of processes; its process 1 stands for them."""
    code = "import time\nwhile time.process_time() < 0.5: pass"
    before = processes.times([os.getpid()])[os.getpid()]
    subprocess.run([sys.executable, "-c", code], check=True)
    assert processes.times([os.getpid()])[os.getpid()] - before >= 0.4
