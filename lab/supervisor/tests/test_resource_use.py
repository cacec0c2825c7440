"""What a Lab is told of its limits: memory as the kernel counts it, and as many processors as it may keep busy."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.supervisor import resource_use
from lab.supervisor.cgroups import Groups, Limits
from lab.supervisor.disk_limits import DiskUsage
from lab.supervisor.resource_use import ResourceFiles

MIB = 2**20


@pytest.fixture(params=[1, 2])
def groups(request: pytest.FixtureRequest, tmp_path: Path) -> Groups:
    """Both versions, with a group of 300 MiB of which 100 are files that were read."""
    trees = {"memory": tmp_path / "memory", "processes": tmp_path / "pids", "cpu": tmp_path / "cpu"}
    for tree in trees.values():
        (tree / "one").mkdir(parents=True)
    usage, cached = ("memory.usage_in_bytes", "total_inactive_file") if request.param == 1 else resource_use_names()
    (trees["memory"] / "one" / usage).write_text(str(300 * MIB))
    (trees["memory"] / "one/memory.stat").write_text(f"anon 1\n{cached} {100 * MIB}\nactive_file 5\n")
    (trees["processes"] / "one/pids.current").write_text("12\n")
    return Groups(request.param, trees)


def resource_use_names() -> tuple[str, str]:
    """Version 2's (admin-guide/cgroup-v2)."""
    return "memory.current", "inactive_file"


@pytest.fixture
def files(groups: Groups, tmp_path: Path) -> ResourceFiles:
    (tmp_path / "server").mkdir()
    return ResourceFiles(tmp_path / "server", "one", groups)


def said(files: ResourceFiles) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files.place / "usage.json").read_text())
    return found


def test_it_tells_what_is_used_and_what_may_be(files: ResourceFiles) -> None:
    files.make(Limits(memory=512 * MIB, cpu=1.5, processes=700), DiskUsage(limit=10, used=4, file_limit=9, files=3))
    assert said(files) == {
        "memory": 200 * MIB,
        "memory_limit": 512 * MIB,
        "disk": 4,
        "disk_limit": 10,
        "files": 3,
        "file_limit": 9,
        "processes": 12,
        "process_limit": 700,
        "processors": 1.5,
    }


def test_free_reads_the_labs_memory(files: ResourceFiles) -> None:
    files.make(Limits(memory=512 * MIB), DiskUsage())
    lines = dict(line.split(":") for line in (files.place / "meminfo").read_text().splitlines())
    found = {name: int(value.removesuffix(" kB")) // 1024 for name, value in lines.items()}
    assert (found["MemTotal"], found["MemAvailable"], found["MemFree"]) == (512, 312, 212)
    assert (found["Cached"], found["SwapTotal"]) == (100, 0)


def test_the_file_that_a_sandbox_has_is_written_over_in_place(files: ResourceFiles, groups: Groups) -> None:
    limits = Limits(memory=512 * MIB)
    files.make(limits, DiskUsage())
    meminfo = files.place / "meminfo"
    before = meminfo.stat()
    with meminfo.open() as seen:
        for usage in ("memory.usage_in_bytes", "memory.current"):
            (groups.trees["memory"] / "one" / usage).write_text(str(2**40))
        files.update(DiskUsage())
        assert ["MemAvailable:", "0", "kB"] in [line.split() for line in seen]
    after = meminfo.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert said(files)["memory"] == 512 * MIB


def test_one_that_took_over_goes_on_with_the_limits_of_the_launch(files: ResourceFiles, tmp_path: Path) -> None:
    files.make(Limits(memory=512 * MIB, processes=7), DiskUsage())
    later = ResourceFiles(tmp_path / "server", "one", files._groups)
    later.update(DiskUsage(used=99))
    assert (said(files)["disk"], said(files)["process_limit"]) == (99, 7)


def test_a_lab_of_an_earlier_version_gets_none(files: ResourceFiles) -> None:
    files.update(DiskUsage(used=1))
    assert not files.place.exists()


@pytest.mark.parametrize("limit", [0, 2**60])
def test_without_a_limit_memory_is_the_machines(files: ResourceFiles, limit: int) -> None:
    files.make(Limits(memory=limit), DiskUsage())
    assert not (files.place / "meminfo").exists()
    assert "/proc/meminfo" not in files.binds(Path("/x"), "/run/lab")
    assert said(files)["memory_limit"] == 0


def test_a_limit_that_nobody_keeps_is_not_told(tmp_path: Path) -> None:
    none = Groups(1, {})
    files = ResourceFiles(tmp_path, "one", none)
    files.make(Limits(memory=512 * MIB, cpu=1, processes=7), DiskUsage())
    assert not (files.place / "meminfo").exists()
    assert {said(files)[name] for name in ("memory_limit", "process_limit", "processors")} == {0}
    assert resource_use.processors(Limits(cpu=1), none) == 0


@pytest.mark.parametrize(
    ("cpu", "machine", "told", "online"),
    [(0, 8, 0, None), (0.5, 8, 1, "0\n"), (1.5, 8, 2, "0-1\n"), (4, 8, 4, "0-3\n"), (8, 8, 0, None), (16, 8, 0, None)],
)
def test_it_tells_as_many_processors_as_it_may_keep_busy(
    cpu: float, machine: int, told: int, online: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: machine)
    groups: Any = SimpleNamespace(trees={"cpu": Path("/x")})
    found = resource_use.processors(Limits(cpu=cpu), groups)
    assert found == told
    assert resource_use.files(found).get("/sys/devices/system/cpu/online") == online
    assert resource_use.variables(found).get("OMP_NUM_THREADS") == (str(told) if told else None)
